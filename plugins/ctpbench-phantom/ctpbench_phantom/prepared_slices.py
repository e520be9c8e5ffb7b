"""The dataset `prepared_slices`: a user's own slices, one `.npz` file each, as the simulated scanner sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ctpbench import Split
from ctpbench_phantom.simulated_scan import SimulatedScan

if TYPE_CHECKING:
    from ctpbench_phantom.series import SliceSeries


class PreparedSlices(SimulatedScan):
    """A simulated CT-perfusion scan of slices that you prepared: your anatomy, curves and maps; fan-beam scanner, FBP.

    Noise is N0, the number of photons per ray; without it the frames are free of noise. One case is one `.npz` file,
    which says size, frames, AIF, brain and true maps; `pixel_mm` and `slice_mm` must be those of its slice.

    Source: Wu, Ren, Li, section V-A1 and Table I (scan and scanner).
    """

    name, version = "prepared_slices", "1"
    radiological = False

    file: Annotated[
        Path,
        Field(
            examples=["slices"],
            description="a .npz slice, which is the test split, or a folder of them; see the plugin's README",
        ),
    ]

    def cases(self, split: Split) -> Sequence[str]:
        """Return the names of one split's files."""
        return [path.stem for path in self._by_split()[split]]

    def files(self) -> list[Path]:
        """Return the files of all splits."""
        return [path for paths in self._by_split().values() for path in paths]

    def source(self, case_id: str) -> Iterator[tuple[str, SliceSeries]]:
        """Yield the slice of a file; see `SimulatedScan.source`."""
        from ctpbench_phantom.prepared_files import read_prepared

        paths = {path.stem: path for path in self.files()}
        yield case_id, read_prepared(paths[case_id])

    def _by_split(self) -> dict[Split, list[Path]]:
        from ctpbench_phantom.prepared_files import files_by_split

        return files_by_split(self.file)
