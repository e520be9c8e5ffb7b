"""What the networks learn from and denoise: slices of a series, cropped to their tissue, all else zero."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ctpbench import Observation, TrainingCase
from ctpbench.arrays import CSF_HU, Float32, Index, Mask
from ctpbench_unet.runtime import threads


@dataclass(frozen=True)
class Slice:
    """One slice of a series, cropped to a box around its tissue.

    Attributes
    ----------
    z : int
        Where it lies in the series.
    box : tuple of slice
        Rows and columns of the image that it holds.
    frames : Tensor, (time, y, x), float32, HU
        Zero outside the tissue. Rows and columns of zeros may follow those of the box.
    tissue : Tensor, (y, x), float32
        1 in the brain without bones and major vessels, 0 elsewhere.
    mean : Tensor, (y, x), float32, HU
        Of all frames.
    clean : Tensor, (time, y, x), float32, HU, or None
        The noiseless frames, where they are known and wanted.
    """

    z: int
    box: tuple[slice, slice]
    frames: Tensor
    tissue: Tensor
    mean: Tensor
    clean: Tensor | None = None

    @cached_property
    def solid(self) -> Tensor:
        """1 in the tissue without fluid, from which the networks learn, 0 elsewhere, (y, x), float32.

        It is all tissue where that is all fluid; see `ctpbench.Observation.solid`.
        """
        solid = self.tissue * (self.mean >= CSF_HU)
        return torch.where(solid.any(), solid, self.tissue)

    @cached_property
    def peak(self) -> int:
        """Frame at which the sum over the tissue is largest: eq. 11."""
        return int(self.frames.sum(dim=(1, 2), dtype=torch.float64).argmax())

    @cached_property
    def places(self) -> Index:
        """Row and column of each pixel from which the networks learn, (pixel, 2)."""
        return np.argwhere(self.solid.cpu().numpy() > 0)

    def put(self, series: Tensor, whole: Float32) -> None:
        """Write a series of this slice, (time, y, x), into one of all slices, (time, z, y, x), within the tissue."""
        rows, columns = (axis.stop - axis.start for axis in self.box)
        there = torch.from_numpy(whole)[:, self.z, *self.box]
        torch.lerp(there, series[:, :rows, :columns], self.tissue[:rows, :columns].cpu(), out=there)

    def to(self, device: str) -> Self:
        """Return the slice with its images in the device's memory."""
        moved = {
            field.name: images.to(device)
            for field in fields(self)
            if isinstance(images := getattr(self, field.name), Tensor)
        }
        there = replace(self, **moved)
        there.__dict__.update({name: self.__dict__[name] for name in ("peak", "places") if name in self.__dict__})
        return there


def slices_of(
    frames: xr.DataArray,
    *,
    multiple: int,
    least_px: int = 1,
    clean: xr.DataArray | None = None,
    device: str = "cpu",
) -> list[Slice]:
    """Return the slices of a series that hold tissue.

    Parameters
    ----------
    frames : DataArray, (time, z, y, x), float32, HU
        With the coordinates of `ctpbench.Observation`.
    multiple, least_px : int
        Rows and columns become a multiple of the first and no fewer than the second.
    clean : DataArray, (time, z, y, x), float32, HU, optional
        The noiseless frames.
    device : str
        In whose memory they lie; it need not have received them when this returns.
    """
    tissue = Observation(frames).tissue
    noisy, noiseless = plain(frames), None if clean is None else plain(clean)

    def part(z: int, box: tuple[slice, slice]) -> Slice:
        sizes = [multiple * -(-max(axis.stop - axis.start, least_px) // multiple) for axis in box]
        return _slice(z, box, noisy, tissue[z][box].astype(np.float32), noiseless, sizes, device)

    return [part(z, box_of(inside)) for z, inside in enumerate(tissue) if inside.any()]


def training_slices(training: Iterable[TrainingCase], *, multiple: int, least_px: int) -> list[Slice]:
    """Return the slices of the training cases, which are loaded one at a time."""
    return [
        part
        for case in training
        for part in slices_of(case.observation.frames, multiple=multiple, least_px=least_px, clean=case.clean)
    ]


def box_of(inside: Mask) -> tuple[slice, slice]:
    """Return the rows and columns of an image in which a mask lies."""
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def plain(frames: xr.DataArray) -> Tensor:
    """Return a series as a tensor on its own memory, which is only read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(frames.values)


def _slice(
    z: int,
    box: tuple[slice, slice],
    noisy: Tensor,
    inside: Float32,
    clean: Tensor | None,
    sizes: list[int],
    device: str,
) -> Slice:
    def cut(series: Tensor) -> tuple[Tensor, Tensor]:
        """Return the slice's frames of a series, and their mean."""
        from ctpbench_unet import _series_kernel as kernel  # numba loads when there is a series

        held = torch.empty([len(series), *sizes], pin_memory=device == "cuda")
        count = torch.get_num_threads()
        with threads(count):  # afterwards as before: numba's first use changes torch's number where they share OpenMP
            mean = kernel.cut(series.numpy(), (z, box[0].start, box[1].start), inside, held.numpy(), count)
        return held.to(device, non_blocking=True), torch.from_numpy(mean).to(device)

    frames, mean = cut(noisy)
    tissue = np.zeros(sizes, np.float32)
    tissue[: len(inside), : inside.shape[1]] = inside
    return Slice(
        z=z,
        box=box,
        frames=frames,
        tissue=torch.from_numpy(tissue).to(device),
        mean=mean,
        clean=None if clean is None else cut(clean)[0],
    )
