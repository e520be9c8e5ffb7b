"""``ctpbench check PACKAGE``: all that a package offers is checked, whatever of it is broken."""

from __future__ import annotations

import pytest

from ctpbench.errors import PluginError
from ctpbench.testing import CheckResult, check_package
from ctpbench.testing.denoisers import denoiser_checks
from tests.installed import Site, offering

SHIFT = """
from pydantic import Field


class Shift(FrameDenoiser):
    'Adds a constant.'

    name, version = "shift", "1"
    shift_hu: float = Field(FACTS)

    def denoise(self, frames, context):
        assert self.shift_hu == 2.0
        return frames + self.shift_hu


@hookimpl
def ctpbench_denoisers():
    return [Shift]
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return Site(tmp_path)


@pytest.mark.parametrize("asked", ["kit-shift", "Kit.Shift", "{module}"])
def test_a_package_is_found_by_either_name_and_made_from_examples(site, asked):
    module = site.install("kit-shift", SHIFT.replace("FACTS", "5.0, examples=[2.0, 3.0]"))
    seen = []
    results = check_package(asked.format(module=module), progress=seen.append)
    assert seen == results
    assert {result.component for result in results} == {"shift"}
    assert [result for result in results if not result.passed] == []
    assert [result.name for result in results] == [check.name for check in denoiser_checks()]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("gt=0", "needs parameters: shift_hu; give examples in the Field: Field(examples=[...])"),
        (
            "gt=0, examples=[-1]",
            "got {'shift_hu': -1}, which it refuses (shift_hu: Input should be greater than 0); "
            "allowed: valid examples in the Field",
        ),
    ],
)
def test_a_component_that_cannot_be_made_is_a_failed_check(site, field, message):
    site.install("kit-bare", SHIFT.replace("FACTS", field))
    assert check_package("kit-bare") == [CheckResult("shift", "can_be_made", False, message)]


def test_a_package_that_is_missing_is_a_plugin_error(site):
    site.install("kit-median", offering("median"))
    with pytest.raises(PluginError, match=r"no plugin 'kit-mediam' is installed \(did you mean kit-median\?\)"):
        check_package("kit-mediam")
    with pytest.raises(PluginError, match=r"no plugin 'numpy' is installed; installed: .*kit-median"):
        check_package("numpy")


def test_a_broken_entry_point_is_a_failed_check_and_the_rest_is_checked(site):
    site.install("kit-half", offering("same"), others={"extra": "import no_such_module"})
    site.install("stranger", "raise RuntimeError")  # another's fault is not this package's
    seen = []
    results = check_package("kit-half", progress=seen.append)
    assert seen == results
    reason = "ModuleNotFoundError: No module named 'no_such_module'"
    assert results[0] == CheckResult("entry point 'extra'", "loads", False, reason)
    assert [(result.component, result.name, result.passed) for result in results[1:]] == [
        ("same", check.name, True) for check in denoiser_checks()
    ]


def test_a_package_of_which_nothing_loads_is_one_failed_check(site):
    site.install("kit-broken", "import no_such_module")
    (result,) = check_package("kit-broken")
    assert (result.component, result.name, result.passed) == ("entry point 'main'", "loads", False)
