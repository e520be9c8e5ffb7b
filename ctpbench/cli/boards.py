"""Commands about what came of a run: leaderboard, compare, claims."""

from __future__ import annotations

from pathlib import Path

import click

from ctpbench.cli.completers import complete_rows
from ctpbench.cli.group import console, main
from ctpbench.cli.runs import RUN
from ctpbench.errors import InputError


@main.command("leaderboard", epilog="Example: ctpbench leaderboard runs/quick --by ssim_cbf")
@RUN
@click.option("--by", metavar="SCORE", help="Rank by this score column; default: the first that has values.")
def leaderboard_command(run: Path, by: str | None) -> None:
    """Rebuild a run's results, print its leaderboard.

    results.nc and the leaderboards are made anew from the cells' records. RUN is a run's folder; one of leaderboards/,
    joined runs, or a results.nc are only printed.
    """

    from ctpbench.outcome.leaderboard import leaderboard
    from ctpbench.outcome.results import open_results
    from ctpbench.report.folder import agreement_line, render
    from ctpbench.report.tables import print_table
    from ctpbench.running.store import INDEX, Store

    line = ""
    if run.suffix != ".nc":
        if (run / INDEX).exists() or not (run / "results.nc").exists():
            render(Store(run))
        line = agreement_line(run)
        run = run / "results.nc"
    tree = open_results(run)
    print_table(leaderboard(tree, by), console())
    if line:
        click.echo(line)


@main.command("compare", epilog="Example: ctpbench compare runs/quick tips n2n --noise 2e5")
@RUN
@click.argument("rows", nargs=-1, metavar="[ROW ROW]", shell_complete=complete_rows)
@click.option("--by", metavar="SCORE", help="Compare by this score column; default: the one that ranks.")
@click.option("--dataset", metavar="LABEL", help="Only this dataset.")
@click.option("--noise", type=float, metavar="N", help="Only this noise level.")
@click.option("--all", "every", is_flag=True, help="Every pair of rows, not each against the leader alone.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="The picture, of one level; default: comparison/ in the run's folder, none of a results.nc.",
)
def compare_command(
    run: Path,
    rows: tuple[str, ...],
    by: str | None,
    dataset: str | None,
    noise: float | None,
    every: bool,
    out: Path | None,
) -> None:
    """Hold rows against each other, patient by patient.

    Every row against the leader at each level: the mean difference over patients with its 95% interval, and whether it
    is more than chance. Or two rows, patient by patient, with the number of patients that their difference takes. RUN
    is a run's folder, one of leaderboards/, or a results.nc.
    """
    from ctpbench.outcome.comparison import comparisons, levels_of
    from ctpbench.report.drawing import COMPARISON
    from ctpbench.report.folder import results_of
    from ctpbench.report.pairs import check_patients, check_rows, pairs_of, print_level, print_rows
    from ctpbench.report.strips import draw_pairs, picture_name

    tree, cells = results_of(run)
    levels = levels_of(comparisons(tree, by), dataset, noise)
    check_patients(levels, run)
    check_rows(rows, levels)
    if out and len(levels) > 1:
        raise InputError(f"--out {out}: a picture is of one level, got {len(levels)}; choose by --dataset and --noise")
    named = [*([by] if by else []), *rows, *(["all"] if every and not rows else [])]
    for where, compared in levels.items():
        pairs = pairs_of(compared, rows, every)
        if rows:
            print_rows(where, compared, rows, console())
        else:
            print_level(where, compared, pairs, console())
        path = out or (run / COMPARISON / picture_name(where, *named) if cells else None)
        if path and pairs and compared.patients:
            click.echo(f"Picture: {draw_pairs(where, compared, pairs, path)}\n")


@main.command("claims", epilog="Example: ctpbench claims runs/paper-simulation")
@RUN
@click.option(
    "--claims",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The claims; default: claims.yaml in that folder.",
)
def claims_command(run: Path, file: Path | None) -> None:
    """Hold a paper's statements against a run.

    Says of each whether the results bear it out, at each noise level. RUN is a run's folder, one of leaderboards/, or
    a results.nc. A claims.yaml beside a suite goes into the run's folder with it. Exit code 0 whatever the verdicts.
    """

    from ctpbench.outcome.claims import FILE_NAME, judge, load_claims
    from ctpbench.report.claims import print_claims
    from ctpbench.report.folder import results_of

    tree, cells = results_of(run)
    claims = load_claims(file or (run if run.is_dir() else run.parent) / FILE_NAME)
    print_claims(claims.title, judge(claims, tree, cells), console())
