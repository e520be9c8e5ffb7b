"""Map metrics that need a stated data range: SSIM and PSNR."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from ctpbench import DataError
from ctpbench.arrays import Float64, Mask
from ctpbench_metrics.maps import MapMetric, rmse

WINDOW_PX = 11
SIGMA_PX = 1.5


def psnr(prediction: Float64, reference: Float64, data_range: float) -> float:
    """Return 20 log10(data_range / RMSE) in dB; infinite where prediction and reference are equal."""
    error = rmse(prediction, reference)
    return float(20 * np.log10(data_range / error)) if error != 0 else float("inf")


def ssim(prediction: Float64, reference: Float64, mask: Mask, data_range: float) -> float:
    """Return the mean structural similarity of masked slices, 1 where they are equal.

    Parameters
    ----------
    prediction, reference : ndarray, (z, y, x), float64
        One map; both are set to 0 outside `mask`, so that nothing beyond it counts.
    mask : ndarray, (z, y, x), bool
        The voxels over which the SSIM image is averaged, those of all slices together.
    data_range : float
        Largest minus smallest value expected of the map, in its unit.

    Raises
    ------
    DataError
        Where a slice is smaller than the window of 11 x 11 pixels.

    Notes
    -----
    Wang et al. 2004, eq. 13: Gaussian window of sigma 1.5 px, K1 = 0.01, K2 = 0.03, moments over n.
    """
    from skimage.metrics import structural_similarity

    if min(mask.shape[1:]) < WINDOW_PX:
        raise DataError(
            f"ssim: got slices of {mask.shape[1]} x {mask.shape[2]} px; allowed: {WINDOW_PX} x {WINDOW_PX} "
            "or more, the window's size; use larger slices or leave ssim out of the suite's metrics"
        )
    options = {"gaussian_weights": True, "sigma": SIGMA_PX, "use_sample_covariance": False}
    total = 0.0
    for p, r, inside in zip(prediction, reference, mask, strict=True):
        if inside.any():
            sides = (np.where(inside, side, 0.0) for side in (p, r))
            _, image = structural_similarity(*sides, data_range=data_range, full=True, **options)
            total += image[inside].sum()
    return float(total / mask.sum())


class RangedMetric(MapMetric):
    """Base of the metrics that relate errors to a map's range of values, fixed for all cases and methods."""

    data_range_cbf: Annotated[float, Field(gt=0, description="mL/100 g/min")] = 80.0
    data_range_cbv: Annotated[float, Field(gt=0, description="mL/100 g")] = 6.0
    data_range_mtt_s: Annotated[float, Field(gt=0, description="s")] = 10.0
    data_range_ttp_s: Annotated[float, Field(gt=0, description="s")] = 50.0
    data_range_tmax_s: Annotated[float, Field(gt=0, description="s")] = 12.0

    def data_range(self, name: str) -> float:
        """Return the data range of the map `name` in its unit."""
        return {
            "cbf": self.data_range_cbf,
            "cbv": self.data_range_cbv,
            "mtt": self.data_range_mtt_s,
            "ttp": self.data_range_ttp_s,
            "tmax": self.data_range_tmax_s,
        }[name]


class Ssim(RangedMetric):
    """Structural similarity (SSIM) of each map over the tissue, 1 where method and reference are equal.

    Slice by slice with scikit-image: Gaussian window of sigma 1.5 px, K1 = 0.01, K2 = 0.03, moments over n.
    Both maps are set to 0 outside the tissue, and the SSIM image is averaged over the tissue voxels of all
    slices. The data range is fixed, map by map (`data_range_*`); SSIM depends on it, so compare only scores
    of equal ranges. MTT is clipped to 0-10 s on both sides first, as the paper's authors (Wu, Ren and Li)
    did; see `mtt_range_s`, and raise `data_range_mtt_s` with it. Slices need 11 x 11 pixels or more.

    Source: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE Trans. Image Process. 13 (2004) 600-612.
    """

    name, version = "ssim", "1"
    better, units = "higher", "1"

    def compare(self, name: str, prediction: Float64, reference: Float64, mask: Mask) -> float:
        return ssim(prediction, reference, mask, self.data_range(name))


class Psnr(RangedMetric):
    """Peak signal-to-noise ratio of each map over the tissue in dB: 20 log10(data range / RMSE).

    The data range is fixed, map by map (`data_range_*`); it shifts all scores of a map alike. Infinite where
    method and reference are equal. MTT is clipped to 0-10 s on both sides first; see `mtt_range_s`.
    """

    name, version = "psnr", "1"
    better, units = "higher", "dB"

    def compare(self, name: str, prediction: Float64, reference: Float64, mask: Mask) -> float:
        return psnr(prediction[mask], reference[mask], self.data_range(name))
