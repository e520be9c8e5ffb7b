"""The conformance kit for executors: sound ones pass every check, and each check is failed by one fault alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from ctpbench import PoolExecutor
from ctpbench.running.executors import pool_worker, pooled
from ctpbench.testing import checks_for, executors, parametrize_with_checks
from tests.fakes.pools import Processes, Tickets


class Pool(ThreadPoolExecutor):
    """Threads of this process, with a fault."""

    def __init__(self, fault: str, threads: int) -> None:
        super().__init__(1 if fault == "places_work_side_by_side" else threads)
        self.fault, self.made = fault, list[Future]()

    @property
    def is_shut(self) -> bool:
        return self._shutdown

    def submit(self, function: Callable[..., Any], /, *given: Any) -> Any:
        at_work = function is pool_worker.work
        match self.fault:
            case "pool_calls_functions" if not at_work:
                return function(*given)
            case "text_travels_whole" if len(str(given[0])) > 10**5 and not at_work:
                given = (given[0][:-1],)
            case "exceptions_come_back" if function is int:
                return super().submit(str, "an error, perhaps")
            case "many_calls_are_answered" if len(self.made) > 5:
                return self.made[0]
            case "shutdown_ends_what_waits" if self.is_shut:
                return Future()
            case "cells_are_as_on_this_machine" if at_work:
                return super().submit(int, "lost")
            case "crashes_are_told" if at_work and '"crash"' in given[0]:
                return super().submit(int, "lost")
            case "what_runs_ends_with_the_run" if at_work and '"sleep"' in given[0]:
                super().submit(function, *given)
                return Future()
        self.made.append(super().submit(function, *given))
        return self.made[-1]


class Threads(PoolExecutor):
    """Threads of this process; `fault` is the check that it fails."""

    name, version = "threads", "1"
    fault: str = ""

    @property
    def places(self) -> int:
        return 0 if self.fault == "places_are_counted" else 2

    def pool(self) -> Executor:
        if self.fault != "pools_are_made_anew":
            return Pool(self.fault, 2)
        if not KEPT or KEPT[-1].is_shut:
            KEPT.append(Pool(self.fault, 2))
        return KEPT[-1]


KEPT: list[Pool] = []
FAULTS = [check.name for check in checks_for(Threads())][4:]  # the others are those of all components


@parametrize_with_checks([Threads(), Processes(count=1)])
def test_sound_executors_conform(component, check):
    check(component)


def test_a_queue_that_starts_a_process_for_each_call_runs_cells_as_this_machine_does():
    checks = {check.name: check for check in checks_for(Tickets())}
    for name in ("exceptions_come_back", "cells_are_as_on_this_machine"):
        checks[name](Tickets(counters=1))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_check(fault, monkeypatch):
    monkeypatch.setattr(executors, "_WITHIN_S", 4.0)
    monkeypatch.setattr(executors, "_MEETS_WITHIN_S", 2.0)
    monkeypatch.setattr(pooled, "_ENDS_WITHIN_S", 2.0)
    faulty = Threads(fault=fault)
    (check,) = (check for check in checks_for(faulty) if check.name == fault)
    with pytest.raises(Exception, match="; allowed: ") as caught:
        check(faulty)
    assert "\n" not in str(caught.value)
