"""Sound denoisers for the tests of the kit, and the faults that one of them can be given."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Annotated, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field, PrivateAttr, field_serializer

from ctpbench import ConcentrationDenoiser, Deconvolver, FrameDenoiser

SERIAL = itertools.count()


class Halve(FrameDenoiser):
    """Half the signal and a little noise: a denoiser for tests."""

    name, version = "halve", "1"
    fault: str = ""
    factor: Annotated[float, Field(gt=0)] = 1e-5
    _serial: int = PrivateAttr(default_factory=lambda: next(SERIAL))

    @property
    def needs_frames(self):
        return COUNT_FAULTS.get(self.fault)

    def denoise(self, frames, context):
        if self.fault in FRAME_FAULTS:
            return FRAME_FAULTS[self.fault](self, frames, context)
        return halved(frames, context)


class BaselineOff(ConcentrationDenoiser):
    """The baseline subtracted: a denoiser for tests."""

    name, version = "baseline_off", "1"

    def concentration(self, frames, context):
        return frames.copy(data=frames.values - frames.values[:2].mean(axis=0))


class Ones(Deconvolver):
    """Residues of 1 everywhere: a deconvolver for tests."""

    name, version = "ones", "1"
    lags_per_frame: int = 2

    def deconvolve(self, concentration, context):
        shape = (self.lags_per_frame * concentration.sizes["time"], *concentration.shape[1:])
        return xr.DataArray(np.ones(shape, np.float32), dims=("lag", "z", "y", "x"))


class Fixed(FrameDenoiser):
    """Takes so many frames and no other number: a denoiser for tests."""

    name, version = "fixed", "1"
    frames: int = 10

    @property
    def needs_frames(self):
        return self.frames

    def denoise(self, frames, context):
        refuse(frames.sizes["time"] != self.frames)
        return halved(frames, context)


def halved(frames, context, add=0.0):
    noise = context.rng.standard_normal(frames.shape)
    return frames.copy(data=(frames.values / 2 + noise + add).astype(np.float32))


def refuse(condition: bool) -> None:
    if condition:
        raise RuntimeError("too much for me")


def marks_its_input(denoiser, frames, context):
    frames.attrs["seen"] = True
    return halved(frames, context)


def replaces_its_input(denoiser, frames, context):
    output = halved(frames, context)
    frames.values = output.values
    return output.copy()


def draws(draw: Callable[[], object]):
    def faulty(denoiser, frames, context):
        draw()
        return halved(frames, context)

    return faulty


def refuses(condition: Callable[[xr.DataArray], bool]):
    def faulty(denoiser, frames, context):
        refuse(condition(frames))
        return halved(frames, context)

    return faulty


def adds(amount: Callable[..., float]):
    return lambda denoiser, frames, context: halved(frames, context, amount(denoiser, context))


def reports(diagnostics: object):
    return lambda denoiser, frames, context: halved(frames, context).assign_attrs(diagnostics=diagnostics)


def uneven(frames) -> bool:
    return np.ptp(np.diff(frames["time"].values)) > 1e-6


COUNT_FAULTS = {
    "needs_frames_is_a_count": 24.0,
    "needs_frames_is_a_count/few": 2,
    "needs_frames_is_a_count/truth": True,
}
# A fault's name starts with that of the only check that may notice it.
FRAME_FAULTS = {
    "output_keeps_contract": lambda d, f, c: halved(f, c).astype(np.float64),
    "output_keeps_contract/dims": lambda d, f, c: halved(f, c).transpose("z", "time", "y", "x"),
    "output_keeps_contract/nan": lambda d, f, c: halved(f, c, np.nan),
    "output_keeps_contract/time": lambda d, f, c: halved(f, c).assign_coords(time=f["time"] + 1.0),
    "output_keeps_contract/writes": lambda d, f, c: f.values.fill(0.0) or halved(f, c),
    "output_keeps_contract/truth": lambda d, f, c: f - f["truth"],
    "diagnostics_are_numbers": reports({"gap": np.inf}),
    "diagnostics_are_numbers/text": reports({"gap": "small"}),
    "diagnostics_are_numbers/names": reports({1: 0.5}),
    "diagnostics_are_numbers/list": reports([0.5]),
    "input_is_unchanged": marks_its_input,
    "input_is_unchanged/values": replaces_its_input,
    "output_has_its_own_memory": lambda d, f, c: f,
    "output_has_its_own_memory/view": lambda d, f, c: f.copy(data=f.values[:]),
    "global_random_state_is_untouched": draws(np.random.random),
    "global_random_state_is_untouched/python": draws(random.random),
    "same_seed_same_output": adds(lambda denoiser, context: np.random.default_rng().random()),
    "same_seed_same_output/calls": adds(lambda denoiser, context: next(SERIAL)),
    "threads_do_not_matter": adds(lambda denoiser, context: context.threads),
    "takes_one_slice": lambda d, f, c: halved(f, c).squeeze(),
    "takes_odd_sizes": refuses(lambda frames: frames.sizes["y"] % 2 == 1),
    "takes_other_frame_counts": refuses(lambda frames: frames.sizes["time"] != 24),
    "takes_irregular_times": refuses(uneven),
    "takes_unknown_vof": refuses(lambda frames: "vof" not in frames.coords),
    "instances_agree": adds(lambda denoiser, context: denoiser._serial),
}


class Undocumented(Halve):
    name = "undocumented"


class Nameless(Halve):
    """Has a name that no suite could spell."""

    name = "no name"


class Thawed(Halve):
    """Lets its parameters be changed."""

    name = "thawed"
    model_config: ClassVar = {"frozen": False}


class Reworded(Halve):
    """Writes another value than it has."""

    name = "reworded"

    @field_serializer("factor")
    def _doubled(self, factor: float) -> float:
        return 2 * factor


class TwoKinds(Halve, Deconvolver):
    """Cannot decide what it is."""

    name = "two_kinds"

    def deconvolve(self, concentration, context):
        return concentration
