"""Work on pools: what comes back, what is tried again, what is refused, and that nothing goes on that nobody wants."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from ctpbench import DataError, PoolExecutor
from ctpbench.errors import InputError
from ctpbench.running.executors import pool_worker, site
from ctpbench.running.executors.pooled import PooledWorkers
from ctpbench.running.executors.protocol import Began, Ended, Event, Limits, Returned
from ctpbench.running.executors.terms import Terms
from ctpbench.running.identity import Wanted
from ctpbench.running.work import Assignment, ComponentSpec, DataTask, Item
from ctpbench.settings import Resources

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="methods are held by Linux")


class Pool(ThreadPoolExecutor):
    """Threads of this process; `breaks` says what a call is lost with instead of being made."""

    def __init__(self, breaks: list[Exception]) -> None:
        super().__init__(2)
        self._breaks = breaks

    def submit(self, function, /, *given):
        if function is pool_worker.work and self._breaks:
            future: Future = Future()
            future.set_exception(self._breaks.pop(0))
            return future
        return super().submit(function, *given)


class Threads(PoolExecutor):
    """Threads of this process."""

    name, version = "threads", "1"

    @property
    def places(self) -> int:
        return 2

    def pool(self) -> Executor:
        return POOLS[-1]()


POOLS: list[Callable[[], Executor]] = []


@pytest.fixture
def breaks(monkeypatch) -> list[Exception]:
    """What the next calls of the pool are lost with."""
    found: list[Exception] = []
    monkeypatch.setattr(sys.modules[__name__], "POOLS", [lambda: Pool(found)])
    return found


@pytest.fixture
def workers(tmp_path, breaks) -> Callable[..., PooledWorkers]:
    """Return workers on threads; what they say is in their list `said`."""

    def make(**limits: float) -> PooledWorkers:
        tmp_path.joinpath("run").mkdir(exist_ok=True)
        wanted = Wanted(modules=("rogues", "ctpbench_fakes"), libraries=("numpy",))
        terms = Terms(Resources(device="cpu"), True, False, wanted, tmp_path / "run")
        said: list[str] = []
        made = PooledWorkers(Threads(), "--executor threads", terms, Limits(**limits), said.append)
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
            each.mkdir(parents=True, exist_ok=True)
        return Assignment(item=item, inputs={}, log=tmp_path / "logs" / f"{how}.log", **places)

    return assign


def hear_out(workers: PooledWorkers) -> list[Event]:
    """Return all that happens until nothing is at work."""
    events: list[Event] = []
    ends_s = time.monotonic() + 100
    while workers.running:
        assert time.monotonic() < ends_s
        events += workers.events(0.05)
    return events


def statuses(events: list[Event]) -> dict[str, str]:
    return {each.assignment.item.key: each.outcome.status for each in events if isinstance(each, Ended)}


def test_what_crashes_is_a_row_and_the_rest_of_its_batch_comes_back(workers, assigned, tmp_path):
    with workers() as working:
        assert working.hold().word
        working.submit([assigned("exit"), assigned("well")])
        events = hear_out(working)
        left = [path.name for path in (tmp_path / "run").iterdir() if path.name.startswith("told")]
    assert statuses(events) == {"rogue-exit": "crashed", "rogue-well": "ok"}
    assert [each.assignment.item.key for each in events if isinstance(each, Began)] == ["rogue-exit", "rogue-well"]
    assert (tmp_path / "well/out/observation.npz").stat().st_size > 1000
    assert left == []
    assert working.said == []


def test_limits_hold_there_and_what_never_began_is_given_back(workers, assigned):
    with workers(timeout_s=1) as working:
        working.submit([assigned("sleep"), assigned("well")])
        events = hear_out(working)
    assert statuses(events) == {"rogue-sleep": "timeout"}
    assert [each.assignment.item.key for each in events if isinstance(each, Returned)] == ["rogue-well"]


def test_what_workers_are_lost_with_three_times_fails(workers, assigned, breaks):
    with workers() as working:
        breaks += [OSError("gone")] * 3
        for _ in range(2):
            working.submit([assigned("well")])
            assert [type(each) for each in hear_out(working)] == [Returned]
            assert working.said.pop() == "a worker of the pool was lost (OSError: gone); rogue well is tried again"
        working.submit([assigned("well")])
        assert statuses(hear_out(working)) == {"rogue-well": "crashed"}


def test_a_pool_that_breaks_is_made_anew_and_what_waited_is_not_blamed(workers, assigned, breaks):
    with workers() as working:
        for _ in range(3):  # something is done in between
            breaks += [BrokenProcessPool("a process died")] * 2
            for _ in range(2):
                working.submit([assigned("well")])
                assert [type(each) for each in hear_out(working)] == [Returned]
                assert "its pool broke (BrokenProcessPool: a process died); another is made" in working.said.pop()
            working.submit([assigned("well")])
            assert statuses(hear_out(working)) == {"rogue-well": "ok"}
        breaks += [BrokenProcessPool("a process died")] * 3
        for _ in range(2):
            working.submit([assigned("well")])
            hear_out(working)
        working.submit([assigned("well")])
        with pytest.raises(InputError, match=r"^--executor threads: BrokenProcessPool: a process died; finished cells"):
            hear_out(working)


def test_a_worker_that_has_something_else_ends_the_run_by_name(workers, assigned):
    with workers() as working:
        working._ours["numpy"] = "0.1"
        working.submit([assigned("well")])
        with pytest.raises(
            InputError, match=r"^--executor threads: \S+ has numpy \S+, here 0.1; install the same on both$"
        ):
            hear_out(working)


def test_a_worker_that_does_not_see_the_folder_is_named(workers):
    with workers() as working:
        working._employer.sign.unlink()
        with pytest.raises(InputError, match="does not see the run's folder"):
            working.hold()


def test_a_pool_that_cannot_be_had_is_told_in_one_line(workers, breaks):
    def refuse() -> Executor:
        raise DataError("no key for the queue; ask your administrator")

    POOLS.append(refuse)
    with workers() as working, pytest.raises(InputError, match=r"^--executor threads: no key for the queue; ask your"):
        working.hold()


@pytest.mark.parametrize("how", ["close", "silence"])
def test_what_nobody_wants_any_more_is_ended(how, workers, assigned, monkeypatch):
    monkeypatch.setattr(site, "LEASE_S", 100.0 if how == "close" else 5.0)
    monkeypatch.setattr(pool_worker, "_LOOK_S", 0.05)
    with workers() as working:
        working.submit([assigned("sleep")])
        ends_s = time.monotonic() + 100
        while not any(isinstance(each, Began) for each in working.events(0.05)):
            assert time.monotonic() < ends_s
        (future,) = working.futures
        if how == "close":
            working.close()
        future.result(60)  # of the silent one nothing is heard from here on
        run = working._employer.run
        while run in site._SITES or run in pool_worker._OFFICES:
            assert time.monotonic() < ends_s
            time.sleep(0.05)
