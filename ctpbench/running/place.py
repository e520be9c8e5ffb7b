"""Where a run is carried out, or was where nothing of it is left to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ctpbench.running.cell import Cell
from ctpbench.running.listener import Listener
from ctpbench.running.store import Finished, Store
from ctpbench.running.work import ItemId


class Place(Protocol):
    """Takes cells to their records."""

    @property
    def words(self) -> str:
        """How it is called, as people read it."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What results say of it: see `ctpbench.running.provenance.PLACE`."""

    def run(self, cells: Sequence[Cell], listener: Listener) -> Finished:
        """Run cells and return their records."""

    def close(self) -> Sequence[ItemId]:
        """End what goes on still; return the work that was done in this process, which must not be used again."""


@dataclass(frozen=True)
class Before:
    """Where cells were run that are all finished: nobody works there now."""

    store: Store
    facts: Mapping[str, Any]
    words = "finished before"

    def run(self, cells: Sequence[Cell], listener: Listener) -> Finished:
        finished = Finished(self.store, [cell.key for cell in cells])
        for known in filter(None, finished.summaries()):
            listener.cell_finished(known, reused=True)
        return finished

    def close(self) -> Sequence[ItemId]:
        return ()
