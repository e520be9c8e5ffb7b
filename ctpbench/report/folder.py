"""From a run's records to what people open: results.nc, leaderboards, panels. Can be repeated at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from ctpbench import leaderboard, results
from ctpbench.case import level_text, noise_text
from ctpbench.report.panels import map_panels
from ctpbench.stages import file_name, scaled
from ctpbench.store import Store, load_arrays, load_observation

Record = Mapping[str, Any]


def finished(store: Store) -> list[dict[str, Any]]:
    """Return the records of a run's finished cells, in the suite's order."""
    found = (store.record(cell["key"]) for cell in store.index()["cells"])
    return [record for record in found if record is not None]


def render(store: Store) -> pd.DataFrame:
    """Write results.nc and the leaderboards from the records, and return the table.

    Raises
    ------
    ResultError
        Where the folder holds no run.
    """
    index = store.index()
    tree = results.build(finished(store), index["provenance"])
    results.save(tree, store.folder / "results.nc")
    return leaderboard.write(tree, store.folder)


def draw(store: Store) -> list[Path]:
    """Draw map panels for the first test case of each dataset and noise level; return the pictures.

    Methods whose cached maps are gone are left out.
    """
    groups: dict[tuple[str, float | None], list[Record]] = {}
    for record in finished(store):
        groups.setdefault((record["dataset"], record["noise"]), []).append(record)
    drawn = [_draw(store, dataset, noise, records) for (dataset, noise), records in groups.items()]
    return [path for path in drawn if path is not None]


def _draw(store: Store, dataset: str, noise: float | None, records: Sequence[Record]) -> Path | None:
    columns: list[tuple[str, xr.DataArray]] = []
    first = next((r for r in records if r["status"] == "ok"), None)
    if first is None:
        return None
    case, seed = first["cases"][0], first["seed"]
    for record in records:
        if record["status"] != "ok" or record["seed"] != seed:
            continue
        path = store.path("prediction", record["entries"]["prediction"]) / file_name(case)
        if path.exists():
            columns.append((record["config"], _slice(load_arrays(path)["maps"], record)))
    noiseless = store.path("reference", first["entries"]["reference"]) / file_name(case)
    if noiseless.exists():
        columns.append(("noiseless", _slice(load_arrays(noiseless)["maps"], first)))
    seen = store.path("data", first["entries"]["observation"]) / "observation.npz"
    if not columns or not seen.exists():
        return None
    tissue = load_observation(seen).tissue
    stem = dataset if noise is None else f"{dataset}-{noise_text(noise)}"
    path = store.folder / "panels" / f"{file_name(stem).removesuffix('.nc')}.png"
    map_panels(columns, tissue[tissue.shape[0] // 2], f"{level_text(dataset, noise)}, {case}", path)
    return path


def _slice(maps: xr.DataArray, record: Record) -> xr.DataArray:
    """Return the middle slice, scaled as it was scored."""
    return scaled(maps, record["scale"]).isel(z=maps.sizes["z"] // 2)
