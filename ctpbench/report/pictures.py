"""Pictures of a run's first test cases, drawn from what its folder still holds of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.arrays import Mask
from ctpbench.contract.case import Truth
from ctpbench.contract.classes import class_mask
from ctpbench.contract.control import NOISELESS, UNFILTERED
from ctpbench.contract.observation import RADIOLOGICAL, Observation
from ctpbench.report.draws import LEAST_DRAWS, Draws, draws_panels
from ctpbench.report.panels import Columns, difference_panels, map_panels
from ctpbench.report.sheet import Marks
from ctpbench.running.estimation import baseline_subtracted, concentration_maps, scaled
from ctpbench.running.files import file_name, load_arrays, load_observation, load_truth
from ctpbench.running.record import Entries, Record
from ctpbench.running.store import Store
from ctpbench.running.work import ItemId
from ctpbench.settings import MapsSettings
from ctpbench.text import NoiseAxis, level_text, noise_text

FOLDER = "panels"
MOST_METHODS = 24
"""Columns of a picture beside its references."""


def best_of(frame: pd.DataFrame, dataset: str, noise: float | None, configs: Sequence[str]) -> list[str]:
    """Return the rows of a level that pictures show, in their order: the controls, and the best by what ranks them.

    Parameters
    ----------
    frame : DataFrame
        The leaderboard.
    dataset, noise
        The level.
    configs : sequence of str
        The labels of its rows.
    """
    at = frame["noise"].isna() if noise is None else frame["noise"] == noise
    level = frame[(frame["dataset"] == dataset) & at]
    ranks = {str(row["config"]): row["rank"] for row in level.to_dict("records") if row["rank"] == row["rank"]}
    controls = set(level["config"][level["method"].isin([NOISELESS, UNFILTERED])])
    order = sorted(configs, key=lambda label: (label not in controls, ranks.get(label, np.inf)))
    kept = set(order[:MOST_METHODS])
    return [label for label in configs if label in kept]


def cached(store: Store, record: Record) -> tuple[bool, ...]:
    """Return what is still there of what a record's pictures are drawn from."""
    if record.entries is None:
        return ()
    places: tuple[ItemId, ...] = (
        ("data", record.entries.observation),
        ("reference", record.entries.reference),
        ("prediction", record.entries.prediction),
    )
    return tuple(store.cache.holds(*place) for place in places)


def draw_panels(store: Store, records: Sequence[Record], axis: NoiseAxis, note: str = "") -> list[Path]:
    """Draw the first test case of a dataset at a noise level, and return the pictures that were drawn.

    They are ``<dataset>-<noise>.png``, the maps; ``...-clinic.png``, the same in the clinic's colours;
    ``...-less-noiseless.png`` and ``...-less-truth.png``, maps less what they should be; and ``...-draws.png``, bias
    and noise over draws of the noise. Each where there is such data; methods whose maps are no longer cached are left
    out, and pictures that were drawn before they went stay as they are.

    Parameters
    ----------
    store : Store
    records : sequence of Record, at least one
        Those of one dataset and noise level that went well.
    axis : NoiseAxis
        What the noise level is.
    note : str
        What else the title says.
    """
    first = records[0]
    if first.entries is None or store.cache.outcome("data", first.entries.observation) is None:
        return []
    shown = _Shown(store, first, first.entries, axis, note)
    mine = [record for record in records if record.seed == first.seed]
    if shown.path().exists() and not all(_has_maps(store, record) for record in mine):
        return []
    return [*_draw_maps(shown, mine, first.maps), *_draw_draws(shown, mine)]


def _has_maps(store: Store, record: Record) -> bool:
    return record.entries is not None and store.cache.holds("prediction", record.entries.prediction)


@dataclass(frozen=True, eq=False)
class _Shown:
    """A case as pictures show it: the slice with most of the lesion, where the truth knows one, else the middle one."""

    store: Store
    first: Record
    entries: Entries
    axis: NoiseAxis
    note: str = ""

    @property
    def case(self) -> str:
        return self.first.cases[0]

    @cached_property
    def observation(self) -> Observation:
        return load_observation(self.store.cache.path("data", self.entries.observation) / "observation.npz")

    @cached_property
    def truth(self) -> Truth | None:
        path = self.store.cache.path("data", self.entries.observation) / "truth.npz"
        return load_truth(path) if path.exists() else None

    @cached_property
    def lesion(self) -> dict[str, Mask]:
        """The core, and the whole lesion where a penumbra is known, (z, y, x): what the outlines go around."""
        if self.truth is None:
            return {}
        core, penumbra = class_mask(self.truth, "core"), class_mask(self.truth, "penumbra")
        found = {"infarct core": core, "penumbra": penumbra if penumbra is None or core is None else penumbra | core}
        return {name: mask for name, mask in found.items() if mask is not None}

    @cached_property
    def z(self) -> int:
        tissue = self.observation.tissue
        areas = sum((mask & tissue).sum(axis=(1, 2)) for mask in self.lesion.values())
        return int(np.argmax(areas)) if np.any(areas) else tissue.shape[0] // 2

    @property
    def tissue(self) -> Mask:
        return np.asarray(self.observation.tissue[self.z])

    @property
    def marks(self) -> Marks:
        styles = {"infarct core": "-", "penumbra": "--"}
        outlines = [(name, mask[self.z], styles[name]) for name, mask in self.lesion.items()]
        return Marks(self.observation.frames.attrs.get("axes") == RADIOLOGICAL, outlines)

    @property
    def title(self) -> str:
        slices = self.observation.tissue.shape[0]
        of_slices = f", slice {self.z + 1} of {slices}" if slices > 1 else ""
        noted = f"; {self.note}" if self.note else ""
        return f"{level_text(self.first.dataset, self.first.noise, self.axis)}: {self.case}{of_slices}{noted}"

    def path(self, ending: str = "") -> Path:
        noise = self.first.noise
        stem = self.first.dataset if noise is None else f"{self.first.dataset}-{noise_text(noise)}"
        return self.store.folder / FOLDER / f"{quote(stem, safe=' ')}{ending}.png"

    def predicted(self, record: Record, case: str) -> xr.DataArray | None:
        """Return a method's maps of a case; None where they are no longer cached."""
        if record.entries is None or self.store.cache.outcome("prediction", record.entries.prediction) is None:
            return None
        path = self.store.cache.path("prediction", record.entries.prediction) / file_name(case)
        return self.slice(load_arrays(path)["maps"])

    @cached_property
    def noiseless(self) -> xr.DataArray | None:
        """The maps of the noiseless frames; None where there are none, or they are no longer cached."""
        path = self.store.cache.path("reference", self.entries.reference) / file_name(self.case)
        if self.store.cache.outcome("reference", self.entries.reference) is None or not path.exists():
            return None
        found = load_arrays(path)
        return self.slice(found["maps"]) if "maps" in found else None

    @property
    def true(self) -> xr.DataArray | None:
        """The true maps, which nothing scales; None where they are not known."""
        known = None if self.truth is None else self.truth.maps
        return None if known is None else known.isel(z=self.z)

    def slice(self, maps: xr.DataArray) -> xr.DataArray:
        """Return the slice of maps that is shown, scaled as it was scored."""
        return (scaled(maps, self.first.scale) if self.first.scale else maps).isel(z=self.z)


def _draw_maps(shown: _Shown, records: Sequence[Record], settings: MapsSettings | None) -> list[Path]:
    columns = _columns(shown, records, settings)
    known = {"noiseless": shown.noiseless, "truth": shown.true}
    references = [(label, maps) for label, maps in known.items() if maps is not None]
    if not columns:
        return []
    drawn = [shown.path()]
    every, kept = [*columns, *references], max(len(references), 1)
    map_panels(every, shown.tissue, shown.title, drawn[-1], references=kept, marks=shown.marks)
    if not references:
        return drawn
    drawn.append(shown.path("-clinic"))
    map_panels(every, shown.tissue, shown.title, drawn[-1], references=kept, marks=shown.marks, palette="clinic")
    for place, (label, reference) in enumerate(references):
        drawn.append(shown.path(f"-less-{label}"))
        title = f"{shown.title}, less {label}"
        others = [*columns, *references[:place]]
        difference_panels(others, reference, shown.tissue, title, drawn[-1], marks=shown.marks)
    return drawn


def _columns(shown: _Shown, records: Sequence[Record], settings: MapsSettings | None) -> Columns:
    """Return the maps of the unfiltered frames and of each method; the noiseless control is a reference already."""
    columns: list[tuple[str, xr.DataArray]] = []
    if settings is not None:
        subtracted = baseline_subtracted(shown.observation.frames, settings)
        columns.append(("noisy", shown.slice(concentration_maps(subtracted, shown.observation, settings))))
    for record in records:
        maps = shown.predicted(record, shown.case)
        if maps is None or (shown.noiseless is not None and _same(maps, shown.noiseless)):
            continue
        if columns and _same(maps, columns[0][1]):
            columns[0] = (f"{record.config} (noisy)", maps)
        else:
            columns.append((record.config, maps))
    return columns


def _same(one: xr.DataArray, other: xr.DataArray) -> bool:
    return np.array_equal(one.values, other.values, equal_nan=True)


def _draw_draws(shown: _Shown, records: Sequence[Record]) -> list[Path]:
    """Draw bias and noise over the draws of the case, where it has enough."""
    case = shown.case
    names = [name for name in shown.first.cases if name == case or name.startswith(f"{case} #")]
    if len(names) < LEAST_DRAWS or shown.noiseless is None:
        return []
    columns = []
    for record in records:
        maps = [shown.predicted(record, name) for name in names]
        cbf = [each.sel(map="cbf").values for each in maps if each is not None]
        if len(cbf) == len(names) and record.method != NOISELESS:
            columns.append(Draws(record.config, np.stack(cbf)))
    if not columns:
        return []
    title, path = f"{shown.title}, {len(names)} draws of the noise", shown.path("-draws")
    reference = shown.noiseless.sel(map="cbf").values
    draws_panels(columns, reference, shown.tissue, title, path, marks=shown.marks)
    return [path]
