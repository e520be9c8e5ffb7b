"""What verification holds against each other, beside what `ctpbench verify` shows of it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctpbench import Observation
from ctpbench.outcome.results import build
from ctpbench.outcome.verification import checked, compared_inputs, same_machine
from ctpbench.running.files import save_observation
from ctpbench.running.record import Timings
from ctpbench.running.store import Store
from ctpbench.running.work import DataInfo, Outcome
from tests.outcome.records import CASES, record, rmse


@pytest.fixture
def store_with(tmp_path, catalogue):
    """Return a function that makes a store that holds one case, raised by so many HU."""
    frames = catalogue.datasets["toy"]().load("test/0", 1.0).observation.frames

    def make(name: str, raised_hu: float) -> Store:
        store = Store(tmp_path / name)
        with store.locked():
            made = store.cache.workspace()
            raised = frames.values + np.float32(raised_hu)
            save_observation(Observation(frames.copy(data=raised)), made / "observation.npz")
            store.cache.commit("data", "k", made, Outcome(status="ok", info=DataInfo()))
        return store

    return make


def results(cbf: float, fit_s: float | None = None, **attrs: str) -> xr.DataTree:
    """The results of one row, the same in all cases."""
    timings = Timings(fit_s=fit_s)
    return build([record("a", scores={"rmse": rmse([cbf] * len(CASES))}, timings=timings)], attrs)


@pytest.mark.parametrize(
    ("again", "fit_s", "cpu", "word"),
    [
        (10.0, None, "one", "verified"),
        (10.01, None, "one", "failed"),
        (10.1, None, "other", "verified"),
        (10.5, None, "other", "failed"),
        (10.5, 60.0, "other", "verified"),
        (12.0, 60.0, "other", "failed"),
    ],
)
def test_scores_done_again_may_differ_by_rounding_and_on_another_machine_by_a_little(again, fit_s, cpu, word):
    (row,) = checked(results(10.0, fit_s, cpu="one"), results(again, fit_s, cpu=cpu), None)
    assert row.word == word
    assert bool(row.why) == (word == "failed")


@pytest.mark.parametrize(("secret", "word"), [(9.0, "verified"), (14.9, "verified"), (15.1, "failed")])
def test_of_few_patients_a_score_on_secret_data_may_be_half_as_bad_again(secret, word):
    (row,) = checked(results(10.0), results(10.0), results(secret))
    assert row.word == word


@pytest.mark.parametrize(("raised_hu", "here", "elsewhere"), [(0.0, [], []), (0.005, ["k"], []), (0.1, ["k"], ["k"])])
def test_cases_are_alike_to_the_bit_on_one_machine_and_nearly_on_another(store_with, raised_hu, here, elsewhere):
    one, other = store_with("one", 0.0), store_with("other", raised_hu)
    assert compared_inputs(one, other, same=True) == (1, here)
    assert compared_inputs(one, other, same=False) == (1, elsewhere)


@pytest.mark.parametrize("name", ["cpu", "gpu", "threads", "packages", "python"])
def test_a_machine_is_its_processor_its_threads_and_its_packages(name):
    assert same_machine(xr.DataTree(), xr.DataTree())
    assert not same_machine(xr.DataTree(xr.Dataset(attrs={name: "a"})), xr.DataTree())
