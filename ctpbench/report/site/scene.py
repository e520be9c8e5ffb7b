"""A case's images and curves as a page reads them: cut to the brain, maps with their units, curves on a coarse grid."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.arrays import Array, Float32, Float64, Mask
from ctpbench.contract.case import MAP_UNITS, MAPS
from ctpbench.contract.classes import class_mask
from ctpbench.report.panels import bounding_box, window
from ctpbench.report.site.pictured import Pictured
from ctpbench.report.site.tiles import flags, tile
from ctpbench.running.estimation import baseline_subtracted, scaled
from ctpbench.running.record import Record

_STEPS = {"cbf": 0.02, "cbv": 0.002, "mtt": 0.005, "ttp": 0.01, "tmax": 0.01}
"""The finest difference that a map's image keeps, in its units: a thousandth of its window or less."""
_UNKNOWN = {"cbf": 80.0, "cbv": 6.0, "mtt": 10.0, "ttp": 30.0, "tmax": 10.0}
"""Where a window ends of a map of which neither the truth nor noiseless frames are known."""
_CURVE_STEP_HU = 0.05
_GRID_CELLS = 600
"""Of a slice; a larger one has larger cells."""
_MOST_SLICES = 24
"""Of a film; of a scan with more, so many are shown, evenly spread."""


class Scene:
    """One case, of which rows are shown.

    Parameters
    ----------
    found : Pictured
    record : Record
        Of any row of the level: how maps are computed and scaled there.
    """

    def __init__(self, found: Pictured, record: Record) -> None:
        self._found, self._record = found, record
        brain: Mask = np.asarray(found.observation.frames["brain"].values, dtype=bool)
        self._rows, self._columns = bounding_box(np.asarray(brain.any(axis=0)), margin=1)
        filled = np.flatnonzero(brain.any(axis=(1, 2)))
        spread = np.linspace(0, filled.size - 1, min(filled.size, _MOST_SLICES))
        self._slices = filled[np.unique(np.rint(spread).astype(int))]
        self._brain = self._cut(brain)
        area = self._brain.shape[1] * self._brain.shape[2]
        self._block = max(1, int(np.ceil(np.sqrt(area / _GRID_CELLS))))

    def base(self) -> dict[str, Any]:
        """Return what all rows of the case share: geometry, masks, noiseless and true maps, AIF, curves."""
        observation, truth = self._found.observation, self._found.truth
        frames = observation.frames
        curves = {"noisy": self._curves(self._concentration(frames))}
        if truth is not None and truth.frames is not None:
            curves["noiseless"] = self._curves(self._concentration(truth.frames))
        known = {"noiseless": self._noiseless, "truth": self._true}
        columns = {name: self._maps(maps) for name, maps in known.items() if maps is not None}
        masks = [self._brain, self._cut(observation.tissue), self._lesion("core"), self._lesion("penumbra")]
        return {
            "slices": [int(z) for z in self._slices],
            "of": int(frames.sizes["z"]),
            "corner": [self._rows.start or 0, self._columns.start or 0],
            "shape": list(self._brain.shape),
            "spacing": [float(size) for size in frames.attrs["spacing_mm"]],
            "maps": {name: {"units": MAP_UNITS[name], "high": self._highest(name)} for name in MAPS},
            "columns": {name: maps for name, maps in columns.items() if maps},
            "masks": flags(masks),
            "times": frames["time"].values,
            "aif": observation.aif,
            "block": self._block,
            "curves": curves,
            "way": "" if self._record.maps is None else self._record.maps.label,
            "resolved": truth is not None and truth.resolved is not None,
        }

    def row(self, answer: xr.Dataset, record: Record, reference: xr.Dataset | None = None) -> dict[str, Any]:
        """Return a row's maps, scaled as they were scored, and its curves where it has any.

        A row whose maps are computed in another way than the scene's own record brings its own noiseless maps along.
        """
        shown: dict[str, Any] = {"maps": self._maps(_scaled(answer["maps"], record))}
        if reference is not None and "maps" in reference:
            shown["noiseless"] = self._maps(_scaled(reference["maps"], record))
        if "concentration" in answer:
            shown["curve"] = self._curves(answer["concentration"].values)
        return shown

    def _scaled(self, maps: xr.DataArray) -> xr.DataArray:
        return scaled(maps, self._record.scale) if self._record.scale else maps

    @cached_property
    def _true(self) -> xr.DataArray | None:
        """The true maps, as far as the scanner resolves them where that is known."""
        truth = self._found.truth
        return None if truth is None else truth.maps if truth.resolved is None else truth.resolved

    @cached_property
    def _noiseless(self) -> xr.DataArray | None:
        reference = self._found.reference
        if reference is None or "maps" not in reference:
            return None
        return _scaled(reference["maps"], self._record)

    def _highest(self, name: str) -> float:
        """Return the upper end of a map's window, of the true map, which knows no vessels, or the noiseless one."""
        for maps in (self._true, self._noiseless):
            if maps is not None and name in maps["map"].values and np.isfinite(maps.sel(map=name)).any():
                return window(maps.sel(map=name).values, self._found.observation.tissue)
        return _UNKNOWN.get(name, 1.0)

    def _lesion(self, kind: Any) -> Mask:
        found = None if self._found.truth is None else class_mask(self._found.truth, kind)
        return np.zeros(self._brain.shape, dtype=bool) if found is None else self._cut(found) & self._brain

    def _maps(self, maps: xr.DataArray) -> dict[str, Any]:
        """Return the images of maps, NaN outside the brain; one that is nowhere known is left out."""
        found = {}
        for name in maps["map"].values:
            values = np.where(self._brain, self._cut(maps.sel(map=name).values), np.nan)
            if np.isfinite(values).any():
                found[str(name)] = tile(values, _STEPS.get(str(name), 0.001), MAP_UNITS.get(str(name), ""))
        return found

    def _concentration(self, frames: xr.DataArray) -> Float32:
        assert self._record.maps is not None
        return np.asarray(baseline_subtracted(frames, self._record.maps).values)

    def _curves(self, concentration: Array) -> dict[str, Any]:
        """Return curves in HU above baseline: means over blocks of brain, stacked (time and slice, y, x)."""
        cut = concentration[:, self._slices, self._rows, self._columns]
        time, z, y, x = cut.shape
        block = self._block
        padding = ((0, 0), (0, 0), (0, -y % block), (0, -x % block))
        inside = np.pad(np.broadcast_to(self._brain, (1, z, y, x)), padding)
        values = np.where(inside, np.pad(cut, padding), 0)

        def summed(array: Array) -> Float64:
            t, z, y, x = array.shape
            blocks = array.reshape(t, z, y // block, block, x // block, block)
            return np.asarray(blocks.sum(axis=(3, 5), dtype=np.float64))

        counts = summed(inside)
        means = np.divide(summed(values), counts, where=counts > 0, out=np.full((time, *counts.shape[1:]), np.nan))
        grid = means.reshape(time * z, *means.shape[2:])
        return tile(grid, _CURVE_STEP_HU, "HU")

    def _cut(self, volume: Array) -> Array:
        cut: Array = np.asarray(volume)[self._slices][:, self._rows, self._columns]
        return cut


def _scaled(maps: xr.DataArray, record: Record) -> xr.DataArray:
    return scaled(maps, record.scale) if record.scale else maps
