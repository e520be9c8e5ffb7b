"""What decides a key: the data, the settings, the seed, the code and the libraries behind a piece of work."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ctpbench import code
from ctpbench.running import keys as keys_module
from ctpbench.running.cell import Cell
from ctpbench.running.plan import plan
from ctpbench.suite.load import load_suite

SUITE = """
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: learn, tune: {parameters: {factor: [0, 1]}, metric: METRIC}}]
metrics: [error, frame-error]
seeds: [0, 1]
maps: {kappa: KAPPA}
"""
EVERY = {"data", "reference", "model", "prediction", "scores", "record"}
BELOW = {
    "data": EVERY,
    "reference": {"reference", "scores", "record"},
    "model": {"model", "prediction", "scores", "record"},
    "prediction": {"prediction", "scores", "record"},
    "scores": {"scores", "record"},
}
"""What is stale where a stage is another."""
OF_KIND = {"dataset": "data", "denoiser": "model", "metric": "scores"}


@pytest.fixture
def cell_of(catalogue, write_suite) -> Callable[..., Cell]:
    """Plan a suite anew and return its cell of a seed."""

    def planned(seed: int = 0, metric: str = "error", kappa: float = 1.0) -> Cell:
        text = SUITE.replace("METRIC", metric).replace("KAPPA", str(kappa))
        return plan(load_suite(write_suite(text), catalogue))[seed]

    return planned


def keys(cell: Cell) -> dict[str, str]:
    """Return the keys of all that a cell asks for once it is tuned, and of its record."""
    denoiser = cell.row.component(factor=0)
    prediction, reference = (
        cell.prediction(denoiser, cell.test, cell.row.maps[0], trial=False),
        cell.reference(cell.test, cell.row.maps[0]),
    )
    scores = cell.scores(prediction, reference, {"cbf": 1.0, "cbv": 1.0}, cell.test, cell.suite.metrics)
    items = [cell.test.items()[0], reference, cell.model(denoiser), prediction, scores]
    return {**{item.stage: item.key for item in items}, "record": cell.key}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in EVERY if before[name] != after[name]}


def test_keys_are_the_same_each_time_and_no_two_are_alike(cell_of):
    assert keys(cell_of()) == keys(cell_of())
    assert set(keys(cell_of())) == EVERY
    assert len(set(keys(cell_of()).values())) == len(EVERY)


def test_a_seed_and_settings_decide_what_feels_them(cell_of):
    assert changed(keys(cell_of()), keys(cell_of(seed=1))) == BELOW["model"]
    assert changed(keys(cell_of()), keys(cell_of(kappa=0.7))) == BELOW["reference"] | BELOW["prediction"]


@pytest.mark.parametrize("kind", OF_KIND)
@pytest.mark.parametrize(("what", "other"), [("component_hash", "edited"), ("component_libraries", {"pytest": "1"})])
def test_other_code_or_libraries_of_a_component_decide_what_is_made_with_it(
    kind, what, other, cell_of, catalogue, monkeypatch
):
    cls = catalogue.find(kind, {"dataset": "toy", "denoiser": "learn", "metric": "error"}[kind])
    before, known = keys(cell_of()), getattr(code, what)
    for module in ("work", "common"):
        monkeypatch.setattr(f"ctpbench.running.{module}.{what}", lambda c: other if c is cls else known(c))
    assert changed(before, keys(cell_of())) == BELOW[OF_KIND[kind]]


def test_other_files_of_a_dataset_decide_everything(cell_of, catalogue, monkeypatch):
    before = keys(cell_of())
    monkeypatch.setattr(catalogue.find("dataset", "toy"), "fingerprint", lambda self: "changed")
    assert changed(before, keys(cell_of())) == EVERY


@pytest.mark.parametrize("stage", BELOW)
def test_other_code_or_libraries_of_a_stage_decide_what_lies_below_it(stage, cell_of, monkeypatch):
    before = keys(cell_of())
    with monkeypatch.context() as patch:
        patch.setitem(keys_module.LIBRARIES, stage, ("numpy", "pytest"))
        assert changed(before, keys(cell_of())) == BELOW[stage]
    monkeypatch.setattr(keys_module, "core_hash", lambda *of: "" if of[-1].endswith(stage) else code.core_hash(*of))
    assert changed(before, keys(cell_of())) == BELOW[stage]


def test_a_trial_is_kept_apart_from_the_test_and_from_a_trial_for_another_metric(cell_of):
    """They differ in what they keep and in what is timed."""

    def key(cell: Cell, trial: bool) -> str:
        return cell.prediction(cell.row.component(factor=0), cell.validation, cell.row.maps[0], trial=trial).key

    by_error, by_frames = cell_of(), cell_of(metric="frame-error")
    assert len({key(by_error, True), key(by_frames, True), key(by_error, False)}) == 3
    assert key(by_error, False) == key(by_frames, False)


def test_a_method_that_learns_is_fitted_once_whatever_maps_tuning_chooses_among(catalogue, write_suite):
    text = """
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: learn, tune: {parameters: {factor: [0, 1]}, maps: true}}]
metrics: [error]
maps: [{lambda_rel: 0.3}, {lambda_rel: 0.1}]
"""
    (cell,) = plan(load_suite(write_suite(text), catalogue))
    tried = [{"factor": 0.0, "maps": maps.label} for maps in cell.row.maps]
    fits = [cell.model(cell.row.component(**parameters)) for parameters in tried]
    assert fits[0] == fits[1]
    assert fits[0].label.endswith("fit factor=0")
    made = [cell.prediction(cell.row.component(**p), cell.validation, cell.row.maps_by(**p), trial=True) for p in tried]
    assert made[0].key != made[1].key
