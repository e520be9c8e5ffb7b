"""What a trainable denoiser must keep to: while it learns, and what it has learnt.

It is given what it declares to learn from, so one that learns from noisy is fitted to cases whose `clean` is None.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ctpbench.contract.answers import check_learning_curve
from ctpbench.contract.components import HARNESS_FILES, Denoiser, Trainable
from ctpbench.testing.check import Check, require, require_same
from ctpbench.testing.components import component_checks, fresh
from ctpbench.testing.denoisers import (
    answer,
    answer_checks,
    example_input,
    global_random_state_kept,
    make_context,
    needs_frames_is_a_count,
)
from ctpbench.testing.examples import EXAMPLE_FRAMES, ExampleTraining


class _FitOnce:
    """Fits a component when first asked and remembers the answer: fitting is slow and many checks need it."""

    def __init__(self) -> None:
        self._component: Trainable | None = None

    def __call__(self, component: Trainable) -> Denoiser:
        if self._component is not component:
            self.training = _training(component)
            self._fitted = _fit(component, self.training)
            self._component = component
        return self._fitted


def trainable_checks() -> list[Check]:
    """Return the checks of a trainable denoiser. It is fitted three times, to three small cases."""
    once = _FitOnce()
    kind, steady = "fitted_is_of_one_kind", "fitted_same_seed_same_output"
    return [
        *component_checks(),
        Check("needs_frames_is_a_count", needs_frames_is_a_count, "declares_its_contract"),
        Check("fits", once, "needs_frames_is_a_count"),
        Check("training_is_unchanged", lambda c: _training_is_unchanged(c, once), "fits"),
        Check("fit_leaves_global_random_state", _fit_leaves_global_random_state, "fits"),
        *(_on_fitted(check, once) for check in answer_checks()),
        Check("learning_curve_is_well_formed", lambda c: _learning_curve_is_well_formed(c, once), kind),
        Check("same_seed_same_fit", lambda c: _same_seed_same_fit(c, once), steady),
        Check("saves_and_loads", lambda c: _saves_and_loads(c, once), steady),
    ]


def _on_fitted(check: Check, once: _FitOnce) -> Check:
    basis = "fits" if check.basis is None else f"fitted_{check.basis}"
    return Check(f"fitted_{check.name}", lambda c: check(once(c)), basis)


def _training(component: Trainable) -> ExampleTraining:
    return ExampleTraining(clean=component.learns_from == "clean", frames=component.needs_frames or EXAMPLE_FRAMES)


def _fit(component: Trainable, training: ExampleTraining) -> Denoiser:
    with make_context(seed=3) as context:
        try:
            return component.fit(training, context)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise AssertionError("fit: got a write to a training case; allowed: reading it") from error


def _training_is_unchanged(component: Trainable, once: _FitOnce) -> None:
    once(component)
    for case, before in zip(once.training, _training(component), strict=True):
        require_same(f"{case.id} afterwards", case.observation.frames, before.observation.frames, "the case as it was")
        if case.clean is not None and before.clean is not None:
            require_same(f"{case.id}, clean, afterwards", case.clean, before.clean, "the case as it was")


def _fit_leaves_global_random_state(component: Trainable) -> None:
    with global_random_state_kept("fit"):
        _fit(component, _training(component))


def _learning_curve_is_well_formed(component: Trainable, once: _FitOnce) -> None:
    curve = component.learning_curve(once(component))
    if curve is None:
        return
    try:
        check_learning_curve(curve)
    except ValueError as error:
        raise AssertionError(str(error)) from None


def _same_seed_same_fit(component: Trainable, once: _FitOnce) -> None:
    first, second = once(component), _fit(fresh(component), _training(component))
    got, expected = (answer(fitted, example_input(fitted)) for fitted in (second, first))
    require_same("second fit with the same seed", got, expected, "the output of the first, to the bit")


def _saves_and_loads(component: Trainable, once: _FitOnce) -> None:
    """What was saved can be moved, as the cache does, and loaded by another instance."""
    fitted = once(component)
    with TemporaryDirectory() as parent:
        saved, moved = Path(parent, "saved"), Path(parent, "moved")
        saved.mkdir()
        component.save(fitted, saved)
        taken = [name for name in HARNESS_FILES if (saved / name).exists()]
        require(not taken, f"save: got a file {', '.join(taken)}; allowed: any name but {', '.join(HARNESS_FILES)}")
        saved.rename(moved)
        loaded = fresh(component).load(moved)
        got, expected = (answer(denoiser, example_input(denoiser)) for denoiser in (loaded, fitted))
    require_same("after save and load", got, expected, "the output before, to the bit")
