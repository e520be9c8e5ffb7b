"""A trained network as a denoiser and as files, and the network itself."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from ctpbench import Observation
from ctpbench.testing import example_observation
from ctpbench_unet import Noise2Noise
from ctpbench_unet.fitted import FittedFramewise
from ctpbench_unet.inference import concentration_of
from ctpbench_unet.network import FramewiseArchitecture
from ctpbench_unet.slices import slices_of

CURVE = {"step": [1.0, 2.0], "loss": [0.1 + 0.2, 1e-7], "bias": [0.5, 0.25]}
SHAPES = pytest.mark.parametrize("shape", [{}, {"slices": 3, "rows": 11, "columns": 17}, {"frames": 3}])


@pytest.fixture
def make_fitted(make_network):
    """Return a function that makes a denoiser of a small network, which need not have learnt anything."""

    def make(**parameters):
        network = make_network(**parameters)
        small = {"width": 4, "depth": 2, "residual": False, "precision": "float32"}
        return FittedFramewise.of(network, Noise2Noise(**small | parameters).architecture(), CURVE)

    return make


def unfiltered(frames):
    return frames.values - frames.values[:2].mean(axis=0)


# -- as a denoiser ---


@SHAPES
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_other_pixels_pass_unfiltered_and_tissue_does_not(context, make_fitted, shape, depth):
    frames = example_observation(**shape).frames
    inside = Observation(frames).tissue
    out = make_fitted(depth=depth).concentration(frames, context)
    np.testing.assert_array_equal(out.values[:, ~inside], unfiltered(frames)[:, ~inside])
    assert (out.values[:, inside] != unfiltered(frames)[:, inside]).mean() > 0.99
    assert out.dtype == np.float32
    assert out.coords.identical(frames.coords)


@SHAPES
def test_tissue_holds_the_networks_answer_at_its_place(context, make_fitted, shape):
    frames = example_observation(**shape).frames
    fitted = make_fitted()
    out = fitted.concentration(frames, context).values
    for part in slices_of(frames, multiple=2):
        architecture = FramewiseArchitecture(**fitted.architecture)
        expected = concentration_of(fitted._network, part.frames, architecture, "cpu", 1).numpy()
        for y, x in np.argwhere(Observation(frames).tissue[part.z]):
            row, column = y - part.box[0].start, x - part.box[1].start
            np.testing.assert_array_equal(out[:, part.z, y, x], expected[:, row, column])


@pytest.mark.parametrize("inputs", ["frames", "differences"])
@pytest.mark.parametrize("context_frames", [0, 2])
def test_a_new_residual_network_removes_nothing(context, inputs, context_frames):
    method = Noise2Noise(residual=True, inputs=inputs, context_frames=context_frames, precision="float32")
    architecture = method.architecture()
    frames = example_observation().frames
    out = FittedFramewise.of(architecture.network(), architecture, CURVE).concentration(frames, context)
    np.testing.assert_allclose(out, unfiltered(frames), atol=1e-3)


def test_slices_are_denoised_one_by_one(context, make_fitted):
    frames = example_observation(slices=3).frames
    fitted = make_fitted()
    together = fitted.concentration(frames, context).values
    alone = [fitted.concentration(frames.isel(z=[z]), context).values for z in range(3)]
    np.testing.assert_array_equal(together, np.concatenate(alone, axis=1))


def test_what_is_no_tissue_is_no_input(context, make_fitted):
    """Neither bones nor vessels, however bright."""
    frames = example_observation().frames
    inside = Observation(frames).tissue
    brighter = frames.copy(data=np.where(inside, frames.values, np.float32(3000)))
    fitted = make_fitted()
    first, second = (fitted.concentration(each, context).values[:, inside] for each in (frames, brighter))
    np.testing.assert_array_equal(first, second)


def test_without_tissue_nothing_is_filtered(context, make_fitted):
    frames = example_observation().frames.copy(deep=True)
    frames["vessels"][:] = True
    np.testing.assert_array_equal(make_fitted().concentration(frames, context), unfiltered(frames))


# -- as files ---


@pytest.mark.parametrize("residual", [False, True])
def test_what_is_read_is_what_was_written_to_the_bit(context, make_fitted, tmp_path, residual):
    fitted = make_fitted(residual=residual, context_frames=2)
    fitted.write(tmp_path)
    again = FittedFramewise.read(tmp_path)
    written, read = fitted._network.state_dict(), again._network.state_dict()
    assert written.keys() == read.keys()
    assert all(torch.equal(written[name], read[name]) for name in written)
    assert (again.architecture, again.curve) == (fitted.architecture, CURVE)
    frames = example_observation().frames
    first, second = (each.concentration(frames, context).values for each in (fitted, again))
    np.testing.assert_array_equal(first, second)


def test_the_files_are_safetensors_and_json(make_fitted, tmp_path):
    fitted = make_fitted()
    fitted.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"network.safetensors", "network.json"}
    about = json.loads((tmp_path / "network.json").read_text(), parse_constant=pytest.fail)
    assert about["torch"] == torch.__version__
    assert about["architecture"] == fitted.architecture
    assert about["curve"] == CURVE
    weights = load_file(tmp_path / "network.safetensors")
    expected = fitted._network.state_dict()
    assert weights.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(weights[name], expected[name])


@pytest.mark.parametrize("residual", [False, True])
def test_the_architecture_is_what_the_parameters_say(residual):
    given = {
        "width": 6,
        "depth": 3,
        "residual": residual,
        "inputs": "frames",
        "resampling": "pooling",
        "precision": "float32",
        "inference_batch": 5,
    }
    architecture = Noise2Noise(**given, context_frames=3).architecture()
    assert asdict(architecture) == given | {"neighbours": 3}
    first, *others = convolution_channels(architecture.network())
    assert first == (6, 6)
    assert max(out for _, out in others) == 24


# -- the network ---


RESAMPLING = pytest.mark.parametrize("resampling", ["pooling", "strided"])


def convolution_channels(network, kind=torch.nn.Conv2d):
    """Channels in and out of its convolutions, from first to last."""
    return [(m.in_channels, m.out_channels) for m in network.modules() if isinstance(m, kind)]


def test_ours_has_one_convolution_a_level():
    network = Noise2Noise(width=32).architecture().network()
    down, up = [(2, 32), (32, 64), (64, 128), (128, 256)], [(256 + 128, 128), (128 + 64, 64), (64 + 32, 32)]
    assert sorted(convolution_channels(network)) == sorted([*down, *up, (32, 1)])
    weights = sum(3 * 3 * into * out + out for into, out in [*down, *up]) + 32 + 1
    assert sum(each.numel() for each in network.parameters()) == weights


def test_the_papers_has_strided_convolutions_and_one_after_each():
    network = Noise2Noise(preset="paper").architecture().network()
    steps = [(32, 64), (64, 128), (128, 256)]
    after_down, up, after_up = ([(b, b) for _, b in steps], [(b, a) for a, b in steps], [(2 * a, a) for a, _ in steps])
    plain = [(2, 32), *steps, *after_down, *after_up, (32, 1)]
    assert sorted(convolution_channels(network)) == sorted(plain)
    assert convolution_channels(network, torch.nn.ConvTranspose2d) == up
    weights = sum(3 * 3 * into * out + out for into, out in [*plain, *up])
    assert sum(each.numel() for each in network.parameters()) == weights
    for name, each in network.named_parameters():
        into, out = (each.shape[1], each.shape[0]) if each.ndim > 1 else (0, 0)
        assert abs(each).max() <= (6 / (9 * (into + out))) ** 0.5 if each.ndim > 1 else not each.any(), name


def test_the_papers_network_is_what_its_convolutions_say_in_turn():
    """Two levels by hand, a transposed convolution as what it is: a convolution of an image with zeros in between."""
    network = Noise2Noise(preset="paper", width=3, depth=2).architecture().network(seed=4)
    unet, images = network.unet, torch.from_numpy(np.random.default_rng(0).normal(35, 7, (2, 2, 12, 8))).float()
    kernels = dict(network.unet.named_parameters())
    relu, conv2d = torch.relu, torch.nn.functional.conv2d

    def convolved(features, name, stride=1):
        return conv2d(features, kernels[f"{name}.weight"], kernels[f"{name}.bias"], stride=stride, padding=1)

    fine = relu(convolved(images / 150 - 1, "first"))
    coarse = relu(convolved(relu(convolved(fine, "down.0", stride=2)), "after_down.0"))
    spread = torch.zeros(2, 6, 13, 9)
    spread[:, :, :12:2, :8:2] = coarse
    kernel = kernels["up.0.weight"].flip(2, 3).transpose(0, 1)
    up = relu(conv2d(torch.nn.functional.pad(spread, (1, 0, 1, 0)), kernel, kernels["up.0.bias"]))
    joined = relu(convolved(torch.cat([up, fine], dim=1), "after_up.0"))
    torch.testing.assert_close(network(images), 25 * convolved(joined, "last"))
    assert len(unet.down) == 1


@RESAMPLING
@pytest.mark.parametrize(("depth", "size"), [(1, (3, 5)), (2, (6, 10)), (4, (16, 24))])
def test_it_answers_with_one_channel_of_the_same_size(make_network, depth, size, resampling):
    network = make_network(depth=depth, context_frames=2, resampling=resampling)
    answer = network(torch.zeros(2, 4, *size))
    assert answer.shape == (2, 1, *size)
    assert answer.dtype == torch.float32


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("frames", lambda t, early, others: (t / 150 - 1, early / 150 - 1, others / 150 - 1)),
        ("differences", lambda t, early, others: ((t - early) / 25, early / 50, (others - early) / 25)),
    ],
)
def test_the_unet_is_given_frames_or_differences(make_network, make_spy, inputs, expected):
    images = torch.from_numpy(np.random.default_rng(0).normal(35, 7, (3, 4, 8, 8)).astype(np.float32))
    network = make_network(inputs=inputs, context_frames=2)
    network.unet = make_spy(network.unet)
    network(images)
    parts = expected(images[:, :1], images[:, 1:2], images[:, 2:])
    torch.testing.assert_close(torch.stack(network.unet.seen), torch.cat(parts, dim=1))


@pytest.mark.parametrize("inputs", ["frames", "differences"])
def test_a_residual_network_adds_the_noisy_concentration(make_network, inputs):
    images = torch.from_numpy(np.random.default_rng(0).normal(35, 7, (3, 2, 8, 8)).astype(np.float32))
    with torch.no_grad():
        alone, added = (make_network(inputs=inputs, residual=residual)(images) for residual in (False, True))
    torch.testing.assert_close(added - alone, images[:, :1] - images[:, 1:])
    assert alone.std() > 1


def test_a_new_network_answers_with_nothing():
    network = Noise2Noise(residual=False).architecture().network()
    assert not network(torch.full((1, 2, 8, 8), 35.0)).any()


@RESAMPLING
def test_its_seed_decides_the_weights_and_leaves_the_global_random_state(resampling):
    before = torch.get_rng_state()
    architecture = Noise2Noise(width=4, depth=2, resampling=resampling).architecture()
    first, second, other = (architecture.network(seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_its_seed_leaves_the_devices_random_state_too(monkeypatch):
    """Only the CPU's generator is put back: no other may be seeded."""
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("the GPUs' generators were seeded"))
    Noise2Noise(width=4, depth=2).architecture().network(seed=1)
