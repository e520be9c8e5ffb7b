"""What a method's maps are held against, and where it is defined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from ctpbench import ScoredCase

if TYPE_CHECKING:
    import xarray as xr

Against = Annotated[
    Literal["noiseless", "truth", "exact"],
    Field(
        description="the reference: maps of the noiseless frames through the same deconvolution; the true maps as far "
        "as the scanner resolves them; or the true maps"
    ),
]
TIMES = ("mtt", "ttp", "tmax")


def reference_needs(against: str) -> frozenset[str]:
    """Return the optional parts of a case that a reference reads, for `Metric.needs`."""
    return frozenset({"noiseless" if against == "noiseless" else "truth"})


def reference_maps(case: ScoredCase, against: str) -> xr.DataArray:
    """Return the maps that a case is held against.

    Parameters
    ----------
    case : ScoredCase
        It has the parts of `reference_needs`.
    against : {"noiseless", "truth", "exact"}
        The scaled maps of the noiseless frames; what the scanner resolves of the true maps (`Truth.resolved`), the true
        maps where that is not known; the true maps.

    Returns
    -------
    DataArray, (map, z, y, x), float32
        In the order of the case's own maps; NaN where unknown or undefined. A time (MTT, TTP, Tmax) is defined where
        there is flow: where the reference's CBF, if that is known, is above 0.
    """
    if against == "noiseless":
        reference = case.noiseless
    else:
        resolved = case.truth.resolved if against == "truth" else None
        reference = case.truth.maps if resolved is None else resolved
    if reference is None:  # a truth may know labels or frames and no maps
        return case.maps.copy(data=np.full(case.maps.shape, np.nan, np.float32))
    flow = _flow(reference)
    chosen = reference.reindex(map=case.maps["map"].values)
    return chosen if flow is None else chosen.where(~chosen["map"].isin(TIMES) | flow)


def _flow(reference: xr.DataArray) -> xr.DataArray | None:
    """Return where a reference's CBF is above 0, (z, y, x); None where it knows no CBF."""
    if "cbf" not in reference["map"].values:
        return None
    cbf = reference.sel(map="cbf", drop=True)
    return cbf > 0 if bool(np.isfinite(cbf).any()) else None
