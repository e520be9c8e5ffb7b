"""The image browser's files: of a few cases a level the maps of every row, and what there is to choose from.

A file is named by what it is made from and by the code that makes it, so that a site that is built again makes only
what is new.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from ctpbench.code import core_hash, digest
from ctpbench.report.site.board import level_key, row_key
from ctpbench.report.site.choice import Chosen, chosen_cases
from ctpbench.report.site.folder import SiteFolder
from ctpbench.report.site.pictured import data_key, pictured, predicted, referred
from ctpbench.report.site.scene import Scene
from ctpbench.report.site.script import script
from ctpbench.report.site.sources import Source
from ctpbench.running.record import Record
from ctpbench.text import level_text

_MADE_BY = ("ctpbench.report.site.scene", "ctpbench.report.site.tiles")


@dataclass
class Budget:
    """How many bytes images may still take, and how many were left out for want of it."""

    left: int
    left_out: int = 0


def write_images(source: Source, folder: SiteFolder, cases: int, budget: Budget) -> list[dict[str, Any]]:
    """Write the images of a run, and return what there is to choose from, level by level.

    Parameters
    ----------
    source : Source
    folder : SiteFolder
    cases : int
        How many of each level.
    budget : Budget
        Once it is spent, further rows are left out.
    """
    if source.store is None:
        return []
    groups: dict[tuple[str, float | None], dict[str, Record]] = {}
    for record in source.store.finished():
        if record.status == "ok" and record.entries is not None and record.maps is not None:
            groups.setdefault((record.dataset, record.noise), {}).setdefault(record.config, record)
    shown: list[dict[str, Any]] = []
    for (dataset, level), found in groups.items():
        noise = np.nan if level is None else level
        records = _in_order(source, dataset, noise, found)
        chosen = chosen_cases(source.tree, source.frame, dataset, noise, records[0].cases, cases)
        written = [_write_case(source, records, one, noise, folder, budget) for one in chosen]
        shown.append(
            {
                "run": source.name,
                "level": level_text(dataset, noise, source.axes[dataset]),
                "key": level_key(source.name, dataset, noise),
                "cases": [case for case in written if case is not None],
                "of": len(records[0].cases),
            }
        )
    return [level for level in shown if level["cases"]]


def _in_order(source: Source, dataset: str, noise: float, found: dict[str, Record]) -> list[Record]:
    """Return the records of a level in the order of its leaderboard."""
    frame = source.frame
    at = frame["noise"].isna() if np.isnan(noise) else frame["noise"] == noise
    order = frame["config"][(frame["dataset"] == dataset) & at].tolist()
    return [found[label] for label in order if label in found]


def _write_case(
    source: Source, records: list[Record], chosen: Chosen, noise: float, folder: SiteFolder, budget: Budget
) -> dict[str, Any] | None:
    """Write a case's own file and one for each row, and return their names; None where the cache has it no more."""
    store, first = source.store, records[0]
    assert store is not None
    assert first.entries is not None
    key = data_key(store, first, chosen.case)
    if key is None:
        return None

    @cache
    def scene() -> Scene | None:
        found = pictured(store, first, chosen.case, key)
        return None if found is None else Scene(found, first)

    def shared() -> dict[str, Any] | None:
        drawn = scene()
        return None if drawn is None else drawn.base()

    def answered(record: Record) -> dict[str, Any] | None:
        drawn, answer = scene(), predicted(store, record, chosen.case)
        if drawn is None or answer is None:
            return None
        alike = record.entries and first.entries and record.entries.reference == first.entries.reference
        return drawn.row(answer, record, None if alike else referred(store, record, chosen.case))

    base = _name("case", key, first.entries.reference, chosen.case, first.scale)
    if not _write(folder, base, shared, budget):
        return None
    rows: list[dict[str, str]] = []
    for record in records:
        assert record.entries is not None
        name = _name("row", key, record.entries.prediction, record.entries.reference, chosen.case, record.scale)
        if _write(folder, name, partial(answered, record), budget):
            page = row_key(source.name, record.dataset, noise, record.config)
            rows.append({"label": record.config, "key": page, "file": name})
    ways = len({record.entries.reference for record in records if record.entries}) > 1
    return {"case": chosen.case, "why": chosen.why, "file": base, "rows": rows, "ways": ways}


def _name(*identity: Any) -> str:
    return f"images/{digest(core_hash(*_MADE_BY), *identity)[:20]}"


def _write(folder: SiteFolder, name: str, make: Callable[[], dict[str, Any] | None], budget: Budget) -> bool:
    """Write a file of images unless it is there; return whether it is.

    It is not where there is nothing to make it from any more, or once the budget is spent.
    """
    path = f"data/{name}.js"
    if not folder.keep(path):
        if budget.left <= 0:
            budget.left_out += 1
            return False
        made = make()
        if made is None:
            return False
        folder.write(path, script(name, made))
    budget.left -= folder.size(path)
    return True
