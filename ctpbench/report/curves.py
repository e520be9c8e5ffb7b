"""Curves of a run, a picture for each dataset: what training logged, what tuning tried, scores over time and
frequency.

Small multiples: a column of panels for each noise level. A row of the suite has one colour in all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.arrays import Float64
from ctpbench.atomic import replacing
from ctpbench.contract.better import cost
from ctpbench.contract.components import Better
from ctpbench.outcome.cells import CELL_DIMS
from ctpbench.outcome.scores import patients_of, title_of, units_text
from ctpbench.outcome.statistics import LEAST_PATIENTS, patient_means
from ctpbench.outcome.tuning import Tuning, is_number, tunings
from ctpbench.outcome.variables import PATIENT, axis_of
from ctpbench.running.record import Trial
from ctpbench.text import NoiseAxis, in_brackets, noise_words, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 130
_PANEL_IN, _HEAD_IN = (3.2, 2.2), 1.0  # width and height of a panel; height of title and legend
_STYLES = ("-", "--", ":", "-.")
_DOTTED = 50  # a curve of so many points or fewer shows them
_WIDE = 20.0  # a parameter whose values span a larger ratio has a logarithmic axis
_LONGEST = 34  # characters of a line beside an axis
_TITLE_PER_IN = 11  # characters of the title
_LEGEND_CHARACTERS, _LEAST_CHARACTERS = 44, 14  # of a line of the legend
_LETTER_IN, _HANDLE_IN = 0.068, 0.6


@dataclass(frozen=True)
class Line:
    """A curve of one row of the suite, `config`, at one noise level.

    Attributes
    ----------
    axes : (str, str)
        What is on y and on x: lines of the same axes share a row of panels.
    x, y : array, (points)
    marked : int or None
        Place of the point to ring.
    joined : bool
        Whether a line leads through the points.
    band : pair of arrays, (points), or None
        The ends of the interval of each y.
    """

    axes: tuple[str, str]
    noise: float
    config: str
    x: Float64
    y: Float64
    marked: int | None = None
    joined: bool = True
    band: tuple[Float64, Float64] | None = None


def draw_curves(tree: xr.DataTree, folder: Path) -> list[Path]:
    """Write pictures where there is such data, and return them.

    They are ``learning-``, ``sweep-``, ``time-`` and ``frequency-<dataset>.png``.

    Parameters
    ----------
    tree : DataTree
        As made by `ctpbench.outcome.results.build`.
    folder : Path
        Made where it is missing. Each picture is replaced whole or not at all.
    """
    drawn = []
    for label, node in tree.children.items():
        figures = {
            "learning": learning_figure(node),
            "sweep": sweep_figure(node),
            "time": score_figure(node, "time"),
            "frequency": score_figure(node, "frequency"),
        }
        for kind, figure in figures.items():
            if figure is not None:
                path = folder / f"{kind}-{quote(label, safe=' ')}.png"
                with replacing(path) as temporary:
                    figure.savefig(temporary, format="png", dpi=_DPI)
                drawn.append(path)
    return drawn


def learning_figure(node: xr.DataTree) -> Figure | None:
    """Return each quantity that training logged against its step; None where nothing was logged.

    The y axis is logarithmic where all is positive.

    Parameters
    ----------
    node : DataTree
        A dataset's group of a results tree.
    """
    logged = _groups(node, "learning", "quantity", "learning_noise", "learning_config", "learning_seed")
    lines = [
        Line((quantity, "step"), noise, config, points["step"].to_numpy(), points["value"].to_numpy())
        for (quantity, noise, config, _), points in logged
    ]
    figure = _figure(node.to_dataset(inherit=False), f"{node.name}: what training logged", lines)
    for axes in figure.axes if figure else ():
        if (_values(axes, "y") > 0).all():
            axes.set_yscale("log")
    return figure


def sweep_figure(node: xr.DataTree) -> Figure | None:
    """Return validation scores against each tuned parameter that is a number; None where none was tuned.

    Where several parameters were tuned, a value of one is shown with the best of the others. The value chosen
    is ringed.

    Parameters
    ----------
    node : DataTree
        A dataset's group of a results tree.
    """
    data = node.to_dataset(inherit=False)
    lines: list[Line] = []
    for (config, noise), tuning in tunings(node).items():
        level = np.nan if noise is None else noise
        for seed, trials in tuning.trials.items():
            lines += _sweeps(config, level, tuning, trials, _chosen(data, config, level, seed))
    title = f"{node.name}: tuning on the validation split, the chosen value ringed"
    figure = _figure(data, title, lines, legend=False)
    for axes in figure.axes if figure else ():
        values = _values(axes, "x")
        if 0 < _WIDE * values.min() < values.max():
            axes.set_xscale("log")
    return figure


def score_figure(node: xr.DataTree, dim: str) -> Figure | None:
    """Return each metric that keeps a dimension against it, the mean over patients; None where none does.

    It is the mean over a patient's cases and over seeds first. Around it is Student's 95% interval over patients, point
    by point, where there are as many patients as the board asks for.

    Parameters
    ----------
    node : DataTree
        A dataset's group of a results tree.
    dim : "time" or "frequency"
    """
    data = node.to_dataset(inherit=False)
    _, groups = patients_of(data)
    lines = []
    for metric, scores in data.data_vars.items():
        if "better" not in scores.attrs or set(scores.dims) != {*CELL_DIMS, "case", dim}:
            continue
        means = scores.mean("seed").transpose("noise", "config", dim, "case").values
        units = in_brackets(units_text(scores.attrs, ""))
        along = f"{dim} ({data[dim].attrs['units']})"
        for noise, level in zip(data["noise"].values, patient_means(means, groups), strict=True):
            for config, values in zip(data["config"].values, level, strict=True):
                axes_of = (f"{title_of(str(metric))}{units}", along)
                lines.append(_over_patients(axes_of, noise, config, data[dim].values, values))
    banded = " with its 95% interval" if any(line.band for line in lines) else ""
    over = "patients" if PATIENT in data.coords else "cases"
    figure = _figure(data, f"{node.name}: mean over {over}{banded}", [line for line in lines if line.y.size])
    for axes in figure.axes if figure else ():
        if (_values(axes, "y") >= 0).all():
            axes.set_ylim(bottom=0)
    return figure


def _over_patients(axes: tuple[str, str], noise: float, config: str, x: Float64, values: Float64) -> Line:
    """Return the mean of values, (point, patient), with its interval; points without any value are left out."""
    from scipy.special import stdtrit

    values, x = (array[np.isfinite(values).any(axis=1)] for array in (values, x))
    count = np.isfinite(values).sum(axis=1)
    mean = np.nanmean(values, axis=1)
    if not count.size or count.min() < LEAST_PATIENTS:
        return Line(axes, noise, config, x, mean)
    half = stdtrit(count - 1, 0.975) * np.nanstd(values, axis=1, ddof=1) / np.sqrt(count)
    return Line(axes, noise, config, x, mean, band=(mean - half, mean + half))


def _groups(node: xr.DataTree, child: str, *labels: str) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Yield the labels of each curve of a child group, in order of appearance, with its points."""
    if child in node.children:
        table = node.children[child].to_dataset(inherit=False).to_dataframe().dropna(subset="value")
        yield from table.groupby(list(labels), sort=False, dropna=False)


def _chosen(data: xr.Dataset, config: str, noise: float, seed: int) -> Mapping[str, Any]:
    """Return what tuning chose for a cell."""
    texts = data["tuned_parameters"].sel(config=config, seed=seed).transpose("noise").values
    text = next(text for level, text in zip(data["noise"].values, texts, strict=True) if _same(level, noise))
    chosen: Mapping[str, Any] = json.loads(text or "{}")
    return chosen


def _sweeps(
    config: str, noise: float, tuning: Tuning, trials: Sequence[Trial], chosen: Mapping[str, Any]
) -> Iterator[Line]:
    """Yield a line for each numeric parameter: for each of its values the trial that was best; failed ones lack."""
    tried = [trial.parameters for trial in trials if trial.value is not None]
    values = np.array([trial.value for trial in trials if trial.value is not None], dtype=np.float64)
    place = tried.index(chosen) if chosen in tried else None
    costs = _costs(values, tuning.better, place)
    on_y, units = f"validation {title_of(tuning.score) or 'score'}", in_brackets(tuning.units)
    on_y += units if len(on_y + units) <= _LONGEST else units.replace(" ", "\n", 1)
    for name in tried[0] if tried else ():
        if not all(is_number(parameters[name]) for parameters in tried):
            continue
        x = np.array([parameters[name] for parameters in tried], dtype=np.float64)
        grid = np.unique(x)
        if grid.size > 1:
            best = [min(np.flatnonzero(x == value), key=costs.__getitem__) for value in grid]
            marked = None if place is None else int(np.searchsorted(grid, x[place]))
            joined = len(tried[0]) == 1 or grid.size < x.size  # no line leads through what is on no grid
            yield Line((f"{config}\n{on_y}", name), noise, config, grid, values[best], marked, joined)


def _costs(values: Float64, better: Better | None, chosen: int | None) -> Float64:
    """Return what is small where a score is good.

    Results of before tuning's metric was kept do not say which way it is better: there, the chosen trial is the best.
    """
    if better or chosen is None:
        return cost(values, better or "lower")
    if values[chosen] <= values.min():
        return cost(values, "lower")
    return cost(values, "higher" if values[chosen] >= values.max() else "zero")


def _figure(data: xr.Dataset, title: str, lines: Sequence[Line], *, legend: bool = True) -> Figure | None:
    """Return panels of these lines, a row for each of their axes and a column for each noise level."""
    from matplotlib.figure import Figure

    if not lines:
        return None
    configs = [str(config) for config in data["config"].values]
    rows = list(dict.fromkeys(line.axes for line in lines))
    levels = [level for level in data["noise"].values if any(_same(level, line.noise) for line in lines)]
    size = (_PANEL_IN[0] * max(len(levels), 2), _PANEL_IN[1] * len(rows) + _HEAD_IN)
    figure = Figure(size, dpi=_DPI, layout="constrained")
    figure.suptitle(wrapped(title, int(_TITLE_PER_IN * size[0])), fontsize=11, parse_math=False)
    grid = figure.add_gridspec(len(rows), len(levels))
    for i, row in enumerate(rows):
        panels = [[line for line in lines if line.axes == row and _same(line.noise, level)] for level in levels]
        drawn = [j for j, shown in enumerate(panels) if shown]
        for j in drawn:
            axes = figure.add_subplot(grid[i, j])
            _fill(axes, panels[j], configs, axis_of(data))
            if j == drawn[0]:
                axes.set_ylabel(wrapped(row[0], _LONGEST), fontsize=8, parse_math=False)
    if legend:
        _add_legend(figure, configs, {line.config for line in lines})
    return figure


def _fill(axes: Any, lines: Sequence[Line], configs: Sequence[str], axis: NoiseAxis) -> None:
    """Draw the lines of one panel, in the colours of their rows of the suite."""
    for line in lines:
        style = _style(configs.index(line.config))
        joined = {"linewidth": 1.2} if line.joined else {"linestyle": "none"}
        marker = "." if line.x.size <= _DOTTED or not line.joined else None
        if line.band is not None:
            axes.fill_between(line.x, *line.band, color=style["color"], alpha=0.2, linewidth=0)
        axes.plot(line.x, line.y, label=line.config, marker=marker, markersize=4, **(style | joined))
        if line.marked is not None:
            ring = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.5}
            axes.plot(line.x[[line.marked]], line.y[[line.marked]], label=line.config, **style, **ring)
    if not np.isnan(lines[0].noise):
        axes.set_title(noise_words(lines[0].noise, axis), fontsize=9, parse_math=False)
    axes.set_xlabel(wrapped(lines[0].axes[1], _LONGEST), fontsize=8, parse_math=False)
    axes.tick_params(which="both", labelsize=7)
    axes.grid(color="0.9", linewidth=0.6)


def _style(place: int) -> dict[str, Any]:
    """Colour and dashes of a row of the suite, by its place."""
    return {"color": f"C{place % 10}", "linestyle": _STYLES[place // 10 % len(_STYLES)]}


def _add_legend(figure: Figure, configs: Sequence[str], drawn: set[str]) -> None:
    """Name the lines. Labels are the user's: one may begin with an underscore, which matplotlib would hide."""
    from matplotlib.lines import Line2D

    shown = [place for place, config in enumerate(configs) if config in drawn]
    handles = [Line2D([], [], **_style(place)) for place in shown]
    texts = [wrapped(configs[place], _LEGEND_CHARACTERS) for place in shown]
    widest = max(len(line) for text in texts for line in [*text.split("\n"), " " * _LEAST_CHARACTERS])
    columns = max(1, int(figure.get_size_inches()[0] / (_LETTER_IN * widest + _HANDLE_IN)))
    legend = figure.legend(
        handles, ["x"] * len(shown), loc="outside lower center", ncols=columns, fontsize=8, frameon=False
    )
    for text, label in zip(legend.get_texts(), texts, strict=True):
        text.set_parse_math(False)
        text.set_text(label)


def _values(axes: Any, of: str) -> Float64:
    """Return all that a panel shows along x or y."""
    return np.concatenate([np.asarray(getattr(line, f"get_{of}data")(), dtype=np.float64) for line in axes.lines])


def _same(one: float, other: float) -> bool:
    """Whether two noise levels are one; NaN stands for none."""
    return one == other or bool(np.isnan(one) and np.isnan(other))
