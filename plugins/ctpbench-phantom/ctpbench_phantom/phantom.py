"""The dataset `phantom`: slices of a procedural head with stroke as the simulated scanner sees them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ctpbench_phantom.parameters import (
    FrameIntervalS,
    Frames,
    SizePx,
    check_duration,
    check_field_of_view,
    check_height,
)
from ctpbench_phantom.slice_stack import SliceStack

if TYPE_CHECKING:
    from ctpbench_phantom.series import SliceSeries

_BOLUS_S = 20.0  # a scan must last until after the AIF's peak


class Phantom(SliceStack):
    """A simulated CT-perfusion scan of a head with stroke: procedural anatomy, fan-beam scanner, FBP.

    Noise is N0, the number of photons per ray; without it the frames are free of noise. One case is one slice.
    The slices are stacked from the level of the basal ganglia upwards: test, gap, validation, gap, train.

    Sources: Wu, Ren, Li, section V-A1 and Table I (scan and scanner); Aichert, Manhart et al., "A realistic
    digital phantom for perfusion C-arm CT based on MRI data", 2013 (perfusion of the tissue classes, AIF).
    """

    name, version = "phantom", "1"

    size_px: SizePx = 256
    frames: Frames = 50
    frame_interval_s: FrameIntervalS = 1.0
    residue: Annotated[
        Literal["plateau", "gamma"],
        Field(description="residue function of area MTT: plateau and exponential, or gamma-distributed transit times"),
    ] = "plateau"
    delay: Annotated[bool, Field(description="whether contrast reaches the tissue classes 1 to 12 s late")] = False
    aif_file: Annotated[Path | None, Field(description="CSV of time_s,hu to use in place of the phantom's own AIF")] = (
        None
    )
    seed: Annotated[int, Field(ge=0, description="which head, and which noise")] = 0

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        check_field_of_view(self.size_px, self.pixel_mm)
        check_height(self.highest_index() * self.slice_mm, "slice_mm, slice_step or the number of slices")
        if self.aif_file is None:
            check_duration(self.frames, self.frame_interval_s, _BOLUS_S, "the contrast's peak")
        return self

    def files(self) -> list[Path]:
        """Return the file of the AIF, where one is given."""
        return [] if self.aif_file is None else [self.aif_file]

    def source(self, case_id: str) -> Iterator[tuple[str, SliceSeries]]:
        """Yield the simulated slice; see `SimulatedScan.source`."""
        from ctpbench_phantom.aif import grid, phantom_aif, read_aif
        from ctpbench_phantom.head import LOWEST_MM
        from ctpbench_phantom.series import Head, simulate

        z_mm = LOWEST_MM + self.number(case_id) * self.slice_mm
        times_s = np.arange(self.frames) * self.frame_interval_s
        aif_hu = phantom_aif(grid(times_s[-1])) if self.aif_file is None else read_aif(self.aif_file, times_s[-1])
        head = Head(self.size_px, self.pixel_mm, self.seed, self.residue, self.delay)
        yield case_id, simulate(head, z_mm, times_s, aif_hu)
