"""Core and penumbra over the scan's own images, slice by slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ctpbench.arrays import Array, Mask
from ctpbench.atomic import replacing
from ctpbench.contract.quantities import QUANTITIES
from ctpbench.report.colours import GREY
from ctpbench.report.sheet import bounding_box
from ctpbench.scans.processing import Processed

_COLOURS = {"penumbra": (0.35, 0.85, 0.35), "core": (1.0, 0.25, 0.75)}  # the core over the penumbra
_OPACITY = 0.65
_TISSUE_HU = (0.0, 80.0)
_COLUMNS = 6
_DPI, _INCHES = 110, 1.9  # of an image


def draw_lesions(made: Processed, path: Path) -> None:
    """Write a PNG of some slices through the brain: the frames' mean, with what was drawn over it.

    The forehead is up and the patient's left (L) to the right.

    Parameters
    ----------
    made : Processed
    path : Path
        Replaced whole or not at all.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    columns = min(_COLUMNS, len(made.anatomy))
    rows = -(-len(made.anatomy) // columns)
    size = (columns * _INCHES, rows * _INCHES + 0.35)
    figure = Figure(size, dpi=_DPI, facecolor="black")
    below = 0.35 / size[1]
    box = bounding_box(np.logical_or.reduce([image > _TISSUE_HU[0] for image in made.anatomy.values()]))
    for place, (z, image) in enumerate(made.anatomy.items()):
        row, column = divmod(place, columns)
        height = (1 - below) / rows
        axes = figure.add_axes((column / columns, 1 - (row + 1) * height, 1 / columns, height))
        axes.imshow(image[box], cmap=GREY, vmin=_TISSUE_HU[0], vmax=_TISSUE_HU[1], interpolation="nearest")
        for name, colour in _COLOURS.items():
            if name in made.lesions.masks:
                axes.imshow(_overlay(made.lesions.masks[name][z][box], colour), interpolation="nearest")
        axes.set_axis_off()
        for x, text, side in ((0.02, "R", "left"), (0.98, "L", "right")):
            axes.text(x, 0.98, text, transform=axes.transAxes, ha=side, va="top", fontsize=7, color="white")
        axes.text(0.02, 0.02, str(z + 1), transform=axes.transAxes, fontsize=7, color="0.7")
    drawn = [name for name in reversed(_COLOURS) if name in made.lesions.masks]
    handles = [Patch(color=_COLOURS[name], label=QUANTITIES[name].title) for name in drawn]
    style = {"ncols": 2, "fontsize": 7, "frameon": False, "labelcolor": "white"}
    figure.legend(handles=handles, loc="lower center", **style)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def _overlay(mask: Mask, colour: tuple[float, float, float]) -> Array:
    """Return a mask as a picture, (y, x, 4), that shows nothing where it is not."""
    picture = np.zeros((*mask.shape, 4), np.float32)
    picture[mask] = (*colour, _OPACITY)
    return picture
