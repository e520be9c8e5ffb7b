"""The cache that runs share, by its commands and among processes that run at once."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from ctpbench.running.locks import take
from ctpbench.running.shared import SharedCache
from ctpbench.running.work import STAGES
from tests.stored import stored_records

SUITE = """
datasets: [{name: toy, params: {test_cases: CASES, gate: "GATE"}, noise: [1]}]
denoisers: [ROW]
metrics: [error]
"""


@pytest.fixture
def suite(write_suite, tmp_path):
    """Write a suite of one row, whose data wait for the file ``gate``."""

    def suite(row: str, cases: int = 1) -> Path:
        text = SUITE.replace("CASES", str(cases)).replace("ROW", row).replace("GATE", str(tmp_path / "gate"))
        return write_suite(text, f"{row}.yaml")

    return suite


@pytest.fixture
def shared(tmp_path):
    return SharedCache(tmp_path / "shared")


def until(condition) -> None:
    end = time.monotonic() + 50
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def made(folder: Path) -> list[str]:
    """Return the stages of what a run made itself."""
    return [json.loads(line)["stage"] for line in (folder / "costs.jsonl").read_text().splitlines()]


def held(shared: SharedCache, stage: str) -> int:
    """Return how many entries of a stage some run holds the lock of."""
    locks = [take(path) for path in (shared.folder / "locks").glob(f"{stage}-*")]
    for lock in filter(None, locks):
        lock.release()
    return locks.count(None)


def statuses(folder: Path) -> list[str]:
    return [record["status"] for record in stored_records(folder)]


def test_two_runs_at_once_make_each_of_their_data_once(suite, fork, shared, tmp_path):
    rows = ("leave", "shrink")
    runs = [fork("run", suite(row, 3), "--out", row, "--cache", shared.folder, "--no-sandbox") for row in rows]
    until(lambda: held(shared, "data") == 2)
    (tmp_path / "gate").touch()
    for each in runs:
        each.join(100)
    assert [each.exitcode for each in runs] == [0, 0]
    by_run = [made(tmp_path / row) for row in rows]
    together = [stage for stages in by_run for stage in stages]
    assert {stage: together.count(stage) for stage in STAGES} == {
        "data": 3,
        "reference": 1,
        "model": 0,
        "prediction": 2,
        "scores": 2,
    }
    assert all("data" in stages for stages in by_run), "neither waited for the other as long as there was work"
    assert [statuses(tmp_path / row) for row in rows] == [["ok"], ["ok"]]
    assert os.listdir(shared.folder / "locks") == []


def test_what_a_killed_run_was_making_is_made_by_the_one_that_waited(suite, fork, shared, tmp_path):
    first = fork("run", suite("leave"), "--out", "leave", "--cache", shared.folder, "--no-sandbox")
    until(lambda: held(shared, "data") == 1)
    second = fork("run", suite("shrink"), "--out", "shrink", "--cache", shared.folder, "--no-sandbox")
    until(lambda: (tmp_path / "shrink" / "cells.json").exists())
    os.kill(first.pid, signal.SIGKILL)
    first.join(50)
    until(lambda: held(shared, "data") == 1)
    (tmp_path / "gate").touch()
    second.join(100)
    assert second.exitcode == 0
    assert sorted(made(tmp_path / "shrink")) == ["data", "prediction", "reference", "scores"]
    assert not (tmp_path / "leave" / "costs.jsonl").exists()
    assert statuses(tmp_path / "shrink") == ["ok"]


def test_the_commands_of_the_cache(suite, ctpbench, shared, tmp_path, monkeypatch):
    (tmp_path / "gate").touch()
    monkeypatch.setenv("CTPBENCH_CACHE", str(shared.folder))
    absent = ctpbench("cache", "info")
    assert absent.returncode == 2
    assert absent.stderr == (
        f"CTPBENCH_CACHE: {shared.folder}: is not there yet; a run makes it; --cache DIR names another\n"
    )
    assert ctpbench("run", suite("leave"), "--out", "a").returncode == 0
    assert "0 cached, 1 in the cache that runs share" in ctpbench("plan", suite("leave"), "--out", "b").stdout
    second = ctpbench("run", suite("leave"), "--out", "b")
    assert "4 entries made by other runs (1 data, 1 reference, 1 prediction, 1 scores): " in second.stdout
    assert "†: measured by another run on the same hardware." in second.stdout
    assert "†" not in ctpbench("leaderboard", "a").stdout
    info = ctpbench("cache", "info").stdout
    assert info.startswith(f"{shared.folder} (as CTPBENCH_CACHE says)")
    assert "It may grow to 21 GB (CTPBENCH_CACHE_GIB = 20)." in info
    cleaned = ctpbench("clean", "a").stdout
    assert "Nothing is to be freed." in cleaned
    assert "stay on the disk, for the cache that runs share or another run holds them too" in cleaned
    assert "4 entries, all sound" in ctpbench("cache", "verify").stdout
    file = next(shared.folder.glob("prediction/*/entry/*.npz"))
    file.unlink()
    found = ctpbench("cache", "verify")
    assert found.returncode == 3
    assert f"damaged: prediction/{file.parents[1].name}: {file.name} is missing\n" in found.stdout
    assert "1 of 4 entries damaged" in found.stdout
    assert ctpbench("cache", "verify", "--remove").returncode == 0
    assert "3 entries, all sound" in ctpbench("cache", "verify").stdout
    assert ctpbench("cache", "prune").stdout == "Removed 0 entries of 0 B, which frees 0 B.\n"
    assert "Removed 1 entries" in ctpbench("cache", "prune", "--stage", "data").stdout
    wrong = ctpbench("cache", "prune", "--stage", "dat")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "did you mean data?" in wrong.stderr
    gone = ctpbench("cache", "prune", "--to", "0").stdout
    assert gone.startswith("Removed 2 entries of")
    assert "lie in runs' folders as well" in gone
    assert "It is empty." in ctpbench("cache", "info").stdout
    assert ctpbench("cache", "info", "--cache", "none").stderr == (
        "--cache: got none, so no cache is shared; --cache DIR names one\n"
    )


@pytest.mark.parametrize("kind", ["other things", "a file"])
def test_a_run_goes_on_without_a_cache_that_is_of_no_use(kind, suite, ctpbench, tmp_path):
    (tmp_path / "gate").touch()
    place = tmp_path / "place"
    if kind == "a file":
        place.touch()
    else:
        place.mkdir()
        (place / "cat.png").touch()
    done = ctpbench("run", suite("leave"), "--out", "out", "--cache", place)
    assert done.returncode == 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("shared cache: ")]
    assert line.endswith("this run goes on without it (--cache DIR names another, --cache none none)")
    assert place.is_file() or os.listdir(place) == ["cat.png"]


def test_verification_takes_and_gives_nothing(suite, ctpbench, shared, tmp_path, monkeypatch):
    (tmp_path / "gate").touch()
    monkeypatch.setenv("CTPBENCH_CACHE", str(shared.folder))
    assert ctpbench("run", suite("leave"), "--out", "a").returncode == 0
    before = {(kept.name, kept.about) for kept in shared.kept()}
    assert ctpbench("verify", "a", "--no-secret", "--out", "b").returncode == 0
    assert sorted(made(tmp_path / "b" / "again")) == ["data", "prediction", "reference", "scores"]
    assert {(kept.name, kept.about) for kept in shared.kept()} == before
