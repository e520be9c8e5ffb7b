"""Small multiples of lines: a column of panels for each noise level; a row of the suite has one colour in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ctpbench.arrays import Float64
from ctpbench.outcome.variables import axis_of
from ctpbench.text import NoiseAxis, noise_words, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 130
LONGEST = 34  # characters of a line beside an axis
_PANEL_IN, _HEAD_IN = (3.2, 2.2), 1.0  # width and height of a panel; height of title and legend
_STYLES = ("-", "--", ":", "-.")
_DOTTED = 50  # a curve of so many points or fewer shows them
HOLLOW: dict[str, Any] = {
    "marker": "D",
    "markersize": 4,
    "markerfacecolor": "none",
    "markeredgewidth": 0.9,
    "linestyle": "none",
}
"""How a hollow point looks."""
_TITLE_PER_IN = 11  # characters of the title
_LEGEND_CHARACTERS, _LEAST_CHARACTERS = 44, 14  # of a line of the legend
_LETTER_IN, _HANDLE_IN = 0.068, 0.6


@dataclass(frozen=True, eq=False)
class Line:
    """A curve of one row of the suite, `config`, at one noise level.

    Attributes
    ----------
    axes : (str, str)
        What is on y and on x: lines of the same axes share a row of panels.
    x, y : array, (points)
    band : pair of arrays, (points), or None
        The ends of what is around each y.
    ringed : sequence of (float, float)
        Points to ring.
    joined : bool
        Whether a line leads through the points.
    seeds : int
        Of how many it is the median, with their range as a band.
    hollow : sequence of (float, float)
        Points beside the line.
    """

    axes: tuple[str, str]
    noise: float
    config: str
    x: Float64
    y: Float64
    band: tuple[Float64, Float64] | None = None
    ringed: Sequence[tuple[float, float]] = ()
    joined: bool = True
    seeds: int = 1
    hollow: Sequence[tuple[float, float]] = ()


def multiples_figure(data: xr.Dataset, title: str, lines: Sequence[Line], *, legend: bool = True) -> Figure | None:
    """Return panels of these lines, a row for each of their axes and a column for each noise level; None without any.

    Parameters
    ----------
    data : Dataset
        A dataset's results, whose rows and levels are in the figure's order.
    """
    from matplotlib.figure import Figure

    if not lines:
        return None
    configs = [str(config) for config in data["config"].values]
    rows = list(dict.fromkeys(line.axes for line in lines))
    levels = [level for level in data["noise"].values if any(_same(level, line.noise) for line in lines)]
    size = (_PANEL_IN[0] * max(len(levels), 2), _PANEL_IN[1] * len(rows) + _HEAD_IN)
    figure = Figure(size, dpi=DPI, layout="constrained")
    figure.suptitle(wrapped(title, int(_TITLE_PER_IN * size[0])), fontsize=11, parse_math=False)
    grid = figure.add_gridspec(len(rows), len(levels))
    for i, row in enumerate(rows):
        panels = [[line for line in lines if line.axes == row and _same(line.noise, level)] for level in levels]
        drawn = [j for j, shown in enumerate(panels) if shown]
        for j in drawn:
            axes = figure.add_subplot(grid[i, j])
            _fill(axes, panels[j], configs, axis_of(data))
            if j == drawn[0]:
                axes.set_ylabel(wrapped(row[0], LONGEST), fontsize=8, parse_math=False)
    if legend:
        _add_legend(figure, configs, lines)
    return figure


def values_along(axes: Any, of: str) -> Float64:
    """Return all that a panel's lines show along x or y."""
    return np.concatenate([np.asarray(getattr(line, f"get_{of}data")(), dtype=np.float64) for line in axes.lines])


def _fill(axes: Any, lines: Sequence[Line], configs: Sequence[str], axis: NoiseAxis) -> None:
    """Draw the lines of one panel, in the colours of their rows of the suite."""
    for line in lines:
        style = _style(configs.index(line.config))
        joined = {"linewidth": 1.2} if line.joined else {"linestyle": "none"}
        marker = "." if line.x.size <= _DOTTED or not line.joined else None
        if line.band is not None:
            axes.fill_between(line.x, *line.band, color=style["color"], alpha=0.2, linewidth=0)
        axes.plot(line.x, line.y, label=line.config, marker=marker, markersize=4, **(style | joined))
        ring = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.5}
        for x, y in line.ringed:
            axes.plot([x], [y], label=line.config, **style, **ring)
        if line.hollow:
            axes.plot(*zip(*line.hollow, strict=True), label=line.config, **(style | HOLLOW))
    if not np.isnan(lines[0].noise):
        axes.set_title(noise_words(lines[0].noise, axis), fontsize=9, parse_math=False)
    axes.set_xlabel(wrapped(lines[0].axes[1], LONGEST), fontsize=8, parse_math=False)
    axes.tick_params(which="both", labelsize=7)
    axes.grid(color="0.9", linewidth=0.6)


def _style(place: int) -> dict[str, Any]:
    """Colour and dashes of a row of the suite, by its place."""
    return {"color": f"C{place % 10}", "linestyle": _STYLES[place // 10 % len(_STYLES)]}


def _add_legend(figure: Figure, configs: Sequence[str], lines: Sequence[Line]) -> None:
    """Name the lines. Labels are the user's: one may begin with an underscore, which matplotlib would hide."""
    from matplotlib.lines import Line2D

    seeds = {line.config: 1 for line in lines}
    for line in lines:
        seeds[line.config] = max(seeds[line.config], line.seeds)
    shown = [place for place, config in enumerate(configs) if config in seeds]
    handles = [Line2D([], [], **_style(place)) for place in shown]
    texts = [wrapped(_named(configs[place], seeds[configs[place]]), _LEGEND_CHARACTERS) for place in shown]
    widest = max(len(line) for text in texts for line in [*text.split("\n"), " " * _LEAST_CHARACTERS])
    columns = max(1, int(figure.get_size_inches()[0] / (_LETTER_IN * widest + _HANDLE_IN)))
    legend = figure.legend(
        handles, ["x"] * len(shown), loc="outside lower center", ncols=columns, fontsize=8, frameon=False
    )
    for text, label in zip(legend.get_texts(), texts, strict=True):
        text.set_parse_math(False)
        text.set_text(label)


def _named(config: str, seeds: int) -> str:
    return config if seeds == 1 else f"{config} (median of {seeds} seeds, band: their range)"


def _same(one: float, other: float) -> bool:
    """Whether two noise levels are one; NaN stands for none."""
    return one == other or bool(np.isnan(one) and np.isnan(other))
