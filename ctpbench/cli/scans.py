"""Commands about a scan of one's own: inspect, maps, denoise."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctpbench.cli.completers import complete_denoisers
from ctpbench.cli.group import EXIT_INTERRUPTED, console, main
from ctpbench.cli.scan_options import Reading, Writing, reading_options, scan_argument, writing_options
from ctpbench.errors import InputError

if TYPE_CHECKING:
    from ctpbench.contract.components import Denoiser
    from ctpbench.contract.series import Series
    from ctpbench.plugins import Catalogue
    from ctpbench.scans.inspection import Inspection


@dataclass(frozen=True)
class _Method:
    """What a scan is denoised with, as given on the command line."""

    name: str | None
    parameters: tuple[str, ...]
    model: Path | None
    seed: int
    device: str

    def denoiser(self, catalogue: Catalogue) -> tuple[Denoiser, Denoiser | None]:
        """Return the method and, of a model, what it has learnt."""
        from ctpbench.scans.training import check_learns_from_noise, loaded
        from ctpbench.suite.method import method

        if self.model is not None:
            return loaded(catalogue, self.model, self.name)
        denoiser = method(catalogue.find("denoiser", str(self.name)), self.parameters)
        check_learns_from_noise(denoiser)
        return denoiser, None


_AS_ACQUIRED = _Method("none", (), None, seed=0, device="cpu")


@main.command("inspect", epilog="Example: ctpbench inspect patient/ctp.nii.gz")
@scan_argument
@reading_options
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("inspection.png"),
    show_default=True,
    metavar="FILE",
    help="Where the picture of the curves goes.",
)
def inspect_command(scan: Path, reading: Reading, picture: Path) -> None:
    """Say what a recorded scan is like, and whether it can be trusted.

    SCAN is a 4-D NIfTI file or a folder of one DICOM series. Shown are frames, noise and its correlation in time and
    space, motion, and the AIF and VOF with a picture of them and of where they were found.
    """
    from ctpbench.plugins import load_catalogue
    from ctpbench.report.inspection import draw_inspection, print_inspection
    from ctpbench.scans.opening import open_series

    with _interruptible("interrupted"):
        series = open_series(load_catalogue(), scan, reading.stated)
        inspection = _inspected(series, reading)
        draw_inspection(inspection, picture)
    print_inspection(inspection, console())
    click.echo(f"Written: {picture}")


@main.command(epilog="Example: ctpbench maps patient/ctp.nii.gz --out maps")
@scan_argument
@reading_options
@writing_options
def maps(scan: Path, reading: Reading, writing: Writing) -> None:
    """Compute CBF, CBV, MTT, TTP and Tmax maps of a scan as it is.

    SCAN is a 4-D NIfTI file or a folder of one DICOM series. Maps are written in its geometry, with masks of what fixed
    thresholds mark as core and penumbra, and a .json beside each of what was done; summary.html is a page to look at.
    Maps are in absolute units: kappa is 0.73, for haematocrits of 0.45 in large vessels and 0.25 in small ones, and rho
    1.05 g/mL, the density of brain.
    """
    _process(scan, reading, writing, _AS_ACQUIRED, series=False)


@main.command(epilog="Example: ctpbench denoise patient/ctp.nii.gz --method gaussian --param sigma_px=2 --out denoised")
@scan_argument
@click.option(
    "--method",
    metavar="NAME",
    shell_complete=complete_denoisers,
    help="A denoiser: see ctpbench list. With --model it may be left out.",
)
@click.option("--param", multiple=True, metavar="NAME=VALUE", help="A parameter of the method. Repeatable.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A trained model: the folder `model` of another scan, or cache/model/KEY of a run.",
)
@reading_options
@writing_options
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
    reading: Reading,
    writing: Writing,
    method: str | None,
    param: tuple[str, ...],
    model: Path | None,
    seed: int,
    device: str,
) -> None:
    """Denoise a scan and compute its maps.

    SCAN is a 4-D NIfTI file or a folder of one DICOM series. A method that learns from noise, such as Noise2Noise,
    trains on this very scan, or uses a model; training goes on after an interruption by the same command. Written are
    the denoised series and all that `ctpbench maps` writes. A network that returns concentrations has them written
    above the scan's own, unfiltered baseline.
    """
    if method is None and model is None:
        raise InputError("denoise: got neither --method nor --model; allowed: one of them, or both")
    if model is not None and param:
        raise InputError("denoise: got --param and --model, which has the parameters of its training; leave one out")
    _process(scan, reading, writing, _Method(method, param, model, seed, device), series=True)


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


def _inspected(series: Series, reading: Reading) -> Inspection:
    from ctpbench.report.progress import bar
    from ctpbench.scans.inspection import inspect_series

    with bar(console(), "inspect") as progress:
        return inspect_series(
            series,
            aif_method=reading.aif_method,
            partial_volume=reading.partial_volume,
            aif=reading.aif,
            aif_at=reading.aif_at,
            progress=progress,
        )


def _process(scan: Path, reading: Reading, writing: Writing, method: _Method, *, series: bool) -> None:
    """Inspect, denoise and write; what the call itself has wrong is said first. `series`: denoised frames, too."""
    from ctpbench.atomic import check_folder, make_folder
    from ctpbench.device import resolve
    from ctpbench.plugins import load_catalogue
    from ctpbench.report.inspection import print_warnings
    from ctpbench.report.progress import bar
    from ctpbench.report.summary import write_summary
    from ctpbench.running.executors.protocol import Limits
    from ctpbench.scans.opening import check_new, open_series
    from ctpbench.scans.processing import process
    from ctpbench.scans.sidecars import history, write_sidecars
    from ctpbench.scans.training import trained, working_context
    from ctpbench.settings import Resources

    screen, catalogue, out = console(), load_catalogue(), writing.out
    opened = open_series(catalogue, scan, reading.stated)
    for format in writing.formats:
        opened.writable_format(format)
    check_folder(out, "--out")
    check_new(out)
    denoiser, ready = method.denoiser(catalogue)
    limits = Limits.of(Resources(), resolve(method.device), 1)
    with _interruptible("interrupted; nothing half-written is left; give the same command to go on"):
        inspection = _inspected(opened, reading)
        print_warnings(inspection, screen)
        make_folder(out, "--out")
        with (
            bar(screen, denoiser.name if series else "maps") as progress,
            working_context(denoiser, inspection, out, limits, method.seed, progress) as context,
        ):
            fitted = ready or trained(denoiser, inspection, context, out, method.seed)
            made = process(inspection, fitted, writing.maps, context, out, formats=writing.formats, series=series)
        past = history(denoiser, writing.maps, made, _teacher(denoiser, ready))
        write_sidecars(out, made, inspection, past)
        files = [*made.files, *write_summary(out, inspection, made, past, denoiser.name if series else None)]
    if made.slabs > 1 and series:
        click.echo(f"Taken in {made.slabs} slabs: a method that looks across slices saw no further than its slab.")
    names = ", ".join(str(path.relative_to(out)) for path in files)
    click.echo(f"Written to {out}: {names}; a .json beside each map says what it is and how it came about")


def _teacher(denoiser: Denoiser, ready: Denoiser | None) -> str:
    """Return what a method has learnt from; the empty text for one that does not learn."""
    from ctpbench.contract.components import Trainable

    if not isinstance(denoiser, Trainable):
        return ""
    return "this scan" if ready is None else "another scan or a simulation"
