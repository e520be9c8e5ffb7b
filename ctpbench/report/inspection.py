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

    from ctpbench.perfusion.aif import InputFunctions, Vessel

_AIF, _VOF, _TISSUE = "crimson", "royalblue", "0.45"
_DPI = 130
_NAMED_FILES = 10
_SINGLE = 40  # curves of single voxels: more hide each other
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
    """Write a PNG: AIF, VOF and the brain's mean over time, and the voxels that artery and vein were found in.

    Thin lines are curves of single voxels of the AIF. Images show the highest enhancement over time, and over the
    slices that hold voxels, the forehead up and the patient's left (L) to the right; pixels are counted from 1.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    inputs = inspection.inputs
    found: list[tuple[str, Vessel | None, str]] = [("no artery", None, _AIF)]
    if inputs is not None:
        vessels = [("AIF", inputs.aif, _AIF), ("VOF", inputs.vof, _VOF)]
        found = [each for each in vessels if each[1] is not None and len(each[1].voxels)] or [("no voxels", None, _AIF)]
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
        for curve in inputs.aif.curves.T[:_SINGLE]:
            axes.plot(times_s, curve, color=_AIF, linewidth=0.4, alpha=0.3, label="_one voxel")
        axes.plot(times_s, inputs.aif.curve, color=_AIF, label=f"AIF{_sureness(inputs)}")
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
    lines = [line for line in lines if not line.get_label().startswith("_")]
    axes.legend(lines, [line.get_label() for line in lines], fontsize=8, frameon=False)


def _sureness(inputs: InputFunctions) -> str:
    return "" if inputs.confidence is None else f", confidence {inputs.confidence.score:.2f}"


def _draw_place(axes: Any, inspection: Inspection, name: str, vessel: Vessel | None, colour: str) -> None:
    """Draw the highest of the slices that hold a vessel's voxels, or the middle one, with all voxels marked."""
    slices = [len(inspection.overview) // 2] if vessel is None else sorted({int(z) for z in vessel.voxels[:, 0]})
    overview = inspection.overview[slices].max(axis=0)
    thick, rows, columns = inspection.grouping
    held = [inspection.brain[z * thick : (z + 1) * thick] for z in slices]
    brain = np.asarray(np.concatenate(held).any(axis=0))
    brain = brain[: overview.shape[0] * rows : rows, : overview.shape[1] * columns : columns]
    box = tuple(
        slice(part.start or 0, min(part.stop or n, n))
        for part, n in zip(bounding_box(brain, margin=6), brain.shape, strict=True)
    )
    high = 3 * float(np.median(overview[brain] if brain.any() else overview))  # tissue gray, vessels white
    top, bottom = (rows * edge + 0.5 for edge in (box[0].start, box[0].stop))
    left, right = (columns * edge + 0.5 for edge in (box[1].start, box[1].stop))
    extent = (left, right, bottom, top)
    axes.imshow(overview[box], cmap=GREY, vmin=0, vmax=max(high, 1.0), extent=extent, interpolation="nearest")
    if vessel is not None:
        _, y, x = ((vessel.voxels + 0.5) * inspection.grouping + 0.5).T
        style = {"marker": "s", "facecolors": "none", "edgecolors": colour, "linewidths": 0.8}
        axes.scatter(x, y, s=14, **style)
        name = f"{name}: {len(vessel.voxels)} voxel{'s' * (len(vessel.voxels) > 1)}"
    spans = [(z * thick + 1, min((z + 1) * thick, len(inspection.brain))) for z in slices]
    several = "s" * (spans[-1][1] > spans[0][0])
    told = ", ".join(f"{first}{f' to {last}' * (last > first)}" for first, last in spans)
    axes.set_title(f"{name}\n{textwrap.fill(f'slice{several} {told}', 40)}", fontsize=9, color=colour)
    axes.tick_params(labelsize=6, colors="0.5", length=2)
    axes.spines[:].set_visible(False)
    for place, side in ((0.02, "R"), (0.98, "L")):
        style = {"ha": "left" if side == "R" else "right", "va": "top", "fontsize": 8, "color": "white"}
        axes.text(place, 0.98, side, transform=axes.transAxes, **style)


def _shown(value: bool | float | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
