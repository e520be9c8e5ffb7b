"""The command verify."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from ctpbench.atomic import write_text
from ctpbench.cli.completers import complete_rows, complete_runs
from ctpbench.cli.group import EXIT_FAILED_CELLS, console, main
from ctpbench.cli.runs import carried_out
from ctpbench.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from ctpbench.plugins import Catalogue

_LARGEST_SEED = 2**31
_SEED = "seed.txt"
"""Where the secret seed lies until a verification is finished, so that an interrupted one can go on."""


@main.command("verify", epilog="Example: ctpbench verify runs/quick --only tips -j 2")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN", shell_complete=complete_runs)
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_rows,
    help="Only this method, row label or dataset. Repeatable.",
)
@click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cells side by side.")
@click.option("--no-secret", is_flag=True, help="Do the work again, but not on secret data: half the time.")
@click.option("--packed", is_flag=True, help="Look at what was packed by `submit`, and do no work again.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the work, never one that came with the run; default: runs/verify-NAME of the suite.",
)
def verify(run: Path, only: tuple[str, ...], jobs: int, no_secret: bool, packed: bool, out: Path | None) -> None:
    """Do a run's work again, and once on data that nobody has seen.

    RUN is a run's folder or one of leaderboards/. Its suite is run again with the same seeds: every score must come out
    as claimed. Then it is run on data sets drawn from a secret seed: the score that ranks must be what the claimed one
    lets expect. Words and values go to verification.json beside the results, and onto the leaderboard. It takes as long
    as the run, twice. Of a folder that `ctpbench submit` packed, manifest, cards and page are looked at first, and the
    rows that are handed in are done again. Exit codes: 0 all that was looked at is verified, 3 something failed.
    """
    from ctpbench.device import hardware, processor
    from ctpbench.outcome.leaderboard import leaderboard
    from ctpbench.outcome.results import open_results
    from ctpbench.outcome.verification import FILE_NAME, Verification, checked, compared_inputs, reseeded, same_machine
    from ctpbench.plugins import load_catalogue
    from ctpbench.report.folder import render
    from ctpbench.report.submission import render_packed
    from ctpbench.report.verification import print_verification
    from ctpbench.running.store import INDEX, Store
    from ctpbench.suite.load import load_suite

    folder = run if run.is_dir() else run.parent
    rows = _packed_rows(folder, required=packed)
    if packed:
        return
    claimed = open_results(folder / "results.nc")
    if not claimed.attrs.get("suite_text"):
        raise InputError(
            f"{run}: results joined from several runs have no suite to run again; verify the runs themselves"
        )
    only = only or rows
    catalogue, work = load_catalogue(), out or Path("runs") / f"verify-{quote(str(claimed.attrs['suite']), safe=' ')}"
    if work.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"--out {work}: lies in the run, which may have brought its own results; give another folder")
    again = _results(str(claimed.attrs["suite_text"]), catalogue, only, jobs, work / "again")
    secret, seed, unseeded = None, None, frozenset[str]()
    if not no_secret:
        seed = _secret_seed(work)
        suite = load_suite(work / "again" / "suite.yaml", catalogue)
        text, unseeded = reseeded(suite, seed)
        if unseeded:
            click.echo(f"No seed, so not drawn anew: {', '.join(sorted(unseeded))}")
        if len(unseeded) < len(suite.datasets):
            secret = _results(text, catalogue, only, jobs, work / "secret")
    inputs, unlike = compared_inputs(Store(folder), Store(work / "again"), same=same_machine(claimed, again))
    found = Verification(
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        cpu=processor(),
        gpu=hardware(again.attrs["device"]) if again.attrs["device"] != "cpu" else "",
        secret_seed=seed,
        inputs=inputs,
        rows=checked(claimed, again, secret, unseeded, unlike),
    )
    write_text(folder / FILE_NAME, found.model_dump_json(indent=1) + "\n")
    (work / _SEED).unlink(missing_ok=True)
    if (folder / INDEX).exists():
        render(Store(folder))
    elif rows:
        render_packed(folder)
    print_verification(leaderboard(claimed), found, console())
    click.echo(f"Written to {folder / FILE_NAME}")
    sys.exit(EXIT_FAILED_CELLS if any(row.word == "failed" for row in found.rows) else 0)


def _packed_rows(folder: Path, *, required: bool) -> tuple[str, ...]:
    """Return the rows that a folder hands in, after saying what of it was checked; none where it was not packed.

    Raises
    ------
    InputError
        Where it must have been.
    ResultError
        Where it is not as it was packed.
    """
    from ctpbench.report.submission import checked_packed

    manifest = checked_packed(folder)
    if manifest is None:
        if required:
            raise InputError(f"--packed: {folder} was not packed by `ctpbench submit`; leave it out")
        return ()
    click.echo(
        f"As packed: {len(manifest.files)} files and the seals of {len(manifest.seals)} cells; the page is theirs"
    )
    click.echo(f"Cards: {', '.join(manifest.rows)}; they say what the results say")
    return tuple(manifest.rows)


def _secret_seed(work: Path) -> int:
    """Return the seed of an interrupted verification, or draw one.

    It is in no folder's name: a method sees where it works, and could make the cases from it.
    """
    try:
        return int((work / _SEED).read_text())
    except (FileNotFoundError, ValueError):
        import secrets

        seed = secrets.randbelow(_LARGEST_SEED)
        write_text(work / _SEED, str(seed))
        return seed


def _results(text: str, catalogue: Catalogue, only: tuple[str, ...], jobs: int, folder: Path) -> xr.DataTree:
    """Run a suite in a folder of its own and return its results."""
    from ctpbench.outcome.results import open_results
    from ctpbench.running.options import Options
    from ctpbench.running.shared import NONE
    from ctpbench.running.store import Store
    from ctpbench.suite.load import load_suite

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "suite.yaml").write_text(text)
    suite = load_suite(folder / "suite.yaml", catalogue)
    store = Store(folder)
    with store.locked():
        store.cache.looks.forget_all()
    carried_out(suite, catalogue, only, Options(jobs), folder, into=True, cache=NONE)  # nothing that others made
    return open_results(folder / "results.nc")
