"""The command report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctpbench.cli.completers import complete_runs
from ctpbench.cli.group import main

if TYPE_CHECKING:
    import pandas as pd

    from ctpbench.plugins import Catalogue


@main.command("report", epilog="Example: ctpbench report runs/quick runs/mine --out site")
@click.argument(
    "runs", type=click.Path(path_type=Path), metavar="RUN...", nargs=-1, required=True, shell_complete=complete_runs
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("site"),
    show_default=True,
    metavar="DIR",
    help="Folder of the pages: new, empty, or an earlier report's, which is brought up to date.",
)
@click.option(
    "--cases",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Cases with images at each noise level, from the worst to the best; 0: none.",
)
@click.option(
    "--image-mib",
    type=click.FloatRange(0),
    default=64,
    show_default=True,
    metavar="MIB",
    help="What all images may take; rows beyond it have none.",
)
def report(runs: tuple[Path, ...], out: Path, cases: int, image_mib: float) -> None:
    """Write pages for a browser: the board, each row, comparisons, images, claims.

    A RUN is a run's folder, one of leaderboards/, or a results.nc; the last two have no images. The pages lie in one
    folder, are opened from disk (index.html) and ask no other address for anything.
    """
    from ctpbench.plugins import load_catalogue

    written(runs, out, load_catalogue(), cases=cases, image_mib=image_mib)


def written(
    runs: tuple[Path, ...],
    out: Path,
    catalogue: Catalogue,
    *,
    frames: dict[Path, pd.DataFrame] | None = None,
    cases: int = 3,
    image_mib: float = 64,
) -> None:
    """Write the site of some runs, whose leaderboards may be known already, and say what it holds."""
    from ctpbench.report.site.build import build_site
    from ctpbench.report.site.kinds import kinds_of
    from ctpbench.report.site.sources import sources_of

    sources = sources_of(runs, frames)
    built = build_site(sources, out, kinds_of(catalogue), cases=cases, image_mib=image_mib)
    for source in sources:
        if source.progress:
            click.echo(f"{source.name}: {source.progress}")
    images = f"{built.cases} case{'s' * (built.cases != 1)} with images" if built.cases else "no images"
    click.echo(f"Report: {out / 'index.html'} ({built.rows} rows, {images}, {built.size / 2**20:.1f} MiB)")
    if built.left_out:
        click.echo(f"{built.left_out} images left out: --image-mib {image_mib:g} is spent")
