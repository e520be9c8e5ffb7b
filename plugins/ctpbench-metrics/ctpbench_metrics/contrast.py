"""How well the infarct core stands out from normal white matter in the CBF map."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from ctpbench import Metric, ScoredCase
from ctpbench.arrays import Float64
from ctpbench_metrics.roi import roi_mask
from ctpbench_metrics.scores import one

if TYPE_CHECKING:
    import xarray as xr


class CoreMetric(Metric):
    """Base of the metrics of CBF in the infarct core and in flat normal white matter."""

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"rois"})

    @abstractmethod
    def compare(self, white_matter: Float64, core: Float64) -> float:
        """Return the score from the CBF of both regions' voxels, (voxel), float64, neither empty."""

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the score, one number."""
        regions = [roi_mask(case, name) for name in ("white_matter", "core")]
        if "cbf" not in case.maps["map"].values or not all(inside.any() for inside in regions):
            return one(np.nan)
        cbf = case.maps.sel(map="cbf").values
        return one(self.compare(*(cbf[inside].astype(np.float64) for inside in regions)))


class CoreContrast(CoreMetric):
    """Mean CBF of flat normal white matter minus that of the infarct core, in mL/100 g/min.

    NaN where a region is missing. A method may gain contrast by overestimating the white matter's CBF, as TTV does in
    the paper: see `roi_bias` and `core_cnr`.

    Source: Wu, Ren and Li, section V-C and Table II.
    """

    name, version = "core_contrast", "1"
    better, units = "higher", "mL/100 g/min"

    def compare(self, white_matter: Float64, core: Float64) -> float:
        return float(white_matter.mean() - core.mean())


class CoreStd(CoreMetric):
    """Standard deviation of CBF over the voxels of flat normal white matter, in mL/100 g/min.

    The noise of `core_cnr`, over all slices together and over n, for the same cases: NaN where either region is
    missing.

    Source: Wu, Ren and Li, section V-C and Table II.
    """

    name, version = "core_std", "1"
    better, units, best = "lower", "mL/100 g/min", 0.0

    def compare(self, white_matter: Float64, core: Float64) -> float:
        return float(white_matter.std())


class CoreCnr(CoreMetric):
    """Contrast-to-noise ratio of the infarct core in CBF: `core_contrast` over `core_std`, case by case.

    The table's mean over cases is the mean of the ratios, as in the paper. Infinite where the white matter's CBF is
    constant; NaN where a region is missing, or where there is neither contrast nor noise.

    Source: Wu, Ren and Li, section V-C and Table II.
    """

    name, version = "core_cnr", "1"
    better, units = "higher", "1"

    def compare(self, white_matter: Float64, core: Float64) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.divide(white_matter.mean() - core.mean(), white_matter.std()))
