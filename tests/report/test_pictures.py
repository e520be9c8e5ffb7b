"""Which pictures a run's folder gets, of which slice, and what stands on them."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ctpbench.contract.case import Truth
from ctpbench.contract.observation import RADIOLOGICAL
from ctpbench.report import drawing, folder, pictures
from ctpbench.running.cache import Cache
from ctpbench.running.files import load_observation, load_truth, save_observation, save_truth
from ctpbench.running.store import Store
from ctpbench.testing import example_case
from ctpbench.text import NoiseAxis

SUITE = """
datasets: [{name: toy, params: {test_cases: 1}, noise: [2]}]
denoisers: [noiseless, leave, {name: shrink, params: {weight: 0.5}}]
metrics: [error]
"""
AXIS = NoiseAxis("sd", "HU")


@pytest.fixture
def store(ctpbench, write_suite, tmp_path) -> Store:
    assert ctpbench("run", write_suite(SUITE), "--out", "out").returncode == 0
    return Store(tmp_path / "out")


def shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Draw, and return what each picture was asked to show, by its file's name."""
    asked: dict[str, dict[str, Any]] = {}

    def sheet(labels, rows, inside, title, path, marks, keep=0):
        asked[path.stem] = {"labels": labels, "rows": rows, "inside": inside, "title": title, "marks": marks}

    monkeypatch.setattr("ctpbench.report.panels.draw_sheet", sheet)
    drawn = pictures.draw_panels(store, [r for r in store.finished() if r.status == "ok"], AXIS)
    assert [path.stem for path in drawn] == list(asked)
    return asked


def test_the_noiseless_control_is_a_reference_and_stands_there_once(store, monkeypatch):
    asked = shown(store, monkeypatch)
    assert list(asked) == ["toy-2", "toy-2-clinic", "toy-2-less-noiseless", "toy-2-less-truth"]
    methods = ["leave (noisy)", "shrink(weight=0.5)"]
    assert asked["toy-2"]["labels"] == asked["toy-2-clinic"]["labels"] == [*methods, "noiseless", "truth"]
    assert asked["toy-2-less-noiseless"]["labels"] == methods
    assert asked["toy-2-less-truth"]["labels"] == [*methods, "noiseless"]
    assert asked["toy-2"]["title"] == "toy, sd = 2 HU: test/0"
    assert asked["toy-2"]["marks"].legend == ""
    assert {row.colours for row in asked["toy-2-clinic"]["rows"]} == {"asist"}


def test_without_a_truth_there_is_nothing_to_take_from_it(store, monkeypatch):
    monkeypatch.setattr(pictures, "load_truth", lambda path: Truth())
    assert list(shown(store, monkeypatch)) == ["toy-2", "toy-2-clinic", "toy-2-less-noiseless"]


def test_without_the_cached_observation_there_is_no_picture(store, monkeypatch):
    monkeypatch.setattr(Cache, "outcome", lambda self, stage, key: None)
    assert shown(store, monkeypatch) == {}


def test_a_picture_shows_the_slice_with_most_of_the_lesion_outlined_and_which_side_is_which(store, monkeypatch):
    case = example_case(slices=3)
    labels = case.truth.labels.copy()
    values = dict(zip(labels.attrs["flag_meanings"].split(), labels.attrs["flag_values"], strict=True))
    white, core = (next(value for name, value in values.items() if word in name) for word in ("white", "core"))
    labels.values[[0, 2]] = np.where(labels.values[[0, 2]] == core, white, labels.values[[0, 2]])
    frames = case.observation.frames.copy()
    frames.attrs["axes"] = RADIOLOGICAL
    record = next(store.finished())
    folder = store.cache.path("data", record.entries.observation)
    save_observation(type(case.observation)(frames), folder / "observation.npz")
    save_truth(Truth(labels=labels), folder / "truth.npz")
    assert load_observation(folder / "observation.npz").frames.attrs["axes"] == RADIOLOGICAL
    one = pictures._Shown(store, record, record.entries, AXIS)
    assert one.z == 1
    assert one.title == "toy, sd = 2 HU: test/0, slice 2 of 3"
    assert one.marks.sides
    assert "infarct core (solid outline)" in one.marks.legend
    outlines = {name: mask for name, mask, _ in one.marks.outlines}
    np.testing.assert_array_equal(outlines["infarct core"], load_truth(folder / "truth.npz").labels.values[1] == core)
    assert (outlines["penumbra"] >= outlines["infarct core"]).all()


def test_pictures_are_drawn_again_where_their_data_changed_and_not_else(store, monkeypatch):
    drawn = []

    def panels(store, records, axis, note):
        drawn.append([record.config for record in records])
        path = store.folder / "panels" / "toy-2.png"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        return [path]

    monkeypatch.setattr(drawing, "draw_panels", panels)
    monkeypatch.setattr(drawing, "draw_curves", lambda tree, place: drawn.append("curves") or [])
    everything = [["noiseless", "leave", "shrink(weight=0.5)"], "curves"]
    (path,) = drawing.draw(store)
    assert drawn == everything
    assert drawing.draw(store) == drawing.draw(Store(store.folder)) == [path]
    assert drawn == everything
    path.unlink()
    drawing.draw(store)
    assert drawn == [*everything, everything[0]]
    with store.locked():
        store.write_record(next(store.finished()).model_copy(update={"message": "done again"}))
    drawn.clear()
    drawing.draw(store)
    assert drawn == everything
    shutil.rmtree(store.cache.folder / "prediction")
    drawing.draw(store)
    assert drawn == [*everything, everything[0]], "what can be shown decides, too"


def test_of_very_many_rows_the_controls_and_the_best_are_shown(store, monkeypatch):
    rows = [("none", "none", np.nan), ("bad", "tips", 3.0), ("failed", "tips", np.nan), ("good", "n2n", 1.0)]
    frame = pd.DataFrame(
        [
            {"dataset": "toy", "noise": noise, "config": label, "method": method, "rank": rank * sign}
            for noise, sign in ((2.0, 1), (3.0, -1), (np.nan, 1))
            for label, method, rank in rows
        ]
    )
    labels = [label for label, *_ in rows]
    monkeypatch.setattr(pictures, "MOST_METHODS", 2)
    assert pictures.best_of(frame, "toy", 2.0, labels) == ["none", "good"]
    assert pictures.best_of(frame, "toy", 3.0, labels) == ["none", "bad"]
    assert pictures.best_of(frame, "toy", None, ["good", "failed", "bad"]) == ["good", "bad"]
    monkeypatch.setattr(drawing, "MOST_METHODS", 2)
    asked = {}
    monkeypatch.setattr(drawing, "draw_panels", lambda store, records, axis, note: asked.update({note: records}) or [])
    board = folder.render(store)
    drawing.draw(store, board)
    ((note, records),) = asked.items()
    best = board[board["method"] != "noiseless"].sort_values("rank")["config"].iloc[0]
    assert [record.config for record in records] == ["noiseless", best]
    assert note == "the best 2 of 3 rows"
    one = pictures._Shown(store, records[0], records[0].entries, AXIS, note)
    assert one.title == "toy, sd = 2 HU: test/0; the best 2 of 3 rows"
