"""Names in the results tree that are its own, whatever metrics are called."""

from __future__ import annotations

import xarray as xr

from ctpbench.text import NoiseAxis

MISSING = "missing"
"""The status of a cell without a record."""
PATIENT = "patient"
"""The coordinate that says whose each case is; older results have none."""
FROM_RUN = "from_run"
"""The variable that says which run each cell was taken from, in results that were joined."""
CHILDREN = ("trials", "learning", "inspections", "cases")
"""The groups that a dataset's group may hold."""


def axis_of(data: xr.Dataset) -> NoiseAxis:
    """Return what the noise levels of a dataset's group are, as far as its results say."""
    symbol, units = (str(data["noise"].attrs.get(name, "")) for name in ("symbol", "units"))
    return NoiseAxis(symbol, units)
