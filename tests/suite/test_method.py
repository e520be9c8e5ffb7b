"""A method's parameters as given on a command line."""

from __future__ import annotations

from typing import Literal

import pytest
import xarray as xr

from ctpbench import Context, FrameDenoiser
from ctpbench.errors import InputError
from ctpbench.suite.method import method


class Blur(FrameDenoiser):
    """One parameter of each kind."""

    name, version = "blur", "1"
    sigma_px: float = 1.0
    steps: int = 10
    sizes: tuple[int, ...] = ()
    window: Literal["hann", "no"] = "hann"
    text: str = ""
    fast: bool = False

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        return frames


class Needy(Blur):
    """Needs a number."""

    name = "needy"
    width: int


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("sigma_px=1.5", 1.5),
        ("sigma_px=1e-3", 1e-3),
        ("sigma_px=2", 2.0),
        ("steps=1e3", 1000),
        ("sizes=[1, 2]", (1, 2)),
        ("window=no", "no"),
        ("text=a=b", "a=b"),
        ('text=""', ""),
        ("fast=true", True),
    ],
)
def test_values_are_written_as_in_a_suite(written, value):
    assert getattr(method(Blur, [written]), written.partition("=")[0]) == value


def test_without_parameters_defaults_hold():
    assert method(Blur, []) == Blur()


def test_several_parameters():
    assert method(Needy, ["width=3", "steps=4"]) == Needy(width=3, steps=4)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["sigma"], r"--param: got 'sigma'; allowed: NAME=VALUE, such as sigma_px=1\.5"),
        (["sigma=1"], r"--param: 'blur' has no parameter 'sigma'; it takes sigma_px, .*\(did you mean sigma_px\?\)"),
        (["steps=many"], "--param: steps: got 'many'; allowed: a whole number"),
        (["steps=1.5"], r"--param: steps: got 1\.5; allowed: a whole number"),
        (["sizes=[1, x]"], r"--param: sizes\[1\]: got 'x'; allowed: a whole number"),
        (["window=han"], r"--param: window: got 'han'; allowed: 'hann' or 'no' \(did you mean hann\?\)"),
        (["steps=1", "steps=2"], "--param: got 'steps' more than once; allowed: one value for each parameter"),
        (["text=${NOT_SET_ANYWHERE}"], "--param: the environment variable NOT_SET_ANYWHERE is not set; .*"),
        (["sizes=[1"], "--param:1: not YAML: .*"),
        (["text="], "--param: text: got null; allowed: text"),
        (["=1"], "--param: got '=1'; allowed: NAME=VALUE, .*"),
        (["1=1"], "--param: got the key '1'; .*"),
    ],
)
def test_faults_are_one_line(assignments, message):
    with pytest.raises(InputError, match=rf"\A{message}\Z"):
        method(Blur, assignments)


def test_each_fault_has_its_line_and_what_is_missing_is_named():
    with pytest.raises(InputError) as caught:
        method(Needy, ["sigma=1", "steps=x"])
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("--param: ") for line in lines)
    assert any("'width' is missing" in line for line in lines)
