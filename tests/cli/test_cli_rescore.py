"""A metric whose version rises is scored anew from stored predictions: the method does not run again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.conftest import FAKES
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
datasets: [{{name: toy, params: {{test_cases: 2}}, noise: [1]}}]
denoisers:
  - {{name: count, label: count, params: {{file: {file}}}}}
  - {{name: shrink, tune: {{parameters: {{weight: [0.1, 0.3]}}}}}}
metrics: [level]
"""


@dataclass(frozen=True)
class Ran:
    """A finished run in `folder`/out, the files of the method's and of the metric's module, and the method's calls."""

    folder: Path
    method: str
    metric: str
    calls: Path

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a process of its own, with what is installed in the folder."""
        path = os.pathsep.join([str(self.folder), str(FAKES), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
        environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}
        program = [sys.executable, "-c", "from ctpbench.cli import main; main(prog_name='ctpbench')", *arguments]
        return subprocess.run(program, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def called(self) -> int:
        return self.calls.read_text().count("called")

    def scores(self) -> dict[str, float]:
        rows = json.loads((self.folder / "out/leaderboard.json").read_text())
        return {row["config"]: row["level_cbf"] for row in rows}

    def change_metric(self, factor: str) -> None:
        path = self.folder / self.metric
        path.write_text(path.read_text().replace('"level", "1"', '"level", "2"').replace("1.0 *", f"{factor} *"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("rescored")
    site, calls = Site(folder), tmp_path_factory.mktemp("calls") / "calls"
    ran = Ran(folder, f"{site.install('acme-count', METHOD)}.py", f"{site.install('acme-level', METRIC)}.py", calls)
    (folder / "suite.yaml").write_text(SUITE.format(file=calls))
    done = ran.command("run", "suite.yaml", "--out", "out", "--no-sandbox")
    assert done.returncode == 0, done.stdout + done.stderr
    return ran


@pytest.fixture
def ran(original: Ran, tmp_path: Path) -> Ran:
    """The same in a folder of the test's own."""
    return replace(original, folder=shutil.copytree(original.folder, tmp_path / "copy"))


def test_run_takes_the_stored_predictions_where_the_methods_are_as_they_were(ran):
    before, called = ran.scores(), ran.called()
    ran.change_metric("10.0")
    done = ran.command("run", "suite.yaml", "--out", "out", "--no-sandbox", "--only", "count")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran.scores()["count"] == pytest.approx(10 * before["count"])
    assert ran.called() == called


def test_rescore_needs_no_method_and_is_done_once(ran):
    before, called = ran.scores(), ran.called()
    ran.change_metric("10.0")
    (ran.folder / ran.method).unlink()
    shutil.rmtree(next(ran.folder.glob("acme_count*.dist-info")))
    done = ran.command("rescore", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "level: version 1 to version 2\n" in done.stdout
    assert "shrink: keeps the parameters that level chose as it was\n" in done.stdout
    assert ran.scores() == {row: pytest.approx(10 * value) for row, value in before.items()}
    assert ran.called() == called
    again = ran.command("rescore", "out")
    assert again.returncode == 0
    assert again.stdout == "out: was scored with the metrics that are installed; nothing to do\n"


def test_what_is_no_longer_cached_is_named_and_nothing_is_scored(ran):
    before = (ran.folder / "out/results.nc").read_bytes()
    ran.change_metric("10.0")
    shutil.rmtree(ran.folder / "out/cache/prediction")
    done = ran.command("rescore", "out")
    assert done.returncode == 2
    assert done.stderr == (
        "ctpbench: out: toy, noise 1: count, seed 0: its prediction is no longer in the cache (and 1 more); "
        "run the suite again, then no rescoring is needed\n"
    )
    assert (ran.folder / "out/results.nc").read_bytes() == before


def test_a_metric_that_fails_says_so(ran):
    ran.change_metric("case.nothing")
    done = ran.command("rescore", "out")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "metric level failed in count: " in done.stdout


def test_a_folder_without_a_run_is_named_in_one_line(ctpbench):
    done = ctpbench("rescore", "nowhere")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
