"""Map panels: a column for each method, a row for each map, and the same less a reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from ctpbench.arrays import Array, Mask
from ctpbench.contract.case import MAP_UNITS
from ctpbench.report.colours import DIFFERENCE, Palette, colours_of
from ctpbench.report.sheet import Marks, Row, bounding_box, draw_sheet

__all__ = ["ROWS", "bounding_box", "difference_panels", "map_panels", "window"]

Columns = Sequence[tuple[str, xr.DataArray]]

ROWS = ("cbf", "cbv", "mtt", "tmax")

_NICE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_PERCENTILES = {"cbf": 95.0, "cbv": 95.0}  # above lie vessels, whose values would leave tissue dark
_LEAST_TMAX_S = 10.0  # so that the clinic's threshold of 6 s lies well within
_PLAIN = Marks()


def map_panels(
    columns: Columns,
    tissue: npt.ArrayLike,
    title: str,
    path: Path,
    *,
    references: int = 1,
    marks: Marks = _PLAIN,
    palette: Palette = "perceptual",
) -> None:
    """Write a PNG of maps side by side.

    Each row is windowed from 0 to a percentile of its reference, rounded up: the 95th of CBF and CBV, so that vessels
    do not leave the tissue dark, the 99th of times. A map that a column lacks is left blank. Many columns stand in
    several bands, each of which ends with the references.

    Parameters
    ----------
    columns : sequence of (label, maps), at least one
        Maps are (map, y, x) with the coordinate `map`, in the units of `ctpbench.contract.case.MAP_UNITS`, on square
        pixels. The last are the references, and the first of those sets the windows.
    tissue : array, (y, x), bool
        Where maps are compared; the rest is black, and cut away at the edges.
    title : str
    path : Path
        Replaced whole or not at all.
    references : int, from 1
        How many of the columns are references.
    marks : Marks
    palette : {"perceptual", "clinic"}
    """
    inside = np.asarray(tissue, dtype=bool)
    rows = []
    for name in ROWS:
        images = [_map(maps, name) for _, maps in columns]
        found = [image for image in (*images[-references:], *reversed(images)) if image is not None]
        if found:
            highest = window(found[0], inside, _PERCENTILES.get(name, 99.0))
            highest = max(highest, _LEAST_TMAX_S) if name == "tmax" else highest
            rows.append(Row(_heading(name), MAP_UNITS[name], images, colours_of(name, palette), (0.0, highest)))
    draw_sheet([label for label, _ in columns], rows, inside, title, path, marks, keep=references)


def difference_panels(
    columns: Columns, reference: xr.DataArray, tissue: npt.ArrayLike, title: str, path: Path, *, marks: Marks = _PLAIN
) -> None:
    """Write a PNG of maps less a reference: white where they agree, blue where less, red where more.

    The window of a row is what holds 95% of the tissue in the column in the middle, so that the unfiltered maps do not
    leave the others pale. The root of the mean square in the tissue stands above each image.

    Parameters
    ----------
    columns : sequence of (label, maps), at least one
        As of `map_panels`, the reference not among them.
    reference : DataArray, (map, y, x)
    tissue, title, path, marks
        As of `map_panels`.
    """
    inside = np.asarray(tissue, dtype=bool)
    rows = []
    for name in ROWS:
        expected = _map(reference, name)
        if expected is None or not np.isfinite(expected[inside]).any():
            continue
        images = [None if values is None else values - expected for values in (_map(maps, name) for _, maps in columns)]
        widths = sorted(window(np.abs(image), inside, 95.0) for image in images if image is not None)
        if widths:
            width = widths[(len(widths) - 1) // 2]
            notes = ["" if image is None else f"RMS {_rms(image, inside):.3g}" for image in images]
            rows.append(Row(_heading(name), MAP_UNITS[name], images, DIFFERENCE, (-width, width), notes))
    draw_sheet([label for label, _ in columns], rows, inside, title, path, marks)


def window(reference: Array, inside: Mask, percentile: float = 99.0) -> float:
    """Return the upper end of a map's window: a percentile of the reference in the mask, rounded up."""
    values = reference[inside & np.isfinite(reference)]
    highest = float(np.percentile(values, percentile)) if values.size else 0.0
    if highest <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(highest))
    return float(next(step * power for step in _NICE if step * power >= highest * (1 - 1e-9)))


def _map(maps: xr.DataArray, name: str) -> Array | None:
    return np.asarray(maps.sel(map=name).values) if name in maps["map"].values else None


def _heading(name: str) -> str:
    return "Tmax" if name == "tmax" else name.upper()


def _rms(image: Array, inside: Mask) -> float:
    values = image[inside & np.isfinite(image)].astype(np.float64)
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
