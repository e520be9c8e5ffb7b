"""What was done once beforehand is not done again: who works imports nothing but the component's own code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, threading
from pathlib import Path
from ctpbench.running import rehearsal, tiny
assert threading.active_count() == 1, threading.enumerate()
before = set(sys.modules)
assert not before & {"scipy.interpolate", "scipy.optimize", "scipy.stats"}, "each fork of it takes the longer"
sys.path.insert(0, sys.argv[2])
from ctpbench_fakes import Error, Leave, Toy
from ctpbench.running.errands import answer, data, scores
from ctpbench.running.job import Job
from ctpbench.running.stages import reference
from ctpbench.running.work import AnswerTask, DataTask, ReferenceTask, ScoresTask
from ctpbench.settings import MapsSettings
room, settings, spec = Path(sys.argv[1]), MapsSettings(), tiny.spec_of
files = dict(observation="observation.npz", truth="truth.npz", prediction="test%2F0.npz", reference="test%2F0.npz")
job = Job({f"{role}/test/0": room / name for role, name in files.items()}, room, room, room, "cpu", 1, print)
data.run(DataTask(dataset=spec(Toy()), case="test/0", noise=1.0), job)
answer.run(AnswerTask(denoiser=spec(Leave()), case="test/0", seed=0, maps=settings), job)
reference.run(ReferenceTask(cases=("test/0",), maps=settings, rois=True, quality=True), job)
done = scores.run(
    ScoresTask(metrics={"error": spec(Error())}, cases=("test/0",), maps=settings, scale={"cbf": 1, "cbv": 1}), job
)
assert done.scores, done.faults
print(*sorted(set(sys.modules) - before))
"""


def test_work_imports_nothing_but_the_components_module(tmp_path):
    command = [sys.executable, "-c", PROGRAM, tmp_path, Path(__file__).parents[1] / "fakes"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["ctpbench_fakes"]


def test_it_goes_through_to_its_end_and_leaves_nothing(tmp_path, monkeypatch):
    from ctpbench.running import rehearsal

    monkeypatch.setattr(rehearsal.tempfile, "tempdir", str(tmp_path))
    rehearsal.rehearse()
    assert list(tmp_path.iterdir()) == []
