"""Where a run's work is done: the contract of a plugin that brings machines.

The harness does the work itself, in processes that it holds to their limits and shuts in: a place lends the machines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Executor as Pool

from ctpbench.contract.components import Component


class Executor(Component, ABC):
    """A place where work is done; its parameters say which, and are in no key. Plugins offer a `PoolExecutor`."""


class PoolExecutor(Executor):
    """A place that is reached by a pool: an object with the interface of `concurrent.futures.Executor`.

    Many engines have one: processes and threads of Python, MPI, Dask, Ray, Parsl, queues of SLURM. A pool is handed
    functions of ctpbench with text, ``pool.submit(function, text)``, and calls them where it likes. What such a
    function does takes as long as a cell does, in processes of its own, and ends by itself once the run does not want
    it any more: a pool need neither limit it nor end it. What a worker of the pool goes away with fails with an
    exception, and is tried again.

    Workers see the run's folder, and have what this machine has: ctpbench, the plugins that the suite names, the
    versions of numeric libraries. The harness looks, and refuses what differs by name.
    """

    @property
    @abstractmethod
    def places(self) -> int:
        """How many functions are at work at once, unless ``-j`` asks for fewer or more."""

    @property
    def threads(self) -> int:
        """How many threads a cell has where the suite does not say."""
        return 1

    @abstractmethod
    def pool(self) -> Pool:
        """Return a new pool. Called when the first cell is to be run, and again after one broke.

        Its ``shutdown(wait=False, cancel_futures=True)`` ends it. Raise `ctpbench.DataError`, with one line, where it
        cannot be had.
        """
