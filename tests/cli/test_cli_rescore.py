"""A metric whose version rises is scored anew from stored predictions: the method does not run again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.installed import Site

METHOD = """
class Count(FrameDenoiser):
    '''Counts its calls in a file.'''
    name, version = "count", "1"
    file: str

    def denoise(self, frames, context):
        with open(self.file, "a") as calls:
            calls.write("called\\n")
        return frames.copy(data=frames.values * 0.5)


@hookimpl
def ctpbench_denoisers():
    return [Count]
"""
METRIC = """
class Level(Metric):
    '''Mean of each map, times a factor.'''
    name, version = "level", "1"
    better, units = "lower", "map"

    def score(self, case):
        return 1.0 * case.maps.mean(("z", "y", "x"))


@hookimpl
def ctpbench_metrics():
    return [Level]
"""
SUITE = """
datasets: [{name: toy, params: {test_cases: 2}, noise: [1]}]
denoisers: [{name: count, label: count, params: {file: FILE}}]
metrics: [level]
"""
RUN = ("run", "suite.yaml", "--out", "out", "--no-sandbox")


def called(folder: Path) -> int:
    return (folder / "calls").read_text().count("called")


def score(folder: Path) -> float:
    (row,) = json.loads((folder / "out/leaderboard.json").read_text())
    return row["level_cbf"]


@pytest.fixture
def site(ctpbench, write_suite, tmp_path, monkeypatch) -> Site:
    """Where a method and a metric are installed, which a run in `out` was made of."""
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")
    site.install("acme-count", METHOD)
    site.install("acme-level", METRIC)
    monkeypatch.syspath_prepend(str(site.folder))
    write_suite(SUITE.replace("FILE", str(tmp_path / "calls")))
    done = ctpbench(*RUN)
    assert done.returncode == 0, done.stdout + done.stderr
    return site


def remove(site: Site, distribution: str) -> None:
    shutil.rmtree(next(site.folder.glob(f"{distribution}-*.dist-info")))


def install_version_2(site: Site, code: str = "10.0 *") -> None:
    remove(site, "acme_level")
    site.install("acme-level", METRIC.replace('"level", "1"', '"level", "2"').replace("1.0 *", code), version="2.0")


def test_run_takes_the_stored_predictions_where_the_methods_are_as_they_were(site, ctpbench, tmp_path):
    before, calls = score(tmp_path), called(tmp_path)
    install_version_2(site)
    assert ctpbench(*RUN).returncode == 0
    assert score(tmp_path) == pytest.approx(10 * before)
    assert called(tmp_path) == calls
    done = ctpbench("rescore", "out")
    assert done.returncode == 0
    assert done.stdout == "out: was scored with the metrics that are installed; nothing to do\n"


def test_rescore_needs_no_method_and_scores_all_or_nothing(site, ctpbench, tmp_path):
    before, calls, out = score(tmp_path), called(tmp_path), tmp_path / "out"
    install_version_2(site)
    remove(site, "acme_count")
    (out / "cache/prediction").rename(tmp_path / "elsewhere")
    done = ctpbench("rescore", "out")
    assert done.returncode == 2
    assert done.stderr == (
        "ctpbench: out: toy, noise 1: count, seed 0: its prediction is no longer in the cache; "
        "run the suite again, then no rescoring is needed\n"
    )
    assert score(tmp_path) == before
    (tmp_path / "elsewhere").rename(out / "cache/prediction")
    done = ctpbench("rescore", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "level: version 1 to version 2\n" in done.stdout
    assert score(tmp_path) == pytest.approx(10 * before)
    assert called(tmp_path) == calls
    install_version_2(site, "case.nothing *")
    done = ctpbench("rescore", "out")
    assert done.returncode == 3
    assert "level: version 2, other code\n" in done.stdout
    assert "metric level failed in count: " in done.stdout


def test_a_tuned_row_keeps_its_choice_and_that_is_said(ctpbench, write_suite, tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")
    site.install("acme-level", METRIC)
    monkeypatch.syspath_prepend(str(site.folder))
    tuned = "{name: shrink, tune: {parameters: {weight: [0.1, 0.3]}}}"
    write_suite(SUITE.replace("{name: count, label: count, params: {file: FILE}}", tuned))
    assert ctpbench(*RUN).returncode == 0
    (before,) = json.loads((tmp_path / "out/leaderboard.json").read_text())
    install_version_2(site, "-1.0 *")
    done = ctpbench("rescore", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shrink: keeps the parameters that level chose as it was\n" in done.stdout
    (after,) = json.loads((tmp_path / "out/leaderboard.json").read_text())
    assert after["tuned"] == before["tuned"]
    assert after["level_cbf"] == -before["level_cbf"]


def test_a_folder_without_a_run_is_named_in_one_line(ctpbench):
    done = ctpbench("rescore", "nowhere")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
