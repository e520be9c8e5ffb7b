"""What a plugin's class must be to count as a component."""

from __future__ import annotations

import pytest

import ctpbench
from ctpbench.contract.component_check import check_component
from ctpbench.contract.components import Denoiser
from ctpbench.errors import PluginError

BODY = {"denoise": lambda self, frames, context: frames, "__module__": __name__}

SCANS = {"name": "a", "version": "1", "cases": 0, "load": 0}
VOLUME = {"name": "a", "version": "1", "score": 0, "better": "none", "units": "mL"}


def component(base: type, **namespace: object) -> type:
    return type(base)("Made", (base,), {**BODY, **namespace})


@pytest.mark.parametrize(
    ("kind", "base", "namespace", "reason"),
    [
        ("denoiser", "FrameDenoiser", {"denoise": None, "name": "a", "version": "1"}, None),
        ("denoiser", "FrameDenoiser", {"version": "1"}, "got name None"),
        ("denoiser", "FrameDenoiser", {"name": "a"}, "got version None"),
        ("denoiser", "FrameDenoiser", {"name": "a", "version": ""}, "got version ''"),
        (
            "denoiser",
            "FrameDenoiser",
            {"denoise": None, "name": "a", "version": "1", "pretrained_on": ["ISLES"]},
            "got pretrained_on ['ISLES']; allowed: a class attribute, text",
        ),
        ("denoiser", "Deconvolver", {"name": "a", "version": "1"}, "does not implement deconvolve"),
        ("denoiser", "Metric", {"name": "a", "version": "1"}, "allowed: subclasses of Denoiser"),
        (
            "denoiser",
            "Trainable",
            {"name": "a", "version": "1", "fit": 0, "save": 0, "load": 0},
            "got learns_from None; allowed: noisy or clean",
        ),
        ("dataset", "Dataset", {**SCANS, "noise_symbol": "N0", "noise_units": "photons a ray"}, None),
        (
            "dataset",
            "Dataset",
            {**SCANS, "noise_symbol": 0.5},
            "got noise_symbol 0.5; allowed: a class attribute, text",
        ),
        ("dataset", "Dataset", {**SCANS, "noise_units": "\x1b[31m"}, "got noise_units '\\x1b[31m'; allowed"),
        ("dataset", "Dataset", {**SCANS, "noise_units": 41 * "a"}, "text of up to 40 characters"),
        ("metric", "Metric", {"name": "a", "version": "1", "score": 0, "units": "s"}, "got better None"),
        ("metric", "Metric", {"name": "a", "version": "1", "score": 0, "better": "lower"}, "units missing"),
        ("metric", "Metric", {**VOLUME, "agrees_with": "b"}, None),
        ("metric", "Metric", {**VOLUME, "agrees_with": "b", "quantity": "decision"}, None),
        ("metric", "Metric", {**VOLUME, "agrees_with": "b c"}, "got agrees_with 'b c'; allowed: another metric's name"),
        ("metric", "Metric", {**VOLUME, "agrees_with": "a"}, "got agrees_with 'a'; allowed: another metric's name"),
        ("metric", "Metric", {**VOLUME, "agrees_with": None}, "got agrees_with None; allowed: another metric's name"),
        ("metric", "Metric", {**VOLUME, "quantity": "flag"}, "got quantity 'flag'; allowed: number or decision"),
        ("metric", "Metric", {**VOLUME, "better": "higher", "best": 1}, None),
        ("metric", "Metric", {**VOLUME, "best": 1}, "got best 1; allowed: none, for its better is none"),
        ("metric", "Metric", {**VOLUME, "better": "lower", "best": "0"}, "got best '0'; allowed: a class attribute, a"),
        ("metric", "Metric", {**VOLUME, "better": "lower", "best": float("nan")}, "got best nan; allowed: a class"),
    ],
)
def test_component_checks(kind, base, namespace, reason):
    methods = {
        name: (lambda self: None) if (value is None and name != "agrees_with") or value == 0 else value
        for name, value in namespace.items()
    }
    cls = component(getattr(ctpbench, base), **methods)
    if reason is None:
        check_component(kind, cls)
        return
    with pytest.raises(PluginError) as caught:
        check_component(kind, cls)
    assert reason in str(caught.value)


def test_a_denoiser_must_be_of_one_of_the_kinds():
    with pytest.raises(PluginError, match="allowed: a subclass of FrameDenoiser, ConcentrationDenoiser"):
        check_component("denoiser", component(Denoiser, name="a", version="1"))
