"""A suite run from Python, and a function on its board."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ctpbench
from ctpbench.errors import CtpbenchError, InputError
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.store import Store
from tests.fakes import ctpbench_fakes as fakes
from tests.stored import stored_records

SUITE: dict[str, Any] = {
    "name": "toys",
    "datasets": [{"name": "toy", "noise": [np.float64(1.0)], "params": {"size": np.int64(6)}}],
    "denoisers": ["noiseless", "leave", {"name": "shrink", "grid": {"weight": (0.25, 0.5)}}],
    "metrics": ["error", "frame-error"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the calls of this file keep their data and finished rows."""
    return tmp_path_factory.mktemp("boards") / "folder"


def shrink(frames, weight):
    """What the component `shrink` does."""
    mean = frames.mean(axis=(2, 3), keepdims=True)
    return (1 - np.float32(weight)) * frames + np.float32(weight) * mean


def scores(board: pd.DataFrame, label: str) -> list[float]:
    return board.set_index("config").loc[label].filter(regex="error").tolist()


def files(folder: Path) -> set[str]:
    lying = {path.relative_to(folder).as_posix() for part in ("cache/*/*", "logs/*") for path in folder.glob(part)}
    return lying | {record["key"] for record in stored_records(folder)}


def test_a_function_is_scored_as_the_same_component(folder):
    board = ctpbench.evaluate(shrink, SUITE, label="mine", weight=0.5, beside=["shrink"], folder=folder)
    assert set(board["config"]) == {"noiseless", "shrink(weight=0.25)", "shrink(weight=0.5)", "mine"}
    assert scores(board, "mine") == scores(board, "shrink(weight=0.5)")
    rows = board.set_index("config")
    assert rows["sandbox"]["mine"] == "none"
    assert rows["parameters"]["mine"] == "weight=0.5"
    assert rows["method"].to_dict() == {
        "noiseless": "noiseless",
        "shrink(weight=0.25)": "shrink",
        "shrink(weight=0.5)": "shrink",
        "mine": "function",
    }
    assert "fit_s" not in board  # nothing was trained


def test_only_the_controls_and_what_is_finished_stand_beside(tmp_path):
    def labels(**how) -> list[str]:
        board = ctpbench.evaluate(lambda frames: frames, SUITE, folder=tmp_path / "folder", **how)
        return sorted(board["config"])

    assert labels() == ["lambda", "noiseless"]
    assert labels(beside=["leave"]) == ["lambda", "leave", "noiseless"]
    assert labels() == ["lambda", "leave", "noiseless"]


def test_calls_share_data_and_the_suites_rows_and_nothing_of_a_function(tmp_path):
    boards = [
        ctpbench.evaluate(shrink, SUITE, label="mine", weight=0.5, folder=tmp_path / name, cache=tmp_path / "shared")
        for name in ("a", "b")
    ]
    assert scores(boards[0], "mine") == scores(boards[1], "mine")
    assert [bool(board.set_index("config").loc["mine", "reused"]) for board in boards] == [False, False]
    adopted = (tmp_path / "b" / "cache" / "adopted.txt").read_text().split()
    assert sorted(name.partition("/")[0] for name in adopted) == ["data", "data", "prediction", "reference", "scores"]
    shared = [path for path in (tmp_path / "shared").glob("*/*") if path.parent.name in ("prediction", "scores")]
    assert len(shared) == 2, "those of the control"


def test_nothing_of_a_function_is_shared_where_methods_are_held_no_better_than_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(LocalExecutor, "hold", lambda self: Hold(0, namespaces=False))
    shared = tmp_path / "shared"
    ctpbench.evaluate(shrink, SUITE, label="mine", weight=0.5, folder=tmp_path / "a", cache=shared)
    assert len(list(shared.glob("data/*"))) == 2
    assert [*shared.glob("prediction/*"), *shared.glob("scores/*")] == []  # the control's process was held better


def test_nothing_of_a_function_is_kept_for_another_call(folder):
    factor = 0.5

    def scaled(frames):
        return factor * frames

    first = ctpbench.evaluate(scaled, SUITE, folder=folder)
    kept = files(folder)
    factor = 0.75
    second = ctpbench.evaluate(scaled, SUITE, folder=folder)
    assert scores(first, "scaled") != scores(second, "scaled")
    assert files(folder) == kept
    assert not any(record.method == "function" for record in Store(folder).finished())


def _raises(frames):
    raise ZeroDivisionError("on purpose")


LINE = _raises.__code__.co_firstlineno + 1
FAILURES = {
    "raises": (_raises, "error", f"ZeroDivisionError: on purpose (_raises, line {LINE})"),
    "exits": (lambda frames: sys.exit(3), "error", "SystemExit: 3 (<lambda>"),
    "shape": (lambda frames: frames[1:], "invalid_output", "returned shape (11, 1, 6, 6); allowed: numbers"),
    "none": (lambda frames: None, "invalid_output", "returned None; allowed: numbers"),
    "nan": (lambda frames: frames * np.nan, "invalid_output", "denoise: got 432 values that are NaN or infinite"),
    "huge": (lambda frames: frames.astype(float) * 1e300, "invalid_output", "denoise: got 432 values"),
}


@pytest.mark.parametrize("how", FAILURES)
def test_a_function_that_fails_is_a_row_with_its_status(folder, how):
    function, status, message = FAILURES[how]
    board = ctpbench.evaluate(function, SUITE, label=how, beside=[], folder=folder).set_index("config")
    assert board["status"].to_dict() == {"noiseless": "ok", how: status}
    assert board["message"][how].startswith(message)


def test_a_component_that_can_be_imported_works_in_a_process_of_its_own_and_is_kept(folder):
    board = ctpbench.evaluate(fakes.Shrink(weight=0.75), SUITE, beside=[], folder=folder).set_index("config")
    assert board["sandbox"]["shrink(weight=0.75)"] != "none"
    assert any(record.config == "shrink(weight=0.75)" for record in Store(folder).finished())
    named = ctpbench.evaluate("shrink", SUITE, beside=[], folder=folder, weight=0.75).set_index("config")
    assert scores(board.reset_index(), "shrink(weight=0.75)") == scores(named.reset_index(), "shrink(weight=0.75)")


def test_a_learner_that_cannot_be_imported_learns_here(folder):
    class Mine(fakes.Learn):
        name, version = "mine", "1"

    here = ctpbench.evaluate(Mine(factor=0.5), SUITE, beside=[], folder=folder)
    kept = files(folder)
    there = ctpbench.evaluate(fakes.Learn(factor=0.5), SUITE, beside=[], folder=folder)
    assert scores(here, "mine(factor=0.5)") == scores(there, "learn(factor=0.5)")
    assert here.set_index("config")["fit_s"]["mine(factor=0.5)"] > 0
    assert {path.partition("/")[2].partition("/")[0] for path in files(folder) - kept} >= {"model"}


def test_each_way_of_computing_maps_is_a_row(tmp_path):
    ways = SUITE | {"maps": [{"lambda_rel": 0.1}, {"lambda_rel": 0.3}], "metrics": ["error"]}
    board = ctpbench.evaluate(lambda frames: frames, ways, beside=[], folder=tmp_path / "folder")
    assert set(board["config"]) >= {"lambda, tikhonov 0.1", "lambda, tikhonov 0.3"}


def test_only_the_datasets_that_are_wanted_are_on_the_board(folder):
    two = SUITE | {"datasets": [*SUITE["datasets"], {"name": "toy", "label": "other", "noise": [2.0]}]}
    board = ctpbench.evaluate(lambda frames: frames, two, beside=[], only=["toy"], folder=folder)
    assert set(board["dataset"]) == {"toy"}
    assert set(board["config"]) == {"lambda", "noiseless"}


def test_an_interruption_is_raised_and_what_is_finished_stays(tmp_path):
    def interrupted(frames):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ctpbench.evaluate(interrupted, SUITE, folder=tmp_path / "folder")
    assert [record.config for record in Store(tmp_path / "folder").finished()] in ([], ["noiseless"])
    assert any(path.startswith("cache/data/") for path in files(tmp_path / "folder"))
    board = ctpbench.evaluate(lambda frames: frames, SUITE, folder=tmp_path / "folder")
    assert (board["status"] == "ok").all()


def test_what_is_given_from_python_runs_as_from_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told: list[float] = []
    suite = SUITE | {"denoisers": [*SUITE["denoisers"], {"name": "misbehave", "params": {"how": "raise"}}]}
    results = ctpbench.run_suite(suite, jobs=2, progress=lambda fraction, text: told.append(fraction))
    assert results.leaderboard["status"].value_counts().to_dict() == {"ok": 4, "error": 1}
    assert (tmp_path / "runs/toys/leaderboard.md").exists()
    assert (tmp_path / "runs/toys/panels/toy-1.png").exists()
    assert told[-1] == 1.0
    only = ctpbench.run_suite("runs/toys/suite.lock.yaml", "runs/toys", only=["leave"])
    pd.testing.assert_frame_equal(only.leaderboard, results.leaderboard)
    assert only.tree.attrs["suite"] == "toys"


def test_a_run_is_not_written_over(folder):
    before = (folder / "cells.json").read_bytes()
    with pytest.raises(InputError) as raised:
        ctpbench.run_suite(SUITE, folder)
    told = "holds the run of another suite, 'evaluate toys'; give a new folder, or into=True to take its place"
    assert str(raised.value) == f"out {folder}: {told}"
    assert (folder / "cells.json").read_bytes() == before


def _same(frames):
    return frames


WRONG = {
    "no suite 'quik' (did you mean quick?)": lambda: ctpbench.run_suite("quik"),
    "/nowhere/suite.yaml: cannot be read": lambda: ctpbench.run_suite("/nowhere/suite.yaml"),
    "suite: got int; allowed: a name, a path or a mapping": lambda: ctpbench.run_suite(3),
    "suite: 'denoisers' is missing": lambda: ctpbench.run_suite({"datasets": ["toy"], "metrics": ["error"]}),
    "suite: denoisers[0]: 'shrink' has no parameter 'wait'": lambda: ctpbench.run_suite(
        SUITE | {"denoisers": [{"name": "shrink", "params": {"wait": 1}}]}
    ),
    "suite: denoisers[0]: got function; allowed: text, numbers": lambda: ctpbench.run_suite(
        SUITE | {"denoisers": [_same]}
    ),
    "only: the suite has no 'tips'": lambda: ctpbench.run_suite(SUITE, "/tmp/never", only=["tips"]),
    "only: got 'leave'; allowed: a list of names": lambda: ctpbench.run_suite(SUITE, only="leave"),
    "jobs: got 0; allowed": lambda: ctpbench.run_suite(SUITE, jobs=0),
    "sandbox: got 'maybe'; allowed": lambda: ctpbench.run_suite(SUITE, sandbox="maybe"),
    "label: 'leave' is taken by a row of the suite": lambda: ctpbench.evaluate(_same, SUITE, label="leave"),
    "beside: got 'leave'; allowed: a list": lambda: ctpbench.evaluate(_same, SUITE, beside="leave"),
    "beside: the suite has no row 'leaf' (did you mean leave?)": lambda: ctpbench.evaluate(
        _same, SUITE, beside=["leaf"]
    ),
    "only: the suite has no dataset 'tou' (did you mean toy?)": lambda: ctpbench.evaluate(_same, SUITE, only=["tou"]),
    "'_same' has no parameter 'width'; it takes none": lambda: ctpbench.evaluate(_same, SUITE, width=3),
    "no denoiser 'shrnk'": lambda: ctpbench.evaluate("shrnk", SUITE),
    "method: got 3": lambda: ctpbench.evaluate(3, SUITE),
}


@pytest.fixture(scope="module")
def cache_home(tmp_path_factory) -> Path:
    """A user's cache; plugins are tried once in each, which takes seconds."""
    return tmp_path_factory.mktemp("home")


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_call_is_told_in_one_line(message, tmp_path, cache_home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CtpbenchError) as raised:
        WRONG[message]()
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob("runs")) + list(cache_home.glob("ctpbench/evaluate"))
