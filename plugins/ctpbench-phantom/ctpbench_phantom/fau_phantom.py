"""The dataset `fau_phantom`: slices of the original digital brain phantom as the simulated scanner sees them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ctpbench import DataError, files_fingerprint
from ctpbench_phantom.parameters import FrameIntervalS
from ctpbench_phantom.slice_stack import SliceStack

if TYPE_CHECKING:
    from ctpbench_phantom.series import SliceSeries


class FauPhantom(SliceStack):
    """A simulated CT-perfusion scan of the digital brain phantom of FAU Erlangen, from the volumes that you have of it.

    Noise is N0, the number of photons per ray; without it the frames are free of noise. One case is one slice that
    holds brain, numbered as in the volumes, from the lowest upwards: test, gap, validation, gap, train. `pixel_mm`,
    `slice_mm` and `frame_interval_s` must be those that the volumes were made with.

    Sources: Aichert, Manhart et al., "A realistic digital phantom for perfusion C-arm CT based on MRI data", 2013
    (volumes and AIF); Wu, Ren, Li, section V-A1 and Table I (scan and scanner).
    """

    name, version = "fau_phantom", "1"
    radiological = False

    folder: Annotated[
        Path,
        Field(
            examples=["volumes"],
            description="the folder that create_phantom wrote: baseline, cbf, cbv, mtt and the frames 1, 2, 3, ...",
        ),
    ]
    frame_interval_s: FrameIntervalS = 1.0

    def lowest(self) -> int:
        """Return the number of the lowest slice that holds brain.

        Raises
        ------
        DataError
            Where the volumes cannot be read, or hold fewer slices of brain than the splits need.
        """
        from ctpbench_phantom.fau_volumes import brain_slices

        found, needed = brain_slices(self.folder), 1 + self.highest_index()
        if needed > len(found):
            raise DataError(
                f"{self.folder}: got {len(found)} slices that hold brain; allowed: {needed} or more; "
                "lower train_slices, validation_slices, test_slices, gap_slices or slice_step"
            )
        return found[0]

    def files(self) -> list[Path]:
        """Return the volumes: baseline, maps and frames."""
        from ctpbench_phantom.fau_volumes import volume_files

        return volume_files(self.folder)

    def source(self, case_id: str) -> Iterator[tuple[str, SliceSeries]]:
        """Yield one slice of the volumes; see `SimulatedScan.source`."""
        from ctpbench_phantom.fau_volumes import read_volume_slice

        yield case_id, read_volume_slice(self.folder, self.number(case_id), self.frame_interval_s)

    def fingerprint(self) -> str:
        """Return a hash of the volumes' names, sizes and times: they are gigabytes."""
        return files_fingerprint(self.files())
