"""Arrays put aside until they are wanted: in memory while they are few, in a temporary file once they are many."""

from __future__ import annotations

import tempfile
import weakref
from typing import NamedTuple

import numpy as np

from ctpbench.arrays import Float32
from ctpbench.contract.series import SLAB_BYTES
from ctpbench.errors import DataError


class Place(NamedTuple):
    """Where an array was put, and its shape."""

    offset: int
    shape: tuple[int, ...]


class Spool:
    """Holds arrays of float32, of which no more than `SLAB_BYTES` are in memory; the file goes with the object."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=SLAB_BYTES, prefix="ctpbench-")  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._end = 0

    def put(self, values: Float32) -> Place:
        """Put an array aside.

        Raises
        ------
        DataError
            Where the temporary file cannot be written.
        """
        place = Place(self._end, values.shape)
        try:
            self._file.seek(place.offset)
            self._file.write(np.ascontiguousarray(values).data)
        except OSError as error:
            raise DataError(
                f"{tempfile.gettempdir()}: a temporary file cannot be written ({error.strerror}); allowed: room for "
                "most of the scan; set TMPDIR to a folder with more"
            ) from None
        self._end += values.nbytes
        return place

    def get(self, place: Place) -> Float32:
        """Return an array that was put aside, to be read only."""
        self._file.seek(place.offset)
        content = self._file.read(np.dtype(np.float32).itemsize * int(np.prod(place.shape)))
        return np.frombuffer(content, np.float32).reshape(place.shape)

    def clear(self) -> None:
        """Forget all arrays."""
        self._file.seek(0)
        self._file.truncate()
        self._end = 0
