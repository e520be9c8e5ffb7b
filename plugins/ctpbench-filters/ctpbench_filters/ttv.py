"""Deconvolution with total variation of the residues in space and time."""

from __future__ import annotations

from math import log
from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from ctpbench import Context, Deconvolver


class Ttv(Deconvolver):
    """TTV: deconvolution that keeps the total variation of the residues small, in space and over the lags.

    In each slice the residues r of all tissue pixels (brain without vessels) minimise

    ``1/2 ||A r - c||^2 + lambda ||r||^2 + beta_space (||Dx r||_1 + ||Dy r||_1) + beta_time ||Dt r||_1``

    with ``lambda = 1/2 (lambda_rel smax)^2``, A the circulant matrix of the core and smax its largest singular
    value: without the beta terms this is the Tikhonov answer. Dx and Dy are differences between neighbours
    that are both tissue, Dt those between one lag and the next; the last lag is no neighbour of the first. Other
    pixels have r = 0.

    The iterations end at the first certificate, taken every 10 of them, that the relative duality gap is within
    `tolerance`, or at `max_iterations`. That gap is the highest possible excess of the cost, divided by the
    cost that the beta terms add at all (see ``_ttv_solver.py``). What was reached, in the worst slice, is
    reported as ``relative_duality_gap`` and ``iterations``.

    Fang et al. 2015, IEEE Trans Med Imaging 34:1533, as in Wu, Ren, Li, eq. 13. They chose (beta_s, beta_t) =
    (7.5e-4, 1e-4), (5e-4, 1e-4) and (1e-4, 1e-4) at N0 = 1e5, 2e5 and 1e6, on images and AIF divided by 150 HU:
    a value there is 150^2 times as large in HU^2 s.
    """

    name, version = "ttv", "1"

    beta_space_hu2s: Annotated[float, Field(ge=0, description="weight of differences in space, in HU^2 s")] = 16.9
    beta_time_hu2s: Annotated[float, Field(ge=0, description="weight of differences between lags, in HU^2 s")] = 2.25
    lambda_rel: Annotated[
        float, Field(ge=0.01, le=1, description="Tikhonov weight, relative to the largest singular value of A")
    ] = 0.3
    tolerance: Annotated[float, Field(ge=1e-5, lt=1, description="relative duality gap to reach")] = 1e-3
    max_iterations: Annotated[int, Field(ge=1, description="iterations of a slice after which it ends anyway")] = 2000

    def deconvolve(self, concentration: xr.DataArray, context: Context) -> xr.DataArray:
        """Return residues, (lag, z, y, x), float32, 1/s, with lag of length 2 T."""
        from ._ttv_solver import minimise  # numba loads when a filter runs, not when it is listed

        tissue = (concentration["brain"] & ~concentration["vessels"]).values
        dt_s = float(np.median(np.diff(concentration["time"].values)))
        slices = concentration.sizes["z"]
        residues = np.zeros((2 * concentration.sizes["time"], *tissue.shape), np.float32)
        gap, iterations = 0.0, 0

        def report(relative_gap: float, after: int) -> None:
            done = min(1.0, log(relative_gap) / log(self.tolerance)) if relative_gap > 0 else 1.0
            context.progress((z + done) / slices, f"slice {z + 1} of {slices}: gap {relative_gap:.1e}")

        for z in range(slices):
            solution = minimise(
                concentration.values[:, z],
                tissue[z],
                concentration["aif"].values,
                dt_s,
                betas=(self.beta_space_hu2s, self.beta_time_hu2s),
                lambda_rel=self.lambda_rel,
                tolerance=self.tolerance,
                max_iterations=self.max_iterations,
                threads=context.threads,
                report=report,
            )
            residues[:, z] = solution.residues
            gap, iterations = max(gap, solution.relative_gap), max(iterations, solution.iterations)
        return xr.DataArray(
            residues,
            dims=("lag", "z", "y", "x"),
            coords={"lag": dt_s * np.arange(len(residues)), **{dim: concentration[dim] for dim in ("z", "y", "x")}},
            attrs={"units": "1/s", "diagnostics": {"relative_duality_gap": gap, "iterations": iterations}},
        )
