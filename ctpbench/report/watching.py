"""How a call from Python shows its progress: in a notebook, on a terminal, to a function, or not at all."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from rich.console import Console

from ctpbench.report.progress import bar, listener
from ctpbench.running.listener import Listener
from ctpbench.running.record import Record
from ctpbench.running.summary import Summary
from ctpbench.running.work import Outcome
from ctpbench.text import UNKNOWN_AXIS, NoiseAxis, level_text

Tell = Callable[[float, str], None]
Watch: TypeAlias = bool | Tell | None
"""None: shown in a notebook and on a terminal; True: also as lines elsewhere; False: not; or called with fractions."""

_EVERY_S = 0.1


@contextmanager
def watched(watch: Watch, label: str) -> Iterator[Tell]:
    """Yield a callable(fraction, text) that shows one piece of work as it is wished."""
    if callable(watch):
        yield watch
    elif _is_silent(watch):
        yield lambda fraction, text: None
    elif in_notebook():
        with _NotebookLine(label) as line:
            yield line.show
    else:
        with bar(Console(stderr=True), label) as tell:
            yield tell


@contextmanager
def watched_run(watch: Watch, label: str, cells: int, axes: Mapping[str, NoiseAxis] = {}) -> Iterator[Listener]:
    """Yield what shows a run as it is wished."""
    if callable(watch):
        yield Fractions(watch, cells, axes)
    elif _is_silent(watch):
        yield Fractions(lambda fraction, text: None, cells, axes)
    elif in_notebook():
        with _NotebookLine(label) as line:
            shown = Fractions(line.show, cells, axes)
            yield shown
            line.ends(shown.summary)
    else:
        with listener(Console(stderr=True), cells, axes) as shown_there:
            yield shown_there


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which shows what is displayed as it changes."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def _is_silent(watch: Watch) -> bool:
    return watch is False or (watch is None and not in_notebook() and not sys.stderr.isatty())


class Fractions:
    """A run as one fraction: finished cells, and the share of the work under way."""

    def __init__(self, tell: Tell, cells: int, axes: Mapping[str, NoiseAxis] = {}) -> None:
        self._tell, self._cells, self._axes = tell, cells, axes
        self._finished = 0
        self._failed = 0

    @property
    def summary(self) -> str:
        """How many cells have finished, and how many failed."""
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._finished} of {self._cells} cells{failed}"

    def work_started(self, label: str) -> None:
        self._tell(self._share(0.0), f"{self.summary}; {label}")

    def work_progress(self, label: str, fraction: float, text: str) -> None:
        self._tell(self._share(fraction), f"{self.summary}; {label} {text}".rstrip())

    def work_done(self, label: str, outcome: Outcome) -> None:
        return None

    def cell_finished(self, record: Record | Summary, reused: bool) -> None:
        self._finished += 1
        self._failed += record.status != "ok"
        level = level_text(record.dataset, record.noise, self._axes.get(record.dataset, UNKNOWN_AXIS))
        self._tell(self._share(0.0), f"{self.summary}; {level}: {record.config}: {record.status}")

    def _share(self, fraction: float) -> float:
        return min((self._finished + 0.5 * fraction) / max(self._cells, 1), 1.0)


class _NotebookLine:
    """A bar with a line of text in a cell's output, changed in place by the display protocol that needs no widgets."""

    def __init__(self, label: str) -> None:
        self._label, self._last_s, self._end = label, 0.0, ""
        self._handle: Any = None

    def __enter__(self) -> _NotebookLine:
        from IPython.display import display

        self._handle = display(  # type: ignore[no-untyped-call]
            self._shown(0.0, ""), raw=True, display_id=True
        )
        return self

    def __exit__(self, *exception: object) -> None:
        text = f"{self._label}: {self._end}" if self._end else ""
        self._handle.update({"text/plain": text, "text/html": html.escape(text)}, raw=True)

    def show(self, fraction: float, text: str) -> None:
        now = time.monotonic()
        if now - self._last_s >= _EVERY_S:
            self._last_s = now
            self._handle.update(self._shown(fraction, text), raw=True)

    def ends(self, text: str) -> None:
        """Leave a line of text in place of the bar."""
        self._end = text

    def _shown(self, fraction: float, text: str) -> dict[str, str]:
        share = min(max(fraction, 0.0), 1.0)
        words = f"{self._label} {text}".rstrip()
        bar = f'<progress max="1" value="{share:.3f}"></progress> {html.escape(words)}'
        return {"text/plain": f"{share:.0%} {words}", "text/html": bar}
