"""Write a series or a map as NIfTI, slab by slab, with the geometry of a scan and nothing else of it."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ctpbench import DataError, Volume
from ctpbench_isles.orientation import Grid

Float32 = npt.NDArray[np.float32]

_GEOMETRY = (
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
    "srow_x", "srow_y", "srow_z",
)  # fmt: skip
_DESCRIPTION = 79  # bytes of the header's text, without the final zero
_DTYPE = np.dtype("<f4")


class NiftiVolume(Volume):
    """An uncompressed NIfTI file of float32 in the stored order of `grid`; slices that are never put stay 0.

    Parameters
    ----------
    folder : Path
    name : str
        The file becomes ``name.nii``.
    grid : Grid
    times_s : array, (time), s, or None
        None for a map. The header holds the median interval.
    units : str
        Said in the header's description.
    like : nibabel header or None
        Whose qform and sform are kept, numbers only; without it both are made from the grid's affine.

    Raises
    ------
    DataError
        Where the file cannot be written; names it.
    """

    def __init__(
        self, folder: Path, name: str, grid: Grid, *, times_s: npt.NDArray[np.float64] | None, units: str,
        like: nib.Nifti1Header | nib.Nifti2Header | None = None,
    ) -> None:  # fmt: skip
        self._grid = grid
        self._frames = None if times_s is None else len(times_s)
        self._path = folder / f"{name}.nii"
        self._part = folder / f".{name}.nii.part"
        header = _header(grid, times_s, like)
        header["descrip"] = f"{name}, {units}".encode()[:_DESCRIPTION]
        self._offset = int(header["vox_offset"])
        values = int(np.prod(grid.shape)) * (self._frames or 1)
        try:
            self._file = self._part.open("w+b")
            self._file.write(header.binaryblock + b"\0" * (self._offset - len(header.binaryblock)))
            self._file.truncate(self._offset + _DTYPE.itemsize * values)
        except OSError as error:
            raise DataError(f"{self._path}: cannot be written ({error.strerror})") from error

    def put(self, first: int, values: Float32) -> None:
        series = values[np.newaxis] if self._frames is None else values
        depth, rows, columns = self._grid.house_shape
        allowed = (self._frames or 1, series.shape[1], rows, columns)
        if series.shape != allowed or not 0 <= first <= depth - series.shape[1]:
            raise ValueError(f"put: got shape {values.shape} at slice {first} of {depth}; allowed: {allowed} within it")
        stored = self._grid.stored_slices(slice(first, first + series.shape[1]))
        try:
            for frame, image in enumerate(series):
                self._put_block(frame, stored, self._grid.to_stored(image))
        except OSError as error:
            raise DataError(f"{self._path}: cannot be written ({error.strerror})") from error

    def finish(self) -> Path:
        self._file.close()
        os.replace(self._part, self._path)
        return self._path

    def discard(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _put_block(self, frame: int, stored: slice, block: Float32) -> None:
        """Write one frame's slices: together where they lie along k, into the re-read frame along i or j."""
        axis, (rows, columns, depth) = self._grid.axes[0], self._grid.shape
        start = self._offset + _DTYPE.itemsize * rows * columns * depth * frame
        if axis == 2:
            start += _DTYPE.itemsize * rows * columns * stored.start
        else:
            self._file.seek(start)
            data = self._file.read(_DTYPE.itemsize * rows * columns * depth)
            whole = np.frombuffer(data, _DTYPE).reshape(self._grid.shape, order="F").copy()
            whole[tuple(stored if n == axis else slice(None) for n in range(3))] = block
            block = whole
        self._file.seek(start)
        self._file.write(np.ascontiguousarray(block.T, dtype=_DTYPE))


def _header(
    grid: Grid, times_s: npt.NDArray[np.float64] | None, like: nib.Nifti1Header | nib.Nifti2Header | None
) -> nib.Nifti1Header:
    header = nib.Nifti1Header()
    header.set_data_dtype(_DTYPE)
    header.set_data_shape(grid.shape if times_s is None else (*grid.shape, len(times_s)))
    if like is None:
        header.set_sform(grid.affine, code=1)
        header.set_qform(grid.affine, code=1)
    else:
        header["pixdim"][:4] = like["pixdim"][:4]
        for field in _GEOMETRY:
            header[field] = like[field]
    header.set_xyzt_units("mm", "sec")
    if times_s is not None:
        header["pixdim"][4] = np.median(np.diff(times_s))
        header["toffset"] = times_s[0]
    header["vox_offset"] = header.single_vox_offset
    return header
