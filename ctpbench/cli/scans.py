"""Commands about a scan of one's own: inspect, maps, denoise."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ctpbench.cli.group import EXIT_INTERRUPTED, console, main
from ctpbench.errors import InputError

if TYPE_CHECKING:
    from ctpbench.contract.series import Series
    from ctpbench.scans.inspection import Inspection
    from ctpbench.scans.processing import Processed

F = TypeVar("F", bound=Callable[..., Any])

_SCAN = click.argument("scan", type=click.Path(path_type=Path), metavar="SCAN")


def _reading(command: F) -> F:
    """Add the options that say how a scan is read."""
    for option in (
        click.option(
            "--frame-interval",
            type=click.FloatRange(0, min_open=True),
            metavar="S",
            help="Time between frames in s; default: what the file says.",
        ),
        click.option(
            "--aif",
            type=click.Choice(["components", "kmeans"]),
            default="components",
            show_default=True,
            help="How arteries are found.",
        ),
        click.option("--unscaled-aif", is_flag=True, help="Leave the AIF as found: no partial-volume scaling."),
    ):
        command = option(command)
    return command


def _writing(command: F) -> F:
    """Add the options that say what is written, and how maps are computed."""
    for option in (
        click.option(
            "--out",
            type=click.Path(file_okay=False, path_type=Path),
            required=True,
            metavar="DIR",
            help="Where results go.",
        ),
        click.option(
            "--format", type=click.Choice(["nifti", "dicom"]), help="Of what is written; default: the scan's own."
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
        command = option(command)
    return command


@main.command("inspect", epilog="Example: ctpbench inspect patient/ctp.nii.gz")
@_SCAN
@_reading
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("inspection.png"),
    show_default=True,
    metavar="FILE",
    help="Where the picture of the curves goes.",
)
def inspect_command(scan: Path, frame_interval: float | None, aif: str, unscaled_aif: bool, picture: Path) -> None:
    """Say what a recorded scan is like, and whether it can be trusted.

    SCAN is a 4-D NIfTI file or a folder of one DICOM series. Shown are frames, noise and its correlation in time and
    space, motion, and the AIF and VOF with a picture of them and of where they were found.
    """
    from ctpbench.plugins import load_catalogue
    from ctpbench.report.inspection import draw_inspection, print_inspection
    from ctpbench.scans.processing import open_series

    with _interruptible("interrupted"):
        series = open_series(load_catalogue(), scan, frame_interval)
        inspection = _inspected(series, aif, unscaled_aif)
        draw_inspection(inspection, picture)
    print_inspection(inspection, console())
    click.echo(f"Written: {picture}")


@main.command(epilog="Example: ctpbench maps patient/ctp.nii.gz --out maps")
@_SCAN
@_reading
@_writing
def maps(
    scan: Path,
    frame_interval: float | None,
    aif: str,
    unscaled_aif: bool,
    out: Path,
    format: str | None,
    lambda_rel: float,
    scaling: str,
) -> None:
    """Compute CBF, CBV, MTT, TTP and Tmax maps of a scan as it is.

    SCAN is a 4-D NIfTI file or a folder of one DICOM series. Maps are written in its geometry, with overview.png,
    inspection.png and inspection.json beside them.
    """
    _process(scan, (frame_interval, aif, unscaled_aif), out, format, _settings(lambda_rel, scaling))


@main.command(epilog="Example: ctpbench denoise patient/ctp.nii.gz --method n2n --param steps=2000 --out denoised")
@_SCAN
@click.option("--method", metavar="NAME", help="A denoiser: see ctpbench list. With --model it may be left out.")
@click.option("--param", multiple=True, metavar="NAME=VALUE", help="A parameter of the method. Repeatable.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A trained model: the folder `model` of another scan, or cache/model/KEY of a run.",
)
@_reading
@_writing
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of training.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="auto: CUDA, else MPS, else the CPU.",
)
def denoise(
    scan: Path,
    method: str | None,
    param: tuple[str, ...],
    model: Path | None,
    frame_interval: float | None,
    aif: str,
    unscaled_aif: bool,
    out: Path,
    format: str | None,
    lambda_rel: float,
    scaling: str,
    seed: int,
    device: str,
) -> None:
    """Denoise a scan and compute its maps.

    SCAN is a 4-D NIfTI file or a folder of one DICOM series. A method that learns from noise, as n2n does, trains on
    this very scan, or uses a model; training goes on after an interruption by the same command. Written are the
    denoised series, the maps, overview.png, inspection.png and inspection.json. A network that returns concentrations
    has them written above the scan's own, unfiltered baseline.
    """
    if method is None and model is None:
        raise InputError("denoise: got neither --method nor --model; allowed: one of them, or both")
    if model is not None and param:
        raise InputError("denoise: got --param and --model, which has the parameters of its training; leave one out")
    settings = _settings(lambda_rel, scaling)
    _process(
        scan,
        (frame_interval, aif, unscaled_aif),
        out,
        format,
        settings,
        (method, param, model),
        seed=seed,
        device=device,
    )


def _settings(lambda_rel: float, scaling: str) -> Any:
    from ctpbench.settings import MapsSettings

    return MapsSettings(lambda_rel=lambda_rel, scaling=scaling, kappa=0.73, rho=1.05)


@contextmanager
def _interruptible(text: str) -> Iterator[None]:
    """Exit with 130 and a line of text where a person, or a queue, ends the command."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\n{text}", err=True)
        sys.exit(EXIT_INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)


def _inspected(series: Series, aif: Any, unscaled_aif: bool) -> Inspection:
    from ctpbench.report.progress import bar
    from ctpbench.scans.inspection import inspect_series

    with bar(console(), "inspect") as progress:
        return inspect_series(series, aif_method=aif, partial_volume=not unscaled_aif, progress=progress)


def _process(
    scan: Path,
    reading: tuple[float | None, str, bool],
    out: Path,
    format: Any,
    settings: Any,
    asked: tuple[str | None, Sequence[str], Path | None] | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
) -> None:
    """Inspect, denoise where a method is asked for, and write; what the call itself has wrong is said first."""
    from ctpbench.device import resolve
    from ctpbench.plugins import load_catalogue
    from ctpbench.report.inspection import print_warnings
    from ctpbench.report.progress import bar
    from ctpbench.running.executors.local import Limits
    from ctpbench.scans.processing import (
        check_learns_from_noise,
        check_new,
        lent,
        loaded,
        open_series,
        process,
        trained,
        writable_format,
    )
    from ctpbench.settings import Resources
    from ctpbench.suite.method import method

    screen, catalogue = console(), load_catalogue()
    series = open_series(catalogue, scan, reading[0])
    format = writable_format(series, format)
    check_new(out)
    name, parameters, model = asked or ("none", (), None)
    if model is not None:
        denoiser, ready = loaded(catalogue, model, name)
    else:
        denoiser = method(catalogue.find("denoiser", str(name)), parameters)
        ready = None
        check_learns_from_noise(denoiser)
    limits = Limits.of(Resources(), resolve(device), 1)
    with _interruptible("interrupted; nothing half-written is left; give the same command to go on"):
        inspection = _inspected(series, *reading[1:])
        print_warnings(inspection, screen)
        out.mkdir(parents=True, exist_ok=True)
        with (
            bar(screen, denoiser.name if asked else "maps") as progress,
            lent(denoiser, inspection, out, limits, seed, progress) as context,
        ):
            fitted = ready or trained(denoiser, inspection, context, out, seed)
            made = process(inspection, fitted, settings, context, out, format=format, series=asked is not None)
        files = _describe(inspection, made, denoiser.name if asked else None, out)
    if made.slabs > 1 and asked:
        click.echo(f"Taken in {made.slabs} slabs: a method that looks across slices saw no further than its slab.")
    click.echo(f"Written to {out}: {', '.join(str(path.relative_to(out)) for path in files)}")


def _describe(inspection: Inspection, made: Processed, method: str | None, out: Path) -> list[Path]:
    """Write the pictures and facts beside the maps; return all files."""
    from ctpbench.report.inspection import draw_inspection
    from ctpbench.report.panels import map_panels
    from ctpbench.running.store import write_text

    columns = [("as acquired", made.noisy), *([(method, made.maps)] if method else [])]
    map_panels(columns, made.tissue, f"slice {made.slice + 1}", out / "overview.png")
    draw_inspection(inspection, out / "inspection.png")
    about = {**inspection.facts, "warnings": list(inspection.warnings)}
    write_text(out / "inspection.json", json.dumps(about, indent=1))
    return [*made.files, *(out / name for name in ("overview.png", "inspection.png", "inspection.json"))]
