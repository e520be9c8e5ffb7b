"""What decides a key: change one thing at a time, and see which of a cell's keys change."""

from __future__ import annotations

import pytest

from ctpbench import code
from ctpbench.running import keys
from ctpbench.running.plan import plan
from ctpbench.suite.load import load_suite

SUITE = """
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: learn, tune: {parameters: {factor: [0, 1]}, metric: error}}]
metrics: [error]
"""
ALL = {"record", "data", "reference", "model", "prediction", "trial", "scores"}
DOWNSTREAM = {
    "data": ALL,
    "reference": {"record", "reference", "scores"},
    "model": {"record", "model", "prediction", "trial", "scores"},
    "prediction": {"record", "prediction", "trial", "scores"},
    "scores": {"record", "scores"},
}


@pytest.fixture
def made(catalogue, write_suite):
    """Return all keys of a suite's one cell."""
    path = write_suite(SUITE)

    def keys_of() -> dict[str, str]:
        (cell,) = plan(load_suite(path, catalogue))
        denoiser = cell.row.component(factor=0.5)
        prediction = cell.prediction(denoiser, cell.test, trial=False)
        reference = cell.reference(cell.test)
        scores = cell.scores(prediction, reference, {"cbf": 1.0, "cbv": 1.0}, cell.test, cell.suite.metrics)
        model = cell.model(denoiser)
        assert model is not None
        trial = cell.prediction(denoiser, cell.test, trial=True)
        items = {"reference": reference, "model": model, "prediction": prediction, "trial": trial, "scores": scores}
        return {"record": cell.key, "data": cell.test.keys[0], **{name: item.key for name, item in items.items()}}

    code.read_anew()
    yield keys_of
    code.read_anew()


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_the_same_again_has_the_same_keys(made):
    before = made()
    code.read_anew()
    assert made() == before
    assert len(set(before.values())) == len(before)


@pytest.mark.parametrize("stage", DOWNSTREAM)
def test_the_code_of_a_stage_is_in_its_keys_and_in_those_that_follow(stage, made, monkeypatch):
    before, known = made(), keys.core_hash
    monkeypatch.setattr(keys, "core_hash", lambda *modules: known(*modules) + "x" * modules[-1].endswith(stage))
    assert changed(before, made()) == DOWNSTREAM[stage]


@pytest.mark.parametrize(
    ("library", "expected"), [("numpy", ALL), ("scipy", ALL - {"data", "model"}), ("pandas", {"record", "scores"})]
)
def test_the_versions_of_the_cores_libraries_are_in_the_keys_of_its_stages(library, expected, made, monkeypatch):
    before, known = made(), keys.versions
    monkeypatch.setattr(keys, "versions", lambda names: {n: v + "9" * (n == library) for n, v in known(names).items()})
    assert changed(before, made()) >= expected


def test_the_versions_of_a_components_libraries_are_in_its_keys(made, monkeypatch):
    before, known = made(), code.versions
    code.read_anew()
    monkeypatch.setattr(code, "versions", lambda names: {n: v + "9" * (n == "numpy") for n, v in known(names).items()})
    assert changed(before, made()) == ALL  # the dataset's are upstream of all


@pytest.mark.parametrize(
    ("role", "expected"), [("denoiser", DOWNSTREAM["model"]), ("metric", {"record", "trial", "scores"})]
)
def test_a_components_library_that_it_alone_uses_is_in_its_keys(role, expected, made, catalogue, monkeypatch):
    before, known = made(), code.component_libraries
    cls = catalogue.denoisers["learn"] if role == "denoiser" else catalogue.metrics["error"]
    altered = lambda kind: {**known(kind), **({"numba": "99.0"} if kind is cls else {})}  # noqa: E731
    for module in ("ctpbench.running.work", "ctpbench.running.cell"):
        monkeypatch.setattr(f"{module}.component_libraries", altered)
    assert changed(before, made()) == expected
