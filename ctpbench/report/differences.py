"""Pictures of how far methods' numbers are from their reference, patient by patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from ctpbench.atomic import replacing
from ctpbench.outcome.agreement import Agreement
from ctpbench.outcome.scores import title_of
from ctpbench.report.agreement import levels
from ctpbench.text import cut, level_text, noise_text, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 130
_PANEL_IN, _HEAD_IN = (2.6, 1.7), 0.6  # width and height of a panel; height of the title
_LONGEST = 26  # characters of a line of a row's label


def draw_agreement(found: Sequence[Agreement], folder: Path) -> list[Path]:
    """Write a picture for each dataset and noise level at which numbers are held against others, and return them.

    Each is ``<dataset>-<noise>.png``, and is replaced whole or not at all.
    """
    drawn = []
    for _, level in levels(found):
        numbers = [one for one in level if one.quantity == "number"]
        if numbers:
            dataset, noise = numbers[0].dataset, numbers[0].noise
            stem = dataset if np.isnan(noise) else f"{dataset}-{noise_text(noise)}"
            path = folder / f"{quote(stem, safe=' ')}.png"
            with replacing(path) as temporary:
                differences_figure(numbers).savefig(temporary, format="png", dpi=_DPI)
            drawn.append(path)
    return drawn


def differences_figure(numbers: Sequence[Agreement]) -> Figure:
    """Return differences against means, a point for each patient and reading, with bias and limits of agreement.

    A row of panels for each row of the suite, a column for each score and reference, whose panels share their axes.

    Parameters
    ----------
    numbers : sequence of Agreement
        Of numbers, at one dataset and noise level; one or more.

    References
    ----------
    J. M. Bland and D. G. Altman, "Statistical methods for assessing agreement between two methods of clinical
    measurement", Lancet 327 (1986) 307-310: the picture.
    """
    from matplotlib.figure import Figure

    configs = list(dict.fromkeys(one.config for one in numbers))
    columns = list(dict.fromkeys((one.score, one.reference) for one in numbers))
    size = (_PANEL_IN[0] * max(len(columns), 2), _PANEL_IN[1] * len(configs) + _HEAD_IN)
    figure = Figure(size, dpi=_DPI, layout="constrained")
    title = level_text(numbers[0].dataset, numbers[0].noise, numbers[0].axis)
    figure.suptitle(wrapped(f"{title}: difference against mean", int(12 * size[0])), fontsize=10, parse_math=False)
    panels = figure.subplots(len(configs), len(columns), sharex="col", sharey="col", squeeze=False)
    for axes in panels.flat:
        axes.set_visible(False)
    named: set[str] = set()
    headed: set[int] = set()
    for one in sorted(numbers, key=lambda one: configs.index(one.config)):
        column = columns.index((one.score, one.reference))
        axes = panels[configs.index(one.config), column]
        _fill(axes, one)
        if one.config not in named:
            axes.set_ylabel(wrapped(cut(one.config, 3 * _LONGEST), _LONGEST), fontsize=8, parse_math=False)
        if column not in headed:
            units = f" ({one.score.units})" if one.score.units else ""
            heading = f"{one.score.title}{units}\nless {title_of(one.reference.metric)}"
            axes.set_title(heading, fontsize=8, parse_math=False)
        named.add(one.config)
        headed.add(column)
    return figure


def _fill(axes: Any, one: Agreement) -> None:
    axes.set_visible(True)
    axes.axhline(0.0, color="0.8", linewidth=0.8)
    axes.plot(((one.first + one.second) / 2).ravel(), (one.first - one.second).ravel(), ".", color="C0", markersize=4)
    for end, style in ((one.limits.bias, "-"), (one.limits.lower, "--"), (one.limits.upper, "--")):
        if np.isfinite(end.value):
            axes.axhline(end.value, color="C3", linewidth=1.0, linestyle=style)
    axes.tick_params(labelsize=7)
