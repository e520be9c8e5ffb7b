"""Options of the commands about a scan: how it is read, and what is written of it where."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ctpbench.cli.voxel import Voxel
from ctpbench.errors import InputError

if TYPE_CHECKING:
    from ctpbench.contract.series import Format, Stated
    from ctpbench.settings import MapsSettings

Command = Callable[..., None]

scan_argument = click.argument("scan", type=click.Path(path_type=Path), metavar="SCAN")


@dataclass(frozen=True)
class Reading:
    """How a scan is read."""

    stated: Stated
    aif: Path | None
    aif_at: tuple[tuple[int, int, int], ...]
    aif_method: Literal["components", "kmeans"]
    partial_volume: bool


@dataclass(frozen=True)
class Writing:
    """What is written where, and how maps are computed."""

    out: Path
    formats: tuple[Format, ...]
    lambda_rel: float
    scaling: Literal["none", "white_matter"]

    @property
    def maps(self) -> MapsSettings:
        from ctpbench.scans.processing import RECORDED
        from ctpbench.settings import MapsSettings

        return MapsSettings(**{**RECORDED, "lambda_rel": self.lambda_rel, "scaling": self.scaling})


def reading_options(command: Command) -> Command:
    """Add the options that say how a scan is read, and hand them over as `reading`."""

    @functools.wraps(command)
    def gathered(
        frame_interval: float | None,
        frame_times: Path | None,
        series: str | None,
        aif: Path | None,
        aif_at: Any,
        aif_method: Any,
        unscaled_aif: bool,
        **others: Any,
    ) -> None:
        from ctpbench.scans.opening import stated

        if aif is not None and aif_at:
            raise InputError("--aif, --aif-at: got both; allowed: one of them, or neither; leave one out")
        if aif is not None and aif.name in ("components", "kmeans") and not aif.exists():
            raise InputError(
                f"--aif: got {aif}; allowed: a file with a curve; how to look for one is --aif-method {aif}"
            )
        said = stated(frame_interval, frame_times, series)
        command(reading=Reading(said, aif, aif_at, aif_method, partial_volume=not unscaled_aif), **others)

    for option in (
        click.option(
            "--frame-interval",
            type=click.FloatRange(0, min_open=True),
            metavar="S",
            help="Time between frames in s; default: what the file says.",
        ),
        click.option(
            "--frame-times",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="When each frame was taken, in s: a text file of rising numbers, one a frame.",
        ),
        click.option(
            "--series",
            metavar="NUMBER",
            help="Which DICOM series of a folder, by its number or the end of its UID; default: the one with frames.",
        ),
        click.option(
            "--aif",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The AIF, instead of looking for one: lines of time_s,HU (or tabs, semicolons), times from the first "
            "frame on, HU above baseline. It is not scaled.",
        ),
        click.option(
            "--aif-at",
            type=Voxel(),
            multiple=True,
            metavar="X,Y,Z",
            help="An artery's voxel, instead of looking for one; the mean within 1.5 mm in its slice is taken. Counted "
            "from 1 as in inspection.png: X from the image's left (the patient's right), Y from the forehead, Z from "
            "the lowest slice. Repeatable: the mean of all.",
        ),
        click.option(
            "--aif-method",
            type=click.Choice(["components", "kmeans"]),
            default="components",
            show_default=True,
            help="How arteries are looked for.",
        ),
        click.option("--unscaled-aif", is_flag=True, help="Leave the AIF as found: no partial-volume scaling."),
    ):
        gathered = option(gathered)
    return gathered


def writing_options(command: Command) -> Command:
    """Add the options that say what is written, and how maps are computed, and hand them over as `writing`."""

    @functools.wraps(command)
    def gathered(out: Path, format: Any, lambda_rel: float, scaling: Any, **others: Any) -> None:
        command(writing=Writing(out, tuple(dict.fromkeys(format)), lambda_rel, scaling), **others)

    for option in (
        click.option(
            "--out",
            type=click.Path(file_okay=False, path_type=Path),
            required=True,
            metavar="DIR",
            help="Where results go.",
        ),
        click.option(
            "--format",
            type=click.Choice(["nifti", "dicom", "dicom-pm"]),
            multiple=True,
            help="Of what is written; default: the scan's own. dicom: classic images, which every viewer shows. "
            "dicom-pm: parametric maps in floating point with coded units, and segmentations. Repeatable.",
        ),
        click.option(
            "--lambda-rel", type=click.FloatRange(0), default=0.3, show_default=True, help="Tikhonov's weight."
        ),
        click.option(
            "--scaling",
            type=click.Choice(["none", "white_matter"]),
            default="none",
            show_default=True,
            help="white_matter: bring flat normal white matter to a CBF of 22 and a CBV of 2.",
        ),
    ):
        gathered = option(gathered)
    return gathered
