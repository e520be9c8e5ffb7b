"""The pictures of a run's folder, as far as they are not there already. Can be repeated at any time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd
import xarray as xr

from ctpbench.outcome.agreement import agreements
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.report.curves import draw_curves
from ctpbench.report.differences import draw_agreement
from ctpbench.report.drawn import Drawn
from ctpbench.report.folder import built
from ctpbench.report.pictures import MOST_METHODS, best_of, cached, draw_panels
from ctpbench.report.strips import draw_comparisons
from ctpbench.running.store import Store
from ctpbench.running.summary import Summary
from ctpbench.text import UNKNOWN_AXIS

COMPARISON = "comparison"
"""The folder of pictures of rows held against each other, in a run's folder."""


def draw(store: Store, frame: pd.DataFrame | None = None) -> list[Path]:
    """Draw maps of the first test case of each dataset and noise level, curves, rows against the leader, and more.

    Returns the pictures; see `ctpbench.report.pictures.draw_panels` for the maps. Those that are there and would be the
    same are not drawn again: see `ctpbench.report.drawn`. `frame` is the leaderboard, computed anew where it is needed
    and not given.
    """
    drawing = _Drawing(store, frame)
    return [*drawing.panels(), *drawing.others()]


class _Drawing:
    """The pictures of a run's folder: what they are drawn from is made where one of them is."""

    def __init__(self, store: Store, frame: pd.DataFrame | None) -> None:
        index = store.index()
        self._store, self._given = store, frame
        self._provenance, self._axes, self._keys = index.provenance, index.axes, [cell.key for cell in index.cells]
        self._drawn = Drawn(store.folder)

    def panels(self) -> list[Path]:
        """Draw the maps of each level."""
        levels: dict[tuple[str, float | None], list[Summary]] = {}
        for known in self._store.summaries(self._keys):
            if known is not None and known.status == "ok" and known.prediction is not None:
                found = levels.setdefault((known.dataset, known.noise), [])
                if not found or found[0].seed == known.seed:
                    found.append(known)
        return [path for level, found in levels.items() for path in self._level(*level, found)]

    def _level(self, dataset: str, noise: float | None, found: Sequence[Summary]) -> list[Path]:
        configs = [known.config for known in found]
        shown = configs if len(configs) <= MOST_METHODS else set(best_of(self._frame, dataset, noise, configs))
        keys = [known.key for known in found if known.config in shown]
        records = [record for record in self._store.records(keys) if record is not None]
        if not records:
            return []
        note = "" if len(records) == len(found) else f"the best {len(records)} of {len(found)} rows"
        axis = self._axes.get(dataset, UNKNOWN_AXIS)
        parts = [axis.symbol, axis.units, note, [[record.seal, *cached(self._store, record)] for record in records]]
        return self._drawn.once(
            f"panels of {dataset} {noise}", parts, lambda: draw_panels(self._store, records, axis, note)
        )

    def others(self) -> list[Path]:
        """Draw what follows from the results alone."""
        facts = {name: self._provenance.get(name) for name in ("metrics", "noise_axes")}
        return self._drawn.once("others", [facts, list(self._store.checks(self._keys))], self._draw_others)

    def _draw_others(self) -> list[Path]:
        folder, tree = self._store.folder, self._tree
        return [
            *draw_curves(tree, folder / "curves"),
            *draw_comparisons(tree, folder / COMPARISON),
            *draw_agreement(agreements(tree, self._frame), folder / "agreement"),
        ]

    @cached_property
    def _tree(self) -> xr.DataTree:
        return built(self._store)

    @cached_property
    def _frame(self) -> pd.DataFrame:
        return leaderboard(self._tree) if self._given is None else self._given
