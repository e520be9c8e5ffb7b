"""Temporal coefficients: a scan's curves in its own first components, in units of its noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ctpbench import DataError, Observation, TrainingCase
from ctpbench.perfusion import temporal_components
from ctpbench_unet.slices import Slice, slices_of

NOISE = 3.0
"""Coefficients are in multiples of so many standard deviations of their noise."""
_LEAST_NOISE_HU = 0.1  # of a series without any


@dataclass(frozen=True, kw_only=True)
class SubspaceSlice(Slice):
    """A slice with the basis of its scan.

    Attributes
    ----------
    basis : Tensor, (time, rank + 1), float32, no unit
        The scan's first temporal components and an even one: see `ctpbench.perfusion.TemporalComponents.with_mean`.
    unit_hu : float
        What coefficients are in multiples of, HU.
    offset : Tensor, (rank + 1, 1, 1), float32, HU
        What is taken from coefficients first: of the even one its mean over the scan's tissue.
    """

    basis: Tensor
    unit_hu: float
    offset: Tensor

    def coefficients(
        self, window: tuple[slice, slice] = (slice(None), slice(None)), frames: Tensor | None = None
    ) -> Tensor:
        """Return the coefficients that fit the noisy curves best, (rank + 1, y, x), no unit: zero outside the tissue.

        Parameters
        ----------
        window : tuple of slice
            Rows and columns.
        frames : Tensor, (n), int64, optional
            The frames to fit, rank + 1 or more; all by default.
        """
        series, basis = self.frames[:, *window], self.basis
        if frames is not None:
            series, basis = series[frames], basis[frames]
        fitted = torch.tensordot(torch.linalg.solve(basis.T @ basis, basis.T), series, dims=1)
        return self._in_units(fitted, window)

    def clean_coefficients(self, window: tuple[slice, slice]) -> Tensor:
        """Return the coefficients of the noiseless curves, (rank + 1, y, x), no unit."""
        assert self.clean is not None  # the harness gives clean frames to what learns from clean
        fitted = torch.tensordot(self.basis.T, self.clean[:, *window], dims=1)
        return self._in_units(fitted, window)

    def _in_units(self, coefficients_hu: Tensor, window: tuple[slice, slice]) -> Tensor:
        return (coefficients_hu - self.offset) / self.unit_hu * self.tissue[window]

    def series(self, coefficients: Tensor, frames: Tensor | None = None) -> Tensor:
        """Return the curves that coefficients stand for, (time, y, x), HU; some frames of them, or all."""
        basis = self.basis if frames is None else self.basis[frames]
        return torch.tensordot(basis, coefficients * self.unit_hu + self.offset, dims=1)


def subspace_slices(
    frames: xr.DataArray, rank: int, *, multiple: int, least_px: int = 1, clean: xr.DataArray | None = None
) -> list[SubspaceSlice]:
    """Return the slices of a series that hold tissue, with the basis of all its tissue; see `slices_of`.

    Raises
    ------
    DataError
        Where the series has fewer frames than components are asked for.
    """
    tissue = Observation(frames).tissue
    if not tissue.any():
        return []
    if rank >= frames.sizes["time"]:
        raise DataError(f"rank: got {rank}; allowed: fewer components than the {frames.sizes['time']} frames")
    curves = frames.values[:, tissue]
    components = temporal_components(curves)
    basis = components.with_mean(rank).astype(np.float32)
    offset = np.zeros((rank + 1, 1, 1), np.float32)
    offset[-1] = curves.mean(dtype=np.float64) * np.sqrt(len(curves))
    unit_hu = NOISE * max(float(np.sqrt(components.noise_variance)), _LEAST_NOISE_HU)
    slices = slices_of(frames, multiple=multiple, least_px=least_px, clean=clean)
    return [
        SubspaceSlice(
            **{field.name: getattr(part, field.name) for field in fields(part)},
            basis=torch.from_numpy(basis),
            unit_hu=unit_hu,
            offset=torch.from_numpy(offset),
        )
        for part in slices
    ]


def subspace_training_slices(
    training: Iterable[TrainingCase], rank: int, *, multiple: int, least_px: int
) -> list[SubspaceSlice]:
    """Return the slices of the training cases, which are loaded one at a time."""
    return [
        part
        for case in training
        for part in subspace_slices(
            case.observation.frames, rank, multiple=multiple, least_px=least_px, clean=case.clean
        )
    ]
