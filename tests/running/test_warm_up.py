"""What a guest has done while it waited it need not do when it is asked: its memory is its own by then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ctpbench.running import warm_up

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there does a guest wait")

PROGRAM = """
import os, resource, sys
from ctpbench.running import rehearsal, tiny
from ctpbench.running.errands import answer
from ctpbench.running.job import Job
from ctpbench.running.messages import Errand
from ctpbench.running.warm_up import warm_up
from ctpbench.running.work import AnswerTask
from ctpbench.settings import MapsSettings
from pathlib import Path
room = Path(sys.argv[1])
tiny.save_case(room)
task = AnswerTask(denoiser=tiny.spec_of(tiny.Unchanged()), case=tiny.CASE, seed=0, maps=MapsSettings())
inputs = {f"observation/{tiny.CASE}": room / "observation.npz"}
errand = Errand(key="", task=task, inputs=inputs, out=room, scratch=room, checkpoints=room).model_dump_json()

def copied():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def work():
    told = Errand.model_validate_json(errand)
    answer.run(told.task, Job(told.inputs, room, room, room, "cpu", 1, print))

for ahead in (lambda: None, warm_up):
    sys.stdout.flush()
    if os.fork() == 0:
        files = sorted(os.listdir("/proc/self/fd"))
        ahead()
        assert files == sorted(os.listdir("/proc/self/fd")), "it leaves something open"
        before = copied()
        work()
        print(copied() - before, flush=True)
        os._exit(0)
    os.wait()
print(*sorted(path.name for path in room.iterdir()))
"""


def test_a_guest_that_has_waited_copies_a_fraction_of_the_memory(tmp_path):
    found = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=True)
    fresh, waited, left = found.stdout.splitlines()
    assert int(waited) < int(fresh) / 3, found.stdout
    assert left == "observation.npz output.float32 truth.npz"
    assert found.stderr == ""


def test_nobody_hears_of_what_fails_in_it(monkeypatch):
    monkeypatch.setattr(warm_up, "_listen", lambda: 1 / 0)
    warm_up.warm_up()


def test_it_keeps_nothing_on_disk(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    warm_up.warm_up()
    assert list(Path(tmp_path).iterdir()) == []
