"""Commands about suites and runs: run, plan, status, leaderboard, compare, claims."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ctpbench.cli.group import EXIT_FAILED_CELLS, EXIT_INTERRUPTED, console, main
from ctpbench.cli.report import written
from ctpbench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from ctpbench.plugins import Catalogue
    from ctpbench.running.cell import Cell
    from ctpbench.running.executors.protocol import Executor, Limits
    from ctpbench.running.record import Record
    from ctpbench.running.runner import Options
    from ctpbench.running.sandbox.enclosure import Hold
    from ctpbench.running.store import Store
    from ctpbench.suite.entries import Suite

Sandboxing = Literal["none", "wanted", "required"]

_SUITE = click.argument("suite", type=click.Path(path_type=Path), metavar="SUITE.yaml")
_RUN = click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
_OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the run; default: runs/NAME of the suite.",
)
_ONLY = click.option(
    "--only", multiple=True, metavar="NAME", help="Only this method, row label or dataset. Repeatable."
)


@main.command(epilog="Example: ctpbench run suite.yaml -j 2 --only tips")
@_SUITE
@_OUT
@_ONLY
@click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cells side by side.")
@click.option("--rerun", type=click.Choice(["failed"]), help="Run failed cells again.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first cell that fails.")
@click.option("--serial-timing", is_flag=True, help="Time methods alone, whatever -j says.")
@click.option("--require-sandbox", is_flag=True, help="Stop where this system cannot keep methods from the truth.")
@click.option("--no-sandbox", is_flag=True, help="Keep methods from nothing; the results say so.")
@click.option("--report/--no-report", "pages", default=True, help="Pages for a browser in report/ of the run, or none.")
@click.option("--into", is_flag=True, help="Write into a folder that holds other things or another suite's run.")
def run(
    suite: Path,
    out: Path | None,
    only: tuple[str, ...],
    jobs: int,
    rerun: str | None,
    fail_fast: bool,
    serial_timing: bool,
    require_sandbox: bool,
    no_sandbox: bool,
    pages: bool,
    into: bool,
) -> None:
    """Run a suite and write results.nc, leaderboards and panels.

    What is finished is never computed again: give the same command to go on after an interruption. Exit codes: 0 all
    cells ok, 3 some failed or cases or metrics did, 2 the suite or the call is wrong, 130 interrupted.
    """
    from ctpbench.outcome.claims import FILE_NAME, load_claims
    from ctpbench.plugins import load_catalogue
    from ctpbench.running.runner import Options
    from ctpbench.suite.load import load_suite

    if require_sandbox and no_sandbox:
        raise InputError("--require-sandbox and --no-sandbox: got both; allowed: one of them")
    catalogue = load_catalogue()
    loaded = load_suite(suite, catalogue)
    beside = suite.with_name(FILE_NAME)
    claims = load_claims(beside).document.text if beside.is_file() else None
    options = Options(jobs, fail_fast, rerun == "failed", serial_timing)
    folder = out or Path("runs") / loaded.name
    sandbox: Sandboxing = "none" if no_sandbox else "required" if require_sandbox else "wanted"
    records = carried_out(
        loaded, catalogue, only, options, folder, sandbox=sandbox, into=into, claims=claims, pages=pages
    )
    sys.exit(0 if all(record.whole for record in records) else EXIT_FAILED_CELLS)


def carried_out(
    suite: Suite,
    catalogue: Catalogue,
    only: tuple[str, ...],
    options: Options,
    folder: Path,
    *,
    sandbox: Sandboxing = "wanted",
    into: bool = False,
    claims: str | None = None,
    pages: bool = False,
) -> list[Record]:
    """Run a suite into a folder, print what came of it, and return the records; interrupted, say so and exit.

    `pages` asks for a report in the folder.
    """
    from ctpbench import device
    from ctpbench.running.executors.local import LocalExecutor
    from ctpbench.running.executors.protocol import Limits
    from ctpbench.running.folder import usable_folder
    from ctpbench.running.index import Index
    from ctpbench.running.plan import select
    from ctpbench.running.provenance import provenance
    from ctpbench.running.runner import loggers
    from ctpbench.running.store import Store
    from ctpbench.suite.resolved import resolved
    from ctpbench.written.document import dump

    cells = _planned(suite)
    chosen = select(cells, only)
    chip = device.resolve(suite.resources.device)
    limits = Limits.of(suite.resources, chip, options.jobs, sandboxed=sandbox != "none")
    store = Store(usable_folder(folder, suite, into=into))
    facts = provenance(suite, catalogue, limits.device, limits.threads, options.jobs)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with store.locked(), LocalExecutor(limits) as executor:
            held = _held(executor.hold(), limits, required=sandbox == "required")
            index = Index.of(suite, cells, {**facts, "sandbox": held})
            store.write_plan(index, dump(resolved(suite)), claims)
            records, frame = _run(store, chosen, options, limits, loggers(catalogue), executor)
            if pages:
                _write_report(store.folder, catalogue, frame)
            return records
    except KeyboardInterrupt:
        click.echo(
            f"\ninterrupted; finished cells are kept in {store.folder}; give the same command to go on",
            err=True,
        )
        sys.exit(EXIT_INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(
    store: Store,
    cells: list[Cell],
    options: Options,
    limits: Limits,
    on_record: Callable[[Record], None],
    executor: Executor,
) -> tuple[list[Record], pd.DataFrame]:
    """Run the cells, write and print what came of them, and return their records and the leaderboard."""
    from ctpbench import device
    from ctpbench.report.folder import agreement_line, draw, render
    from ctpbench.report.progress import listener
    from ctpbench.report.tables import print_table
    from ctpbench.running.runner import Runner

    screen = console()
    where = f"{limits.threads} thread{'s' * (limits.threads > 1)} each, {options.jobs} at a time"
    click.echo(f"{len(cells)} cells on {device.hardware(limits.device)} ({limits.device}), {where}")
    try:
        with listener(screen, len(cells)) as listening:
            records = Runner(store, executor, options, listening, on_record).run(cells)
    finally:
        frame = render(store)
        pictures = draw(store, frame)
    print_table(frame, screen)
    for path, wrong in store.damaged.items():
        click.echo(f"damaged: {path}: {wrong}; computed again")
    names = ["results.nc", "leaderboard.md, .csv, .json", *(str(p.relative_to(store.folder)) for p in pictures)]
    click.echo(f"Written to {store.folder}: {', '.join(names)}")
    if line := agreement_line(store.folder):
        click.echo(line)
    for record in records:
        if record.status != "ok":
            click.echo(f"{record.status}: {record.config}: {record.message} (log: {store.folder / record.log})")
    for fault in dict.fromkeys(fault for record in records for fault in _partial_faults(record)):
        click.echo(fault)
    return records, frame


def _write_report(folder: Path, catalogue: Catalogue, frame: pd.DataFrame) -> None:
    """Write the run's pages; that they cannot be written, for something else is there, is no fault of the run."""
    try:
        written((folder,), folder / "report", catalogue, frames={folder: frame})
    except InputError as error:
        click.echo(f"no report: {str(error).removeprefix('--out ')}")


def _held(hold: Hold, limits: Limits, *, required: bool) -> str:
    """Return how far methods are held here and what that lacks, and say it where it is not full.

    Raises
    ------
    InputError
        Where it is not full and that is required.
    """
    if hold.word == "full":
        return "full"
    held = f"{hold.word}, {f'this system lacks {hold.missing}' if limits.sandboxed else 'as asked for'}"
    if required:
        raise InputError(f"--require-sandbox: got a sandbox that is {held}; leave it out, or run elsewhere")
    click.echo(f"sandbox: {held}; methods could see what they are not given (see SECURITY.md)")
    return held


def _partial_faults(record: Record) -> Iterator[str]:
    """Yield what failed in a cell that went on: cases that could not be read, and metrics."""
    yield from (f"left out: {case}: {why}" for case, why in record.left_out.items())
    yield from (f"metric {label} failed in {record.config}: {why}" for label, why in record.faults.items())


def _planned(suite: Suite) -> list[Cell]:
    """Return all cells of a suite, after a look at what their results would be called."""
    from ctpbench.outcome.results import TAKEN
    from ctpbench.running.plan import plan

    for metric in suite.metrics:
        if metric.label in TAKEN:
            raise InputError(f"metrics: the results call something else {metric.label!r}; choose another label")
    return plan(suite)


@main.command("plan", epilog="Example: ctpbench plan suite.yaml")
@_SUITE
@_OUT
@_ONLY
def plan_command(suite: Path, out: Path | None, only: tuple[str, ...]) -> None:
    """Show what a run would do, and what of it is already done."""

    from ctpbench.atomic import check_folder
    from ctpbench.plugins import load_catalogue
    from ctpbench.report.terminal import print_plan
    from ctpbench.running.plan import select
    from ctpbench.running.store import Store
    from ctpbench.suite.load import load_suite

    loaded = load_suite(suite, load_catalogue())
    folder = out or Path("runs") / loaded.name
    check_folder(folder, "--out")
    print_plan(select(_planned(loaded), only), Store(folder), console())


@main.command(epilog="Example: ctpbench status runs/quick")
@_RUN
def status(run: Path) -> None:
    """Say how far a run is, and what failed."""

    from ctpbench.report.terminal import print_status
    from ctpbench.running.store import Store

    print_status(Store(run), console())


@main.command("leaderboard", epilog="Example: ctpbench leaderboard runs/quick --by ssim_cbf")
@_RUN
@click.option("--by", metavar="SCORE", help="Rank by this score column; default: the first that has values.")
def leaderboard_command(run: Path, by: str | None) -> None:
    """Rebuild a run's results, print its leaderboard.

    results.nc and the leaderboards are made anew from the cells' records. RUN is a run's folder, or a results.nc
    that is then only printed.
    """

    from ctpbench.outcome.leaderboard import leaderboard
    from ctpbench.outcome.results import open_results
    from ctpbench.report.folder import agreement_line, render
    from ctpbench.report.tables import print_table
    from ctpbench.running.store import Store

    line = ""
    if run.suffix != ".nc":
        render(Store(run))
        line = agreement_line(run)
        run = run / "results.nc"
    tree = open_results(run)
    print_table(leaderboard(tree, by), console())
    if line:
        click.echo(line)


@main.command("compare", epilog="Example: ctpbench compare runs/quick tips n2n --noise 2e5")
@_RUN
@click.argument("rows", nargs=-1, metavar="[ROW ROW]")
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
    from ctpbench.report.folder import COMPARISON, results_of
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
@_RUN
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
    from ctpbench.report.folder import results_of
    from ctpbench.report.terminal import print_claims

    tree, cells = results_of(run)
    claims = load_claims(file or (run if run.is_dir() else run.parent) / FILE_NAME)
    print_claims(claims.title, judge(claims, tree, cells), console())
