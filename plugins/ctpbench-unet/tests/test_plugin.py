"""What the package offers, and what holds for all of its denoisers."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import ctpbench_unet
from ctpbench import DataError
from ctpbench.testing import ExampleTraining, parametrize_with_checks
from ctpbench_unet import (
    DeepImagePrior,
    Neighbor2Neighbor,
    Noise2Noise,
    Noise2Sim,
    Noise2Void,
    SubspaceNoise2Noise,
    SubspaceSupervised,
    Supervised,
    runtime,
)
from ctpbench_unet.unet import UNet

FRAMEWISE = [Noise2Noise, Supervised, Neighbor2Neighbor, Noise2Void, Noise2Sim]
METHODS = [*FRAMEWISE, SubspaceNoise2Noise, SubspaceSupervised]
EACH = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
EACH_FRAMEWISE = pytest.mark.parametrize("method", FRAMEWISE, ids=lambda method: method.name)
SMALL = {"width": 4, "depth": 2, "steps": 3, "batch": 4, "patch_px": 16, "precision": "float32"}


@parametrize_with_checks(
    [
        Noise2Noise(**SMALL, context_frames=2, ema=0.5),
        Noise2Noise(**SMALL | {"patch_px": None}, inputs="frames", resampling="strided", kappa="least_squares"),
        Supervised(**SMALL),
        Supervised(**SMALL | {"precision": "bf16"}),
        Neighbor2Neighbor(**SMALL),
        Noise2Void(**SMALL),
        Noise2Void(**SMALL | {"patch_px": None}, hidden_share=0.2, reach_px=1),
        Noise2Sim(**SMALL),
        Noise2Sim(**SMALL | {"patch_px": None}, similar=3, apart_px=1.5, window_px=5, rank=2),
        SubspaceNoise2Noise(**SMALL, rank=2, target_share=0.4, fine_tune_steps=2),
        SubspaceNoise2Noise(**SMALL | {"patch_px": None, "precision": "bf16"}),
        SubspaceSupervised(**SMALL, rank=1),
        DeepImagePrior(width=4, depth=2, input_channels=4, steps=5),
        DeepImagePrior(width=4, depth=3, input_channels=2, steps=3, rank=20, average=0.0, precision="bf16"),
    ]
)
def test_conforms(component, check):
    check(component)


def test_names():
    classes = ctpbench_unet.ctpbench_denoisers()
    names = "n2n supervised neighbor2neighbor noise2void noise2sim subspace_n2n subspace_supervised deep_image_prior"
    assert " ".join(denoiser.name for denoiser in classes) == names


def test_listing_imports_nothing_heavy():
    code = (
        "import sys, ctpbench_unet\n"
        "for method in ctpbench_unet.ctpbench_denoisers(): method(), method.model_json_schema()\n"
        "print({'torch', 'scipy', 'safetensors'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


# -- parameters ---


@EACH
@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"steps": 10, "epochs": 1}, "budget: got epochs and steps; allowed: one of epochs, steps, minutes"),
        ({"minutes": 1, "epochs": 1}, "budget: got epochs and minutes; allowed: one of epochs, steps, minutes"),
        ({"steps": None}, "budget: got none; allowed: one of epochs, steps, minutes"),
        ({"steps": 0}, "steps"),
        ({"epochs": 0}, "epochs"),
        ({"minutes": -1}, "minutes"),
        ({"patch_px": 36}, "patch_px: got 36; allowed: a multiple of"),
        ({"patch_px": 4}, "patch_px"),
        ({"depth": 0}, "depth"),
        ({"width": 1}, "width"),
        ({"batch": 0}, "batch"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"warmup": 1.5}, "warmup"),
        ({"clip": 0}, "clip"),
        ({"ema": 1}, "ema"),
        ({"schedule": "linear"}, "schedule"),
        ({"precision": "fp8"}, "precision"),
        ({"levels": "one"}, "levels"),
        ({"training_seed": -1}, "training_seed"),
        ({"Steps": 3}, "Steps"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(method, parameters, said):
    with pytest.raises(ValidationError) as caught:
        method(**parameters)
    (fault,) = caught.value.errors()
    text = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    assert said in text
    assert "\n" not in text


@EACH_FRAMEWISE
@pytest.mark.parametrize(
    "parameters",
    [
        {"beta": -1},
        {"beta": float("nan")},
        {"near_peak": 1.1},
        {"inputs": "images"},
        {"preset": "papers"},
        {"inference_batch": 0},
    ],
    ids=str,
)
def test_so_are_those_of_networks_that_go_frame_by_frame(method, parameters):
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        method(**parameters)


@pytest.mark.parametrize(
    ("method", "parameters", "said"),
    [
        (Noise2Noise, {"context_frames": 1}, "allowed: 0, or 2 or more; 1 adds no frame"),
        (Noise2Noise, {"context_frames": -1}, "context_frames"),
        (Noise2Noise, {"context_frames": 51}, "context_frames"),
        (Noise2Noise, {"kappa": "mean"}, "kappa"),
        (Noise2Noise, {"gamma": 1}, "gamma"),
        (Supervised, {"kappa": "ratio"}, "kappa"),
        (Supervised, {"context_frames": 2}, "context_frames"),
        (Neighbor2Neighbor, {"gamma": -1}, "gamma"),
        (Noise2Void, {"hidden_share": 0}, "hidden_share"),
        (Noise2Void, {"hidden_share": 0.6}, "hidden_share"),
        (Noise2Void, {"reach_px": 0}, "reach_px"),
        (Noise2Void, {"gamma": 1}, "gamma"),
        (Noise2Sim, {"similar": 0}, "similar"),
        (Noise2Sim, {"apart_px": -1}, "apart_px"),
        (Noise2Sim, {"window_px": 10}, "allowed: an odd number"),
        (Noise2Sim, {"window_px": 5, "apart_px": 3}, "apart_px: got 3; allowed: at most 2.8, with window_px 5"),
        (Noise2Sim, {"rank": 0}, "rank"),
        (DeepImagePrior, {"steps": 0}, "steps"),
        (DeepImagePrior, {"average": 1}, "average"),
        (DeepImagePrior, {"input_channels": 0}, "input_channels"),
        (DeepImagePrior, {"learning_rate": 0}, "learning_rate"),
        (DeepImagePrior, {"rank": 0}, "rank"),
        (SubspaceNoise2Noise, {"rank": 0}, "rank"),
        (SubspaceNoise2Noise, {"target_share": 0}, "target_share"),
        (SubspaceNoise2Noise, {"target_share": 1}, "target_share"),
        (SubspaceNoise2Noise, {"beta": 0}, "beta"),
        (SubspaceSupervised, {"target_share": 0.5}, "target_share"),
        (SubspaceSupervised, {"preset": "paper"}, "preset"),
        (Neighbor2Neighbor, {"depth": 4, "patch_px": 24}, "got 24; allowed: a multiple of 16, with depth 4"),
    ],
)
def test_wrong_parameters_of_one_method_are_refused(method, parameters, said):
    with pytest.raises(ValidationError, match=said):
        method(**parameters)


def test_a_patch_may_be_any_multiple_of_what_the_network_halves():
    assert Noise2Noise(depth=4, patch_px=24).multiple == 8
    assert Neighbor2Neighbor(depth=4, patch_px=48).multiple == 16  # trained on images of half the size
    assert Noise2Noise(depth=4, patch_px=None).patch_px is None


@EACH
@pytest.mark.parametrize("budget", [{"steps": 7}, {"epochs": 2.5}, {"minutes": 3.0}])
def test_a_budget_that_is_given_takes_the_place_of_the_default(method, budget):
    made = method(**budget)
    got = {name: getattr(made, name) for name in ("steps", "epochs", "minutes")}
    assert got == {"steps": None, "epochs": None, "minutes": None} | budget


@EACH_FRAMEWISE
@pytest.mark.parametrize("budget", [{"steps": 7}, {"epochs": 2.5}, {"minutes": 3.0}])
@pytest.mark.parametrize("preset", ["default", "paper"])
def test_a_budget_that_is_given_takes_the_place_of_any_other(method, preset, budget):
    made = method(preset=preset, **budget)
    got = {name: getattr(made, name) for name in ("steps", "epochs", "minutes")}
    assert got == {"steps": None, "epochs": None, "minutes": None} | budget


def test_there_is_one_budget_by_default():
    default = Noise2Noise()
    assert [default.steps is None, default.epochs is None, default.minutes is None].count(False) == 1


PAPER = {
    "width": 32,
    "depth": 4,
    "inputs": "frames",
    "residual": False,
    "batch": 20,
    "patch_px": None,
    "epochs": 100,
    "steps": None,
    "minutes": None,
    "learning_rate": 1e-4,
    "warmup": 0.0,
    "schedule": "constant",
    "clip": None,
    "ema": 0.0,
    "near_peak": 0.5,
    "beta": 12.5,
    "precision": "float32",
}


@EACH_FRAMEWISE
def test_the_preset_has_the_papers_values(method):
    made = method(preset="paper")
    assert {name: getattr(made, name) for name in PAPER} == PAPER


def test_the_papers_noise2noise_has_its_authors_kappa_and_no_context():
    made = Noise2Noise(preset="paper")
    assert (made.kappa, made.context_frames) == ("ratio", 0)


@EACH_FRAMEWISE
@pytest.mark.parametrize("given", [{"beta": 25.0}, {"width": 16, "steps": 9}, {"residual": True}, {"patch_px": 64}])
def test_what_is_given_wins_over_the_preset(method, given):
    made = method(preset="paper", **given)
    assert {name: getattr(made, name) for name in given} == given
    others = PAPER.keys() - given.keys() - {"epochs", "steps"}
    assert {name: getattr(made, name) for name in others} == {name: PAPER[name] for name in others}


@EACH_FRAMEWISE
def test_a_preset_without_its_budget_has_none(method):
    with pytest.raises(ValidationError, match="budget: got none"):
        method(preset="paper", epochs=None)


@EACH
@pytest.mark.parametrize(
    "parameters",
    [{}, {"minutes": 2}, {"epochs": 1.5, "ema": 0.9}, SMALL],
)
def test_a_model_made_of_its_own_parameters_is_equal(method, parameters):
    made = method(**parameters)
    assert method(**made.model_dump()) == made
    assert method.model_validate_json(made.model_dump_json()) == made


@EACH_FRAMEWISE
@pytest.mark.parametrize("parameters", [{"preset": "paper"}, {"preset": "paper", "steps": 3}])
def test_so_is_one_with_a_preset(method, parameters):
    test_a_model_made_of_its_own_parameters_is_equal(method, parameters)


def test_levels_says_whether_one_network_serves_all_noise_levels():
    assert [Noise2Noise(levels=levels).all_levels for levels in ("own", "all")] == [False, True]
    assert not Noise2Noise().all_levels


# -- what it learns from ---


def weights_of(fitted):
    return torch.cat([weights.flatten() for weights in fitted._network.state_dict().values()])


def test_what_each_learns_from():
    assert {method.name: method.learns_from for method in METHODS} == {
        "n2n": "noisy",
        "supervised": "clean",
        "neighbor2neighbor": "noisy",
        "noise2void": "noisy",
        "noise2sim": "noisy",
        "subspace_n2n": "noisy",
        "subspace_supervised": "clean",
    }


@pytest.mark.parametrize(
    "method",
    [Noise2Noise, Neighbor2Neighbor, Noise2Void, Noise2Sim, SubspaceNoise2Noise],
    ids=lambda method: method.name,
)
def test_what_learns_from_noisy_series_gains_nothing_from_clean_ones(method, context):
    first, second = (
        method(**SMALL).fit(ExampleTraining(clean=clean), replace(context, rng=np.random.default_rng(0)))
        for clean in (False, True)
    )
    assert torch.equal(weights_of(first), weights_of(second))


@pytest.mark.parametrize("method", [Supervised, SubspaceSupervised], ids=lambda method: method.name)
def test_what_learns_from_clean_series_demands_them(method, context):
    method(**SMALL).fit(ExampleTraining(clean=True), context)
    with pytest.raises(AssertionError):
        method(**SMALL).fit(ExampleTraining(clean=False), context)


@EACH
@pytest.mark.parametrize(
    "change",
    [
        {"width": 5},
        {"steps": 4},
        {"batch": 5},
        {"patch_px": 8},
        {"learning_rate": 0.1},
        {"warmup": 0.9},
        {"schedule": "constant"},
        {"clip": 1e-3},
        {"ema": 0.1},
        {"precision": "bf16"},
        {"training_seed": 1},
    ],
    ids=str,
)
def test_a_parameter_of_training_decides_what_is_learnt(method, change, context):
    assert_changed(method, change, context)


@EACH_FRAMEWISE
@pytest.mark.parametrize("change", [{"beta": 0}, {"inputs": "frames"}, {"residual": True}, {"near_peak": 1.0}], ids=str)
def test_so_does_one_of_networks_that_go_frame_by_frame(method, change, context):
    assert_changed(method, change, context)


@pytest.mark.parametrize(
    ("method", "change"),
    [
        (Noise2Noise, {"kappa": "least_squares"}),
        (Noise2Noise, {"context_frames": 2}),
        (Neighbor2Neighbor, {"gamma": 0}),
        (Noise2Void, {"hidden_share": 0.3}),
        (Noise2Void, {"reach_px": 5}),
        (Noise2Sim, {"similar": 2}),
        (Noise2Sim, {"apart_px": 5}),
        (Noise2Sim, {"window_px": 9}),
        (Noise2Sim, {"rank": 2}),
        (SubspaceNoise2Noise, {"target_share": 0.5}),
        (SubspaceNoise2Noise, {"rank": 2}),
        (SubspaceSupervised, {"rank": 2}),
    ],
)
def test_so_does_one_of_its_own(method, change, context):
    assert_changed(method, change, context)


@EACH
def test_a_parameter_of_use_decides_nothing_about_it(method, context):
    use = {"levels": "all"} | ({"inference_batch": 3} if method in FRAMEWISE else {})
    changed = learnt(method, use, context)
    assert torch.equal(changed, learnt(method, {}, context))


@pytest.mark.parametrize(
    ("flags", "hidden", "same_as"),
    [({"avx512_bf16"}, "0", "bf16"), ({"avx512_bf16"}, "1", "float32"), (set(), "0", "float32")],
)
def test_auto_learns_the_weights_of_the_precision_that_it_stands_for(monkeypatch, context, flags, hidden, same_as):
    monkeypatch.setattr(runtime, "_cpu_flags", lambda cpuinfo: frozenset(flags))
    monkeypatch.setenv("CTPBENCH_HIDE_BF16", hidden)
    expected = learnt(Noise2Noise, {"precision": same_as}, context)
    assert torch.equal(learnt(Noise2Noise, {"precision": "auto"}, context), expected)


def assert_changed(method, change, context):
    assert not torch.equal(learnt(method, change, context), learnt(method, {}, context))


def learnt(method, change, context):
    """The weights after 3 steps of the smallest network."""
    cases = ExampleTraining(clean=method.learns_from == "clean", cases=1)
    small = SMALL | {"depth": 1} | change
    return weights_of(method(**small).fit(cases, replace(context, rng=np.random.default_rng(0))))


@EACH
def test_cases_without_tissue_are_refused(method, context):
    with pytest.raises(DataError, match=f"^{method.name}: got 0 training cases, none with tissue .*; check the masks$"):
        method(**SMALL).fit([], context)


@EACH
def test_the_learning_curve_is_that_of_the_fit(method, context):
    made = method(**SMALL)
    fitted = made.fit(ExampleTraining(clean=method.learns_from == "clean"), context)
    curve = made.learning_curve(fitted)
    assert curve.keys() == {"step", "loss", "bias"}
    assert curve["step"] == [1, 2, 3]
    assert all(earlier != later for earlier, later in pairwise(curve["loss"]))


@EACH
def test_whole_slices_of_different_sizes_are_learnt_from(method, context):
    made = method(**SMALL | {"patch_px": None})
    fitted = made.fit(ExampleTraining(clean=method.learns_from == "clean"), context)
    assert len(fitted.curve["loss"]) == 3


@EACH
@pytest.mark.parametrize("patch_px", [16, 32])
def test_patches_are_as_large_as_asked_for_where_the_tissue_is_smaller(method, context, monkeypatch, patch_px):
    shapes, forward = set(), UNet.forward

    def watched(network, images, *inside):
        shapes.add(tuple(images.shape[-2:]))
        return forward(network, images, *inside)

    monkeypatch.setattr(UNet, "forward", watched)
    method(**SMALL | {"patch_px": patch_px}).fit(ExampleTraining(clean=method.learns_from == "clean"), context)
    assert (patch_px, patch_px) in shapes
    assert shapes <= {(patch_px, patch_px), (patch_px // 2, patch_px // 2)}  # the latter of Neighbor2Neighbor
