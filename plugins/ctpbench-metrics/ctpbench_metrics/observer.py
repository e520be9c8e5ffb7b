"""What an observer of the maps finds: the detectability of small lesions of low contrast at known sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ctpbench import MAPS, Metric, ScoredCase
from ctpbench.arrays import Float64, Mask
from ctpbench_metrics.scores import per_map

if TYPE_CHECKING:
    import xarray as xr

SITES = ("lesion_sites", "empty_sites")
_REACH = 1.5  # how far the channels reach from the middle of a site, in its diameters


class Detectability(Metric):
    """Area under the ROC curve of a channelised Hotelling observer that looks for lesions at known sites, per map.

    1: every site with a lesion is told from every one without; 0.5: none is. The truth's regions of interest
    `lesion_sites` and `empty_sites` hold the sites, apart from one another and of one size, as of the dataset
    `low_contrast`. The observer sees each map through Laguerre-Gauss channels about the middle of a site, as wide as
    a site, and weighs them by their means and their covariance over sites. Each pair of a lesion and an empty site is
    told apart by the weights that all other sites give, which leaves the area without bias. Such an observer undoes
    what a filter does alike everywhere: the area says what information is left in a map, not how smooth it is. NaN
    where a case does not know sites, has no more of a kind than channels, or its map is not finite there.

    Sources: Barrett and Myers, "Foundations of Image Science", 2004, chapter 14; Gallas and Barrett, J Opt Soc Am A
    20:1725, 2003 (channels); Airola et al., Comput Stat Data Anal 55:1828, 2011 (leaving out pairs).
    """

    name, version = "detectability", "1"
    better, units, best = "higher", "1", 1.0

    channels: Annotated[int, Field(ge=1, le=20, description="how many channels the observer has")] = 5

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"truth"})

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the score of each map, (map)."""
        names = [name for name in case.maps["map"].values.tolist() if name in MAPS]
        maps = case.maps.sel(map=names).values.astype(np.float64)
        lesion, empty = (_discs(case, name) for name in SITES)
        if lesion is None or empty is None:
            areas = [float("nan")] * len(names)
        else:
            width_px = _diameter_px(lesion | empty)
            seen = [_responses(maps, _middles(sites), self.channels, width_px) for sites in (lesion, empty)]
            areas = [auc_by_pairs(*of_map) for of_map in zip(*seen, strict=True)]
        return per_map(areas, names)


def auc_by_pairs(lesion: Float64, empty: Float64) -> float:
    """Return how often a Hotelling observer ranks a site with a lesion above one without, each pair left out in turn.

    Parameters
    ----------
    lesion, empty : ndarray, (site, channel), float64
        What the channels see of sites with and without a lesion. NaN comes back where a kind has no more sites than
        there are channels.

    Returns
    -------
    float
        Half a pair where both rank alike.
    """
    if min(len(lesion), len(empty)) <= lesion.shape[1] or not np.isfinite([lesion.sum(), empty.sum()]).all():
        return float("nan")
    rest = len(lesion) - 1, len(empty) - 1
    off = lesion - lesion.mean(axis=0), empty - empty.mean(axis=0)
    # What is left without a site: of the scatter, and of the mean of its kind.
    lost = [np.einsum("sk,sl->skl", each, each) * (1 + 1 / n) for each, n in zip(off, rest, strict=True)]
    scatter = off[0].T @ off[0] + off[1].T @ off[1] - lost[0][:, None] - lost[1][None]
    signal = (lesion.mean(axis=0) - off[0] / rest[0])[:, None] - (empty.mean(axis=0) - off[1] / rest[1])[None]
    weights = np.einsum("ijkl,ijl->ijk", np.linalg.pinv(scatter, hermitian=True), signal)
    apart = np.einsum("ijk,ijk->ij", weights, lesion[:, None] - empty[None])
    return float(np.mean(np.where(apart == 0, 0.5, apart > 0)))


def laguerre_gauss(count: int, width: float, half: int) -> Float64:
    """Return the first Laguerre-Gauss functions, (count, 2 half + 1, 2 half + 1), about the middle of a patch.

    ``sqrt(2) / a exp(-pi r^2 / a^2) L_p(2 pi r^2 / a^2)``, `a` the width in pixels: an orthonormal set.
    """
    from scipy.special import eval_laguerre  # which listing the metrics need not load

    along = np.arange(-half, half + 1)
    square = np.pi * (along[:, None] ** 2 + along**2) / width**2
    order = np.arange(count)[:, None, None]
    return np.sqrt(2) / width * np.exp(-square) * eval_laguerre(order, 2 * square)


def _discs(case: ScoredCase, name: str) -> Mask | None:
    """Return where sites of a kind are, (z, y, x), bool; None where the case knows of none."""
    rois = case.truth.rois
    if rois is None or name not in rois["roi"].values or not rois.sel(roi=name).values.any():
        return None
    return np.asarray(rois.sel(roi=name).values, dtype=bool)


def _labelled(sites: Mask) -> tuple[npt.NDArray[np.integer], int]:
    """Number the sites of each slice, which are apart."""
    from scipy import ndimage

    in_plane = np.zeros((3, 3, 3), bool)
    in_plane[1] = True
    return ndimage.label(sites, in_plane)


def _diameter_px(sites: Mask) -> float:
    """Return the diameter of a disc as large as a site is on average, in pixels."""
    return float(2 * np.sqrt(sites.sum() / _labelled(sites)[1] / np.pi))


def _middles(sites: Mask) -> npt.NDArray[np.integer]:
    """Return the pixels nearest to the middles of sites, (site, 3)."""
    from scipy import ndimage

    labels, count = _labelled(sites)
    return np.rint(ndimage.center_of_mass(sites, labels, range(1, count + 1))).astype(int)


def _responses(maps: Float64, middles: npt.NDArray[np.integer], channels: int, width_px: float) -> Float64:
    """Return what channels see about the middles of sites: (map, site, channel). A map is continued by its edges."""
    half = int(np.ceil(_REACH * width_px))
    seen_through = laguerre_gauss(channels, width_px, half)
    padded = np.pad(maps, ((0, 0), (0, 0), (half, half), (half, half)), mode="edge")
    around = np.arange(2 * half + 1)
    patches = [padded[:, z][:, (y + around)[:, None], x + around] for z, y, x in middles]
    return np.einsum("smyx,cyx->msc", np.stack(patches), seen_through)
