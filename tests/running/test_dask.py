"""A real Dask scheduler and real workers, which are killed: what comes back, what is tried again, what is said."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from ctpbench.device import processor
from ctpbench.errors import InputError
from ctpbench.running.executors.cluster import Request
from ctpbench.running.executors.dask import DaskExecutor
from ctpbench.running.executors.protocol import Began, Ended, Event, Returned
from ctpbench.running.executors.terms import Terms
from ctpbench.running.identity import Wanted
from ctpbench.running.work import Assignment, ComponentSpec, DataTask, Item
from ctpbench.settings import Resources
from tests.conftest import FAKES, environment
from tests.stored import stored_lines, stored_records

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a killed worker leaves is looked for in /proc")


@dataclass
class Place:
    """A scheduler and its workers, each a process of its own."""

    folder: Path
    address: str
    scheduler: subprocess.Popen[bytes] = field(init=False)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self, *words: str, path: Path = FAKES, niceness: int = 0) -> subprocess.Popen[bytes]:
        """Start a worker with one thread, so much nicer than this process; what is in `path` it can import."""
        known = environment()
        known["PYTHONPATH"] = os.pathsep.join([str(path), known["PYTHONPATH"]])
        own = self.folder / f"worker-{len(self.workers)}"
        options = ["--no-nanny", "--nthreads", "1", "--local-directory", own, "--no-dashboard", *words]
        nice = ["nice", "-n", str(niceness)]  # it becomes the command, with its own process id
        command = [*nice, sys.executable, "-m", "distributed.cli.dask_worker", self.address, *options]
        with own.with_suffix(".log").open("wb") as log:
            self.workers.append(subprocess.Popen(command, env=known, stdout=log, stderr=log))
        return self.workers[-1]

    def await_workers(self) -> None:
        """Wait until all workers are known to the scheduler."""
        logs = [self.folder / f"worker-{number}.log" for number in range(len(self.workers))]
        wait_for(lambda: all("Registered to" in log.read_text() for log in logs))

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """Start a scheduler at the address."""
        host, _, port = self.address.removeprefix("tcp://").rpartition(":")
        options = ["--port", port, "--no-dashboard", "--host", host]
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *options]
        with (self.folder / "scheduler.log").open("ab") as log:
            self.scheduler = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
        return self.scheduler

    def end(self) -> None:
        for each in (*self.workers, self.scheduler):
            each.kill()
            each.wait()


@pytest.fixture(scope="module")
def make_place(tmp_path_factory) -> Iterator[Callable[[], Place]]:
    """Return what starts a scheduler, without workers."""
    made: list[Place] = []

    def make() -> Place:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        place = Place(tmp_path_factory.mktemp("dask"), f"tcp://127.0.0.1:{port}")
        place.start_scheduler()
        made.append(place)
        return place

    yield make
    for place in made:
        place.end()


@pytest.fixture(scope="module")
def place(make_place) -> Place:
    made: Place = make_place()
    made.start_worker()
    return made


@pytest.fixture
def executor(place, tmp_path) -> Callable[..., DaskExecutor]:
    """Return an executor on the scheduler's workers; what it says is in its list `said`."""

    def make(*, shared: bool = True, **resources: float) -> DaskExecutor:
        tmp_path.joinpath("run").mkdir(exist_ok=True)
        wanted = Wanted(modules=("rogues", "ctpbench_fakes"), libraries=("numpy",))
        terms = Terms(Resources(device="cpu", **resources), True, False, wanted, tmp_path / "run")
        request = Request("--scheduler", place.address, shared_disk=shared)
        said: list[str] = []
        made = DaskExecutor(request, terms, said.append)
        made.said = said
        return made

    return make


@pytest.fixture
def assigned(tmp_path):
    """Return an assignment that loads a case of the rogue dataset."""
    from rogues import Rogue

    def assign(how: str) -> Assignment:
        spec = ComponentSpec.of(Rogue(how=how, file=tmp_path / "trap"))
        item = Item(key=f"rogue-{how}", task=DataTask(dataset=spec, case="test/0", noise=1.0), label=f"rogue {how}")
        places = {name: tmp_path / how / name for name in ("out", "scratch", "checkpoints")}
        for each in places.values():
            each.mkdir(parents=True)
        return Assignment(item=item, inputs={}, log=tmp_path / "logs" / f"{how}.log", **places)

    return assign


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def hear(executor: DaskExecutor, kind: type[Event]) -> list[Event]:
    """Return all that happens until something of a kind has."""
    events: list[Event] = []
    wait_for(lambda: events.extend(executor.events(0.05)) or any(isinstance(each, kind) for each in events))
    return events


def hear_out(executor: DaskExecutor) -> list[Event]:
    """Return all that happens until nothing is at work."""
    events: list[Event] = []
    wait_for(lambda: events.extend(executor.events(0.05)) or not executor.running)
    return events


def test_files_travel_and_what_crashes_is_neither_lost_nor_done_again(executor, assigned, tmp_path):
    with executor(shared=False) as working:
        working.hold()
        assert [post.shared for post in working.posts] == [False]
        assert working.slots == 1
        working.submit([assigned("exit"), assigned("well")])
        events = hear_out(working)
        site = working.posts[0].folder
        assert not any((site / "work").iterdir())  # what came back is removed there
    statuses = [(each.assignment.item.key, each.outcome.status) for each in events if isinstance(each, Ended)]
    assert statuses == [("rogue-exit", "crashed"), ("rogue-well", "ok")]
    assert sum(isinstance(each, Began) for each in events) == 2
    assert (tmp_path / "well/out/observation.npz").stat().st_size > 1000
    assert list((tmp_path / "exit/out").iterdir()) == []
    wait_for(lambda: not site.exists())


def test_on_a_shared_disk_nothing_travels_and_limits_hold_there(executor, assigned):
    with executor(timeout_s=1) as working:
        working.hold()
        assert [post.shared for post in working.posts] == [True]
        working.submit([assigned("sleep"), assigned("well")])
        events = hear_out(working)
        assert list(working.posts[0].folder.iterdir()) == []
    assert [each.outcome.status for each in events if isinstance(each, Ended)] == ["timeout"]
    assert [each.assignment.item.key for each in events if isinstance(each, Returned)] == ["rogue-well"]


def test_a_worker_with_other_code_is_refused_and_one_that_is_killed_gives_back_what_it_was_at(
    place, executor, assigned, tmp_path
):
    other = tmp_path / "other"
    shutil.copytree(FAKES, other)
    with (other / "rogues.py").open("a") as file:
        file.write("\nCHANGED = True\n")
    with executor() as working:
        working.hold()
        refused = place.start_worker(path=other)
        wait_for(lambda: list(working.events(0.05)) or working.said)
        line = working.said.pop()
        assert line.startswith("worker tcp://")
        assert f"on {os.uname().nodename} is left out: it has rogues (code " in line
        assert line.endswith("; install the same on both")
        assert len(working.posts) == 1

        working.submit([assigned("fork"), assigned("well")])
        events = hear(working, Began)
        lost, started = place.workers[0], psutil.Process(place.workers[0].pid).children(recursive=True)
        place.start_worker()
        for process in (refused, lost):
            process.send_signal(signal.SIGKILL)
            process.wait()
        events += hear_out(working)
        ended = next((each for each in events if isinstance(each, Ended)), None)
        assert ended is None, ended.outcome
        assert [each.assignment.item.key for each in events[1:]] == ["rogue-fork", "rogue-well"]
        assert "was lost (it went away); rogue fork is tried again" in working.said.pop()
        _, alive = psutil.wait_procs(started, timeout=20)
        assert not alive
        working.submit([events[-1].assignment])
        assert [each.outcome.status for each in hear_out(working) if isinstance(each, Ended)] == ["ok"]


def test_runner_and_scheduler_are_killed_and_nothing_stays_at_work(place, start, write_suite, tmp_path):
    def calls() -> int:
        return len(tally.read_text().splitlines()) if tally.exists() else 0

    tally = tmp_path / "tally.txt"
    suite = write_suite(f"""
datasets: [{{name: toy, params: {{test_cases: 1}}, noise: [1]}}]
denoisers: [leave, {{name: tally, params: {{file: "{tally}", wait_s: 1000}}}}]
metrics: [error]
""")
    words = ("run", suite, "--out", "out", "--no-sandbox", "--scheduler", place.address, "--param", "wait_s=0")
    worker = psutil.Process(place.workers[-1].pid)
    process = start(*words)
    wait_for(lambda: calls() == 1)
    wait_for(lambda: len(stored_lines(tmp_path / "out")) == 1)
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: not worker.children(), 20)
    again = start(*words)
    wait_for(lambda: calls() == 2)
    place.scheduler.kill()
    out, err = again.communicate(timeout=60)
    assert again.returncode == 2, err
    assert err.startswith(f"--scheduler {place.address}: the scheduler at {place.address} is gone (")
    assert err.endswith("; finished cells are kept; give the same command to go on\n")
    assert err.count("\n") == 1
    assert "leave (cached): ok" in out
    wait_for(lambda: not worker.is_running() or not worker.children(), 30)


def test_a_scheduler_that_is_killed_and_comes_back_is_joined_again(make_place, start, write_suite, tmp_path):
    """Its workers go with it, and are started anew: what they were at is sent again, and nobody is blamed."""
    gate, tally = tmp_path / "gate", tmp_path / "tally.txt"
    suite = write_suite(f"""
datasets: [{{name: toy, params: {{test_cases: 1, gate: "{gate}"}}, noise: [1, 2]}}]
denoisers: [leave, {{name: tally, params: {{file: "{tally}"}}}}]
metrics: [error]
resources: {{threads: 1}}
""")
    place = make_place()
    words = ("--no-sandbox", "--scheduler", place.address, "--param", "wait_s=200", "--cache", "none")
    process = start("run", suite, "--out", "out", *words)
    for turn in range(2):
        worker = psutil.Process(place.start_worker().pid)
        wait_for(lambda worker=worker: len(worker.children(recursive=True)) > 2)  # its station's processes are at work
        if turn == 0:
            place.scheduler.kill()
            place.scheduler.wait()
            wait_for(lambda worker=worker: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
            place.start_scheduler()
    gate.touch()
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    assert f"the scheduler at {place.address} is gone (" in out
    assert "it is waited for, for 3.3 min at most" in out
    assert f"the scheduler at {place.address} is back; what its workers were at is done again" in out
    assert "was lost" not in out
    assert len(stored_lines(tmp_path / "out")) == 4
    assert len(tally.read_text().splitlines()) == 4  # two cells, each with its warm-up


TRACED = """
datasets:
  - {{name: traced-toy, params: {{file: "{file}", test_cases: 1}}, noise: [1, 2]}}
denoisers:
  - {{name: trace, params: {{file: "{file}"}}}}
  - {{name: trace, label: other, params: {{file: "{file}", number: 1}}}}
metrics: [error]
resources: {{threads: 1, device: {device}}}
"""


def test_methods_go_to_the_worker_with_a_gpu_and_the_rest_spares_it(make_place, start, write_suite, tmp_path):
    """The label needs no GPU, for these methods use none."""
    place, file = make_place(), tmp_path / "notes"
    place.start_worker(niceness=1)
    place.start_worker("--resources", "GPU=1", niceness=2)
    place.await_workers()
    suite = write_suite(TRACED.format(file=file, device="cuda"))
    process = start("run", suite, "--out", "out", "--no-sandbox", "--cache", "none", "--scheduler", place.address)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    assert "4 cells on 2 workers on" in out
    notes = [json.loads(line) for line in file.read_text().splitlines()]
    least = os.getpriority(os.PRIO_PROCESS, 0)
    where = {(each["what"], each["device"], each["niceness"] - least) for each in notes}
    assert where == {("denoise", "cuda", 2), ("load", "cpu", 1)}
    assert {record["timings"]["device"] for record in stored_records(tmp_path / "out")} == {"cuda"}


def test_what_is_timed_has_its_machine_for_itself_and_names_its_hardware(make_place, start, write_suite, tmp_path):
    place, file = make_place(), tmp_path / "notes"
    for niceness in (1, 2):
        place.start_worker(niceness=niceness)
    place.await_workers()
    suite = write_suite(TRACED.format(file=file, device="cpu"))
    words = ("--serial-timing", "--no-sandbox", "--cache", "none", "--scheduler", place.address)
    process = start("run", suite, "--out", "out", *words)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    notes = sorted(map(json.loads, file.read_text().splitlines()), key=lambda each: each["began_s"])
    timed = [each for each in notes if each["what"] == "denoise"]
    assert len(timed) == 8  # four cells, each with its warm-up
    for one in timed:
        beside = [other for other in notes if other["began_s"] < one["ended_s"] and one["began_s"] < other["ended_s"]]
        assert beside == [one]
    for record in stored_records(tmp_path / "out"):
        timings = record["timings"]
        assert (timings["contended"], timings["hardware"]) == (False, processor())


def test_where_no_scheduler_is_one_line_says_so(executor, place, monkeypatch):
    monkeypatch.setattr("ctpbench.running.executors.dask._CONNECTS_WITHIN_S", 0.5)
    place.scheduler.kill()
    place.scheduler.wait()
    with executor() as working, pytest.raises(InputError, match=r"--scheduler: no scheduler answers at tcp://127.* \("):
        working.hold()
