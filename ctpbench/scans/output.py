"""All that is written of one scan, each thing in each format, slices as they come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ctpbench.arrays import Float32
from ctpbench.contract.quantities import QUANTITIES
from ctpbench.contract.series import Format, Volume
from ctpbench.scans.inspection import Inspection


class Output:
    """The files of a scan: complete once they are finished, gone where the block ends with an error.

    Parameters
    ----------
    inspection : Inspection
    out : Path
        An existing folder.
    formats : sequence of Format
        The scan's own where there is none.

    Raises
    ------
    DataError
        Where the scan cannot be written in one of them.
    """

    def __init__(self, inspection: Inspection, out: Path, formats: Sequence[Format]) -> None:
        self._scan, self._times_s, self._out = inspection.series, inspection.times_s, out
        self._formats = [self._scan.writable_format(format) for format in formats or (None,)]
        self._volumes: dict[tuple[str, Format], Volume] = {}

    def put(self, name: str, first: int, values: Float32) -> None:
        """Write slices of what has this name, from index `first` on, in each format."""
        for format in self._formats:
            if name == "denoised" and format == "dicom-pm" and "dicom" in self._formats:
                continue  # frames are the same classic images in both
            if (name, format) not in self._volumes:
                times_s = self._times_s if name == "denoised" else None
                units = QUANTITIES[name].units
                self._volumes[name, format] = self._scan.create(self._out, name, format, times_s=times_s, units=units)
            self._volumes[name, format].put(first, values)

    def finish(self) -> list[Path]:
        """Put all in their places and return where these are."""
        return [volume.finish() for volume in self._volumes.values()]

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            for volume in self._volumes.values():
                volume.discard()
