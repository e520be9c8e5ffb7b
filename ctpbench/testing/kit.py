"""Which checks a component must pass, and the two ways to run them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctpbench.contract.components import Component, Dataset, Denoiser, Metric, Trainable
from ctpbench.contract.executors import PoolExecutor
from ctpbench.testing.check import Check, CheckResult, run_all
from ctpbench.testing.datasets import Noise, dataset_checks
from ctpbench.testing.denoisers import denoiser_checks
from ctpbench.testing.executors import executor_checks
from ctpbench.testing.metrics import metric_checks
from ctpbench.testing.trainables import trainable_checks

if TYPE_CHECKING:
    import pytest


def checks_for(component: Component, *, noise: Noise = (None,)) -> list[Check]:
    """Return the checks for a component, in the order in which they should be run.

    Parameters
    ----------
    component : Dataset, Denoiser, Metric or PoolExecutor
        An instance, with parameters that make it quick on images of 20 pixels.
    noise : sequence of float or None
        Noise levels at which a dataset is loaded.

    Raises
    ------
    TypeError
        Where it is no such instance, but a class for example.
    """
    if isinstance(component, Dataset):
        return dataset_checks(noise)
    if isinstance(component, Trainable):
        return trainable_checks()
    if isinstance(component, Denoiser):
        return denoiser_checks()
    if isinstance(component, Metric):
        return metric_checks()
    if isinstance(component, PoolExecutor):
        return executor_checks()
    raise TypeError(f"got {component!r}; allowed: an instance of Dataset, Denoiser, Metric or PoolExecutor")


def run_checks(component: Component, *, noise: Noise = (None,)) -> list[CheckResult]:
    """Run all checks of a component. Where one fails, those that build on it are left out."""
    return list(run_all(checks_for(component, noise=noise), component, label_of(component)))


def parametrize_with_checks(components: Sequence[Component], *, noise: Noise = (None,)) -> pytest.MarkDecorator:
    """Make a pytest test of each check of each component; the test takes ``component`` and ``check``.

    Examples
    --------
    ::

        @parametrize_with_checks([Gaussian(sigma_px=2), Median(width=5)])
        def test_conforms(component, check):
            check(component)
    """
    import pytest

    cases = [
        pytest.param(component, check, id=f"{label_of(component)}-{check.name}")
        for component in components
        for check in checks_for(component, noise=noise)
    ]
    return pytest.mark.parametrize(("component", "check"), cases)


def label_of(component: Component) -> str:
    """Return a component's name, its class's where it has none."""
    name = getattr(component, "name", None)
    return name if isinstance(name, str) else type(component).__name__
