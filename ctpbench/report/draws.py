"""Bias and noise of each method's CBF, pixel by pixel, over draws of the noise of one case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Mask
from ctpbench.contract.case import MAP_UNITS
from ctpbench.report.colours import DIFFERENCE, colours_of
from ctpbench.report.panels import window
from ctpbench.report.sheet import Marks, Row, draw_sheet

LEAST_DRAWS = 5
"""Of fewer draws there is no picture: a standard deviation of them is itself mostly noise."""

_UNITS = f"CBF, {MAP_UNITS['cbf']}"
_PLAIN = Marks()


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


def draws_panels(
    columns: Sequence[Draws],
    noiseless: Float32,
    tissue: npt.ArrayLike,
    title: str,
    path: Path,
    *,
    marks: Marks = _PLAIN,
) -> None:
    """Write a PNG: a column for each method, its bias above, its standard deviation below, each row with one window.

    Parameters
    ----------
    columns : sequence of Draws, at least one
        All with the same number of draws.
    noiseless : ndarray, (y, x), float32, mL/100 g/min
        The map of the noiseless frames, from which the bias is taken.
    tissue : array, (y, x), bool
        Where maps are compared; the numbers above an image are means over it.
    title : str
    path : Path
        Replaced whole or not at all.
    marks : Marks
    """
    inside = np.asarray(tissue, dtype=bool)
    biases, deviations = [one.bias(noiseless) for one in columns], [one.deviation for one in columns]
    widest = max(window(np.abs(bias), inside) for bias in biases)
    noisiest = max(window(deviation, inside) for deviation in deviations)
    rows = [
        Row("bias", _UNITS, biases, DIFFERENCE, (-widest, widest), _means("bias", biases, inside)),
        Row("sd", _UNITS, deviations, colours_of("cbf"), (0.0, noisiest), _means("sd", deviations, inside)),
    ]
    draw_sheet([column.label for column in columns], rows, inside, title, path, marks)


def _means(name: str, images: Sequence[Float32], inside: Mask) -> list[str]:
    return [f"{name} {float(image[inside].mean()):.2f}" for image in images]
