"""The noise of a scan: how much, how correlated in time and space.

A scan shows its own noise where its frames differ while nothing else changes. Contrast changes them too. So each frame
is split into its local mean, which carries most of the bolus and little noise, and the detail left over; only pairs of
frames are used between which the local means hardly change; and the noise that went with the local mean is put back
from the noise's own covariance. Noise three to five frames apart counts as independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ctpbench.arrays import Float32, Mask
from ctpbench.errors import DataError
from ctpbench.perfusion.detail import (
    CORE_PX,
    FAR_LAGS,
    checked,
    covariance_of,
    dense,
    differences,
    mean_square,
    restored,
    split,
    steady_part,
)


@dataclass(frozen=True)
class NoiseStatistics:
    """What the noise of a scan is like.

    Attributes
    ----------
    sd_hu : float
        Standard deviation of one voxel of one frame, HU.
    corr_time : float
        Correlation of the noise of neighbouring frames: 0 as scanned, above where a scan was filtered in time.
    corr_rows, corr_columns : float
        Of neighbouring voxels along y, and along x.
    corr_slices : float
        Along z; NaN where no two neighbouring slices share tissue.
    """

    sd_hu: float
    corr_time: float
    corr_rows: float
    corr_columns: float
    corr_slices: float


def noise_statistics(frames: npt.ArrayLike, tissue: npt.ArrayLike) -> NoiseStatistics:
    """Estimate the noise of a scan from the scan alone, whatever bolus and anatomy it shows.

    Parameters
    ----------
    frames : array, (time, z, y, x), HU
        Eight frames or more. A third of the pairs of frames up to 5 apart must see no bolus come or go.
    tissue : array, (z, y, x), bool
        Brain without vessels.

    Returns
    -------
    NoiseStatistics
        Of a scan whose noise is correlated over three frames or more both `sd_hu` and `corr_time` are too low.

    Raises
    ------
    DataError
        Where a shape does not fit, a value is not finite, there is too little tissue or no noise.

    Examples
    --------
    >>> import numpy as np
    >>> from ctpbench.perfusion import noise_statistics
    >>> tissue = np.hypot(*(np.mgrid[:48, :48] - 23.5))[np.newaxis] < 20
    >>> frames = 35 + np.random.default_rng(0).normal(0, 8, (20, 1, 48, 48))
    >>> print(f"{noise_statistics(frames, tissue).sd_hu:.1f} HU")
    8.0 HU
    """
    series, mask = checked(frames, tissue, "tissue")
    mask = dense(mask, "tissue")
    box = ndimage.find_objects(mask.astype(np.int8))[0]
    series, mask = series[:, *box], mask[box]
    detail, local, per_mean = split(series, mask)
    far = differences(detail, local, mask, FAR_LAGS)
    steady = steady_part(detail, mask)
    near = differences(detail, local, mask, (1,))
    covariance = restored(covariance_of(far, steady, CORE_PX), per_mean)
    variance, along_y, along_x = (covariance[CORE_PX + dy, CORE_PX + dx] for dy, dx in ((0, 0), (1, 0), (0, 1)))
    if not variance > 0:
        raise DataError("frames: got no change from frame to frame in the tissue; allowed: a scan with noise")
    return NoiseStatistics(
        sd_hu=math.sqrt(variance),
        corr_time=float(1 - mean_square(near)[steady].mean() / mean_square(far)[steady].mean()),
        corr_rows=float(along_y / variance),
        corr_columns=float(along_x / variance),
        corr_slices=_correlation_of_slices(far, steady),
    )


def combine(parts: Sequence[tuple[NoiseStatistics, int]]) -> NoiseStatistics:
    """Return the noise of a whole scan from that of its slabs: variances and covariances are averaged.

    Parameters
    ----------
    parts : sequence of (NoiseStatistics, int)
        Each slab's, with the number of its voxels.

    Returns
    -------
    NoiseStatistics

    Raises
    ------
    DataError
        Where there is no slab, or one without voxels.
    """
    voxels = [count for _, count in parts]
    if not parts or min(voxels) < 1:
        raise DataError(f"noise: got slabs of {voxels} voxels; allowed: one slab or more, each of 1 voxel or more")
    power = np.array([part.sd_hu**2 * count for part, count in parts])

    def pooled(name: str) -> float:
        values = np.array([getattr(part, name) for part, _ in parts])
        known = ~np.isnan(values)
        return float(np.average(values[known], weights=power[known])) if known.any() else math.nan

    correlations = {name: pooled(name) for name in ("corr_time", "corr_rows", "corr_columns", "corr_slices")}
    return NoiseStatistics(sd_hu=math.sqrt(power.sum() / sum(voxels)), **correlations)


def _correlation_of_slices(differences: Float32, mask: Mask) -> float:
    both = mask[:-1] & mask[1:]
    if not both.any():
        return math.nan
    lower, upper = differences[:, :-1][:, both], differences[:, 1:][:, both]
    return float(2 * (lower * upper).mean() / ((lower**2).mean() + (upper**2).mean()))
