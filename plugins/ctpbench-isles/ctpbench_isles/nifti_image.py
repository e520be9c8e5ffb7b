"""A NIfTI file as it is stored: its header's geometry, and its values frame by frame, never the whole file at once."""

from __future__ import annotations

import gzip
import os
import shutil
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ctpbench import DataError
from ctpbench.arrays import Float64
from ctpbench_isles.field_of_view import in_mm
from ctpbench_isles.file_kinds import NIFTI_ENDINGS
from ctpbench_isles.orientation import Grid, is_invertible

_PAIRS = ((".hdr", ".img"), (".hdr.gz", ".img.gz"))
_GZIP = b"\x1f\x8b"
_KINDS = "iuf"
_CHUNK = 2**20
_Header = nib.Nifti1Header | nib.Nifti2Header


class NiftiImage:
    """One NIfTI file, version 1 or 2, plain or compressed.

    Attributes
    ----------
    path : Path
    header : nibabel header
    grid : Grid
        Of the stored voxels (i, j, k).
    frames : int
        How many images follow each other; 1 for a 3-D image.
    time_axis : int or None
        Which stored axis the frames lie along; None for a 3-D image.
    doubt : str
        What of the header's lengths was doubted, or ``""``.

    Raises
    ------
    DataError
        Where the file is missing, is no NIfTI, ends early or has other axes than (x, y, z, time); names it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        head, self._values = pair_of(path)
        self._gzipped, block = _first_bytes(head)
        self.header = _header(path, block, alone=head == self._values)
        if head != self._values:
            self._gzipped, _ = _first_bytes(self._values)
        shape = self.header.get_data_shape()
        if len(shape) < 3 or min(shape) < 1:
            raise DataError(f"{path}: got an image of shape {shape}; allowed: 3-D (x, y, z) or 4-D (x, y, z, time)")
        long_axes = [axis for axis in range(3, len(shape)) if shape[axis] > 1]
        if len(long_axes) > 1:
            raise DataError(f"{path}: got an image of shape {shape}; allowed: 4-D (x, y, z, time), others of length 1")
        self.time_axis = long_axes[0] if long_axes else (3 if len(shape) > 3 else None)
        self.frames = int(shape[long_axes[0]]) if long_axes else 1
        self._dtype = self.header.get_data_dtype()
        if self._dtype.kind not in _KINDS:
            raise DataError(f"{path}: got values of type {self._dtype}; allowed: whole numbers and floats")
        try:
            size = (int(shape[0]), int(shape[1]), int(shape[2]))
            affine, self.doubt = in_mm(_affine(self.header), size, _length_unit(self.header))
            self.grid = Grid(affine, size)
            self._slope, self._intercept = self.header.get_slope_inter()
            least = self.header.single_vox_offset if head == self._values else 0
            self._offset = max(int(self.header["vox_offset"]), least)
        except (DataError, ValueError, nib.spatialimages.HeaderDataError) as error:
            raise DataError(f"{path}: got a faulty NIfTI header ({error}); allowed: NIfTI 1 or 2") from None
        self._unpacked: IO[bytes] | None = None
        self._needed = self._offset + self._dtype.itemsize * int(np.prod(self.grid.shape, dtype=object)) * self.frames
        if self._gzipped:
            self._check_room()
        else:
            self._check_size(self._values.stat().st_size)

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open the file for `block`; a compressed one is unpacked once, to a temporary file of this object's."""
        if self._gzipped:
            if self._unpacked is None:
                self._unpacked = self._unpack()
            yield self._unpacked
            return
        try:
            with self._values.open("rb") as file:
                yield file
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from error

    def block(self, file: IO[bytes], frame: int, slices: slice) -> npt.NDArray[np.floating[Any]]:
        """Return slices (along the canonical z) of one frame, scaled, in stored order (i, j, k)."""
        axis, stored = self.grid.axes[0], self.grid.stored_slices(slices)
        rows, columns, depth = self.grid.shape
        # Slices along k lie together in the file. Along i or j they lie scattered over the frame, which is then read.
        along = stored if axis == 2 else slice(0, depth)
        values = np.empty(rows * columns * (along.stop - along.start), self._dtype)
        file.seek(self._offset + self._dtype.itemsize * rows * columns * (frame * depth + along.start))
        if file.readinto(values.view(np.uint8)) != values.nbytes:
            raise DataError(f"{self.path}: got {frame} whole frames of {self.frames}; cut off, copy it again")
        image = values.reshape((rows, columns, -1), order="F")
        if axis != 2:
            image = image[tuple(stored if n == axis else slice(None) for n in range(3))]
        wide = self._dtype.itemsize > (4 if self._dtype.kind == "f" else 2)  # what float32 would round
        scaled = image.astype(np.float64 if wide else np.float32)
        if self._slope is not None:
            scaled *= self._slope
            scaled += self._intercept
        return scaled

    def _unpack(self) -> IO[bytes]:
        file = TemporaryFile(prefix="ctpbench-")  # noqa: SIM115
        weakref.finalize(self, file.close)
        # Slices are read here and there, which would unpack the file anew each time.
        try:
            with gzip.open(self._values) as packed:
                left = self._needed
                while left and (some := packed.read(min(left, _CHUNK))):
                    left -= file.write(some)
                packed.read(_CHUNK)  # to the end, where the checksum is; no further, however much may follow
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise DataError(f"{self.path}: got a broken or cut-off gzip file; copy it again") from None
        except OSError as error:
            raise DataError(f"{self.path}: cannot be unpacked to a temporary file ({error.strerror})") from error
        self._check_size(file.seek(0, os.SEEK_END))
        return file

    def _check_size(self, size: int) -> None:
        if size < self._needed:
            raise DataError(f"{self.path}: got {size} bytes of {self._needed} by its header; cut off, copy it again")

    def _check_room(self) -> None:
        folder = gettempdir()
        free = shutil.disk_usage(folder).free
        if self._needed > free:
            raise DataError(
                f"{self.path}: takes {self._needed / 2**30:.1f} GiB unpacked, by its header; there are "
                f"{free / 2**30:.1f} GiB in {folder}; set TMPDIR to a folder with more room"
            )


def _first_bytes(path: Path) -> tuple[bool, bytes]:
    """Return whether a file is compressed, and its first bytes unpacked: enough for a header of either version."""
    length = nib.Nifti2Header.sizeof_hdr
    try:
        with path.open("rb") as file:
            start = file.read(length)
        if not start.startswith(_GZIP):
            return False, start
        with gzip.open(path) as packed:
            return True, packed.read(length)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{path}: got a broken or cut-off gzip file; copy it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def pair_of(path: Path) -> tuple[Path, Path]:
    """Return the files of a scan's header and of its values: one and the same, or a .hdr and its .img.

    Raises
    ------
    DataError
        Where one of a pair is not there.
    """
    name = path.name.lower()
    pair = next((pair for pair in _PAIRS if name.endswith(pair)), None)
    if pair is None:
        return path, path
    stem = path.name[: -len(next(ending for ending in pair if name.endswith(ending)))]
    beside = {file.name.lower(): file for file in path.parent.iterdir()} if path.parent.is_dir() else {}
    both = [beside.get(f"{stem}{ending}".lower()) for ending in pair]
    if both[0] is None or both[1] is None:
        lacking = next(ending for ending, file in zip(pair, both, strict=True) if file is None)
        raise DataError(f"{path}: got no {stem}{lacking} beside it; allowed: both, the header and its values")
    return both[0], both[1]


def _length_unit(header: _Header) -> str:
    try:
        return str(header.get_xyzt_units()[0])
    except KeyError:  # a code that the format does not know
        return "unknown"


def _header(path: Path, block: bytes, *, alone: bool) -> _Header:
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if len(block) >= kind.sizeof_hdr and kind.may_contain_header(block):
            try:
                # nibabel's own check would print, and make voxels of 1 mm where the header says no size.
                header: _Header = kind(block[: kind.sizeof_hdr], check=False)
                header.get_data_dtype()
            except (KeyError, nib.spatialimages.HeaderDataError):
                raise DataError(
                    f"{path}: got a faulty NIfTI header (unknown type of values); allowed: NIfTI 1 or 2"
                ) from None
            if bytes(header["magic"])[:3] in ((b"n+1", b"n+2") if alone else (b"ni1", b"ni2")):
                sizes = header["pixdim"]
                sizes[0] = -1 if sizes[0] < 0 else 1  # some write 0, which the format has as 1
                sizes[1:4] = np.abs(sizes[1:4])
                return header
            raise DataError(f"{path}: got a header without its values; allowed: both in one .nii file; convert it")
    if not alone and 348 in (int.from_bytes(block[:4], "little"), int.from_bytes(block[:4], "big")):
        raise DataError(
            f"{path}: got an Analyze header, which does not tell left from right; allowed: NIfTI; convert it with a "
            "program that knows where it is from"
        )
    raise DataError(f"{path}: got no NIfTI header; allowed: a NIfTI file, {' or '.join(NIFTI_ENDINGS)}")


def _affine(header: _Header) -> Float64:
    """Return the affine that the header trusts most, of those that can be inverted."""
    for matrix, code in (header.get_sform(coded=True), header.get_qform(coded=True)):
        if code and is_invertible(np.asarray(matrix, dtype=np.float64)):
            return np.asarray(matrix, dtype=np.float64)
    return np.asarray(header.get_base_affine(), dtype=np.float64)
