"""Colours of pictures: which map has which, and the clinic's own look-up table.

Perfusion consoles show maps from black over blue and green to red, each vendor in its own way. ASIST-Japan set one
table for all, the a-LUT. Readers know what it means, so pictures can be had in it; but its steps are not equal to
the eye, and readers who do not tell red from green lose half of it. The default is therefore perceptual.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ctpbench.arrays import UInt8

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

Palette = Literal["perceptual", "clinic"]
"""What maps are coloured by: `perceptual` is even to the eye, `clinic` is ASIST's table for every map."""

ASIST = "asist"
DIFFERENCE = "RdBu_r"
"""For what lies on either side of zero: blue is less than the reference, red is more."""
GREY = "gray"

_FLOW, _TIME = "inferno", "viridis"
_PERCEPTUAL = {"cbf": _FLOW, "cbv": _FLOW, "mtt": _TIME, "ttp": _TIME, "tmax": _TIME}
_ASIST_ENDS = {  # of the straight pieces of each channel: (index, value)
    "red": ((0, 0), (20, 80), (100, 0), (128, 0), (191, 252), (192, 255), (255, 255)),
    "green": ((0, 0), (45, 0), (130, 255), (191, 255), (192, 252), (255, 0)),
    "blue": ((0, 0), (1, 0), (86, 255), (137, 0), (255, 0)),
}


def colours_of(name: str, palette: Palette = "perceptual") -> str:
    """Return the name of the colours that a map is shown in.

    >>> colours_of("cbf"), colours_of("tmax"), colours_of("tmax", "clinic")
    ('inferno', 'viridis', 'asist')
    """
    return ASIST if palette == "clinic" else _PERCEPTUAL.get(name, _TIME)


def lookup(name: str) -> UInt8:
    """Return a table of colours from the least value to the greatest, (256, 3), uint8, red, green and blue.

    Parameters
    ----------
    name : str
        `asist`, or a colour map of matplotlib's, such as `inferno`, `viridis`, `gray` or `RdBu_r`.

    Raises
    ------
    ValueError
        Where there is none of that name.

    References
    ----------
    ASIST-Japan (Acute Stroke Imaging Standardization Group Japan), "CT/MR Perfusion Imaging Practical Guideline
    2006", and its standard look-up table a-LUT, https://asist.umin.jp/data/alut.csv: 256 rows, whose channels run
    straight between the ends that stand here. Two copies, that file and the one in the group's program Perfusion
    Mismatch Analyzer, agree in every value.
    """
    if name == ASIST:
        ends = [np.transpose(channel) for channel in _ASIST_ENDS.values()]
        return np.stack([np.interp(np.arange(256), *each) for each in ends], axis=1).round().astype(np.uint8)
    from matplotlib import colormaps

    if name not in colormaps:
        raise ValueError(f"no colours are called {name!r}; there is {ASIST!r}, and what matplotlib.colormaps lists")
    table = colormaps[name].resampled(256)(np.arange(256), bytes=True)
    return np.ascontiguousarray(table[:, :3], dtype=np.uint8)


def colour_map(name: str) -> Colormap:
    """Return colours for matplotlib, by the names that `lookup` knows."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(lookup(name) / 255, name=name)
