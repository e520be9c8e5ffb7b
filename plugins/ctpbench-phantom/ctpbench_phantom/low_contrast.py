"""The dataset `low_contrast`: even heads with small lesions of low contrast at half of their sites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from ctpbench import Split
from ctpbench_phantom.parameters import (
    FrameIntervalS,
    Frames,
    PixelMm,
    SizePx,
    SliceMm,
    check_duration,
    check_field_of_view,
    check_height,
)
from ctpbench_phantom.simulated_scan import SimulatedScan, numbered

if TYPE_CHECKING:
    from ctpbench_phantom.series import SliceSeries


class LowContrast(SimulatedScan):
    """Heads of white matter alone, with small round lesions of low contrast: what a reader can still find.

    One case is one draw: a head, a bolus as of `real_like`'s patients, and a grid of sites in each of its slices. At
    half of the sites, drawn anew in each slice, a disc of tissue has less flow, to equal parts by less volume and by a
    longer transit; the others have nothing. The truth names both as regions of interest, `lesion_sites` and
    `empty_sites`, for a metric that looks for lesions as an observer would. There are no vessels, CSF or texture in
    the brain, so that noise alone hides a lesion; the AIF and VOF are those of the blood. Noise is N0, the number of
    photons per ray; without it the frames are free of noise.

    Sources: Barrett and Myers, "Foundations of Image Science", 2004, chapter 14 (tasks whose signal and background are
    known exactly); Aichert, Manhart et al., "A realistic digital phantom for perfusion C-arm CT based on MRI data",
    2013 (perfusion of white matter).
    """

    name, version = "low_contrast", "1"

    size_px: SizePx = 256
    pixel_mm: PixelMm = 0.9
    slices: Annotated[int, Field(ge=1, le=16, examples=[1], description="slices of a draw")] = 4
    slice_mm: SliceMm = 5.0
    diameter_mm: Annotated[float, Field(ge=2, le=12, description="diameter of a lesion, mm")] = 10.0
    flow_lost: Annotated[float, Field(ge=0, lt=1, description="share of the flow that a lesion lacks")] = 0.5
    train_draws: Annotated[int, Field(ge=0, examples=[1], description="draws of the training split")] = 0
    validation_draws: Annotated[int, Field(ge=0, examples=[1], description="draws of the validation split")] = 4
    test_draws: Annotated[int, Field(ge=1, examples=[1], description="draws of the test split")] = 12
    frames: Frames = 44
    frame_interval_s: Annotated[FrameIntervalS, Field(examples=[2.0])] = 1.0
    seed: Annotated[int, Field(ge=0, description="which draws, and which noise")] = 0

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        from ctpbench_phantom.patient import LATEST_PEAK_S

        check_field_of_view(self.size_px, self.pixel_mm)
        check_height((self.slices - 1) * self.slice_mm, "slices or slice_mm")
        check_duration(self.frames, self.frame_interval_s, LATEST_PEAK_S, "the veins' peak")
        if self.diameter_mm < 2 * self.pixel_mm:
            raise ValueError(
                f"diameter_mm: got {self.diameter_mm:g}; allowed: two pixels or more, {2 * self.pixel_mm:g} mm"
            )
        return self

    def cases(self, split: Split) -> Sequence[str]:
        """Return the ids of one split's draws, such as ``draw-07``: to test on, to validate with, to learn from."""
        counts = {"test": self.test_draws, "validation": self.validation_draws, "train": self.train_draws}
        return numbered("draw", split, counts)

    def patient(self, case_id: str) -> str:
        """Return the case's own id: each draw has its own head, bolus and noise."""
        return case_id

    def source(self, case_id: str) -> Iterator[tuple[str, SliceSeries]]:
        """Yield the draw's slices; see `SimulatedScan.source`."""
        from ctpbench_phantom.patient import draw_patient
        from ctpbench_phantom.sites import Lesions, slice_with_sites

        number = int(case_id.removeprefix("draw-"))
        blood = draw_patient(self.seed, number, self.slices, self.slice_mm)
        times_s = np.arange(self.frames) * self.frame_interval_s
        lesions = Lesions(self.diameter_mm, self.flow_lost)
        for index in range(self.slices):
            rng = np.random.default_rng([self.seed, *b"sites", number, index])
            yield (
                f"{case_id}/{index}",
                slice_with_sites(blood, index, self.size_px, self.pixel_mm, times_s, lesions, rng),
            )
