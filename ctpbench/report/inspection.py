"""What was found out about a recorded scan, for people: a table, warnings, and a picture of its curves."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctpbench.atomic import replacing
from ctpbench.report.colours import GREY
from ctpbench.report.sheet import bounding_box
from ctpbench.scans.inspection import Inspection

if TYPE_CHECKING:
    from rich.console import Console

    from ctpbench.perfusion.aif import Vessel

_AIF, _VOF, _TISSUE = "crimson", "royalblue", "0.45"
_DPI = 130
_NAMED_FILES = 10
_UNITS = {"_hu": "HU", "_mm": "mm", "_s": "s", "_ml": "mL", "_deg": "degrees"}


def print_inspection(inspection: Inspection, console: Console) -> None:
    """Print every fact of a scan with its unit, then what may spoil results."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for row in fact_rows(inspection):
        table.add_row(*row)
    console.print(table)
    print_warnings(inspection, console)
    if not inspection.warnings:
        console.print("Nothing that would spoil results was found.")


def fact_rows(inspection: Inspection) -> Iterator[tuple[str, str, str]]:
    """Yield every fact of a scan as name, value and unit."""
    for name, value in inspection.facts.items():
        ending = next((ending for ending in _UNITS if name.endswith(ending)), "")
        yield name.removesuffix(ending).replace("_", " "), _shown(value), _UNITS.get(ending, "")


def print_warnings(inspection: Inspection, console: Console) -> None:
    """Print what may spoil results, a line each, and the files that could not be read."""
    from rich.text import Text

    for warning in inspection.warnings:
        console.print(Text(f"! {warning}", "yellow"), soft_wrap=True)
    unread = inspection.series.unread
    for path, why in list(unread.items())[:_NAMED_FILES]:
        console.print(Text(f"  {path}: {why}", "yellow"), soft_wrap=True)
    if len(unread) > _NAMED_FILES:
        console.print(Text(f"  and {len(unread) - _NAMED_FILES} more", "yellow"))


def draw_inspection(inspection: Inspection, path: Path) -> None:
    """Write a PNG: AIF, VOF and the brain's mean over time, and the slices that artery and vein were found in.

    Images show the highest enhancement over time, the forehead up and the patient's left (L) to the right.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    inputs = inspection.inputs
    found: list[tuple[str, Vessel | None, str]] = [("no artery", None, _AIF)]
    if inputs is not None:
        found = [("AIF", inputs.aif, _AIF)] + [("VOF", inputs.vof, _VOF)] * (inputs.vof is not None)
    width = 5.4 + 3.3 * len(found)  # inches
    lines = [line for warning in inspection.warnings for line in textwrap.wrap(f"! {warning}", round(17 * width))]
    below = 0.15 * len(lines)
    height = 4.5 + below
    layout = ConstrainedLayoutEngine(rect=(0, below / height, 1, 1 - below / height))
    figure = Figure((width, height), dpi=_DPI, layout=layout)
    grid = figure.add_gridspec(1, 1 + len(found), width_ratios=(1.5, *(1 for _ in found)))
    _draw_curves(figure.add_subplot(grid[0, 0]), inspection)
    for place, (name, vessel, colour) in enumerate(found, 1):
        _draw_place(figure.add_subplot(grid[0, place]), inspection, name, vessel, colour)
    figure.text(0.01, 0.01, "\n".join(lines), fontsize=8, va="bottom", parse_math=False)
    figure.draw_without_rendering()  # the layout of images settles at the second time only
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def _draw_curves(axes: Any, inspection: Inspection) -> None:
    times_s, inputs = inspection.times_s, inspection.inputs
    if inputs is not None:
        if inputs.vof is not None:
            axes.plot(times_s, inputs.vof.curve, color=_VOF, label="VOF")
        axes.plot(times_s, inputs.aif.curve, color=_AIF, label="AIF as found")
        if inputs.factor != 1:
            axes.plot(times_s, inputs.scaled_aif, color=_AIF, linestyle="--", label=f"AIF x {inputs.factor:.2f}")
    mean = axes if inputs is None else axes.twinx()
    mean.plot(times_s, inspection.mean_curve, color=_TISSUE, linewidth=1, label="brain, mean")
    mean.set_ylabel("HU above baseline (brain)", fontsize=8, color=_TISSUE)
    mean.tick_params(labelsize=7, colors=_TISSUE)
    axes.set_xlabel("time (s)", fontsize=8)
    axes.set_ylabel("HU above baseline", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(color="0.9", linewidth=0.6)
    lines = [*axes.lines, *(mean.lines if mean is not axes else ())]
    axes.legend(lines, [line.get_label() for line in lines], fontsize=8, frameon=False)


def _draw_place(axes: Any, inspection: Inspection, name: str, vessel: Vessel | None, colour: str) -> None:
    """Draw the slice that holds most of a vessel's voxels, or the middle one, with its voxels marked."""
    overview = inspection.overview
    z = overview.shape[0] // 2 if vessel is None else int(np.bincount(vessel.voxels[:, 0]).argmax())
    thick, rows, columns = inspection.grouping
    brain = np.asarray(inspection.brain[z * thick : (z + 1) * thick].any(axis=0))
    brain = brain[: overview.shape[1] * rows : rows, : overview.shape[2] * columns : columns]
    box = tuple(
        slice(part.start or 0, min(part.stop or n, n))
        for part, n in zip(bounding_box(brain, margin=6), brain.shape, strict=True)
    )
    high = 3 * float(np.median(overview[z][brain] if brain.any() else overview[z]))  # tissue gray, vessels white
    extent = (box[1].start, box[1].stop, box[0].stop, box[0].start)
    axes.imshow(overview[z][box], cmap=GREY, vmin=0, vmax=max(high, 1.0), extent=extent, interpolation="nearest")
    if vessel is not None:
        here = vessel.voxels[vessel.voxels[:, 0] == z]
        style = {"marker": "s", "facecolors": "none", "edgecolors": colour, "linewidths": 0.8}
        axes.scatter(here[:, 2] + 0.5, here[:, 1] + 0.5, s=14, **style)
        name = f"{name}: {len(here)} of {len(vessel.voxels)} voxels"
    first, last = z * thick + 1, min((z + 1) * thick, len(inspection.brain))
    axes.set_title(f"{name}\nslice {first}{f' to {last}' * (last > first)}", fontsize=9, color=colour)
    axes.set_axis_off()
    for place, side in ((0.02, "R"), (0.98, "L")):
        style = {"ha": "left" if side == "R" else "right", "va": "top", "fontsize": 8, "color": "white"}
        axes.text(place, 0.98, side, transform=axes.transAxes, **style)


def _shown(value: bool | float | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
