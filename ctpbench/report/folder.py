"""From a run's records to what people open: results.nc, leaderboards, panels. Can be repeated at any time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd
import xarray as xr

from ctpbench.atomic import write_text
from ctpbench.errors import InputError
from ctpbench.outcome import results
from ctpbench.outcome.agreement import agreements, to_table
from ctpbench.outcome.claims import FILE_NAME, judge, load_claims
from ctpbench.outcome.crate import FILE_NAME as CRATE
from ctpbench.outcome.crate import crate
from ctpbench.outcome.croissant import FILE_NAME as CROISSANT
from ctpbench.outcome.croissant import croissant
from ctpbench.outcome.description import describe
from ctpbench.outcome.files import RESULTS
from ctpbench.outcome.leaderboard import leaderboard, to_csv, to_json
from ctpbench.outcome.netcdf import attribute
from ctpbench.outcome.quality import case_tables
from ctpbench.outcome.verification import load_verification
from ctpbench.report.agreement import agreement_markdown
from ctpbench.report.cases import cases_markdown
from ctpbench.report.claims import claims_markdown, faults_markdown
from ctpbench.report.curves import draw_curves
from ctpbench.report.differences import draw_agreement
from ctpbench.report.drawn import FILE_NAME as DRAWN
from ctpbench.report.drawn import Drawn
from ctpbench.report.pictures import MOST_METHODS, best_of, cached, draw_panels
from ctpbench.report.protocol import protocol_markdown
from ctpbench.report.sources import sources_markdown
from ctpbench.report.strips import draw_comparisons
from ctpbench.report.tables import scans_markdown, to_markdown
from ctpbench.report.verification import verification_markdown
from ctpbench.running.index import PlannedCell
from ctpbench.running.record import Record
from ctpbench.running.store import Store
from ctpbench.running.summary import Summary
from ctpbench.text import UNKNOWN_AXIS

AGREEMENT = "agreement.csv"
WRITTEN = (*RESULTS, CROISSANT, CRATE, DRAWN)
"""What `render` and `draw` write beside the pictures, as far as there is something to write."""
COMPARISON = "comparison"
"""The folder of pictures of rows held against each other, in a run's folder."""


def render(store: Store) -> pd.DataFrame:
    """Write results.nc and the leaderboards from the records, and return the table.

    Raises
    ------
    ResultError
        Where the folder holds no run.
    """
    cells = store.index().cells if (store.folder / FILE_NAME).is_file() else ()  # of very many cells, they are large
    return write_results(_built(store), store.folder, cells)


def write_results(tree: xr.DataTree, folder: Path, cells: Sequence[PlannedCell] = ()) -> pd.DataFrame:
    """Write results.nc, the leaderboards and what describes them into a folder, and return the table; see `page`."""
    results.save(tree, folder / "results.nc")
    frame = leaderboard(tree)
    found = agreements(tree, frame)
    write_text(folder / "leaderboard.md", page(frame, tree, folder, cells))
    write_text(folder / "leaderboard.csv", to_csv(frame))
    write_text(folder / "leaderboard.json", to_json(frame))
    if found:
        write_text(folder / AGREEMENT, to_csv(to_table(found)))
    else:
        (folder / AGREEMENT).unlink(missing_ok=True)
    write_descriptions(tree, frame, folder)
    return frame


def write_descriptions(tree: xr.DataTree, frame: pd.DataFrame, folder: Path, licence: str = "") -> None:
    """Write what describes a folder of results to other programs; see `ctpbench.outcome.description`."""
    described = describe(tree, frame, folder, licence)
    write_text(folder / CROISSANT, croissant(described))
    write_text(folder / CRATE, crate(described))


def page(frame: pd.DataFrame, tree: xr.DataTree, folder: Path, cells: Sequence[PlannedCell] = ()) -> str:
    """Return the leaderboards as Markdown, with all that belongs below them.

    That is the agreement with references, the cases, warnings of recorded scans, what was verified, which runs the rows
    were taken from and, where there is claims.yaml, its verdicts; each where there is any.

    Claims that name what the results do not know are no reason to lose a page: it then says what is wrong with them.

    Parameters
    ----------
    frame : DataFrame
        The leaderboard of the tree.
    tree : DataTree
    folder : Path
    cells : sequence of PlannedCell
        The cells that the run plans; see `ctpbench.outcome.claims.judge`.
    """
    parts = [
        to_markdown(frame, tree.attrs.get("description", "")),
        protocol_markdown(tree),
        agreement_markdown(agreements(tree, frame)),
        cases_markdown(case_tables(tree, frame)),
        scans_markdown(tree),
        verification_markdown(frame, load_verification(folder)),
        sources_markdown(tree),
    ]
    board, path = "\n".join(part for part in parts if part), folder / FILE_NAME
    if not path.is_file():
        return board
    try:
        claims = load_claims(path)
        return f"{board}\n{claims_markdown(claims.title, judge(claims, tree, cells, frame))}"
    except InputError as error:
        return f"{board}\n{faults_markdown(str(error).replace(str(path), path.name))}"


def agreement_line(folder: Path) -> str:
    """Return where a run's agreement with references is to be found; nothing where there is none."""
    if not (folder / AGREEMENT).exists():
        return ""
    return f"Agreement with references over patients: {folder}/leaderboard.md, {AGREEMENT} and agreement/"


def results_of(run: Path) -> tuple[xr.DataTree, Sequence[PlannedCell]]:
    """Return the results of a run's folder, made from its records, and the cells it plans.

    Of a results.nc, or another folder that holds one, the results alone.

    Raises
    ------
    ResultError
        Where there are no results.
    """
    if (run / "cells.json").exists():
        return _built(Store(run)), Store(run).index().cells
    return results.open_results(run / "results.nc" if run.is_dir() else run), ()


def _built(store: Store) -> xr.DataTree:
    """Return the results of a run's finished cells."""
    provenance, seals = store.index().provenance, dict[str, str]()

    def noted() -> Iterator[Record]:
        for record in store.finished():
            seals[record.key] = record.seal
            yield record

    tree = results.build(noted(), provenance)
    tree.attrs["manifest"] = attribute(seals)
    return tree


def draw(store: Store, frame: pd.DataFrame | None = None) -> list[Path]:
    """Draw maps of the first test case of each dataset and noise level, curves, rows against the leader, and more.

    Returns the pictures; see `ctpbench.report.pictures.draw_panels` for the maps. Those that are there and would be the
    same are not drawn again: see `ctpbench.report.drawn`. `frame` is what `render` returned, computed anew where it is
    needed and not given.
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
        return _built(self._store)

    @cached_property
    def _frame(self) -> pd.DataFrame:
        return leaderboard(self._tree) if self._given is None else self._given
