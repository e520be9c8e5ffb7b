"""What a method comes by that it was not given, and what it leaves running: nothing, where the kernel holds it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.protocol import Ended, Limits
from ctpbench.running.files import save_observation, save_truth
from ctpbench.running.sandbox import landlock, namespaces
from ctpbench.running.sandbox.code import code_reach
from ctpbench.running.sandbox.enclosure import Reach, shut_in
from ctpbench.running.sandbox.porter import Porter
from ctpbench.running.work import Assignment, ComponentSpec, DataTask, Item, Outcome, PredictionTask
from ctpbench.settings import MapsSettings

pytestmark = pytest.mark.skipif(landlock.version() < 6, reason="this kernel cannot hold a process")

CHEAT = '''
import multiprocessing, os, re, signal, socket, subprocess, sys, time
from pathlib import Path
from ctpbench import FrameDenoiser


def opened(path):
    with open(path, "rb") as file:
        return file.read(1) != b""


def kernel():
    import numba
    return numba.njit(lambda x: x + 1)(1) == 2


def dataset():
    import ctpbench_fakes
    return ctpbench_fakes.Toy().load("test/0", 1.0).truth is not None


def environment():
    return any(b"hidden-here" in Path(f"/proc/{name}/environ").read_bytes() for name in ("self", os.getppid(), 1))


def told_before():
    words = re.compile(b"told-" + b"[b]efore")  # which is not what it finds
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in Path("/proc/self/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            start, end = (int(end, 16) for end in place.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                if words.search(memory.read(end - start)):
                    return True
    return False


def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"x", ("127.0.0.1", 9)) == 1


def lock():
    with multiprocessing.get_context("forkserver").Lock():  # which a process beside its own keeps a list of
        return True


def untouched(scratch):
    """Whether files that a method has open are open and empty once it has made a lock."""
    files = [(scratch / str(number)).open("wb") for number in range(100)]
    lock()
    return all(os.fstat(file.fileno()).st_size == 0 for file in files)


def pool():
    with multiprocessing.Pool(2) as pool:
        return pool.map(abs, [-1, -2]) == [1, 2]


def tcp():
    with socket.create_server(("127.0.0.1", 0)):
        return True


class Cheat(FrameDenoiser):
    """Tries what it must not, and reports what it came by."""

    name, version = "cheat", "1"
    outside: str
    runner: int
    how: str = "look"

    def denoise(self, frames, context):
        out = frames.copy(data=frames.values.copy())
        if self.how == "look":
            out.attrs = {**frames.attrs, "diagnostics": self.found(context)}
        elif self.how == "leave":
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.execv("/bin/sleep", ["sleep", str(self.runner)])
                os._exit(0)
        elif self.how == "hold":
            import ctypes
            ctypes.CDLL(None).usleep.restype = None
            context.progress(0.5, "held")
            sum(range(10**13))
        elif self.how == "clock":
            time.sleep(0.3)
            time.perf_counter = time.monotonic = time.time = lambda: 0.0
        elif self.how == "link":
            (context.scratch.parent / "made" / "output.float32").symlink_to(Path(self.outside) / "truth.npz")
        return out

    def found(self, context):
        outside = Path(self.outside)
        tries = {
            "truth": lambda: opened(outside / "truth.npz"),
            "truth_by_child": lambda: subprocess.run(["cat", outside / "truth.npz"], capture_output=True).stdout != b"",
            "names": lambda: len(os.listdir(outside)) > 0,
            "dataset": dataset,
            "environment": environment,
            "told_before": told_before,
            "memory": lambda: opened(f"/proc/{self.runner}/mem"),
            "signal": lambda: os.kill(self.runner, 0) is None,
            "udp": udp,
            "tcp": tcp,
            "home": lambda: opened(Path.home() / "secret"),
            "record": lambda: (outside / "record.json").write_text("{}") > 0,
            "input": lambda: next((context.scratch.parent / "given").iterdir()).write_text("x") > 0,
            "library": lambda: Path(os.__file__).open("a") is not None,
            # and what it may do
            "may_scratch": lambda: (context.scratch / "a").write_text("x") == 1,
            "may_child": lambda: subprocess.run([sys.executable, "-c", "import numpy"]).returncode == 0,
            "may_kernel": kernel,
            "may_lock": lock,
            "may_open": lambda: untouched(context.scratch),
            "may_pool": pool,
            "may_input": lambda: opened(next((context.scratch.parent / "given").iterdir())),
        }
        found = {}
        for name, attempt in tries.items():
            try:
                found[name] = float(attempt())
            except (OSError, ImportError, ValueError) as error:
                print(name, repr(error))
                found[name] = 0.0
        return found
'''


@pytest.fixture
def cheat(tmp_path, monkeypatch, catalogue):
    """Return a function that has the cheat denoise a case, whose truth lies beside its observation."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "acme_cheat.py").write_text(CHEAT)
    monkeypatch.syspath_prepend(str(code))
    outside = tmp_path / "outside"
    outside.mkdir()
    case = catalogue.datasets["toy"]().load("test/0", 1.0)
    save_observation(case.observation, outside / "observation.npz")
    save_truth(case.truth, outside / "truth.npz")

    def assign(how: str, runner: int = os.getpid()) -> Assignment:
        import acme_cheat

        spec = ComponentSpec.of(acme_cheat.Cheat(outside=str(outside), runner=runner, how=how))
        task = PredictionTask(
            denoiser=spec,
            cases=("test/0",),
            seed=0,
            maps=MapsSettings(),
            timed=False,
            repeats=1,
            keep_concentration=True,
        )
        places = {name: tmp_path / how / name for name in ("out", "scratch")}
        for place in places.values():
            place.mkdir(parents=True)
        inputs = {"observation/test/0": outside / "observation.npz"}
        log = tmp_path / f"{how}.log"
        return Assignment(
            item=Item(key=how, task=task), inputs=inputs, checkpoints=places["scratch"], log=log, **places
        )

    yield assign
    sys.modules.pop("acme_cheat", None)
    code_reach.cache_clear()


def outcome(assignment: Assignment, *, sandboxed: bool = True) -> Outcome:
    with LocalExecutor(Limits(timeout_s=60, sandboxed=sandboxed)) as executor:
        executor.submit([assignment])
        while executor.running:
            for event in executor.events():
                if isinstance(event, Ended):
                    return event.outcome
    raise AssertionError("it did not end")


def test_a_method_comes_by_nothing_but_its_input(cheat, tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_SECRET", "hidden-here")
    ended = outcome(cheat("look"))
    assert ended.ok, ended.message
    found = {name: values[0] for name, values in ended.info.diagnostics.items()}
    assert {name for name, value in found.items() if value} == {name for name in found if name.startswith("may_")}, (
        tmp_path / "look.log"
    ).read_text()
    assert ended.info.sandbox == "full"


def test_what_a_data_set_was_told_is_in_no_methods_memory(cheat, tmp_path, monkeypatch):
    """One worker has both done; the environment, with its secrets, is for data sets alone."""
    from ctpbench_fakes import Toy

    monkeypatch.setenv("ACME_SECRET", "told-before")
    look = cheat("look")
    places = {name: tmp_path / "data" / name for name in ("out", "scratch", "checkpoints")}
    for place in places.values():
        place.mkdir(parents=True)
    task = DataTask(dataset=ComponentSpec.of(Toy()), case="test/0", noise=1.0)
    load = Assignment(item=Item(key="data", task=task), inputs={}, log=tmp_path / "data.log", **places)
    with LocalExecutor(Limits(timeout_s=60)) as executor:
        workers, ended = set(), []
        for assignment in (load, look):
            executor.submit([assignment])
            workers |= {child.process.pid for child in executor._children}
            while executor.running:
                ended += [event.outcome for event in executor.events() if isinstance(event, Ended)]
    assert len(workers) == 1
    assert ended[1].info.diagnostics["told_before"] == [0.0]


def test_without_the_sandbox_it_would_come_by_it(cheat):
    ended = outcome(cheat("look"), sandboxed=False)
    assert ended.ok, ended.message
    found = {name for name, values in ended.info.diagnostics.items() if values[0]}
    assert {"truth", "truth_by_child", "names", "dataset", "udp", "tcp", "record", "input"} <= found
    assert ended.info.sandbox == "none"


def test_what_it_left_running_ends_with_it(cheat):
    seconds = 86_407
    assert outcome(cheat("leave", runner=seconds)).ok
    deadline = time.monotonic() + 5
    while running := [p for p in psutil.process_iter(["cmdline"]) if str(seconds) in (p.info["cmdline"] or [])]:
        assert time.monotonic() < deadline, running
        time.sleep(0.02)


def test_it_ends_with_its_worker_however_busy_it_is(cheat):
    with LocalExecutor(Limits()) as executor:
        executor.submit([cheat("hold")])
        (child,) = executor._children
        worker = psutil.Process(child.process.pid)
        found: list[psutil.Process] = []
        while not any(each.cpu_times().user > 0.5 for each in found):
            list(executor.events(0.01))
            found = worker.children(recursive=True)
        os.kill(worker.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(found, timeout=5)
        assert not alive


def test_a_method_that_stops_its_clocks_is_timed_all_the_same(cheat):
    ended = outcome(cheat("clock"))
    assert ended.ok, ended.message
    assert ended.info.denoise_s[0] > 0.3
    assert ended.info.own_denoise_s[0] <= 0.0


def test_a_link_in_place_of_an_answer_is_not_followed(cheat):
    ended = outcome(cheat("link"))
    assert ended.status == "error" or not ended.ok


def test_a_gpus_driver_may_look_for_its_cards_where_the_suite_computes_on_one():
    assert "/sys" in code_reach(frozenset({"ctpbench_unet.noise2noise"}), "cuda").readable
    assert "/sys" not in code_reach(frozenset({"ctpbench_unet.noise2noise"}), "cpu").readable


def shut_in_does(reach: Reach, work: Callable[[], None]) -> None:
    """Have a guest work that may reach no more than this, and wait until it has."""

    def live(place, files):
        shut_in(reach, place)
        work()

    with Porter(live) as porter:
        porter.admit(network=False)
        assert porter.verdict() == 0


def test_cuda_may_name_its_threads(tmp_path):
    """It does not start where it cannot write to /proc/self/task; nothing else of /proc may be written to."""
    reach = code_reach(frozenset({"ctpbench_unet.noise2noise"}), "cuda")
    assert [path for path in reach.writable if path.startswith("/proc")] == ["/proc/self/task"]
    written = tmp_path / "written"
    written.touch()

    def work():
        own = f"/proc/self/task/{os.getpid()}/comm"
        for path in (own, "/proc/self/comm", "/proc/self/oom_score_adj"):
            with suppress(OSError):
                Path(path).write_text("0")
                written.write_text(written.read_text() + ("own " if path == own else path))

    own = str(written)
    shut_in_does(replace(reach, readable=(*reach.readable, own), writable=(*reach.writable, own)), work)
    assert written.read_text() == "own "


@pytest.mark.parametrize("there", [True, False])
def test_a_machine_without_shared_memory_has_its_own_proc_all_the_same(there, tmp_path, monkeypatch):
    """A mount over what is not there would fail, and leave a guest with the processes of all."""
    mounted = []
    monkeypatch.setattr(namespaces, "SHARED_MEMORY", tmp_path if there else tmp_path / "none")
    monkeypatch.setattr(namespaces, "mount", lambda source, target, kind, flags: mounted.append(target))
    assert namespaces.settle()
    assert mounted == ["/", *[str(tmp_path)] * there, "/proc"]


def test_libraries_are_found_beyond_pythons_prefix_and_nothing_else_on_the_path_is(tmp_path, monkeypatch):
    libraries, loose = tmp_path / "site-packages", tmp_path / "patients"
    for folder in (libraries, loose):
        folder.mkdir()
        monkeypatch.syspath_prepend(str(folder))
    readable = code_reach.__wrapped__(frozenset({"ctpbench_filters.tips"}), "cpu").readable
    assert str(libraries.resolve()) in readable
    assert not any(loose.resolve().is_relative_to(path) for path in readable)


def test_the_code_of_data_sets_is_kept_from_methods():
    reach = code_reach(frozenset({"ctpbench_filters.tips"}), "cpu")
    import numpy

    import ctpbench_filters
    import ctpbench_phantom

    def readable(module) -> bool:
        return any(Path(module.__file__).resolve().is_relative_to(path) for path in reach.readable)

    assert readable(ctpbench_filters)
    assert readable(numpy)
    assert not readable(ctpbench_phantom)
