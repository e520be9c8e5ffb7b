"""The commands cache info, prune and verify: the cache that all runs of a user share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctpbench.cli.completers import complete_stages
from ctpbench.cli.group import EXIT_FAILED_CELLS, console, main
from ctpbench.errors import InputError

if TYPE_CHECKING:
    from ctpbench.running.shared import Location, SharedCache
    from ctpbench.running.work import Stage

_DAY_S = 86400.0
_CACHE = click.option(
    "--cache",
    "given",
    metavar="DIR",
    help="The cache; default: $CTPBENCH_CACHE, else ctpbench/cache in the user's cache.",
)


@main.group("cache", epilog="Example: ctpbench cache info")
def cache() -> None:
    """The cache that all runs of a user share.

    What a run makes (data, noiseless maps, models, predictions, scores) is kept there by content as well, and the next
    run that wants the same takes it, whatever its suite and folder. On one file system the files are hard links, which
    take no room twice. The folder is the one that `--cache` names, else $CTPBENCH_CACHE, else ctpbench/cache in
    $XDG_CACHE_HOME or ~/.cache; the word none switches it off. At the end of a run what was not used for longest goes,
    until it is no larger than $CTPBENCH_CACHE_GIB (20). It can be pruned or deleted at any time: a run's folder is
    whole by itself.
    """


@cache.command("info", epilog="Example: ctpbench cache info")
@_CACHE
def info(given: str | None) -> None:
    """Say where it lies and why, how large it is, and what it saved."""
    from ctpbench.report.shared import print_shared
    from ctpbench.running.shared import limit_bytes

    where, shared = _found(given)
    print_shared(shared, where.said_by, limit_bytes(), console())


@cache.command("prune", epilog="Example: ctpbench cache prune --older 30")
@_CACHE
@click.option("--to", type=click.FloatRange(0), metavar="GIB", help="Until it is no larger than this.")
@click.option("--older", type=click.FloatRange(0), metavar="DAYS", help="What was not used for so many days.")
@click.option(
    "--stage",
    "named",
    multiple=True,
    metavar="STAGE",
    shell_complete=complete_stages,
    help="These alone: data, reference, model, prediction or scores. Repeatable.",
)
def prune(given: str | None, to: float | None, older: float | None, named: tuple[str, ...]) -> None:
    """Remove entries, first those that were not used for longest.

    Without an option it is brought down to its size. With --older or --stage all that they name goes, with --to only
    until the rest is no larger. What a run is using just now stays, and so do the runs' folders.
    """
    from ctpbench.running.shared import GIB, limit_bytes
    from ctpbench.text import size_text

    stages = _stages(named)
    _, shared = _found(given)
    before = shared.bytes_here_alone()
    limit = limit_bytes() if to is None and older is None and not named else None if to is None else int(to * GIB)
    gone = shared.prune(limit, None if older is None else older * _DAY_S, stages)
    freed = max(before - shared.bytes_here_alone(), 0)
    size = sum(each.size for each in gone)
    rest = f"; the other {size_text(size - freed)} lie in runs' folders as well" if size > freed else ""
    click.echo(f"Removed {len(gone)} entries of {size_text(size)}, which frees {size_text(freed)}{rest}.")


@cache.command("verify", epilog="Example: ctpbench cache verify --remove")
@_CACHE
@click.option("--remove", is_flag=True, help="Remove what is damaged.")
def verify(given: str | None, remove: bool) -> None:
    """Read every file, and name what was altered or cut short.

    Whoever wants a damaged entry finds that out as well, and makes it anew. Exit codes: 0 all is sound, or what was not
    is removed; 3 something is damaged.
    """
    from ctpbench.report.progress import bar
    from ctpbench.text import size_text

    _, shared = _found(given)
    entries = list(shared.kept())
    total, done, damaged, busy = sum(each.size for each in entries) or 1, 0, 0, 0
    with bar(console(), "shared cache") as tell:
        for each in entries:
            tell(done / total, f"{each.stage}/{each.name}")
            done += each.size
            if (lock := shared.lock(each.stage, each.name)) is None:
                busy += 1
                continue
            try:
                if not shared.holds(each.stage, each.name):
                    continue
                if wrong := shared.wrong(each.stage, each.name):
                    damaged += 1
                    click.echo(f"damaged: {each.stage}/{each.name}: {wrong}{'; removed' * remove}")
                if wrong and remove:
                    shared.discard(each.stage, each.name)
            finally:
                lock.release()
    left = f" {busy} are in use and were not looked at." if busy else ""
    what = f"{damaged} of {len(entries)} entries damaged" if damaged else f"{len(entries)} entries, all sound"
    hint = "; --remove removes them" if damaged and not remove else ""
    click.echo(f"{shared.folder}: {what} ({size_text(done)} read){hint}.{left}")
    sys.exit(EXIT_FAILED_CELLS if damaged and not remove else 0)


def _found(given: str | None) -> tuple[Location, SharedCache]:
    """Return where the shared cache lies, and the cache.

    Raises
    ------
    InputError
        Where there is none.
    """
    from ctpbench.running.shared import SharedCache, location

    where = location(given)
    if where.folder is None:
        raise InputError(f"{where.said_by}: got none, so no cache is shared; --cache DIR names one")
    shared = SharedCache(where.folder)
    if not shared.is_there():
        what = "is no cache of ctpbench" if Path(where.folder).exists() else "is not there yet; a run makes it"
        raise InputError(f"{where.said_by}: {where.folder}: {what}; --cache DIR names another")
    return where, shared


def _stages(named: tuple[str, ...]) -> tuple[Stage, ...]:
    from ctpbench.running.work import STAGES
    from ctpbench.text import did_you_mean

    for name in named:
        if name not in STAGES:
            raise InputError(f"--stage: got {name!r}; allowed: {', '.join(STAGES)}{did_you_mean(name, STAGES)}")
    return tuple(stage for stage in STAGES if not named or stage in named)
