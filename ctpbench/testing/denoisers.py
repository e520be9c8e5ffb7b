"""What a denoiser must keep to, whichever of the three kinds it is."""

# ruff: noqa: NPY002 - numpy's global generator is watched here, not used

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Unpack

import numpy as np
import xarray as xr

from ctpbench.contract.answers import check_diagnostics, check_output
from ctpbench.contract.components import ConcentrationDenoiser, Context, Deconvolver, Denoiser, FrameDenoiser
from ctpbench.contract.observation import FRAME_DIMS, MIN_FRAMES
from ctpbench.testing.check import Check, require, require_same
from ctpbench.testing.components import component_checks, fresh
from ctpbench.testing.examples import Shape, example_concentration, example_observation

KINDS = (FrameDenoiser, ConcentrationDenoiser, Deconvolver)

# Other inputs that a denoiser must cope with.
_INPUTS: dict[str, tuple[Shape, ...]] = {
    "takes_one_slice": ({"slices": 1},),
    "takes_odd_sizes": ({"slices": 3, "rows": 11, "columns": 17},),
    "takes_other_frame_counts": ({"frames": 7}, {"frames": 33}),
    "takes_irregular_times": ({"irregular": True},),
    "takes_unknown_vof": ({"vof": False},),
}
# Libraries may sum in another order with another number of threads: float32 rounding, and no more.
_THREADS_RTOL = 1e-5
# One that no component will set, so that seeding is noticed as well as drawing.
_UNUSUAL_SEED = 782_530_149


def denoiser_checks() -> list[Check]:
    """Return the checks of a denoiser that needs no training."""
    instances = Check("instances_agree", _instances_agree, basis="same_seed_same_output")
    return [*component_checks(), *answer_checks(), instances]


def answer_checks() -> list[Check]:
    """Return the checks of a denoiser's answers, its parameters apart."""
    kind, first = "is_of_one_kind", "output_keeps_contract"
    return [
        Check(kind, _is_of_one_kind),
        Check("needs_frames_is_a_count", needs_frames_is_a_count, basis=kind),
        Check(first, partial(_output_keeps_contract, shapes=({},)), basis="needs_frames_is_a_count"),
        Check("diagnostics_are_numbers", _diagnostics_are_numbers, basis=first),
        Check("input_is_unchanged", _input_is_unchanged, basis=first),
        Check("output_has_its_own_memory", _output_has_its_own_memory, basis=first),
        Check("global_random_state_is_untouched", _global_random_state_is_untouched, basis=first),
        Check("same_seed_same_output", _same_seed_same_output, basis=first),
        Check("threads_do_not_matter", _threads_do_not_matter, basis="same_seed_same_output"),
        *(Check(name, partial(_output_keeps_contract, shapes=inputs), basis=first) for name, inputs in _INPUTS.items()),
    ]


def example_input(denoiser: Denoiser, **shape: Unpack[Shape]) -> xr.DataArray:
    """Return what a denoiser of its kind is given: frames, or concentration for a `Deconvolver`.

    As many as it needs, where it needs a certain number.
    """
    if denoiser.needs_frames is not None:
        shape["frames"] = denoiser.needs_frames
    if isinstance(denoiser, Deconvolver):
        shape["irregular"] = False  # uneven times reach no Deconvolver: the core resamples first
        return example_concentration(**shape)
    return example_observation(**shape).frames


def answer(denoiser: Denoiser, given: xr.DataArray, *, seed: int = 0, threads: int = 1) -> xr.DataArray:
    """Run a denoiser of any kind and check its output.

    Raises
    ------
    AssertionError
        Where the output breaks the contract, or the denoiser writes to what it is given.
    """
    method = _method(denoiser)
    with make_context(seed=seed, threads=threads) as context, _pools_of(threads):
        try:
            output = method(given, context)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise AssertionError("got a write to the input; allowed: reading it, and frames.copy(data=...)") from error
    dims = ("lag", *FRAME_DIMS[1:]) if isinstance(denoiser, Deconvolver) else FRAME_DIMS
    try:
        checked = check_output(output, dims, given, method.__name__)
    except ValueError as error:
        raise AssertionError(str(error)) from None
    if isinstance(denoiser, Deconvolver):
        lags, allowed = checked.sizes["lag"], 2 * given.sizes["time"]
        require(lags == allowed, f"deconvolve: got {lags} along lag; allowed: {allowed}, twice the frames")
    return checked


@contextmanager
def make_context(*, seed: int = 0, threads: int = 1) -> Iterator[Context]:
    """Make a context as the harness does, with empty folders that are deleted afterwards."""
    with TemporaryDirectory() as scratch, TemporaryDirectory() as checkpoints:
        yield Context("cpu", threads, np.random.default_rng(seed), Path(scratch), Path(checkpoints))


@contextmanager
def global_random_state_kept(name: str) -> Iterator[None]:
    """Raise AssertionError where the body draws from or seeds the generator of `random` or `numpy.random`."""
    outside = random.getstate(), np.random.get_state()
    random.seed(_UNUSUAL_SEED)
    np.random.seed(_UNUSUAL_SEED)
    before = _random_states()
    try:
        yield
        after = _random_states()
    finally:
        random.setstate(outside[0])
        np.random.set_state(outside[1])
    used = [module for module in before if after[module] != before[module]]
    require(not used, f"{name}: got use of the global generator of {' and '.join(used)}; allowed: context.rng")


def _is_of_one_kind(denoiser: Denoiser) -> None:
    kinds = [kind.__name__ for kind in KINDS if isinstance(denoiser, kind)]
    names = ", ".join(kind.__name__ for kind in KINDS)
    got = " and ".join(kinds) or "none of them"
    require(len(kinds) == 1, f"{type(denoiser).__qualname__}: got {got}; allowed: exactly one of {names}")


def needs_frames_is_a_count(denoiser: Denoiser) -> None:
    """Raise AssertionError where `needs_frames` is neither None nor a number of frames that an observation may have."""
    count = denoiser.needs_frames
    if count is not None:
        counts = isinstance(count, int) and count >= MIN_FRAMES
        require(counts, f"needs_frames: got {count!r}; allowed: None, or a whole number, {MIN_FRAMES} or more")


def _output_keeps_contract(denoiser: Denoiser, *, shapes: tuple[Shape, ...]) -> None:
    """A denoiser that needs a certain number of frames is never given another: it need not cope with one."""
    for shape in shapes:
        if "frames" not in shape or denoiser.needs_frames is None:
            answer(denoiser, example_input(denoiser, **shape))


def _diagnostics_are_numbers(denoiser: Denoiser) -> None:
    try:
        check_diagnostics(answer(denoiser, example_input(denoiser)), _method(denoiser).__name__)
    except ValueError as error:
        raise AssertionError(str(error)) from None


def _input_is_unchanged(denoiser: Denoiser) -> None:
    given = example_input(denoiser)
    before = given.copy(deep=True)
    answer(denoiser, given)
    require_same("input afterwards", given, before, "the input as it was")


def _output_has_its_own_memory(denoiser: Denoiser) -> None:
    given = example_input(denoiser)
    shared = np.may_share_memory(answer(denoiser, given).values, given.values)
    require(
        not shared,
        "got an output that shares memory with the input; allowed: an array of its own, as by copy()",
    )


def _global_random_state_is_untouched(denoiser: Denoiser) -> None:
    with global_random_state_kept(_method(denoiser).__name__):
        answer(denoiser, example_input(denoiser))


def _same_seed_same_output(denoiser: Denoiser) -> None:
    first, second = (answer(denoiser, example_input(denoiser), seed=7) for _ in range(2))
    require_same("second call with the same seed", second, first, "the output of the first, to the bit")


def _instances_agree(denoiser: Denoiser) -> None:
    first, second = (answer(fresh(denoiser), example_input(denoiser), seed=7) for _ in range(2))
    require_same("second instance with the same parameters", second, first, "the output of the first, to the bit")


def _threads_do_not_matter(denoiser: Denoiser) -> None:
    one, two = (answer(denoiser, example_input(denoiser), threads=threads).values for threads in (1, 2))
    difference, scale = float(np.abs(two - one).max()), float(np.abs(one).max())
    text = f"2 threads: got a difference of {difference:.3g} from 1 thread; allowed: {_THREADS_RTOL * scale:.3g}"
    require(difference <= _THREADS_RTOL * scale, text)


def _method(denoiser: Denoiser) -> Callable[[xr.DataArray, Context], xr.DataArray]:
    if isinstance(denoiser, FrameDenoiser):
        return denoiser.denoise
    if isinstance(denoiser, ConcentrationDenoiser):
        return denoiser.concentration
    if isinstance(denoiser, Deconvolver):
        return denoiser.deconvolve
    raise TypeError(f"got {type(denoiser).__qualname__}; allowed: {', '.join(kind.__name__ for kind in KINDS)}")


@contextmanager
def _pools_of(threads: int) -> Iterator[None]:
    """Let numba and torch, where a component has loaded them, use so many threads, as the harness does."""
    numba, torch = sys.modules.get("numba"), sys.modules.get("torch")
    before: list[tuple[Callable[[int], None], int]] = []
    if numba is not None:
        before.append((numba.set_num_threads, numba.get_num_threads()))
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    if torch is not None:
        before.append((torch.set_num_threads, torch.get_num_threads()))
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        for set_num_threads, number in before:
            set_num_threads(number)


def _random_states() -> dict[str, tuple[Any, ...]]:
    name, keys, *rest = np.random.get_state()
    return {"random": random.getstate(), "numpy.random": (name, np.asarray(keys).tobytes(), *rest)}
