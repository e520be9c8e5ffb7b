"""Curves of a run, a picture for each dataset: what training logged, what tuning tried, scores over time and
frequency.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.arrays import Float64
from ctpbench.atomic import replacing
from ctpbench.outcome.scores import patients_of, title_of, units_text
from ctpbench.outcome.statistics import LEAST_PATIENTS, patient_means
from ctpbench.outcome.variables import CELL_DIMS, PATIENT
from ctpbench.report.multiples import DPI, HOLLOW, LONGEST, Line, multiples_figure, values_along
from ctpbench.report.seeds import Curve, curve_of
from ctpbench.report.sweeps import STOPPED, Sweep, sweeps
from ctpbench.text import in_brackets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDE = 20.0  # a parameter whose values span a larger ratio has a logarithmic axis


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
                    figure.savefig(temporary, format="png", dpi=DPI)
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
    lines = [
        Line((quantity, "step"), noise, config, curve.x, curve.y, curve.range, seeds=curve.seeds)
        for (quantity, config, noise), curve in learning_curves(node)
    ]
    figure = multiples_figure(node.to_dataset(inherit=False), f"{node.name}: what training logged", lines)
    for axes in figure.axes if figure else ():
        if (values_along(axes, "y") > 0).all():
            axes.set_yscale("log")
    return figure


def learning_curves(node: xr.DataTree) -> Iterator[tuple[tuple[str, str, float], Curve]]:
    """Yield a curve of all seeds for each quantity that training logged, row and noise level (NaN where there is none).

    Its x is the step.
    """
    if "learning" not in node.children:
        return
    table: pd.DataFrame = node.children["learning"].to_dataset(inherit=False).to_dataframe().dropna(subset="value")
    labels = ["quantity", "learning_config", "learning_noise"]
    for (quantity, config, noise), found in table.groupby(labels, sort=False, dropna=False):
        seeds = [points.sort_values("step") for _, points in found.groupby("learning_seed")]
        each = [(points["step"].to_numpy(np.float64), points["value"].to_numpy(np.float64)) for points in seeds]
        yield (str(quantity), str(config), float(str(noise))), curve_of(each, between=True)


def sweep_figure(node: xr.DataTree) -> Figure | None:
    """Return validation scores against each tuned parameter that is a number; None where none was tuned.

    Where several parameters were tuned, a value of one is shown with the best of the others. The value chosen
    is ringed; one of which every trial was stopped is hollow.

    Parameters
    ----------
    node : DataTree
        A dataset's group of a results tree.
    """
    lines = [line for sweep in sweeps(node) for line in _swept(sweep)]
    several = any(line.seeds > 1 for line in lines)
    title = f"{node.name}: tuning on the validation split, the chosen value ringed"
    title += "; of several seeds the median, with their range as a band" if several else ""
    figure = multiples_figure(node.to_dataset(inherit=False), title, lines, legend=False)
    for axes in figure.axes if figure else ():
        values = values_along(axes, "x")
        if 0 < _WIDE * values.min() < values.max():
            axes.set_xscale("log")
    if figure is not None and any(line.hollow for line in lines):
        _name_hollow(figure)
    return figure


def _name_hollow(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    handle = Line2D([], [], color="0.3", **HOLLOW)
    figure.legend([handle], [STOPPED], loc="outside lower center", fontsize=8, frameon=False)


def _swept(sweep: Sweep) -> Iterator[Line]:
    tuning, noise = sweep.tuning, np.nan if sweep.noise is None else sweep.noise
    on_y, units = f"validation {title_of(tuning.score) or 'score'}", in_brackets(tuning.units)
    on_y += units if len(on_y + units) <= LONGEST else units.replace(" ", "\n", 1)
    axes = (f"{sweep.config}\n{on_y}", sweep.parameter)
    for place, curve in enumerate(sweep.curves):
        rings, hollow = ((), ()) if place else (sweep.chosen, sweep.stopped)
        line = Line(axes, noise, sweep.config, curve.x, curve.y, curve.range, rings, sweep.joined, curve.seeds, hollow)
        yield line


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
    figure = multiples_figure(data, f"{node.name}: mean over {over}{banded}", [line for line in lines if line.y.size])
    for axes in figure.axes if figure else ():
        if (values_along(axes, "y") >= 0).all():
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
