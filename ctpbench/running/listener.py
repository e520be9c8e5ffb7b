"""Who wants to see how a run goes."""

from __future__ import annotations

from typing import Protocol

from ctpbench.running.record import Record
from ctpbench.running.summary import Summary
from ctpbench.running.work import Outcome


class Listener(Protocol):
    """Hears of work and of cells, as they begin and end."""

    def work_started(self, label: str) -> None: ...
    def work_progress(self, label: str, fraction: float, text: str) -> None: ...
    def work_done(self, label: str, outcome: Outcome) -> None: ...
    def cell_finished(self, record: Record | Summary, reused: bool) -> None: ...
