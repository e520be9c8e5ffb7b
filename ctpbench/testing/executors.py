"""What an executor must keep to: its pool calls what it is handed, somewhere, and the harness does the rest there."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from ctpbench.contract.case import Case
from ctpbench.contract.components import Dataset, Split
from ctpbench.contract.executors import PoolExecutor
from ctpbench.errors import CtpbenchError
from ctpbench.running.executors.choice import Choice
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.opened import limits_of
from ctpbench.running.executors.pooled import PooledWorkers
from ctpbench.running.executors.protocol import Ended, Workers
from ctpbench.running.executors.supply import not_done
from ctpbench.running.executors.terms import Terms
from ctpbench.running.identity import Wanted
from ctpbench.running.work import Assignment, ComponentSpec, DataTask, Item
from ctpbench.settings import Resources
from ctpbench.testing.check import Check, require
from ctpbench.testing.components import component_checks
from ctpbench.testing.examples import example_case

_WITHIN_S = 300.0
"""How long a pool may take for what takes a moment: a queue may have others in it."""
_MEETS_WITHIN_S = 60.0
_LARGE = 2**20
_CALLS = 8


def executor_checks() -> list[Check]:
    """Return the checks of an executor."""
    pool, cells = "pool_calls_functions", "cells_are_as_on_this_machine"
    return [
        *component_checks(),
        Check("places_are_counted", _places_are_counted, "declares_its_contract"),
        Check(pool, _pool_calls_functions, "places_are_counted"),
        Check("text_travels_whole", _text_travels_whole, pool),
        Check("exceptions_come_back", _exceptions_come_back, pool),
        Check("many_calls_are_answered", _many_calls_are_answered, pool),
        Check("places_work_side_by_side", _places_work_side_by_side, pool),
        Check("pools_are_made_anew", _pools_are_made_anew, pool),
        Check("shutdown_ends_what_waits", _shutdown_ends_what_waits, pool),
        Check(cells, _cells_are_as_on_this_machine, pool),
        Check("crashes_are_told", _crashes_are_told, cells),
        Check("what_runs_ends_with_the_run", _what_runs_ends_with_the_run, cells),
    ]


class ExampleHeads(Dataset):
    """Small heads for the checks of executors: ``well`` is loaded, ``crash`` ends its process, ``sleep`` never ends."""

    name, version = "example-heads", "1"

    def cases(self, split: Split) -> Sequence[str]:
        """Return three test cases, which do as they are called."""
        return ["well", "crash", "sleep"] if split == "test" else []

    def load(self, case_id: str, noise: float | None) -> Case:
        """Return an example, or do what the case is called."""
        if case_id == "crash":
            os.abort()
        if case_id == "sleep":
            time.sleep(10 * _WITHIN_S)
        return replace(example_case(slices=1), id=case_id)


def meet(folder: str, name: str, others: int) -> str:
    """Leave a file in a folder, and return once so many are there."""
    Path(folder, name).touch()
    ends_s = time.monotonic() + _MEETS_WITHIN_S
    while len(os.listdir(folder)) < others:
        if time.monotonic() > ends_s:
            raise TimeoutError(f"alone after {_MEETS_WITHIN_S:g} s")
        time.sleep(0.05)
    return name


# -- checks ---------------------------------------------------------------------------------------------------------


def _places_are_counted(executor: PoolExecutor) -> None:
    for name, count in (("places", executor.places), ("threads", executor.threads)):
        sound = isinstance(count, int) and not isinstance(count, bool) and count >= 1
        require(sound, f"{name}: got {count!r}; allowed: a whole number from 1")


def _pool_calls_functions(executor: PoolExecutor) -> None:
    with _pool(executor) as pool:
        future = pool.submit(str.upper, "here")
        require(isinstance(future, Future), f"submit: got {type(future).__name__}; allowed: concurrent.futures.Future")
        got = future.result(_WITHIN_S)
        require(got == "HERE", f"submit: got {got!r} for 'here'.upper(); allowed: what the function returns")
        heard: list[Future[str]] = []
        future.add_done_callback(heard.append)
        require(heard == [future], "add_done_callback: got no call; allowed: one, at once where it is done")


def _text_travels_whole(executor: PoolExecutor) -> None:
    text = "ß∂x\n\0" * (_LARGE // 5)
    with _pool(executor) as pool:
        got = pool.submit(str.upper, text).result(_WITHIN_S)
    require(got == text.upper(), f"submit: got another text of {len(got)} for one of {len(text)}; allowed: all of it")


def _exceptions_come_back(executor: PoolExecutor) -> None:
    with _pool(executor) as pool:
        error = pool.submit(int, "on purpose").exception(_WITHIN_S)
        require(error is not None, "a function that raises: got an answer; allowed: a future with an exception")
        require("on purpose" in str(error), f"a function that raises: got {error!r}; allowed: one with its text")
        got = pool.submit(str.upper, "still here").result(_WITHIN_S)
        require(got == "STILL HERE", f"after a function that raised: got {got!r}; allowed: further answers")


def _many_calls_are_answered(executor: PoolExecutor) -> None:
    texts = [f"call {number}" for number in range(_CALLS)]
    with _pool(executor) as pool:
        futures = [pool.submit(str.upper, text) for text in texts]
        got = [future.result(_WITHIN_S) for future in futures]
    wrong = [text for text, answer in zip(texts, got, strict=True) if answer != text.upper()]
    require(not wrong, f"{_CALLS} calls at once: got another's answer for {len(wrong)}; allowed: each its own")


def _places_work_side_by_side(executor: PoolExecutor) -> None:
    """As many as there are places meet in a folder, which all of them see."""
    with TemporaryDirectory(prefix="ctpbench-") as folder, _pool(executor) as pool:
        count = executor.places
        futures = [pool.submit(meet, folder, str(number), count) for number in range(count)]
        late = not_done(futures, _WITHIN_S)
        faults = [str(future.exception()) for future in futures if future not in late and future.exception()]
        text = f"places: got {len(faults) + len(late)} of {count} functions that met no other ({'; '.join(faults[:1])})"
        require(not faults and not late, f"{text}; allowed: so many side by side, in one folder")


def _pools_are_made_anew(executor: PoolExecutor) -> None:
    """One that is shut down leaves the next one alone."""
    with _pool(executor) as first, _pool(executor) as second:
        require(first is not second, "pool: got the same object twice; allowed: a new one each time")
        first.shutdown(wait=True, cancel_futures=True)
        got = second.submit(str.upper, "second").result(_WITHIN_S)
        require(got == "SECOND", f"a pool beside one that is shut down: got {got!r}; allowed: answers")


def _shutdown_ends_what_waits(executor: PoolExecutor) -> None:
    """After a shutdown every future is done within a while, and no more are taken."""
    with _pool(executor) as pool:
        futures = [pool.submit(time.sleep, 0.5) for _ in range(3 * executor.places)]
        pool.shutdown(wait=False, cancel_futures=True)
        late = not_done(futures, _WITHIN_S)
        require(not late, f"shutdown: got {len(late)} futures that never end; allowed: each done or cancelled")
        try:
            pool.submit(str.upper, "too late")
        except Exception:  # whichever the pool has
            return
        raise AssertionError("submit after shutdown: got a future; allowed: an exception")


def _cells_are_as_on_this_machine(executor: PoolExecutor) -> None:
    with _scene(executor) as (here, there, folder):
        made: dict[str, dict[str, bytes]] = {}
        for place, workers in (("here", here), ("there", there)):
            outcomes = _ended(workers, [_assignment(folder / place, "well")])
            require(outcomes == ["ok"], f"work {place}: got {', '.join(outcomes) or 'nothing'}; allowed: ok")
            made[place] = {path.name: path.read_bytes() for path in (folder / place / "out").iterdir()}
        same = made["here"] == made["there"]
        require(same, "work there: got other files than on this machine; allowed: the same, to the bit")


def _crashes_are_told(executor: PoolExecutor) -> None:
    """A process that ends in the middle is a row that says so, and takes nothing with it."""
    with _scene(executor) as (_, there, folder):
        batch = [_assignment(folder / name, name) for name in ("crash", "well")]
        first = _ended(there, batch[:1])
        require(first == ["crashed"], f"a process that aborts: got {', '.join(first) or 'nothing'}; allowed: crashed")
        second = _ended(there, batch[1:])
        require(second == ["ok"], f"work after it: got {', '.join(second) or 'nothing'}; allowed: ok")


def _what_runs_ends_with_the_run(executor: PoolExecutor) -> None:
    """What never ends by itself is ended by the harness, once the run wants it no more."""
    with _scene(executor) as (_, there, folder):
        there.submit([_assignment(folder / "sleep", "sleep")])
        ends_s = time.monotonic() + _WITHIN_S
        while not any(True for _ in there.events()):
            require(time.monotonic() < ends_s, f"work: got no word in {_WITHIN_S:g} s; allowed: that it began")
        futures = there.futures
        there.close()
        late = not_done(futures, _MEETS_WITHIN_S)
        require(not late, "the end of a run: got a function that goes on; allowed: its future ends soon")


# -- scenes ---------------------------------------------------------------------------------------------------------


@contextmanager
def _pool(executor: PoolExecutor) -> Iterator[Pool]:
    try:
        pool = executor.pool()
    except CtpbenchError as error:
        raise AssertionError(f"pool: {error}") from error
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _scene(executor: PoolExecutor) -> Iterator[tuple[LocalExecutor, PooledWorkers, Path]]:
    """Yield workers of this machine and of the pool, and a folder that both see."""
    folder = Path(mkdtemp(prefix="ctpbench-")).resolve()
    terms = Terms(Resources(device="cpu", threads=1), True, False, Wanted(modules=(__name__,), libraries=()), folder)
    choice = Choice(executor, executor.name)
    limits = limits_of(choice, terms, 1)
    said: list[str] = []
    try:
        with LocalExecutor(limits) as here, PooledWorkers(executor, executor.name, terms, limits, said.append) as there:
            yield here, there, folder
    except CtpbenchError as error:
        raise AssertionError(str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _assignment(folder: Path, case: str) -> Assignment:
    task = DataTask(dataset=ComponentSpec.of(ExampleHeads()), case=case, noise=None)
    places = {name: folder / name for name in ("out", "scratch", "checkpoints")}
    for place in places.values():
        place.mkdir(parents=True)
    item = Item(key=f"{folder.name}-{case}", task=task, label=case)
    return Assignment(item=item, inputs={}, log=folder / "log", **places)


def _ended(workers: Workers, batch: Sequence[Assignment]) -> list[str]:
    """Return how each item of a batch ended."""
    workers.submit(batch)
    outcomes: list[str] = []
    ends_s = time.monotonic() + _WITHIN_S
    while workers.running and time.monotonic() < ends_s:
        outcomes += [event.outcome.status for event in workers.events() if isinstance(event, Ended)]
    return outcomes
