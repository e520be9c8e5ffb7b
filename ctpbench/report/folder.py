"""From a run's records to what people open: results.nc, leaderboards, panels. Can be repeated at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench import leaderboard, results
from ctpbench.case import level_text, noise_text
from ctpbench.estimation import baseline_subtracted, concentration_maps
from ctpbench.report.panels import map_panels
from ctpbench.stages import file_name, scaled
from ctpbench.store import Store, load_arrays, load_observation
from ctpbench.suite.settings import MapsSettings

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
        if record["status"] == "ok":
            groups.setdefault((record["dataset"], record["noise"]), []).append(record)
    settings = MapsSettings(**store.index()["maps"])
    drawn = [_draw(store, settings, records) for records in groups.values()]
    return [path for path in drawn if path is not None]


def _draw(store: Store, settings: MapsSettings, records: Sequence[Record]) -> Path | None:
    first = records[0]
    dataset, noise, case = first["dataset"], first["noise"], first["cases"][0]
    seen = store.path("data", first["entries"]["observation"]) / "observation.npz"
    if not seen.exists():
        return None
    observation = load_observation(seen)
    noisy = concentration_maps(baseline_subtracted(observation.frames, settings), observation, settings)
    columns = [("noisy", _slice(noisy, first))]
    for record in records:
        path = store.path("prediction", record["entries"]["prediction"]) / file_name(case)
        if record["seed"] == first["seed"] and path.exists():
            maps = _slice(load_arrays(path)["maps"], record)
            if np.array_equal(maps.values, columns[0][1].values):
                columns[0] = (f"{record['config']} (noisy)", maps)
            else:
                columns.append((record["config"], maps))
    noiseless = store.path("reference", first["entries"]["reference"]) / file_name(case)
    if noiseless.exists():
        columns.append(("noiseless", _slice(load_arrays(noiseless)["maps"], first)))
    stem = dataset if noise is None else f"{dataset}-{noise_text(noise)}"
    path = store.folder / "panels" / f"{quote(stem, safe=' ')}.png"
    tissue = observation.tissue[observation.tissue.shape[0] // 2]
    map_panels(columns, tissue, f"{level_text(dataset, noise)}, {case}", path)
    return path


def _slice(maps: xr.DataArray, record: Record) -> xr.DataArray:
    """Return the middle slice, scaled as it was scored."""
    return scaled(maps, record["scale"]).isel(z=maps.sizes["z"] // 2)
