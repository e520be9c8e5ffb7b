"""Map metrics that need a stated data range: SSIM and PSNR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from ctpbench import DataError
from ctpbench.arrays import Float64, Mask
from ctpbench_metrics.maps import MapMetric, rmse

WINDOWS = {
    "gaussian": (11, {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
    "uniform": (7, {"win_size": 7}),
}
"""Each window's side in pixels, and how scikit-image is told of it: as Wang et al. have it, and as is its default."""

PAPER = {"window": "uniform", "data_range": "prediction"}


def psnr(prediction: Float64, reference: Float64, data_range: float) -> float:
    """Return 20 log10(data_range / RMSE) in dB; infinite where prediction and reference are equal."""
    error = rmse(prediction, reference)
    return float(20 * np.log10(data_range / error)) if error != 0 else float("inf")


def ssim(
    prediction: Float64, reference: Float64, mask: Mask, data_range: float | None, window: str = "gaussian"
) -> float:
    """Return the mean structural similarity of masked slices, 1 where they are equal.

    Parameters
    ----------
    prediction, reference : ndarray, (z, y, x), float64
        One map; both are set to 0 outside `mask`, so that nothing beyond it counts.
    mask : ndarray, (z, y, x), bool
        The voxels over which the SSIM image is averaged, those of all slices together.
    data_range : float or None
        Largest minus smallest value expected of the map, in its unit. None: that of each slice's prediction, the zeros
        outside `mask` included.
    window : {"gaussian", "uniform"}
        Gaussian of sigma 1.5 px in 11 x 11 pixels with moments over n, or 7 x 7 pixels alike with moments over n - 1.

    Returns
    -------
    float
        NaN where the data range is the prediction's and a slice's is constant.

    Raises
    ------
    DataError
        Where a slice is smaller than the window.

    Notes
    -----
    Wang et al. 2004, eq. 13, K1 = 0.01, K2 = 0.03.
    """
    from skimage.metrics import structural_similarity

    side_px, options = WINDOWS[window]
    if min(mask.shape[1:]) < side_px:
        raise DataError(
            f"ssim: got slices of {mask.shape[1]} x {mask.shape[2]} px; allowed: {side_px} x {side_px} "
            "or more, the window's size; use larger slices or leave ssim out of the suite's metrics"
        )
    total = 0.0
    for p, r, inside in zip(prediction, reference, mask, strict=True):
        if inside.any():
            p, r = (np.where(inside, side, 0.0) for side in (p, r))
            values = float(np.ptp(p)) if data_range is None else data_range
            if values == 0:
                return float("nan")
            _, image = structural_similarity(p, r, data_range=values, full=True, **options)
            total += image[inside].sum()
    return float(total / mask.sum())


class RangedMetric(MapMetric):
    """Base of the metrics that relate errors to a map's range of values, fixed for all cases and methods."""

    data_range_cbf: Annotated[float, Field(gt=0, description="mL/100 g/min")] = 80.0
    data_range_cbv: Annotated[float, Field(gt=0, description="mL/100 g")] = 6.0
    data_range_mtt_s: Annotated[float, Field(gt=0, description="s")] = 10.0
    data_range_ttp_s: Annotated[float, Field(gt=0, description="s")] = 50.0
    data_range_tmax_s: Annotated[float, Field(gt=0, description="s")] = 12.0

    def range_of(self, name: str) -> float:
        """Return the fixed data range of the map `name` in its unit."""
        return {
            "cbf": self.data_range_cbf,
            "cbv": self.data_range_cbv,
            "mtt": self.data_range_mtt_s,
            "ttp": self.data_range_ttp_s,
            "tmax": self.data_range_tmax_s,
        }[name]


class Ssim(RangedMetric):
    """Structural similarity (SSIM) of each map over a region, 1 where method and reference are equal.

    Slice by slice with scikit-image, K1 = 0.01, K2 = 0.03. Both maps are set to 0 outside the region, and the SSIM
    image is averaged over the region's voxels of all slices. Two protocols:

    - ``default``: a Gaussian window of sigma 1.5 px in 11 x 11 pixels with moments over n, as Wang et al. have it, and
      a data range that is fixed, map by map (`data_range_*`). SSIM depends on it, so compare only scores of equal
      ranges. `window` and `data_range` may be chosen each.
    - ``paper``: that of the authors of the paper (Wu, Ren and Li), who say neither in it: a uniform window of 7 x 7
      pixels with moments over n - 1, as is scikit-image's default, and the data range of the slice's prediction. A map
      with a few values far off then has a wide range and scores the better for it. Their region is `region`'s
      enhancing_at_peak.

    MTT is clipped to 0-10 s on both sides first, as they did; see `mtt_range_s`, and raise `data_range_mtt_s` with it.
    Slices need as many pixels as the window. NaN where the region has no voxel with a reference, and where the data
    range is the prediction's and a slice of it is constant.

    Source: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE Trans. Image Process. 13 (2004) 600-612.
    """

    name, version = "ssim", "2"
    better, units, best = "higher", "1", 1.0

    protocol: Annotated[
        Literal["default", "paper"], Field(description="paper: window uniform and data_range prediction")
    ] = "default"
    window: Annotated[
        Literal["gaussian", "uniform"], Field(description="sigma 1.5 px in 11 x 11 pixels, or 7 x 7 pixels alike")
    ] = "gaussian"
    data_range: Annotated[
        Literal["fixed", "prediction"], Field(description="data_range_* of the map, or that of each slice's prediction")
    ] = "fixed"

    @model_validator(mode="before")
    @classmethod
    def _of_protocol(cls, given: Any) -> Any:
        """Fill in what a protocol says, and refuse what contradicts it."""
        if not isinstance(given, Mapping) or given.get("protocol") != "paper":
            return given
        for field, value in PAPER.items():
            if given.get(field, value) != value:
                raise ValueError(f"{field}: got {given[field]!r} with protocol paper; allowed: {value}, or no protocol")
        return {**given, **PAPER}

    def compare(self, name: str, prediction: Float64, reference: Float64, mask: Mask) -> float:
        fixed = self.range_of(name) if self.data_range == "fixed" else None
        return ssim(prediction, reference, mask, fixed, self.window)


class Psnr(RangedMetric):
    """Peak signal-to-noise ratio of each map over a region in dB: 20 log10(data range / RMSE).

    The data range is fixed, map by map (`data_range_*`); it shifts all scores of a map alike. Infinite where
    method and reference are equal. MTT is clipped to 0-10 s on both sides first; see `mtt_range_s`. NaN where the
    region has no voxel with a reference.
    """

    name, version = "psnr", "2"
    better, units = "higher", "dB"

    def compare(self, name: str, prediction: Float64, reference: Float64, mask: Mask) -> float:
        return psnr(prediction[mask], reference[mask], self.range_of(name))
