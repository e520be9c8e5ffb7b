"""A pool that is made where it is wanted, and anew where it breaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from ctpbench.contract.executors import PoolExecutor
from ctpbench.errors import CtpbenchError, InputError
from ctpbench.text import cut, one_line

_POOLS = 3  # that may break one after the other, with nothing done in between
_LOOK_S = 0.05


class Supply:
    """Supplies a run with a pool.

    Parameters
    ----------
    executor : PoolExecutor
        Whose pool it is.
    source : str
        What asked for it, as errors name it.
    say : callable(text)
        Hears that a pool broke.
    """

    def __init__(self, executor: PoolExecutor, source: str, say: Callable[[str], None]) -> None:
        self._executor, self._source, self._say = executor, source, say
        self._pool: Pool | None = None
        self._broken = 0

    def pool(self) -> Pool:
        """Return the pool.

        Raises
        ------
        InputError
            Where none can be had.
        """
        if self._pool is None:
            try:
                self._pool = self._executor.pool()
            except Exception as error:  # of a stranger's class
                raise self.fault(error) from error
        return self._pool

    def worked(self) -> None:
        """Note that something was done."""
        self._broken = 0

    def give_up(self, pool: Pool | None, error: BaseException) -> None:
        """Leave a pool that broke, so that the next one is another.

        Raises
        ------
        InputError
            Where that has happened too often.
        """
        if pool is None or pool is not self._pool:
            return
        self._broken += 1
        if self._broken == _POOLS:
            raise self.fault(error) from error
        self._say(f"{self._source}: its pool broke ({cut(named(error), 200)}); another is made")
        self.close()

    def close(self) -> None:
        """End the pool: what waits is not begun."""
        if self._pool is not None:
            with suppress(Exception):  # it has no more to do, however it ends
                self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = None

    def fault(self, error: BaseException) -> InputError:
        """Return what ends a run that an error of the pool ends."""
        text = one_line(error) if isinstance(error, CtpbenchError) else named(error)
        return InputError(f"{self._source}: {text}; finished cells are kept, give the same command to go on")


def not_done(futures: Sequence[Future[Any]], within_s: float) -> list[Future[Any]]:
    """Wait until futures are done, or a while; return those that are not. One that was cancelled is done."""
    ends_s = time.monotonic() + within_s
    while (left := [future for future in futures if not future.done()]) and time.monotonic() < ends_s:
        time.sleep(_LOOK_S)
    return left


def named(error: BaseException) -> str:
    """Return an error's kind and text."""
    return f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
