"""Places of a stranger where work is done, found by an entry point: processes of Python, and a queue of tickets."""

from __future__ import annotations

import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Annotated, Any

from pydantic import Field

from ctpbench import PoolExecutor, hookimpl

Count = Annotated[int, Field(ge=1)]
_SERVED = """
import pickle, sys
sys.path[:], function, given = pickle.load(sys.stdin.buffer)
try:
    answer = True, function(*given)
except Exception as error:
    answer = False, error
sys.__stdout__.buffer.write(pickle.dumps(answer))
"""


class TicketOffice(Executor):
    """Hands each function to a process of its own, as a queue of jobs does, so many at once."""

    def __init__(self, counters: int) -> None:
        self._counters = ThreadPoolExecutor(counters)

    def submit(self, function: Callable[..., Any], /, *given: Any) -> Future[Any]:
        return self._counters.submit(self._serve, pickle.dumps((sys.path, function, given)))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._counters.shutdown(wait, cancel_futures=cancel_futures)

    def _serve(self, ticket: bytes) -> Any:
        done = subprocess.run([sys.executable, "-c", _SERVED], input=ticket, stdout=subprocess.PIPE, check=True)
        good, answer = pickle.loads(done.stdout)
        if good:
            return answer
        raise answer


class Tickets(PoolExecutor):
    """A queue of jobs, each a process."""

    name, version = "tickets", "1"
    counters: Count = 2

    @property
    def places(self) -> int:
        return self.counters

    def pool(self) -> Executor:
        return TicketOffice(self.counters)


class Processes(PoolExecutor):
    """Processes of Python's own pool, each of which works on one function after the other."""

    name, version = "processes", "1"
    count: Count = 2

    @property
    def places(self) -> int:
        return self.count

    def pool(self) -> Executor:
        return ProcessPoolExecutor(self.count, mp_context=multiprocessing.get_context("spawn"))


@hookimpl
def ctpbench_executors() -> list[type[PoolExecutor]]:
    return [Tickets, Processes]
