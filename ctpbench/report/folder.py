"""From a run's records to what people open: results.nc and leaderboards. Can be repeated at any time."""

from __future__ import annotations

from collections.abc import Sequence
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
from ctpbench.outcome.quality import case_tables
from ctpbench.outcome.verification import load_verification
from ctpbench.report.agreement import agreement_markdown
from ctpbench.report.cases import cases_markdown
from ctpbench.report.claims import claims_markdown, faults_markdown
from ctpbench.report.drawn import FILE_NAME as DRAWN
from ctpbench.report.protocol import protocol_markdown
from ctpbench.report.sources import sources_markdown
from ctpbench.report.tables import scans_markdown, to_markdown
from ctpbench.report.verification import verification_markdown
from ctpbench.running.index import PlannedCell
from ctpbench.running.store import Finished, Store

AGREEMENT = "agreement.csv"
WRITTEN = (*RESULTS, CROISSANT, CRATE, DRAWN)
"""What `render` and `ctpbench.report.drawing.draw` write beside the pictures, as far as there is something to write."""


def render(store: Store) -> pd.DataFrame:
    """Write results.nc and the leaderboards from the records, and return the table.

    Raises
    ------
    ResultError
        Where the folder holds no run.
    """
    cells = store.index().cells if (store.folder / FILE_NAME).is_file() else ()  # of very many cells, they are large
    return write_results(built(store), store.folder, cells)


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
        return built(Store(run)), Store(run).index().cells
    return results.open_results(run / "results.nc" if run.is_dir() else run), ()


def built(store: Store) -> xr.DataTree:
    """Return the results of a run's finished cells."""
    index = store.index()
    provenance, records = index.provenance, Finished(store, [cell.key for cell in index.cells])
    del index  # of very many cells it is large
    return results.build(records, provenance)
