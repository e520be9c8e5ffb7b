"""Commands about suites and how they run: run, plan, status."""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctpbench.cli.completers import complete_executors, complete_rows, complete_runs, complete_suites
from ctpbench.cli.ending import Ending, print_faults
from ctpbench.cli.group import EXIT_FAILED_CELLS, EXIT_INTERRUPTED, console, main
from ctpbench.errors import InputError

if TYPE_CHECKING:
    from ctpbench.plugins import Catalogue
    from ctpbench.running.drive import Sandboxing
    from ctpbench.running.executors.choice import Choice
    from ctpbench.running.options import Options
    from ctpbench.running.store import Finished
    from ctpbench.suite.entries import Suite


def _found(_context: click.Context, _parameter: click.Parameter, written: str) -> Path:
    """Return the file of a suite that was asked for by its path or by the name it ships under."""
    from ctpbench.suite.shipped import find_suite

    return find_suite(written)


_SUITE = click.argument("suite", metavar="SUITE", callback=_found, shell_complete=complete_suites)
RUN = click.argument("run", type=click.Path(path_type=Path), metavar="RUN", shell_complete=complete_runs)
_OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the run; default: runs/NAME of the suite.",
)
CACHE = click.option(
    "--cache",
    metavar="DIR",
    help="The cache that all runs share, or none; default: $CTPBENCH_CACHE, else ctpbench/cache in the user's cache.",
)
_ONLY = click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_rows,
    help="Only this method, row label or dataset. Repeatable.",
)


@main.command(epilog="Example: ctpbench run quick -j 2 --only tips")
@_SUITE
@_OUT
@_ONLY
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Cells side by side; default: 1, on a cluster as many as its workers take.",
)
@click.option(
    "--executor",
    metavar="NAME",
    shell_complete=complete_executors,
    help="Where work is done, as `ctpbench list` has it; default: local. dask: -j workers of Dask on this machine.",
)
@click.option(
    "--param", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter of the executor. Repeatable."
)
@click.option("--scheduler", metavar="ADDRESS", help="On the workers of this Dask scheduler, such as tcp://node1:8786.")
@click.option(
    "--cluster",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="On what this YAML file describes: SLURM, PBS, LSF or another cluster, or any executor with its parameters.",
)
@click.option("--rerun", type=click.Choice(["failed"]), help="Run failed cells again.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first cell that fails.")
@click.option("--serial-timing", is_flag=True, help="Time methods alone, whatever -j says.")
@click.option("--require-sandbox", is_flag=True, help="Stop where this system cannot keep methods from the truth.")
@click.option("--no-sandbox", is_flag=True, help="Keep methods from nothing; the results say so.")
@click.option("--report/--no-report", default=True, help="Pictures, and pages for a browser in report/, or neither.")
@click.option("--into", is_flag=True, help="Write into a folder that holds other things or another suite's run.")
@CACHE
def run(
    suite: Path,
    out: Path | None,
    only: tuple[str, ...],
    jobs: int | None,
    executor: str | None,
    parameters: tuple[str, ...],
    scheduler: str | None,
    cluster: Path | None,
    rerun: str | None,
    fail_fast: bool,
    serial_timing: bool,
    require_sandbox: bool,
    no_sandbox: bool,
    report: bool,
    into: bool,
    cache: str | None,
) -> None:
    """Run a suite and write results.nc, leaderboards, pictures and pages for a browser.

    SUITE is a YAML file, or the name of a suite that ships with ctpbench, as `ctpbench list` has it; a file of the same
    name is written ./NAME. What is finished is never computed again: give the same command to go on after an
    interruption. Exit codes: 0 all cells ok, 3 some failed or cases or metrics did, 2 the suite or the call is wrong,
    130 interrupted.
    """
    from ctpbench.plugins import load_catalogue
    from ctpbench.running.executors.choice import usual_jobs
    from ctpbench.running.options import Options
    from ctpbench.suite.load import load_suite

    if require_sandbox and no_sandbox:
        raise InputError("--require-sandbox and --no-sandbox: got both; allowed: one of them")
    catalogue = load_catalogue()
    loaded = load_suite(suite, catalogue)
    claims = _claims_beside(suite)
    asked = _chosen(catalogue, executor, parameters, scheduler, cluster)
    options = Options(jobs or usual_jobs(asked.executor), fail_fast, rerun == "failed", serial_timing)
    folder = out or Path("runs") / loaded.name
    sandbox: Sandboxing = "none" if no_sandbox else "required" if require_sandbox else "wanted"
    records = carried_out(
        loaded,
        catalogue,
        only,
        options,
        folder,
        asked,
        sandbox=sandbox,
        into=into,
        claims=claims,
        report=report,
        cache=cache,
    )
    sys.exit(0 if all(known is not None and known.whole for known in records.summaries()) else EXIT_FAILED_CELLS)


def _claims_beside(suite: Path) -> str | None:
    """Return the text of the claims that lie beside a suite, None where there are none."""
    from ctpbench.running.store import CLAIMS

    beside = suite.with_name(CLAIMS)
    if not beside.is_file():
        return None
    from ctpbench.outcome.claims import load_claims  # here, for few suites have any: to load it takes a while

    return load_claims(beside).document.text


def _chosen(
    catalogue: Catalogue, executor: str | None, parameters: tuple[str, ...], scheduler: str | None, cluster: Path | None
) -> Choice:
    """Return the executor that options ask for."""
    from ctpbench.running.executors.choice import named, written

    if cluster is None:
        return named(catalogue, executor, parameters, scheduler)
    for given, option in ((scheduler, "--scheduler"), (parameters, "--param")):
        if given:
            raise InputError(f"{option} and --cluster: got both; allowed: one of them")
    return written(catalogue, cluster, executor)


def carried_out(
    suite: Suite,
    catalogue: Catalogue,
    only: tuple[str, ...],
    options: Options,
    folder: Path,
    executor: Choice | None = None,
    *,
    sandbox: Sandboxing = "wanted",
    into: bool = False,
    claims: str | None = None,
    report: bool = False,
    cache: str | None = None,
) -> Finished:
    """Run a suite into a folder, print what came of it, and return the records; interrupted, say so and exit.

    `report` asks for pictures and pages in the folder.
    """
    from ctpbench.driving import drive
    from ctpbench.report.progress import listener
    from ctpbench.running.drive import Drive
    from ctpbench.running.executors.choice import HERE

    screen = console()
    asked = Drive(suite, folder, only, options, sandbox, into, claims, cache=cache, executor=executor or HERE)
    ending = Ending(catalogue, report=report)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        records = drive(
            asked,
            catalogue,
            lambda cells: listener(screen, cells, suite.axes),
            say=click.echo,
            finish=ending.results,
        )
        ending.pages(folder)
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted; finished cells are kept in {folder}; give the same command to go on", err=True)
        sys.exit(EXIT_INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)
    print_faults(records, folder)
    return records


@main.command("plan", epilog="Example: ctpbench plan stroke -j 2")
@_SUITE
@_OUT
@_ONLY
@click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cells side by side.")
@CACHE
def plan_command(suite: Path, out: Path | None, only: tuple[str, ...], jobs: int, cache: str | None) -> None:
    """Show what a run would do, what of it is done, and what the rest would take.

    SUITE is a YAML file, or the name of a suite that ships with ctpbench.

    Time, memory and disk are estimated from what earlier runs in the same folder and beside it took (costs.jsonl):
    the same work, or the same method with other parameters or on more data, in proportion to the data. The range
    says how far that can be off. Cells of which nothing like it ran are counted as unknown. What other runs made and
    the run would take from the cache that they share is left out.
    """

    from ctpbench import device
    from ctpbench.atomic import check_folder
    from ctpbench.outcome.planned import planned
    from ctpbench.plugins import load_catalogue
    from ctpbench.report.plan import print_plan
    from ctpbench.running.executors.protocol import Limits
    from ctpbench.running.plan import select
    from ctpbench.running.shared import SharedCache, location
    from ctpbench.running.sharing import Machine, Shelf
    from ctpbench.running.store import Store
    from ctpbench.suite.load import load_suite

    gc.disable()  # of very many cells nothing is thrown away, and looking for it takes a quarter of the time
    click.get_current_context().call_on_close(gc.enable)
    loaded = load_suite(suite, load_catalogue())
    folder = out or Path("runs") / loaded.name
    check_folder(folder, "--out")
    cells = select(planned(loaded), only)
    try:
        limits = Limits.of(loaded.resources, device.resolve(loaded.resources.device), jobs)
        hardware = device.hardware(limits.device)
    except InputError:  # a plan may be for another machine
        limits, hardware = Limits.of(loaded.resources, "cpu", jobs), ""
    where = location(cache).folder
    shared = Shelf(SharedCache(where), Machine.of(limits, "full")) if where else None
    threads = limits.threads
    print_plan(cells, Store(folder), console(), jobs=jobs, threads=threads, hardware=hardware, shared=shared)


@main.command(epilog="Example: ctpbench status runs/quick")
@RUN
def status(run: Path) -> None:
    """Say how far a run is, what failed, and while it runs how long the rest takes at its pace."""

    from ctpbench.report.status import print_status
    from ctpbench.running.store import Store

    print_status(Store(run), console())
