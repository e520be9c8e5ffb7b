"""What processes take, read from /proc, is what psutil says of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from ctpbench.running import processes

BUSY = "sum(range(3 * 10**6)); x = b'x' * 2**24; print('there', flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"


@pytest.fixture(scope="module")
def parent():
    """A process that has started another one, which is busy for a while and waits."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=pipe, stdout=pipe) as process:
        assert process.stdout.readline() == b"there\n"
        yield process.pid
        process.stdin.close()


@pytest.fixture(params=[True, False], ids=["proc", "psutil"])
def way(request, monkeypatch):
    if request.param and not processes._FAST:
        pytest.skip("this system has no such /proc")
    monkeypatch.setattr(processes, "_FAST", request.param)


def test_what_a_process_started_is_found(way, parent):
    ((child,),) = processes.started_by(parent)
    assert [child] == [each.pid for each in psutil.Process(parent).children(recursive=True)]
    assert parent in processes.children(os.getpid())


def test_what_it_takes_is_what_psutil_says(way, parent):
    (child,) = processes.children(parent)
    assert processes.resident_bytes(child) == psutil.Process(child).memory_info().rss > 2**24
    assert processes.processor_s(child) == pytest.approx(sum(psutil.Process(child).cpu_times()[:4]))
    assert processes.processor_s(child) > 0


def test_what_processes_share_is_counted_once(way, parent):
    (child,) = processes.children(parent)
    part = processes.proportional_bytes(child)
    assert 2**24 < part <= processes.resident_bytes(child)
    program = "import os, time; held = b'.' * 2**26; os.fork(); time.sleep(100)"
    with subprocess.Popen([sys.executable, "-c", program], start_new_session=True) as whole:
        try:
            deadline = time.monotonic() + 60
            while not (forked := processes.children(whole.pid)):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            both = whole.pid, *forked
            assert sum(map(processes.resident_bytes, both)) > 2**27
            if os.path.exists("/proc/self/smaps_rollup"):
                assert sum(map(processes.proportional_bytes, both)) < 2**27 - 2**24
        finally:
            os.killpg(whole.pid, signal.SIGKILL)


def test_one_that_is_gone_takes_nothing(way):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert (processes.resident_bytes(gone.pid), processes.processor_s(gone.pid)) == (0, 0.0)
    assert processes.proportional_bytes(gone.pid) == 0
    assert processes.started_by(gone.pid) == []
