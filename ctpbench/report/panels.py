"""Map panels: one column for each method, one row for each of CBF, CBV and MTT with one window."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ctpbench.arrays import Array, Mask
from ctpbench.atomic import replacing
from ctpbench.contract.case import MAP_UNITS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Columns = Sequence[tuple[str, xr.DataArray]]

ROWS = ("cbf", "cbv", "mtt")

_COLOURS = {"cbf": "inferno", "cbv": "inferno", "mtt": "viridis"}
_NICE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_DPI = 160
_PANEL, _LEFT, _RIGHT, _GAP, _LINE = 360, 60, 140, 10, 25  # pixels of the image
_BACK, _INK, _FAINT = "black", "white", "0.7"


def map_panels(columns: Columns, tissue: npt.ArrayLike, title: str, path: Path) -> None:
    """Write a PNG of maps side by side.

    Each row is windowed from 0 to the 99th percentile of its reference, rounded up. A map that a column lacks
    is left blank. A pixel of a map is a whole number of pixels of the image.

    Parameters
    ----------
    columns : sequence of (label, maps), at least one
        Maps are (map, y, x) with the coordinate `map`, in the units of `ctpbench.contract.case.MAP_UNITS`, on square
        pixels. The last column is the reference.
    tissue : array, (y, x), bool
        Where maps are compared; the rest is black, and cut away at the edges.
    title : str
    path : Path
        Replaced whole or not at all.
    """
    from matplotlib.figure import Figure

    inside = np.asarray(tissue, dtype=bool)
    box = bounding_box(inside)
    rows = [name for name in ROWS if any(name in maps["map"].values for _, maps in columns)]
    scale = max(1, round(_PANEL / inside[box].shape[1]))
    height, width = (scale * size for size in inside[box].shape)
    labels = [_wrapped(label, max(width // 12, 12)) for label, _ in columns]
    top = _LINE * (3 + max(label.count("\n") + 1 for label in labels))
    total_width = _LEFT + len(columns) * (width + _GAP) + _RIGHT
    total_height = top + len(rows) * (height + _GAP)

    figure = Figure((total_width / _DPI, total_height / _DPI), dpi=_DPI, facecolor=_BACK)
    _write(figure, total_width / 2, total_height - 1.2 * _LINE, title, fontsize=12, weight="bold")
    for column, label in enumerate(labels):
        centre = _LEFT + column * (width + _GAP) + width / 2
        _write(figure, centre, total_height - top + 0.4 * _LINE, label, fontsize=9, va="bottom")
    for row, name in enumerate(rows):
        bottom = total_height - top - row * (height + _GAP) - height
        _write(figure, _LEFT / 2, bottom + height / 2, name.upper(), fontsize=11, weight="bold", rotation=90)
        found = [(i, maps.sel(map=name).values) for i, (_, maps) in enumerate(columns) if name in maps["map"].values]
        highest = window(found[-1][1], inside)
        for column, values in found:
            axes = _axes(figure, _LEFT + column * (width + _GAP), bottom, width, height)
            image = np.where(inside, values, np.nan)[box]
            shown = axes.imshow(image, cmap=_COLOURS[name], vmin=0, vmax=highest, interpolation="nearest")
            axes.set_axis_off()
        _colour_bar(figure, shown, MAP_UNITS[name], (total_width - _RIGHT, bottom, height))
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def bounding_box(inside: Mask, margin: int = 2) -> tuple[slice, slice]:
    """Return the rows and columns that hold a mask, with a margin in pixels; all of them where it is empty."""
    if not inside.any():
        return slice(None), slice(None)
    ends = [np.flatnonzero(inside.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    rows, columns = (slice(max(int(a) - margin, 0), int(b) + 1 + margin) for a, b in ends)
    return rows, columns


def window(reference: Array, inside: Mask) -> float:
    """Return the upper end of a map's window: the reference's 99th percentile in the mask, rounded up."""
    values = reference[inside & np.isfinite(reference)]
    percentile = float(np.percentile(values, 99)) if values.size else 0.0
    if percentile <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(percentile))
    return float(next(step * power for step in _NICE if step * power >= percentile * (1 - 1e-9)))


def _write(figure: Figure, x: float, y: float, text: str, **style: Any) -> None:
    """Write text at a place in pixels; labels are the user's, so a dollar sign in them is no mathematics."""
    width, height = figure.get_size_inches() * _DPI
    place = {"ha": "center", "va": "center", "color": _INK, "parse_math": False, **style}
    figure.text(x / width, y / height, text, **place)


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Any:
    total_width, total_height = figure.get_size_inches() * _DPI
    return figure.add_axes((left / total_width, bottom / total_height, width / total_width, height / total_height))


def _colour_bar(figure: Figure, shown: Any, units: str, place: tuple[float, float, float]) -> None:
    left, bottom, height = place
    bar = figure.colorbar(shown, cax=_axes(figure, left + _GAP, bottom + 0.1 * height, 18, 0.8 * height))
    bar.outline.set_visible(False)
    bar.locator = _ticks()
    bar.ax.tick_params(colors=_FAINT, labelsize=8, length=2)
    _write(figure, left + _RIGHT - 24, bottom + height / 2, units, fontsize=9, color=_FAINT, rotation=90)


def _ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=4)


def _wrapped(label: str, characters: int) -> str:
    return "\n".join(part for line in label.splitlines() for part in textwrap.wrap(line, characters))
