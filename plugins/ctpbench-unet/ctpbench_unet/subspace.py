"""Temporal coefficients: a scan's curves in its own first components, in units of its noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.nn.functional import pad

from ctpbench import DataError, Observation, TrainingCase
from ctpbench.arrays import Float32, Float64
from ctpbench.perfusion import (
    Tikhonov,
    inverse_kernel,
    resample,
    subtract_baseline,
)
from ctpbench_unet.components import components_of
from ctpbench_unet.memory import attempt, free_bytes
from ctpbench_unet.non_local_mean import non_local_mean
from ctpbench_unet.runtime import threads
from ctpbench_unet.slices import Slice, slices_of

NOISE = 3.0
"""Coefficients are in multiples of so many standard deviations of their noise."""
RESIDUES_BY = Tikhonov(0.1)
"""What deconvolves the components where their error is weighed."""
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
    aif : array, (time), float32, HU above baseline
    times_s : array, (time), float64, s
    """

    basis: Tensor
    unit_hu: float
    offset: Tensor
    aif: Float32
    times_s: Float64

    def coefficients(self, frames: Tensor | None = None) -> Tensor:
        """Return the coefficients that fit the noisy curves best, (rank + 1, y, x), no unit: zero outside the tissue.

        Parameters
        ----------
        frames : Tensor, (n), int64, optional
            The frames to fit, rank + 1 or more; all by default.
        """
        if frames is None:  # the columns of the whole basis are orthonormal
            return self._projected(self.frames)
        basis = self.basis[frames]
        fit = torch.linalg.solve(basis.T @ basis, basis.T)
        return self._in_units(torch.tensordot(fit, self.frames[frames], dims=1))

    def clean_coefficients(self) -> Tensor:
        """Return the coefficients of the noiseless curves, (rank + 1, y, x), no unit."""
        assert self.clean is not None  # the harness gives clean frames to what learns from clean
        return self._projected(self.clean)

    def images(self, frames: Tensor | None = None) -> Tensor:
        """Return what a network sees, (2 (rank + 1), y, x), no unit: the coefficients and their non-local mean.

        `frames` as in `coefficients`; no other frame is looked at.
        """
        noisy = self.coefficients(frames)
        share = 1.0 if frames is None else len(frames) / len(self.basis)
        return torch.cat([noisy, non_local_mean(noisy, self.tissue, 1 / (NOISE**2 * share))])

    def residue_form(self) -> Tensor:
        """Return the matrix A, (rank + 1, rank + 1), of the error ``e' A e`` that coefficients e make in the residue.

        It is that of the deconvolved enhancement, summed over its lags, as a multiple: the trace is rank + 1. What is
        even in time makes none.
        """
        enhancement, dt_s = resample(subtract_baseline(self.basis.cpu().numpy()), self.times_s)
        aif, _ = resample(self.aif, self.times_s)
        residues = inverse_kernel(aif, dt_s, RESIDUES_BY) @ enhancement.astype(np.float64)
        form = residues.T @ residues
        return torch.from_numpy((form * (len(form) / np.trace(form))).astype(np.float32)).to(self.basis.device)

    def _in_units(self, coefficients_hu: Tensor) -> Tensor:
        return (coefficients_hu - self.offset) / self.unit_hu * self.tissue

    def _projected(self, series: Tensor) -> Tensor:
        """Return the coefficients of a series that is zero outside the tissue, (rank + 1, y, x), no unit."""
        basis = self.basis / self.unit_hu
        if series.device.type != "cpu":
            return torch.tensordot(basis.T, series, dims=1) - self.offset / self.unit_hu * self.tissue
        from ctpbench_unet import _series_kernel as kernel  # numba loads when a scan is denoised

        count = torch.get_num_threads()
        with threads(count):  # afterwards as before: numba's first use changes torch's number where they share OpenMP
            projected = torch.from_numpy(kernel.projected(series.numpy(), basis.numpy(), count))
        return projected.sub_(self.offset / self.unit_hu * self.tissue)

    def series(self, coefficients: Tensor) -> Tensor:
        """Return the curves that coefficients stand for, (time, y, x), HU."""
        return torch.tensordot(self.basis, coefficients * self.unit_hu + self.offset, dims=1)

    def put_curves(self, coefficients: Tensor, noisy: Tensor, whole: Float32) -> None:
        """Write the curves that coefficients stand for into a series of all slices, and around them the noisy ones.

        Coefficients, (rank + 1, y, x), lie in the host's memory; `noisy` and `whole` are (time, z, y, x), HU.
        """
        from ctpbench_unet import _series_kernel as kernel

        basis, level = self.basis * self.unit_hu, self.basis @ self.offset.flatten()
        place = self.z, self.box[0].start, self.box[1].start
        drawn = [each.cpu().numpy() for each in (coefficients, basis, level, self.tissue)]
        count = torch.get_num_threads()
        with threads(count):
            kernel.put(*drawn, place, noisy.numpy(), whole, count)


def images_of(slices: Sequence[SubspaceSlice]) -> tuple[Tensor, Tensor | None]:
    """Return what a network sees of slices of one scan, each filled up with zeros to the size of the largest.

    Returns
    -------
    images : Tensor, (slice, 2 (rank + 1), y, x), no unit
        As of `SubspaceSlice.images`.
    inside : Tensor, (slice, 1, y, x), float32, or None
        1 within a slice's own size; None where all have one size.
    """
    shapes = [part.tissue.shape for part in slices]
    rows, columns = (max(sizes) for sizes in zip(*shapes, strict=True))

    def stacked(images: list[Tensor]) -> Tensor:
        if len(images) == 1:
            return images[0][None]
        return torch.stack([pad(each, (0, columns - each.shape[-1], 0, rows - each.shape[-2])) for each in images])

    noisy = stacked([part.coefficients() for part in slices])
    filtered = non_local_mean(noisy, stacked([part.tissue for part in slices]), 1 / NOISE**2)
    own = None if len(set(shapes)) == 1 else stacked([torch.ones_like(part.tissue) for part in slices])[:, None]
    return torch.cat([noisy, filtered], dim=1), own


def subspace_slices(
    frames: xr.DataArray,
    rank: int,
    *,
    multiple: int,
    least_px: int = 1,
    clean: xr.DataArray | None = None,
    device: str = "cpu",
) -> list[SubspaceSlice]:
    """Return the slices of a series that hold tissue, with the basis of all its tissue; see `slices_of`.

    The components are those of smooth curves: `ctpbench.perfusion.smooth_components`, found on the device. There the
    slices stay if its memory has room, so that they are sent once.

    Raises
    ------
    DataError
        Where the series has fewer frames than components are asked for.
    """
    parts = at_home(
        lambda home: slices_of(frames, multiple=multiple, least_px=least_px, clean=clean, device=home),
        frames.nbytes,
        device,
    )
    if not parts:
        return []
    if rank >= frames.sizes["time"]:
        raise DataError(f"rank: got {rank}; allowed: fewer components than the {frames.sizes['time']} frames")
    components = components_of(parts, device)
    basis = torch.from_numpy(components.with_mean(rank).astype(np.float32))
    sums = torch.stack([torch.stack([part.mean.sum(), part.tissue.sum()]) for part in parts])
    mean_hu, pixels = sums.cpu().double().sum(dim=0).tolist()
    offset = torch.zeros(rank + 1, 1, 1)
    offset[-1] = mean_hu / pixels * np.sqrt(len(basis))
    noise_hu = float(np.sqrt(components.noise_variance))
    observation = Observation(frames)
    return [
        SubspaceSlice(
            **{field.name: getattr(part, field.name) for field in fields(part)},
            basis=basis.to(part.frames.device),
            unit_hu=NOISE * max(noise_hu, _LEAST_NOISE_HU),
            offset=offset.to(part.frames.device),
            aif=observation.aif,
            times_s=observation.times_s,
        )
        for part in parts
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


def at_home(make: Callable[[str], list[Slice]], nbytes: int, device: str) -> list[Slice]:
    """Return slices that lie in a GPU's memory if half of what is free holds them, else in the host's."""
    roomy = device == "cuda" and nbytes < free_bytes() / 2
    found = attempt(partial(make, device), last=lambda: False) if roomy else None
    return make("cpu") if found is None else found
