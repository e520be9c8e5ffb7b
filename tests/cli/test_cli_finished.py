"""A run that is finished, started again: what would be the same is not written; what was changed since is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from ctpbench.report.site.folder import MARKER
from tests.conftest import environment
from tests.stored import change_records

SUITE = """
datasets: [{name: toy, params: {test_cases: 2}, noise: [1]}]
denoisers: [leave]
metrics: [error]
"""
STANDS = "Nothing has changed since"
NOTES = {"receipt.json", "run.lock", "looked.json", "drawn.json", MARKER, "costs.jsonl"}
"""Files that tell of the run's writing, not of its results."""


@pytest.fixture
def run(ctpbench, write_suite, tmp_path):
    """Return a function that runs the suite, with an option perhaps, and returns what was printed."""
    suite = write_suite(SUITE)

    def go(*words: str) -> str:
        done = ctpbench("run", suite, "--out", tmp_path / "run", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return go


def held(folder: Path) -> dict[str, bytes]:
    """Return what lies in a run's folder for people."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in NOTES)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def times(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_mtime_ns for name in held(folder)}


def test_nothing_is_written_again_and_the_leaderboard_is_still_printed(run, tmp_path):
    first, folder = run("--report"), tmp_path / "run"
    known = times(folder)
    again = run("--report")
    assert STANDS in again
    assert "Written to" not in again
    assert times(folder) == known
    assert again[: again.index(STANDS)].endswith(first[: first.index("Written to")].split("ok\n", 1)[-1])
    assert "leave" in again


def test_whatever_was_taken_away_or_edited_is_written_again_as_it_was(run, tmp_path):
    run("--report")
    folder = tmp_path / "run"
    first = held(folder)
    page = "report/index.html"
    assert {"results.nc", "leaderboard.md", "croissant.json", "panels/toy-1.png", page} <= first.keys()
    for name in ("results.nc", "leaderboard.csv", "panels/toy-1.png", page):
        (folder / name).unlink()
        assert STANDS not in run("--report")
        assert held(folder) == first
    for name in ("leaderboard.md", page):
        (folder / name).write_bytes(first[name].replace(b"leave", b"leavE"))
        assert STANDS not in run("--report")
        assert held(folder) == first
    assert STANDS in run("--report")
    (folder / "receipt.json").write_text("{")
    assert STANDS not in run("--report")
    assert held(folder) == first


def another_record(folder: Path) -> None:
    change_records(folder, lambda record: None)


def claims(folder: Path) -> None:
    (folder / "claims.yaml").write_text("title: none\nclaims: []\n")


def maps_gone(folder: Path) -> None:
    shutil.rmtree(folder / "cache" / "prediction")


@pytest.mark.parametrize("change", [another_record, claims, maps_gone])
def test_what_results_are_made_from_is_no_longer_the_same(run, tmp_path, change):
    run()
    assert STANDS in run()
    change(tmp_path / "run")
    assert STANDS not in run()
    assert STANDS in run()


def test_pages_that_were_not_asked_for_before_are_written(run, tmp_path):
    run()
    assert STANDS not in run("--report")
    assert (tmp_path / "run" / "report" / "index.html").exists()
    assert STANDS in run()


def test_another_screen_shows_the_leaderboard_as_it_would(run, tmp_path, monkeypatch):
    run()
    known = times(tmp_path / "run")
    monkeypatch.setattr("ctpbench.cli.ending.console", lambda: Console(width=60))
    narrow = run()
    assert STANDS in narrow
    assert narrow == run()
    assert times(tmp_path / "run") == known
    assert max(map(len, narrow[narrow.index("(cached): ok") : narrow.index(STANDS)].splitlines())) <= 60


def test_what_does_the_work_is_not_loaded_where_there_is_none(run, write_suite, tmp_path):
    run("--no-report")
    words = ["run", str(write_suite(SUITE)), "--out", str(tmp_path / "run"), "--no-report"]
    code = f"""
import sys
from ctpbench.cli import main
try:
    main({words!r}, prog_name="ctpbench")
except SystemExit as end:
    assert end.code == 0
unwanted = ("ctpbench.running.runner", "ctpbench.running.executors.local", "ctpbench.outcome.claims", "matplotlib")
print("loaded:", *(name for name in unwanted if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert STANDS in done.stdout
    assert done.stdout.endswith("loaded:\n")


def test_installed_methods_and_a_finished_run_are_looked_at_without_xarray_and_pandas():
    code = """
import sys
import ctpbench.driving, ctpbench.report.receipt
from ctpbench.plugins import load_catalogue
assert not load_catalogue().failures
print(len([name for name in sys.modules if name.startswith("ctpbench_")]), {"xarray", "pandas"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    plugins, loaded = done.stdout.split(maxsplit=1)
    assert int(plugins) > 20
    assert loaded == "set()\n"
