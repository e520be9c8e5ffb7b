"""Bias and noise of each method's CBF, pixel by pixel, over draws of the noise of one case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32
from ctpbench.atomic import replacing
from ctpbench.report.panels import bounding_box, window

LEAST_DRAWS = 5
"""Of fewer draws there is no picture: a standard deviation of them is itself mostly noise."""

_DPI = 160
_INCHES = 2.2  # of a panel
_BACK, _INK, _FAINT = "black", "white", "0.7"


@dataclass(frozen=True)
class Draws:
    """A method's CBF over draws of the noise, (draw, y, x), float32, mL/100 g/min, scaled as it was scored."""

    label: str
    cbf: Float32

    def bias(self, noiseless: Float32) -> Float32:
        """Return the mean over draws less the map of the noiseless frames, (y, x)."""
        return np.asarray(self.cbf.mean(axis=0) - noiseless)

    @property
    def deviation(self) -> Float32:
        """The sample standard deviation over draws, (y, x)."""
        return np.asarray(self.cbf.std(axis=0, ddof=1))


def draws_panels(columns: Sequence[Draws], noiseless: Float32, tissue: npt.ArrayLike, title: str, path: Path) -> None:
    """Write a PNG: a column for each method, its bias above, its standard deviation below, each row with one window.

    Parameters
    ----------
    columns : sequence of Draws, at least one
        All with the same number of draws.
    noiseless : ndarray, (y, x), float32, mL/100 g/min
        The map of the noiseless frames, from which the bias is taken.
    tissue : array, (y, x), bool
        Where maps are compared; the numbers below a title are means over it.
    title : str
    path : Path
        Replaced whole or not at all.
    """
    from matplotlib.figure import Figure

    inside = np.asarray(tissue, dtype=bool)
    box = bounding_box(inside)
    biases, deviations = [one.bias(noiseless) for one in columns], [one.deviation for one in columns]
    widest = max(window(np.abs(bias), inside) for bias in biases)
    noisiest = max(window(deviation, inside) for deviation in deviations)
    size = (_INCHES * len(columns) + 1.2, 2 * _INCHES + 1.3)
    figure = Figure(size, dpi=_DPI, facecolor=_BACK, layout="constrained")
    axes = figure.subplots(2, len(columns), squeeze=False)
    figure.suptitle(title, color=_INK, fontsize=11, weight="bold", parse_math=False)
    for row, (name, images, colours, limits) in enumerate(
        [("bias", biases, "RdBu_r", (-widest, widest)), ("sd", deviations, "inferno", (0.0, noisiest))]
    ):
        for place, column, image in zip(axes[row], columns, images, strict=True):
            mean = float(image[inside].mean())
            text = f"{column.label}\n{name} {mean:.2f}" if row == 0 else f"{name} {mean:.2f}"
            place.set_title(text, color=_INK, fontsize=8, parse_math=False)
            masked = np.where(inside, image, np.nan)[box]
            shown = place.imshow(masked, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
            place.set_axis_off()
        bar = figure.colorbar(shown, ax=list(axes[row]), fraction=0.04)
        bar.set_label(f"{name} of CBF, mL/100 g/min", color=_FAINT, fontsize=8)
        bar.ax.tick_params(colors=_FAINT, labelsize=7)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, facecolor=_BACK)
