"""`ctpbench clean`: it frees what a run makes again, and everything that reads a run works as before."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.stored import stored_records

SUITE = """
name: toy
datasets: [{name: toy, params: {test_cases: 3}, noise: [1]}]
denoisers:
  - leave
  - learn
  - {name: shrink, tune: {parameters: {weight: [0.2, 0.4]}, metric: error}}
metrics: [error%s]
"""
KINDS = ("data", "reference", "model", "prediction")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the run that these tests share is kept once it is made."""
    return tmp_path_factory.mktemp("clean") / "toy"


@pytest.fixture
def run(ctpbench, write_suite, tmp_path, kept):
    """A finished run of a method that learns, one that is tuned and one that is neither."""
    suite, folder = write_suite(SUITE % ""), tmp_path / "runs/toy"
    if not kept.exists():
        done = ctpbench("run", suite, "--out", "runs/toy", "-j", "2", "--report")
        assert done.returncode == 0, done.stderr
        shutil.copytree(folder, kept)
    return folder if folder.exists() else Path(shutil.copytree(kept, folder))


def entries(run, kind):
    return sorted(path.name for path in (run / "cache" / kind).glob("*"))


def test_nothing_is_freed_before_it_is_asked_for(ctpbench, run):
    before = sorted(path for path in run.rglob("*"))
    done = ctpbench("clean")
    assert done.returncode == 0
    assert done.stdout.rstrip().endswith("Nothing was freed: give --yes to free it.")
    for kind, count in (("data", 6), ("references", 2), ("models", 1), ("predictions", 6)):  # with their scores
        assert f" {kind} {count} " in " ".join(done.stdout.split())
    assert sorted(path for path in run.rglob("*")) == before


def test_all_that_reads_a_run_works_on_a_cleaned_one(ctpbench, run, tmp_path):
    board = ctpbench("leaderboard", "runs/toy").stdout
    panel = (run / "panels/toy-1.png").read_bytes()
    assert ctpbench("clean", "runs/toy", "--yes").stdout.rstrip().splitlines()[-1].startswith("Freed ")
    assert [entries(run, kind) for kind in KINDS] == [[]] * 4
    assert ctpbench("leaderboard", "runs/toy").stdout == board
    status = ctpbench("status", "runs/toy").stdout
    assert "3 ok" in status
    assert "Maps of 3 of 3 cells are gone: scores stand, pictures stay as they are." in status
    assert "damaged" not in status
    assert ctpbench("compare", "runs/toy").returncode == 0
    again = ctpbench("run", "suite.yaml", "--out", "runs/toy")
    assert again.returncode == 0
    assert again.stdout.count("(cached)") == 3
    assert [entries(run, kind) for kind in KINDS] == [[]] * 4, "finished cells need nothing"
    assert (run / "panels/toy-1.png").read_bytes() == panel
    verified = ctpbench("verify", "runs/toy", "--no-secret", "--only", "leave", "--out", "work")
    assert verified.returncode == 0, verified.stdout


@pytest.mark.parametrize("what", ["predictions", "models,data"])
def test_a_cleaned_run_goes_on_and_finds_no_damage(what, ctpbench, run, write_suite):
    scores = entries(run, "scores")
    assert ctpbench("clean", "runs/toy", "--what", what, "--yes").returncode == 0
    more = ctpbench("run", write_suite(SUITE % ", frame-error", "more.yaml"), "--out", "runs/toy", "--into")
    assert more.returncode == 0, more.stderr
    assert "damaged" not in more.stdout
    assert "damaged" not in ctpbench("status", "runs/toy").stdout
    assert set(entries(run, "scores")) & set(scores), "trials that are scored are not done again"


def test_kinds_are_chosen_and_kept(ctpbench, run):
    assert ctpbench("clean", "runs/toy", "--keep", "models,data", "--yes").returncode == 0
    assert [len(entries(run, kind)) for kind in KINDS] == [6, 0, 1, 0]
    assert (
        ctpbench("clean", "runs/toy", "--what", "models", "--what", "data", "--keep", "data", "--yes").returncode == 0
    )
    assert [len(entries(run, kind)) for kind in KINDS] == [6, 0, 0, 0]


def test_with_a_model_go_its_own_predictions_alone(ctpbench, run):
    kept = sorted(r["entries"]["prediction"] for r in stored_records(run) if r["config"] != "learn")
    assert ctpbench("clean", "runs/toy", "--what", "models", "--yes").returncode == 0
    assert entries(run, "prediction") == kept


def test_what_cannot_be_meant_is_one_line_and_frees_nothing(ctpbench, run, tmp_path):
    before = sorted(run.rglob("*"))
    (tmp_path / "other").mkdir()
    for words, text in (
        (["runs/toy", "--what", "prediction"], "--what: got 'prediction'; allowed: data, references, models, "),
        (["runs/toy", "--keep", "predictions"], "--keep predictions: got models to free"),
        (["runs/toy", "other"], "ctpbench: other: no run here (cells.json missing)"),
        (["other/none"], "ctpbench: other/none: no run here"),
    ):
        done = ctpbench("clean", *words, "--yes")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert done.stderr.startswith(text)
    assert sorted(run.rglob("*")) == before


def test_a_run_that_goes_on_is_refused_by_name_and_left_out_of_all(ctpbench, run):
    from ctpbench.running.store import Store

    with Store(run).locked():
        named = ctpbench("clean", "runs/toy", "--yes")
        assert named.returncode == 2
        assert named.stderr == (
            f"ctpbench: runs/toy: a run (process {os.getpid()}) is writing here; wait for it, or interrupt it\n"
        )
        every = ctpbench("clean", "--yes")
        assert every.returncode == 0
        assert f"runs/toy: left out, a run (process {os.getpid()}) is writing there" in every.stdout
    assert all(entries(run, kind) for kind in KINDS)


def test_without_a_run_it_says_so(ctpbench):
    done = ctpbench("clean")
    assert (done.returncode, done.stderr) == (2, "runs/: no run there; name a folder that `ctpbench run` wrote\n")
