"""Rows held against each other in a picture: a strip for each pair, with a dot for each patient, and the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import xarray as xr

from ctpbench.arrays import Float64
from ctpbench.atomic import replacing
from ctpbench.outcome.comparison import Comparison, Where, comparisons
from ctpbench.outcome.scores import interval_text, rounded
from ctpbench.outcome.statistics import LEAST_PATIENTS, Pair
from ctpbench.report.pairs import counted
from ctpbench.text import cut, in_brackets, level_text, noise_text, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 130
_WIDTH_IN, _STRIP_IN, _HEAD_IN = 8.0, 0.42, 1.5  # a picture's width; height of a strip, and of title, axis and legend
_LONGEST, _TITLE = 34, 88  # characters of a line of a label, and of the title
_LINE_IN = 0.14  # height of a line of a label
_WIDE = 20.0  # strips of which one reaches so many times as far as another have an axis that is logarithmic outside
_DOT = "0.55"
_MARKS: Mapping[bool | None, Mapping[str, Any]] = {  # by whether rows are told apart: blue or vermilion, full or hollow
    True: {"color": "#0072b2", "marker": "D", "markersize": 6},
    False: {"color": "#d55e00", "marker": "o", "markersize": 6, "markerfacecolor": "w"},
    None: {"color": "0.2", "marker": "s", "markersize": 6, "markerfacecolor": "w"},
}
_MEANINGS = {
    True: " with 95% interval: told apart (paired t-test{})",
    False: " with 95% interval: not told apart",
    None: ": no test",
}
_OFFSETS = (0.0, 0.14, -0.14, 0.26, -0.26)  # of neighbouring dots, in strips
_LONGEST_NAME = 150  # characters of a file's name


def draw_comparisons(tree: xr.DataTree, folder: Path) -> list[Path]:
    """Draw every row against the leader at each level with enough patients for a test, and return the pictures.

    Parameters
    ----------
    tree : DataTree
        As made by `ctpbench.outcome.results.build`.
    folder : Path
        Made where it is missing. Each picture is replaced whole or not at all.
    """
    drawn = []
    for where, compared in comparisons(tree).items():
        pairs = compared.against_leader
        if any(pair.difference.patients >= LEAST_PATIENTS for pair in pairs):
            drawn.append(draw_pairs(where, compared, pairs, folder / picture_name(where)))
    return drawn


def picture_name(where: Where, *more: str) -> str:
    """Return the name of a picture of a level, and of what `more` it is of.

    >>> picture_name(("phantom", 2e5)), picture_name(("isles", None), "ssim_cbf")
    ('phantom-2e5.png', 'isles-ssim_cbf.png')
    """
    dataset, noise = where
    parts = [dataset, *([] if noise is None else [noise_text(noise)]), *more]
    return f"{quote('-'.join(parts), safe=' ')[:_LONGEST_NAME]}.png"


def draw_pairs(where: Where, compared: Comparison, pairs: Sequence[Pair], path: Path) -> Path:
    """Write a picture of pairs of rows, replaced whole or not at all, and return its path."""
    figure = pairs_figure(where, compared, pairs)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)
    return path


def pairs_figure(where: Where, compared: Comparison, pairs: Sequence[Pair]) -> Figure:
    """Return strips of paired differences, each a pair of rows, right of zero where the first is better.

    Parameters
    ----------
    where : (str, float or None)
    compared : Comparison
    pairs : sequence of Pair, at least one
        The first strip is the highest. Where all have the same first row, the strips are named by the second.
    """
    from matplotlib.figure import Figure

    labels = [[_label(compared.rows[row].label) for row in (pair.first, pair.second)] for pair in pairs]
    one = len({first for first, _ in labels}) == 1
    names = [second if one else f"{first}\nover {second}" for first, second in labels]
    strip_in = max(_STRIP_IN, _LINE_IN * max(name.count("\n") + 2 for name in names))
    figure = Figure((_WIDTH_IN, strip_in * len(pairs) + _HEAD_IN), dpi=_DPI, layout="constrained")
    score, patients = compared.score, max(pair.difference.patients for pair in pairs)
    title = f"{level_text(*where, compared.axis)}: {score.title}, {counted(patients)}"
    figure.suptitle(wrapped(title, _TITLE), fontsize=11, parse_math=False)
    axes = figure.add_subplot()
    axes.axvline(0.0, color="0.2", linewidth=1, zorder=1)
    for strip, pair in enumerate(pairs):
        _draw_strip(axes, strip, pair, compared.differences(pair.first, pair.second))
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.set_yticks(range(len(pairs)), names, fontsize=8, parse_math=False)
    beyond = _scale(axes, [compared.differences(pair.first, pair.second) for pair in pairs])
    ahead = cut(labels[0][0], _TITLE) if one else "the first"
    axes.set_xlabel(f"{ahead} better by{in_brackets(score.units)}{beyond}", fontsize=8, parse_math=False)
    axes.tick_params(which="both", labelsize=7)
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    _add_legend(figure, pairs)
    return figure


def _label(text: str) -> str:
    """Return a row's label in a few lines, in which it stands whole unless it is a page."""
    return wrapped(cut(text, 5 * _LONGEST), _LONGEST)


def _draw_strip(axes: Any, strip: int, pair: Pair, differences: Float64) -> None:
    """Draw a pair's patients, and their mean with its interval; the numbers stand at the right."""
    shown = np.sort(differences[np.isfinite(differences)])
    offsets = np.array(_OFFSETS)[np.arange(shown.size) % len(_OFFSETS)]
    axes.scatter(shown, strip + offsets, s=11, color=_DOT, linewidths=0, zorder=2, label=f"patients {strip}")
    mean, ends, style = pair.difference.value, pair.difference.interval, _MARKS[pair.told_apart()]
    if ends is not None:
        axes.plot([ends.low, ends.high], [strip, strip], color=style["color"], linewidth=2, zorder=3)
    axes.plot([mean], [strip], linestyle="none", zorder=4, label=f"mean {strip}", **style)
    text = interval_text(mean, ends.low, ends.high) if ends else rounded(mean, 3)
    axes.text(1.01, strip, text, transform=axes.get_yaxis_transform(), fontsize=7, va="center")


def _scale(axes: Any, strips: Sequence[Float64]) -> str:
    """Make the axis logarithmic beyond what the nearest strip spans, where others reach far beyond it; say so."""
    reach = [float(np.abs(one[np.isfinite(one)]).max(initial=0.0)) for one in strips]
    nearest = min((one for one in reach if one > 0), default=0.0)
    if nearest == 0 or max(reach) <= _WIDE * nearest:
        return ""
    axes.set_xscale("symlog", linthresh=nearest)
    lowest = min(float(one[np.isfinite(one)].min(initial=0.0)) for one in strips)
    axes.set_xlim(left=min(1.2 * lowest, -nearest / 4))  # by itself the axis is as long to either side
    axes.xaxis.set_major_formatter("{x:g}")
    return f", logarithmic beyond ± {rounded(nearest, 2)}"


def _add_legend(figure: Figure, pairs: Sequence[Pair]) -> None:
    from matplotlib.lines import Line2D

    told_apart = {pair.told_apart() for pair in pairs}
    adjusted = ", Holm" if any(pair.p != pair.p_holm for pair in pairs) else ""
    handles = [Line2D([], [], linestyle="none", marker="o", markersize=4, color=_DOT, label="a patient")]
    for apart, mark in _MARKS.items():
        if apart in told_apart:
            line: dict[str, Any] = {
                "linewidth": 0 if apart is None else 2,
                "label": f"mean{_MEANINGS[apart].format(adjusted)}",
            }
            handles.append(Line2D([], [], **mark, **line))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False)
