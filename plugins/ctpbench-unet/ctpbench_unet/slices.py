"""What the networks learn from and denoise: slices of a series, cropped to their tissue, all else zero."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ctpbench import Observation, TrainingCase
from ctpbench.arrays import Float32, Index, Mask


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
    solid : Tensor, (y, x), float32
        1 in the tissue without fluid, from which the networks learn, 0 elsewhere; all tissue where that is all fluid.
    clean : Tensor, (time, y, x), float32, HU, or None
        The noiseless frames, where they are known and wanted.
    """

    z: int
    box: tuple[slice, slice]
    frames: Tensor
    tissue: Tensor
    solid: Tensor
    clean: Tensor | None = None

    @cached_property
    def peak(self) -> int:
        """Frame at which the sum over the tissue is largest: eq. 11."""
        return int(self.frames.sum(dim=(1, 2), dtype=torch.float64).argmax())

    @cached_property
    def places(self) -> Index:
        """Row and column of each pixel from which the networks learn, (pixel, 2)."""
        return np.argwhere(self.solid.cpu().numpy() > 0)

    def put(self, series: Float32, whole: Float32) -> None:
        """Write a series of this slice, (time, y, x), into one of all slices, (time, z, y, x), within the tissue."""
        rows, columns = (axis.stop - axis.start for axis in self.box)
        inside = self.tissue[:rows, :columns].cpu().numpy() > 0
        np.copyto(whole[:, self.z, *self.box], series[:, :rows, :columns], where=inside)

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
    frames: xr.DataArray, *, multiple: int, least_px: int = 1, clean: xr.DataArray | None = None
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
    """
    observation = Observation(frames)
    tissue, solid = observation.tissue, observation.solid()
    return [
        _slice(
            z,
            frames.values[:, z],
            tissue[z],
            solid[z] if solid[z].any() else tissue[z],
            None if clean is None else clean.values[:, z],
            multiple,
            least_px,
        )
        for z in range(len(tissue))
        if tissue[z].any()
    ]


def training_slices(training: Iterable[TrainingCase], *, multiple: int, least_px: int) -> list[Slice]:
    """Return the slices of the training cases, which are loaded one at a time."""
    return [
        part
        for case in training
        for part in slices_of(case.observation.frames, multiple=multiple, least_px=least_px, clean=case.clean)
    ]


def _slice(
    z: int,
    frames: Float32,
    tissue: Mask,
    solid: Mask,
    clean: Float32 | None,
    multiple: int,
    least_px: int,
) -> Slice:
    rows, columns = (np.flatnonzero(tissue.any(axis=axis)) for axis in (1, 0))
    box = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    inside = tissue[box]
    sizes = [multiple * -(-max(size, least_px) // multiple) for size in inside.shape]
    padding = [(0, size - had) for size, had in zip(sizes, inside.shape, strict=True)]

    def series(whole: Float32) -> Tensor:
        held = torch.zeros((len(whole), *sizes))  # torch's memory is aligned, so that its sums are the same every time
        np.copyto(held.numpy()[:, : inside.shape[0], : inside.shape[1]], whole[:, *box], where=inside)
        return held

    def mask(whole: Mask) -> Tensor:
        return torch.from_numpy(np.pad(whole[box], padding).astype(np.float32))

    return Slice(z, box, series(frames), mask(tissue), mask(solid), None if clean is None else series(clean))
