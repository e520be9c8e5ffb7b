"""Deconvolution with total variation of the residues in space and time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import log
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from ctpbench import Context, Deconvolver, Observation

if TYPE_CHECKING:
    import xarray as xr

_AS_PUBLISHED = {"max_iterations": 30, "tolerance": 1e-5}  # so many iterations, however far they get
PAPER = {
    "paper_1e5": {"beta_space_hu2s": 3.7e4, "beta_time_hu2s": 4.9e3, **_AS_PUBLISHED},
    "paper_2e5": {"beta_space_hu2s": 2.5e4, "beta_time_hu2s": 5.0e3, **_AS_PUBLISHED},
    "paper_1e6": {"beta_space_hu2s": 5.0e3, "beta_time_hu2s": 5.0e3, **_AS_PUBLISHED},
}
"""What the published code of Wu, Ren, Li does, in the terms of eq. 13."""


class Ttv(Deconvolver):
    """TTV: deconvolution that keeps the total variation of the residues small, in space and over the lags.

    In each slice the residues r of all tissue pixels (brain without vessels) minimise

    ``1/2 ||A r - c||^2 + lambda ||r||^2 + beta_space (||Dx r||_1 + ||Dy r||_1) + beta_time ||Dt r||_1``

    with ``lambda = 1/2 (lambda_rel smax)^2``, A the circulant matrix of the core and smax its largest singular
    value: without the beta terms this is the Tikhonov answer. Dx and Dy are differences between neighbours
    that are both tissue, Dt those between one lag and the next; the last lag is no neighbour of the first. Other
    pixels have r = 0.

    It ends when a certificate, taken every 10 iterations, shows a relative duality gap within `tolerance`, or
    after `max_iterations`. The gap is the highest possible excess of the cost over its minimum, relative to the
    cost that the beta terms add at all (see ``_ttv_solver.py``). The result carries what its worst slice reached,
    ``relative_duality_gap`` and ``iterations``.

    Fang et al. 2015, IEEE Trans Med Imaging 34:1533, as in Wu, Ren, Li, eq. 13. They chose (beta_s, beta_t) =
    (7.5e-4, 1e-4), (5e-4, 1e-4) and (1e-4, 1e-4) at N0 = 1e5, 2e5 and 1e6 on images divided by 150 HU. Their published
    code does not scale its proximal step by the step of its gradient, about 1.17 / smax^2, so that as betas of eq. 13
    these act like (3.7e4, 4.9e3), (2.5e4, 5e3) and (5e3, 5e3) HU^2 s; ``preset: paper_2e5`` and its like take these,
    and end after 30 iterations, as theirs did. In a slice of ctpbench-phantom CBF had the least error near (4e4, 1200),
    (3e4, 900) and (7e3, 200) HU^2 s.
    """

    name, version = "ttv", "1"

    preset: Annotated[
        Literal["default", "paper_1e5", "paper_2e5", "paper_1e6"],
        Field(description="paper_...: Wu, Ren, Li's values at that N0 for whatever is not given"),
    ] = "default"
    beta_space_hu2s: Annotated[float, Field(ge=0, le=1e9, description="weight of differences in space, HU^2 s")] = 2e4
    beta_time_hu2s: Annotated[float, Field(ge=0, le=1e9, description="weight of differences in lag, HU^2 s")] = 600.0
    lambda_rel: Annotated[float, Field(ge=0.01, le=1, description="Tikhonov weight, relative to smax")] = 0.3
    tolerance: Annotated[float, Field(ge=1e-5, lt=1, description="relative duality gap to reach")] = 1e-2
    max_iterations: Annotated[int, Field(ge=1, description="iterations after which a slice ends anyway")] = 2000

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        """Take the preset's values for what is not given."""
        preset = given.get("preset") if isinstance(given, Mapping) else None
        return {**PAPER[preset], **given} if preset in PAPER else given

    def deconvolve(self, concentration: xr.DataArray, context: Context) -> xr.DataArray:
        """Return residues, (lag, z, y, x), float32, 1/s, with lag of length 2 T."""
        # What is large loads when a filter runs, not when it is listed.
        import xarray as xr

        from ctpbench.perfusion import circulant_matrix
        from ctpbench_filters._ttv_solver import Penalty, minimise

        scan = Observation(concentration)
        slices = concentration.sizes["z"]
        residues = np.empty((2 * concentration.sizes["time"], *scan.tissue.shape), np.float32)
        A = circulant_matrix(scan.aif, scan.dt_s)
        penalty = Penalty(self.beta_space_hu2s, self.beta_time_hu2s, self.lambda_rel)
        gap, iterations = 0.0, 0
        for z in range(slices):
            solution = minimise(
                concentration.values[:, z],
                scan.tissue[z],
                A,
                penalty,
                tolerance=self.tolerance,
                max_iterations=self.max_iterations,
                threads=context.threads,
                report=partial(self._report, context, z, slices),
            )
            residues[:, z] = solution.residues
            gap, iterations = max(gap, solution.relative_gap), max(iterations, solution.iterations)
        return xr.DataArray(
            residues,
            dims=("lag", "z", "y", "x"),
            coords={
                "lag": scan.dt_s * np.arange(len(residues)),
                **{dim: concentration[dim] for dim in ("z", "y", "x")},
            },
            attrs={"units": "1/s", "diagnostics": {"relative_duality_gap": gap, "iterations": iterations}},
        )

    def _report(self, context: Context, z: int, slices: int, relative_gap: float, iterations: int) -> None:
        """Tell the progress: on a logarithmic scale the gap falls about evenly from 1 to the tolerance."""
        done = min(log(relative_gap) / log(self.tolerance), 1.0) if relative_gap > 0 else 1.0
        text = f"slice {z + 1} of {slices}: gap {relative_gap:.1e} after {iterations} iterations"
        context.progress((z + done) / slices, text)
