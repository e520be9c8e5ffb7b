"""A recorded scan as it would have been at a lower dose: its own kind of noise, inserted wherever it is read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ctpbench import DataError, Format, Series, Volume
from ctpbench.arrays import Float32, Float64
from ctpbench.perfusion import insert_noise
from ctpbench_isles.acquired import HEAD_HU

_EARLY_FRAMES = 2
_VERTEX_MM2 = 2000.0  # a cut through the head of 5 cm


class LowerDose(Series):
    """A series with noise inserted into each slice, always the same for one `key`, slice and dose.

    A slice with too little tissue to measure its noise in, such as the vertex, stays as acquired.

    Parameters
    ----------
    source : Series
    dose_fraction : float
        Of the scan's own dose, above 0 and below 1.
    key : str
        The case's name: sets its noise apart from that of other cases.
    """

    def __init__(self, source: Series, dose_fraction: float, key: str) -> None:
        self._source, self._fraction, self._key = source, dose_fraction, key
        self.formats = source.formats
        self.path, self.shape, self.spacing_mm = source.path, source.shape, source.spacing_mm
        self.frame_times_s, self.missing = source.frame_times_s, source.missing
        self.facts, self.unread = source.facts, source.unread

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The source's, which grow while it is read."""
        return self._source.notes

    def read(self, slices: slice) -> Float32:
        """Return some slices, (time, z, y, x), float32, HU, with the noise inserted; see `Series.read`."""
        frames = self._source.read(slices)
        head = frames[:_EARLY_FRAMES].mean(axis=0) > HEAD_HU
        for index, z in enumerate(range(*slices.indices(self.shape[1]))):
            one = slice(index, index + 1)
            try:
                frames[:, one] = insert_noise(frames[:, one], head[one], self._fraction, self._rng(z))
            except DataError:
                if head[index].sum() * self.spacing_mm[1] * self.spacing_mm[2] > _VERTEX_MM2:
                    raise
        return frames

    def _create(self, folder: Path, name: str, format: Format, *, times_s: Float64 | None, units: str) -> Volume:
        return self._source.create(folder, name, format, times_s=times_s, units=units)

    def _rng(self, z: int) -> np.random.Generator:
        text = f"{self._key}\n{z}\n{self._fraction!r}".encode()
        return np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:16], "big"))
