"""Which executor a run was asked to use: by its name and parameters, or by a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ctpbench.contract.executors import Executor, PoolExecutor
from ctpbench.errors import InputError, PluginError
from ctpbench.plugins import Catalogue
from ctpbench.running.executors.offered import Dask, Local
from ctpbench.suite.method import method
from ctpbench.suite.rows import build
from ctpbench.written.document import read
from ctpbench.written.faults import Faults

ALL = sys.maxsize
"""So many jobs as there are places."""


@dataclass(frozen=True)
class Choice:
    """An executor with its parameters, and what asked for it, as errors name it."""

    executor: Executor
    source: str


HERE = Choice(Local(), "--executor local")


def usual_jobs(executor: Executor) -> int:
    """Return how many cells run side by side where nobody says: one here, elsewhere as many as there are places."""
    if isinstance(executor, PoolExecutor):
        return executor.places
    return 1 if isinstance(executor, Local) else ALL


def named(catalogue: Catalogue, name: str | None, parameters: Sequence[str], scheduler: str | None = None) -> Choice:
    """Return the executor of a name with parameters such as ``workers=4``; `scheduler` is one of Dask's.

    Raises
    ------
    InputError
        With every fault, one line each.
    """
    if scheduler is not None and name not in (None, Dask.name):
        raise InputError(f"--executor {name}: got --scheduler too; allowed with it: {Dask.name}")
    if parameters and name is None and scheduler is None:
        raise InputError("--param: got no --executor; allowed: with the one whose parameters they are")
    if scheduler is not None:
        return Choice(method(Dask, [*parameters, f"scheduler={scheduler}"]), f"--scheduler {scheduler}")
    cls = _found(catalogue, name or Local.name, "--executor")
    return Choice(method(cls, parameters), f"--executor {name or Local.name}")


def written(catalogue: Catalogue, path: Path, name: str | None = None) -> Choice:
    """Return the executor that a file describes: its name under the key `executor`, Dask where it has none, parameters.

    Raises
    ------
    InputError
        With every fault, one line each; where `name` asks for another one, too.
    """
    if not path.is_file():
        raise InputError(f"--cluster {path}: no such file; write one, as docs/howto/cluster.md shows")
    faults = Faults(document := read(path))
    asked = faults.section("executor", str, name or Dask.name)
    if name is not None and asked != name:
        raise InputError(f"--executor {name}: got --cluster {path} too, which says {asked}; allowed: one of them")
    executor: Executor | None = None
    try:
        cls = _found(catalogue, asked, "executor")
    except InputError as error:
        faults.add((), str(error), at=("executor",))
    else:
        values = {key: value for key, value in document.data.items() if key != "executor"}
        executor = build(cls, values, (), faults)
    faults.raise_if_any()
    assert executor is not None
    return Choice(executor, f"--cluster {path}")


def _found(catalogue: Catalogue, name: str, where: str) -> type[Executor]:
    try:
        return catalogue.find("executor", name)
    except PluginError as error:
        raise InputError(f"{where}: {error}") from None
