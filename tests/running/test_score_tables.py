"""Scores of cases become one table, as xarray would join them; what a case lacks is null."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from ctpbench.running.errands.scores import _table
from ctpbench.running.tiny import Level


def curve(times: list[float], rois: list[str]) -> xr.DataArray:
    values = np.random.default_rng(len(times)).random((len(times), len(rois)))
    return xr.DataArray(values, dims=("time", "roi"), coords={"time": times, "roi": rois, "patient": "not kept"})


@pytest.mark.parametrize(
    "results",
    [
        [curve([3.0, 1.0], ["core", "all"]), None, curve([3.0, 1.0], ["core", "all"])],
        [curve([0.0, 2.0], ["core"]), curve([1.0, 2.0, 4.0], ["white_matter", "core"]), None],
    ],
    ids=["alike", "of other times and regions"],
)
def test_cases_are_joined_as_xarray_joins_them(results):
    table = _table(Level(), results, "level")
    known = {i: result.drop_vars("patient") for i, result in enumerate(results) if result is not None}
    joined = xr.concat(known.values(), pd.Index(known, name="case"), join="outer").reindex(case=range(len(results)))
    assert table.dims == joined.dims == ("case", "time", "roi")
    assert table.coords == {dim: joined[dim].values.tolist() for dim in ("time", "roi")}
    np.testing.assert_array_equal(np.array(table.values, float), joined.values)
    assert all(value is None or np.isfinite(value) for value in np.array(table.values, object).ravel())


def test_a_number_for_each_case_and_none_at_all():
    assert _table(Level(), [xr.DataArray(2.0), None, xr.DataArray(np.inf)], "level").values == [2.0, None, None]
    assert _table(Level(), [None, None], "level").values == [None, None]
