"""Write a series or a map as NIfTI, slab by slab, with the geometry of a scan and nothing else of it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import nibabel as nib
import numpy as np

from ctpbench import Volume
from ctpbench.arrays import Float32, Float64
from ctpbench_isles.orientation import Grid
from ctpbench_isles.writing import writing

_GEOMETRY = (
    *("qform_code", "sform_code"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)
_DESCRIPTION = 79  # bytes of the header's text, without the final zero
_DTYPE = np.dtype("<f4")
_UPRIGHT = 1e-4  # cosine between two axes that headers' rounded numbers make; a tilt of half a degree makes 0.009


class NiftiVolume(Volume):
    """An uncompressed NIfTI file of float32 in the stored order of `grid`.

    Parameters
    ----------
    folder : Path
    name : str
        The file becomes ``name.nii``.
    grid : Grid
    times_s : array, (time), s, or None
        None for a map. The header holds the median interval.
    units : str
        Written into the header's description.
    like : nibabel header or None
        Whose qform and sform are kept, numbers only; without it both are made from the grid's affine. A qform that
        cannot hold the sheared matrix of the sform of the same space gets code 0, "not to be used".

    Raises
    ------
    DataError
        Where the file cannot be written; names it.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        grid: Grid,
        *,
        times_s: Float64 | None,
        units: str,
        like: nib.Nifti1Header | nib.Nifti2Header | None = None,
    ) -> None:
        frames = () if times_s is None else (len(times_s),)
        super().__init__((*frames, *grid.canonical_shape))
        self._grid = grid
        self._path = folder / f"{name}.nii"
        self._part = folder / f".{name}.nii.part"
        header = _header(grid, times_s, like)
        header["descrip"] = f"{name}, {units}".encode()[:_DESCRIPTION]
        self._offset = int(header["vox_offset"])
        with writing(self._path):
            self._file = self._part.open("w+b")
            self._file.write(header.binaryblock + b"\0" * (self._offset - len(header.binaryblock)))
            self._file.truncate(self._offset + _DTYPE.itemsize * int(np.prod(self.shape)))

    def discard(self) -> None:
        """Take away the file that is not finished."""
        with suppress(OSError):  # of a full disk, which the write has reported
            self._file.close()
        self._part.unlink(missing_ok=True)

    def _write(self, first: int, values: Float32) -> None:
        stored = self._grid.stored_slices(slice(first, first + values.shape[-3]))
        with writing(self._path):
            for frame, image in enumerate(values.reshape(-1, *values.shape[-3:])):
                self._write_block(frame, stored, self._grid.to_stored(image))

    def _finish(self) -> Path:
        with writing(self._path):
            self._file.close()
            os.replace(self._part, self._path)
        return self._path

    def _write_block(self, frame: int, stored: slice, block: Float32) -> None:
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


def _header(grid: Grid, times_s: Float64 | None, like: nib.Nifti1Header | nib.Nifti2Header | None) -> nib.Nifti1Header:
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
    # A qform is a rotation: of a tilted gantry's slices, which lie sheared, it would tell another place than the sform.
    if header["qform_code"] == header["sform_code"] and _is_sheared(header.get_sform()):
        header["qform_code"] = 0
    header.set_xyzt_units("mm", "sec")
    if times_s is not None:
        header["pixdim"][4] = np.median(np.diff(times_s))
        header["toffset"] = times_s[0]
    header["vox_offset"] = header.single_vox_offset
    return header


def _is_sheared(affine: Float64) -> bool:
    """Whether the axes of the voxels do not stand upright on each other."""
    sides = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return not np.allclose(sides.T @ sides, np.eye(3), atol=_UPRIGHT)
