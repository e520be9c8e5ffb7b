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
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from ctpbench.errors import InputError
from ctpbench.settings import Settings
from ctpbench.text import one_line
from ctpbench.written.document import read
from ctpbench.written.faults import Faults

_CLASSES = {
    "local": "distributed:LocalCluster",
    "htcondor": "dask_jobqueue:HTCondorCluster",
    "lsf": "dask_jobqueue:LSFCluster",
    "oar": "dask_jobqueue:OARCluster",
    "pbs": "dask_jobqueue:PBSCluster",
    "sge": "dask_jobqueue:SGECluster",
    "slurm": "dask_jobqueue:SLURMCluster",
}
_LOCAL = {"n_workers": 0, "dashboard_address": None, "memory_limit": None, "silence_logs": logging.CRITICAL}
"""Workers are asked for later, nobody looks at the cluster's own page and logs, and memory is limited by cell."""
INSTALL = "install it with: pip install 'ctpbench[dask]'"
_Count = Annotated[int, Field(ge=1)]


class _Range(Settings):
    """So many workers at first, and more while work is waiting."""

    minimum: _Count = 1
    maximum: _Count

    @model_validator(mode="after")
    def _check_order(self) -> _Range:
        if self.minimum > self.maximum:
            raise ValueError("allowed: minimum up to maximum")
        return self


class _File(Settings):
    """A file that says what cluster to make."""

    cluster: str
    workers: _Count | _Range = 1
    shared_disk: bool = True
    options: dict[str, Any] = Field(default_factory=dict)


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
    """

    source: str
    address: str = ""
    cls: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    minimum: int = 1
    maximum: int = 1
    shared_disk: bool = True

    @classmethod
    def of_scheduler(cls, address: str) -> Request:
        """Return the request for the workers of a scheduler that is there."""
        return cls(f"--scheduler {address}", address=address)

    @classmethod
    def of_file(cls, path: Path) -> Request:
        """Return what a file asks for.

        Raises
        ------
        InputError
            With every fault found, one line each.
        """
        if not path.is_file():
            raise InputError(f"--cluster {path}: no such file; write one, as docs/howto/cluster.md shows")
        document = read(path)
        faults = Faults(document)
        found: _File | None = faults.take(_File, document.data, (), None)
        if found is not None and ":" not in found.cluster and found.cluster not in _CLASSES:
            names = ", ".join(_CLASSES)
            faults.add(("cluster",), f"got {found.cluster!r}; allowed: {names}, or any class as module:Class")
        faults.raise_if_any()
        assert found is not None
        workers = found.workers
        least, most = (workers, workers) if isinstance(workers, int) else (workers.minimum, workers.maximum)
        name = _CLASSES.get(found.cluster, found.cluster)
        options = {**_LOCAL, **found.options} if found.cluster == "local" else found.options
        return cls(f"--cluster {path}", "", name, options, least, most, found.shared_disk)

    @classmethod
    def of_this_machine(cls, workers: int, threads: int) -> Request:
        """Return the request for a cluster of processes on this machine."""
        options = {**_LOCAL, "threads_per_worker": threads}
        return cls("--executor dask", "", _CLASSES["local"], options, workers, workers)


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
