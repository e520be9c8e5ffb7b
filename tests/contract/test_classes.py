"""Which class of tissue a label stands for, by the words of its name."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctpbench import class_mask, regions
from ctpbench.contract.case import Truth

MEANINGS = "air gray Grey_matter white_reduced gray_severe infarct penumbra_core whitewash"


def labels(meanings: str = MEANINGS) -> xr.DataArray:
    count = len(meanings.split())
    values = np.arange(count, dtype=np.int8).reshape(1, 1, count)
    attrs = {"flag_values": list(range(count)), "flag_meanings": meanings}
    return xr.DataArray(values, dims=("z", "y", "x"), attrs=attrs)


@pytest.mark.parametrize(
    ("tissue", "values"), [("gray", [1, 2, 4]), ("white", [3]), ("core", [4, 5, 6]), ("penumbra", [3])]
)
def test_a_class_is_told_by_whole_words_and_a_core_is_no_penumbra(tissue, values):
    found = class_mask(Truth(labels=labels()), tissue)
    assert found.dtype == bool
    assert np.flatnonzero(found).tolist() == values


def test_regions_stand_in_where_no_label_does():
    core = np.ones((1, 1, 2), bool)
    truth = Truth(labels=labels("air gray"), rois=regions(core=core, white=core))
    assert class_mask(truth, "core").tolist() == core.tolist()
    assert class_mask(truth, "white") is None  # a region of that name is no label
    assert class_mask(truth, "penumbra") is None
    assert class_mask(Truth(labels=labels("core air"), rois=regions(core=core)), "core").tolist() == [[[True, False]]]


@pytest.mark.parametrize("tissue", ["gray", "white", "core", "penumbra"])
def test_a_truth_that_does_not_say_knows_no_class(tissue):
    assert class_mask(Truth(), tissue) is None
    assert class_mask(Truth(labels=labels("air bone")), tissue) is None
