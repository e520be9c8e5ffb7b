"""An executor that was asked for, made into workers that take work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ctpbench import device
from ctpbench.contract.executors import PoolExecutor
from ctpbench.errors import InputError
from ctpbench.running.executors import where
from ctpbench.running.executors.choice import ALL, Choice
from ctpbench.running.executors.cluster import INSTALL, Request
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.offered import Dask, Local
from ctpbench.running.executors.pooled import PooledWorkers
from ctpbench.running.executors.protocol import Limits, shared_threads
from ctpbench.running.executors.terms import Terms
from ctpbench.running.executors.where import Where

if TYPE_CHECKING:
    from ctpbench.running.executors.dask import DaskExecutor


def limits_of(choice: Choice, terms: Terms, jobs: int) -> Limits:
    """Return what a suite's resources mean on an executor."""
    match choice.executor:
        case Local():
            chip = device.resolve(terms.resources.device)
        case _:  # what is there is not to be seen from here
            chip = "cpu" if terms.resources.device == "auto" else terms.resources.device
    limits = Limits.of(terms.resources, chip, jobs, sandboxed=terms.sandboxed)
    if isinstance(choice.executor, PoolExecutor):
        return replace(limits, threads=terms.resources.threads or choice.executor.threads)
    return limits


def opened(
    choice: Choice, terms: Terms, limits: Limits, jobs: int, say: Callable[[str], None]
) -> LocalExecutor | DaskExecutor | PooledWorkers:
    """Return the workers of an executor, to be used as a context manager.

    Raises
    ------
    InputError
        Where it lacks a package, or offers no workers.
    """
    match choice.executor:
        case Local():
            return LocalExecutor(limits, terms.wanted.libraries)
        case Dask() as dask:
            try:
                from ctpbench.running.executors.dask import DaskExecutor
            except ImportError as error:
                raise InputError(f"{choice.source}: lacks a package ({error}); {INSTALL}") from error
            own = 1 if jobs == ALL else jobs
            threads = terms.resources.threads or shared_threads(own)
            return DaskExecutor(Request.of(dask, choice.source, own, threads), terms, say)
        case PoolExecutor() as pool:
            return PooledWorkers(pool, choice.source, terms, limits, say)
        case other:
            raise InputError(f"{choice.source}: {type(other).__qualname__} is no PoolExecutor, which a plugin offers")


def where_are(
    choice: Choice, workers: LocalExecutor | DaskExecutor | PooledWorkers, limits: Limits, jobs: int
) -> Where:
    """Return where workers are; waits for the first of those that are elsewhere."""
    if isinstance(workers, LocalExecutor):
        return where.here(limits, jobs)
    if isinstance(workers, PooledWorkers):
        return where.on_pool(choice.executor.name, workers, jobs)
    return where.on_cluster(workers, jobs)
