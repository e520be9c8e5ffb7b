"""The command merge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ctpbench.cli.completers import complete_runs
from ctpbench.cli.group import console, main
from ctpbench.errors import InputError


@main.command("merge", epilog="Example: ctpbench merge leaderboards/quick runs/mine --out runs/joined")
@click.argument(
    "runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN RUN...", shell_complete=complete_runs
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder to be made for the results."
)
def merge_command(runs: tuple[Path, ...], out: Path) -> None:
    """Join runs whose scores may be compared.

    A RUN is a run's folder, one of leaderboards/, or a results.nc. They may be compared where data, test split, metrics
    and maps are the same; where they are not, the reason is said and nothing is written. Data sets, noise levels, seeds
    and rows are put together. A row that two have is there once; another one of the same label is called LABEL [RUN].
    """
    from ctpbench.atomic import check_new_folder, new_folder
    from ctpbench.outcome.claims import FILE_NAME
    from ctpbench.outcome.merge import merge
    from ctpbench.report.folder import results_of, write_results
    from ctpbench.report.tables import print_table

    if len(runs) < 2:
        raise InputError(f"merge: got 1 run, {runs[0]}; allowed: two or more")
    check_new_folder(out, "--out")
    named = dict(zip(run_names(runs), runs, strict=True))
    merged = merge({name: results_of(run)[0] for name, run in named.items()}, out.name)
    claims = {path.read_text() for run in runs if (path := run / FILE_NAME).is_file()}
    with new_folder(out, "--out") as folder:
        if len(claims) == 1:
            (folder / FILE_NAME).write_text(claims.pop())
        frame = write_results(merged.tree, folder)
    print_table(frame, console())
    for remark in merged.remarks:
        click.echo(remark)
    click.echo(f"Written to {out}: results.nc, leaderboard.md, .csv, .json")


def run_names(runs: Sequence[Path]) -> list[str]:
    """Return what runs are called: the last part of their paths, or as many as tell them apart.

    Raises
    ------
    InputError
        Where one is given twice.
    """
    folders = [(run.parent if run.suffix == ".nc" else run).resolve() for run in runs]
    for place, folder in enumerate(folders):
        if folder in folders[:place]:
            raise InputError(f"merge: got {runs[place]} twice; allowed: each run once")
    for count in range(1, max(len(folder.parts) for folder in folders)):
        names = ["/".join(folder.parts[-count:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]
