"""The command clean."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctpbench.cli.completers import complete_kinds, complete_runs
from ctpbench.cli.group import console, main
from ctpbench.errors import InputError

if TYPE_CHECKING:
    from ctpbench.running.clearing import Kind
    from ctpbench.running.store import Store

_RUNS = Path("runs")


@main.command("clean", epilog="Example: ctpbench clean runs/quick --keep models --yes")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), metavar="[RUN...]", shell_complete=complete_runs)
@click.option(
    "--what",
    multiple=True,
    metavar="KINDS",
    shell_complete=complete_kinds,
    help="Free these kinds alone, with commas between them.",
)
@click.option("--keep", multiple=True, metavar="KINDS", shell_complete=complete_kinds, help="Free all but these kinds.")
@click.option("--yes", is_flag=True, help="Free it without asking.")
def clean(runs: tuple[Path, ...], what: tuple[str, ...], keep: tuple[str, ...], yes: bool) -> None:
    """Say what of runs can be freed, and free it.

    RUN is a run's folder; without one, every run in runs/ is meant. Kinds: data, references (noiseless maps), models,
    predictions, checkpoints (of training that was broken off), leftovers (of runs that were killed). Records, results,
    leaderboards, pictures and logs stay, so status, leaderboard, compare, claims and verify work as before, and no
    finished cell runs again; maps cannot be drawn anew. With models, which `denoise --model` may use, go the
    predictions that were made from them. A run that is going on is refused. Without --yes nothing is freed before you
    say so.
    """
    from ctpbench.report.clearing import print_clearings
    from ctpbench.running.clearing import KINDS, clearing
    from ctpbench.text import size_text

    chosen, kept = _kinds("--what", what), _kinds("--keep", keep)
    kinds = [kind for kind in KINDS if (not chosen or kind in chosen) and kind not in kept]
    if "models" in kinds and "predictions" in kept:
        raise InputError("--keep predictions: got models to free, and what was made from them goes too; keep both")
    found = [clearing(store, kinds) for store in _stores(runs)]
    print_clearings(found, console())
    size = sum(each.size for each in found)
    if not any(each.places[kind] for each in found for kind in each.places):
        return
    if not yes:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            click.echo("Nothing was freed: give --yes to free it.")
            return
        if not click.confirm(f"Free {size_text(size)}?"):
            return
    for each in found:
        each.clear()
    click.echo(f"Freed {size_text(size)}.")


def _kinds(option: str, given: Sequence[str]) -> set[Kind]:
    """Return the kinds that an option names."""
    from ctpbench.running.clearing import KINDS
    from ctpbench.text import did_you_mean

    names = {name.strip(): None for words in given for name in words.split(",") if name.strip()}
    for name in names:
        if name not in KINDS:
            raise InputError(f"{option}: got {name!r}; allowed: {', '.join(KINDS)}{did_you_mean(name, KINDS)}")
    return {kind for kind in KINDS if kind in names}


def _stores(runs: Sequence[Path]) -> list[Store]:
    """Return the runs that are meant, each once; without a name those of ``runs/``, but for those that are going on."""
    from ctpbench.running.store import INDEX, Store

    if runs:
        return [Store(run) for run in {run.resolve(): run for run in runs}.values()]
    found = sorted(path.parent for pattern in ("*", "*/*") for path in _RUNS.glob(f"{pattern}/{INDEX}"))
    if not found:
        raise InputError(f"{_RUNS}/: no run there; name a folder that `ctpbench run` wrote")
    stores = [Store(folder) for folder in found]
    for store in stores:
        if holder := store.holder():
            click.echo(f"{store.folder}: left out, a run (process {holder}) is writing there")
    return [store for store in stores if not store.holder()]
