"""From a run's records to what people open: results.nc, leaderboards, panels. Can be repeated at any time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.atomic import write_text
from ctpbench.errors import InputError
from ctpbench.outcome import results
from ctpbench.outcome.claims import FILE_NAME, judge, load_claims
from ctpbench.outcome.leaderboard import leaderboard, to_csv, to_json
from ctpbench.report.curves import draw_curves
from ctpbench.report.panels import map_panels
from ctpbench.report.strips import draw_comparisons
from ctpbench.report.tables import claims_markdown, faults_markdown, scans_markdown, to_markdown
from ctpbench.running.estimation import baseline_subtracted, concentration_maps, scaled
from ctpbench.running.files import file_name, load_arrays, load_observation
from ctpbench.running.index import PlannedCell
from ctpbench.running.record import Record
from ctpbench.running.store import Store
from ctpbench.text import level_text, noise_text

COMPARISON = "comparison"
"""The folder of pictures of rows held against each other, in a run's folder."""


def render(store: Store) -> pd.DataFrame:
    """Write results.nc and the leaderboards from the records, and return the table.

    Raises
    ------
    ResultError
        Where the folder holds no run.
    """
    tree, cells = _built(store)
    results.save(tree, store.folder / "results.nc")
    frame = leaderboard(tree)
    texts = {"md": page(frame, tree, store.folder, cells), "csv": to_csv(frame), "json": to_json(frame)}
    for ending, text in texts.items():
        write_text(store.folder / f"leaderboard.{ending}", text)
    return frame


def page(frame: pd.DataFrame, tree: xr.DataTree, folder: Path, cells: Sequence[PlannedCell] = ()) -> str:
    """Return the leaderboards as Markdown, warnings of recorded scans and, where there is claims.yaml, its verdicts.

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
    parts = [to_markdown(frame, tree.attrs.get("description", "")), scans_markdown(tree)]
    board, path = "\n".join(part for part in parts if part), folder / FILE_NAME
    if not path.is_file():
        return board
    try:
        claims = load_claims(path)
        return f"{board}\n{claims_markdown(claims.title, judge(claims, tree, cells))}"
    except InputError as error:
        return f"{board}\n{faults_markdown(str(error).replace(str(path), path.name))}"


def results_of(run: Path) -> tuple[xr.DataTree, Sequence[PlannedCell]]:
    """Return the results of a run's folder, made from its records, and the cells it plans.

    Of a results.nc, or another folder that holds one, the results alone.

    Raises
    ------
    ResultError
        Where there are no results.
    """
    if (run / "cells.json").exists():
        return _built(Store(run))
    return results.open_results(run / "results.nc" if run.is_dir() else run), ()


def _built(store: Store) -> tuple[xr.DataTree, Sequence[PlannedCell]]:
    index = store.index()
    return results.build(store.finished(), index.provenance), index.cells


def draw(store: Store) -> list[Path]:
    """Draw map panels for the first test case of each dataset and noise level, curves, and rows against the leader.

    Return the pictures. Of the panels, methods whose cached maps are gone are left out; rows are held against the
    leader where there are enough patients.
    """
    groups: dict[tuple[str, float | None], list[Record]] = {}
    for record in store.finished():
        if record.status == "ok":
            groups.setdefault((record.dataset, record.noise), []).append(record)
    drawn = [_draw(store, records) for records in groups.values()]
    panels = [path for path in drawn if path is not None]
    tree, _ = _built(store)
    return [
        *panels,
        *draw_curves(tree, store.folder / "curves"),
        *draw_comparisons(tree, store.folder / COMPARISON),
    ]


def _draw(store: Store, records: Sequence[Record]) -> Path | None:
    """Draw the map panel of one dataset and noise level; None where its cached observation is gone."""
    first = records[0]
    dataset, noise, case, settings = first.dataset, first.noise, first.cases[0], first.maps
    if first.entries is None or settings is None:
        return None
    seen = store.path("data", first.entries.observation) / "observation.npz"
    if not seen.exists():
        return None
    observation = load_observation(seen)
    noisy = concentration_maps(baseline_subtracted(observation.frames, settings), observation, settings)
    columns = [("noisy", _slice(noisy, first))]
    for record in records:
        maps = _predicted(store, record, case) if record.seed == first.seed else None
        if maps is not None and np.array_equal(maps.values, columns[0][1].values):
            columns[0] = (f"{record.config} (noisy)", maps)
        elif maps is not None:
            columns.append((record.config, maps))
    noiseless = store.path("reference", first.entries.reference) / file_name(case)
    if noiseless.exists() and "maps" in (reference := load_arrays(noiseless)):
        columns.append(("noiseless", _slice(reference["maps"], first)))
    stem = dataset if noise is None else f"{dataset}-{noise_text(noise)}"
    path = store.folder / "panels" / f"{quote(stem, safe=' ')}.png"
    tissue = observation.tissue[observation.tissue.shape[0] // 2]
    map_panels(columns, tissue, f"{level_text(dataset, noise)}, {case}", path)
    return path


def _predicted(store: Store, record: Record, case: str) -> xr.DataArray | None:
    """Return the middle slice of a method's maps of a case; None where they are no longer cached."""
    if record.entries is None:
        return None
    path = store.path("prediction", record.entries.prediction) / file_name(case)
    return _slice(load_arrays(path)["maps"], record) if path.exists() else None


def _slice(maps: xr.DataArray, record: Record) -> xr.DataArray:
    """Return the middle slice, scaled as it was scored."""
    shown = scaled(maps, record.scale) if record.scale else maps
    return shown.isel(z=maps.sizes["z"] // 2)
