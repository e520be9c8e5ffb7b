"""Draws of the noise and patients: what a plan makes of them, and what the results say."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctpbench import Dataset
from ctpbench.errors import DataError, InputError
from ctpbench.running.plan import plan
from ctpbench.suite.load import load_suite

SUITE = """
datasets: [{name: toy, params: {test_cases: 4, cases_per_patient: 2}, noise: [2]}]
denoisers: [leave, {name: shrink, tune: {parameters: {weight: [0.2, 0.6]}}}]
metrics: [error]
replicates: 3
"""


@pytest.fixture
def load(catalogue, write_suite):
    return lambda text: load_suite(write_suite(text), catalogue)


def test_the_test_split_alone_has_every_draw_of_every_case(load):
    cells = plan(load(SUITE))
    test, validation = cells[1].test, cells[1].validation
    assert test.cases[:4] == ("test/0", "test/0 #2", "test/0 #3", "test/1")
    assert (len(test.cases), len(set(test.keys))) == (12, 12)
    assert test.patients[:9] == ("test patient 0",) * 6 + ("test patient 1",) * 3
    assert validation.cases == ("validation/0",)
    assert test.without({"test/0 #2"}).cases[:3] == ("test/0", "test/0 #3", "test/1")


def test_without_noise_there_is_one_draw(load):
    (cell, _) = plan(load(SUITE.replace("[2]", "[null]")))
    assert cell.test.cases == ("test/0", "test/1", "test/2", "test/3")


def test_the_first_draw_is_cached_whatever_the_number_of_draws(load):
    one, three = (plan(load(SUITE.replace("replicates: 3", f"replicates: {n}")))[0].test for n in (1, 3))
    assert one.keys == three.keys[::3]


def test_a_dataset_that_cannot_draw_its_noise_anew_is_refused(load, catalogue, monkeypatch):
    with pytest.raises(InputError, match="replicates: got 0; allowed: "):
        load(SUITE.replace("replicates: 3", "replicates: 0"))
    monkeypatch.setattr(catalogue.find("dataset", "toy"), "load_replicate", Dataset.load_replicate)
    text = "datasets: [{name: toy, noise: [2]}]\ndenoisers: [leave]\nreplicates: 2\n"
    with pytest.raises(InputError, match="3: replicates: got 2; allowed: 1, as 'toy' cannot draw its noise anew"):
        load(text)


def test_a_case_called_as_a_draw_of_another_is_refused(load, catalogue, monkeypatch):
    toy = catalogue.find("dataset", "toy")
    cases = lambda self, split: [f"{split}/0", f"{split}/0 #2"]  # noqa: E731
    monkeypatch.setattr(toy, "cases", cases)
    monkeypatch.setattr(toy, "patient", lambda self, case_id: case_id)
    with pytest.raises(DataError, match="test split: got a case whose id is what another's draw is called"):
        plan(load(SUITE))
    assert plan(load(SUITE.replace("replicates: 3", "replicates: 1")))[0].test.cases == ("test/0", "test/0 #2")


def test_a_patient_in_two_splits_is_refused(load, catalogue, monkeypatch):
    toy = catalogue.find("dataset", "toy")
    monkeypatch.setattr(toy, "patient", lambda self, case_id: "one and the same")
    with pytest.raises(DataError, match="dataset toy: patient 'one and the same' is in the splits validation and test"):
        plan(load(SUITE))
    monkeypatch.setattr(toy, "patient", lambda self, case_id: 5)
    with pytest.raises(DataError, match=r"dataset toy: patient\('validation/0'\): got 5; allowed: text"):
        plan(load(SUITE))


def test_a_run_holds_every_draw_and_whose_it_is(ctpbench, write_suite, tmp_path, catalogue):
    assert ctpbench("run", write_suite(SUITE), "--out", "out").returncode == 0
    with xr.open_datatree(tmp_path / "out/results.nc") as tree:
        data = tree["toy"].to_dataset(inherit=False).load()
    assert data.sizes["case"] == 12
    assert data["patient"].dims == ("case",)
    assert list(dict.fromkeys(data["patient"].values)) == ["test patient 0", "test patient 1"]
    errors = data["error"].sel(config="leave", map="cbf").values.ravel()
    assert len(np.unique(errors)) == 12
    toy = catalogue.find("dataset", "toy")(test_cases=4, cases_per_patient=2)
    draws = [toy.load_replicate("test/1", 2.0, draw).observation.frames.values for draw in range(2)]
    np.testing.assert_array_equal(draws[0], toy.load("test/1", 2.0).observation.frames.values)
    assert not np.array_equal(*draws)
