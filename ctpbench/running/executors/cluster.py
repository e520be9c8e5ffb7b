"""How workers are come by: a cluster made for the run and ended with it, or one that is there already."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from importlib import import_module
from typing import Any

from ctpbench.errors import InputError
from ctpbench.running.executors.offered import CLASSES, Dask
from ctpbench.text import one_line

_LOCAL = {"n_workers": 0, "dashboard_address": None, "memory_limit": None, "silence_logs": logging.CRITICAL}
"""Workers are asked for later, nobody looks at the cluster's own page and logs, and memory is limited by cell."""
INSTALL = "install it with: pip install 'ctpbench[dask]'"


@dataclass(frozen=True)
class Request:
    """What was asked for: a scheduler's address, or a cluster's class with its keyword arguments.

    Attributes
    ----------
    source : str
        What asked for it, as errors name it.
    address : str
    cls : str
        ``module:Class``; empty where there is an address.
    options : mapping
    minimum, maximum : int
        Workers at first, and at most.
    shared_disk : bool
        Whether to look if workers see the run's folder. Where not, all files travel.
    wait_s : float
        How long a scheduler that went away is waited for: not at all where it went with this process.
    """

    source: str
    address: str = ""
    cls: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    minimum: int = 1
    maximum: int = 1
    shared_disk: bool = True
    wait_s: float = 0.0

    @classmethod
    def of(cls, asked: Dask, source: str, jobs: int, threads: int) -> Request:
        """Return what an executor stands for; `jobs` and `threads` count where it does not say how many workers."""
        if asked.scheduler:
            return cls(source, address=asked.scheduler, shared_disk=asked.shared_disk, wait_s=asked.wait_s)
        local = asked.cluster == "local"
        options = {**_LOCAL, "threads_per_worker": threads, **asked.options} if local else asked.options
        workers = asked.workers or (jobs if local else 1)
        least, most = (workers, workers) if isinstance(workers, int) else (workers.minimum, workers.maximum)
        kind = CLASSES.get(asked.cluster, asked.cluster)
        return cls(source, "", kind, options, least, most, asked.shared_disk)


class Cluster:
    """A scheduler, and what starts its workers where the run does."""

    def __init__(self, request: Request, made: Any = None) -> None:
        self.request, self._made = request, made
        self.address: str = request.address if made is None else made.scheduler_address
        self.security: Any = getattr(made, "security", None)
        self._workers = request.minimum

    @property
    def most_workers(self) -> int | None:
        """How many workers there will be at most, None where it is not for the run to say."""
        return None if self._made is None else self.request.maximum

    def grow(self, batches: int, places: int) -> None:
        """Ask for as many workers as so many batches take, of so many places each; never for fewer than before."""
        wanted = min(math.ceil(batches / places), self.request.maximum)
        if self._made is not None and wanted > self._workers:
            self._workers = wanted
            self._made.scale(wanted)


@contextmanager
def cluster_of(request: Request) -> Iterator[Cluster]:
    """Make the cluster that was asked for, if one was, and end it.

    Raises
    ------
    InputError
        Where it cannot be made.
    """
    if not request.cls:
        yield Cluster(request)
        return
    kind = _class(request)
    with _blamed(request), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Port \d+ is already in use")  # of a page that nobody asked for
        made = kind(**request.options)
    try:
        with _blamed(request):
            made.scale(request.minimum)
        yield Cluster(request, made)
    finally:
        if hasattr(made, "close"):
            made.close()


@contextmanager
def _blamed(request: Request) -> Iterator[None]:
    """Say of whatever a stranger's class raises what asked for it."""
    try:
        yield
    except Exception as error:
        raise InputError(f"{request.source}: {request.cls}: {type(error).__name__}: {one_line(error)}") from error


def quiet() -> None:
    """Keep what Dask logs of workers and connections that go away from a person who is told of it anyway."""
    for name in ("distributed", "distributed.core", "distributed.client", "distributed.scheduler", "distributed.nanny"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)


def _class(request: Request) -> Any:
    module, _, name = request.cls.partition(":")
    try:
        return reduce(getattr, name.split("."), import_module(module))
    except ImportError as error:
        hint = f"; {INSTALL}" if module.partition(".")[0] in ("distributed", "dask_jobqueue") else ""
        raise InputError(f"{request.source}: cannot import {module} ({one_line(error)}){hint}") from error
    except AttributeError:
        raise InputError(f"{request.source}: {module} has no class {name!r}") from None
