"""What the shell offers for the words of a command: runs, suites, rows and components.

Nothing here imports a plugin or anything heavy, for each press of a key starts a process. The names of components,
which only plugins know, are kept in a file of the user's cache. Where that is missing or older than what is installed,
a process of its own makes it anew, and the next press of the key finds it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_DEPTH = 3
"""How many folders deep runs and suites are looked for."""
_MOST = 500
"""Folders that are looked into, so that a key pressed in a home folder is answered."""
_RESULTS = {"cells.json", "results.nc"}
_ENDINGS = (".yaml", ".yml")


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the folders that hold a run or its results; where there is none, all folders."""
    found = [folder for folder, names in _folders(incomplete) if _RESULTS & names]
    return _offered(found, incomplete) or [CompletionItem(incomplete, type="dir")]


def complete_suites(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the suites that ship, and YAML files but for those that runs and others write beside suites.

    Where there is none, all files.
    """
    from ctpbench.suite.shipped import shipped_suites

    found = [
        f"{folder}/{name}".removeprefix("./")
        for folder, names in _folders(incomplete)
        for name in sorted(names)
        if name.endswith(_ENDINGS) and name not in ("claims.yaml", "suite.lock.yaml")
    ]
    return _offered([*shipped_suites(), *found], incomplete) or [CompletionItem(incomplete, type="file")]


def complete_executors(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the executors that are installed."""
    return _offered(component_names().get("executor", ()), incomplete)


def complete_rows(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the rows, methods and data sets of the run or the suite that the command names."""
    run, suite = _given(ctx, "run"), _given(ctx, "suite")
    if ctx.command.name == "compare":
        return _offered((label for kind, label in _cells(run) if kind == "config"), incomplete)
    planned = [label for _, label in _cells(run)]
    return _offered([*planned, *_written(suite or (run and run / "suite.yaml"))], incomplete)


def complete_components(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer every component that is installed."""
    return _offered((name for names in component_names().values() for name in names), incomplete)


def complete_denoisers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the denoisers that are installed."""
    return _offered(component_names().get("denoiser", ()), incomplete)


def complete_packages(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the distributions that hold plugins."""
    return _offered((entry.dist.name for entry in _plugins() if entry.dist), incomplete)


def complete_kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the kinds of what a run holds, after a comma one more."""
    from ctpbench.running.clearing import KINDS

    before, comma, _ = incomplete.rpartition(",")
    return _offered((f"{before}{comma}{kind}" for kind in KINDS if kind not in before.split(",")), incomplete)


def complete_stages(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the stages of work, by which the shared cache keeps what they made."""
    from ctpbench.running.work import STAGES

    return _offered(STAGES, incomplete)


def _offered(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(set(names)) if name.startswith(incomplete)]


def _folders(incomplete: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the folders below what is written so far, with the names in each, the nearest first.

    Hidden folders, and those within a run's, are not looked into.
    """
    base = incomplete.rpartition("/")[0] + "/" * incomplete.startswith("/") or "."
    waiting, seen = [(base, 0)], 0
    while waiting and seen < _MOST:
        folder, depth = waiting.pop(0)
        seen += 1
        try:
            with os.scandir(folder) as found:
                entries = {entry.name: entry.is_dir() for entry in found if not entry.name.startswith(".")}
        except OSError:
            continue
        yield folder.removeprefix("./"), set(entries)
        if depth < _DEPTH and "cells.json" not in entries:
            inner = sorted(name for name, is_folder in entries.items() if is_folder)
            waiting += [(f"{folder.rstrip('/')}/{name}", depth + 1) for name in inner]


# -- rows -------------------------------------------------------------------------------------------------------


def _given(ctx: click.Context, name: str) -> Path | None:
    """Return the path that a command's first argument gives; click leaves it among the rest behind an open option."""
    if name not in ctx.params:
        return None
    word = ctx.params[name] or next(iter(ctx.args), None)
    return Path(word) if word else None


def _cells(run: Path | None) -> Iterator[tuple[str, str]]:
    """Yield the labels that a run's index holds, each with its kind."""
    try:
        index = json.loads((run / "cells.json").read_bytes()) if run else {}
        cells = [cell for cell in index["cells"] if isinstance(cell, dict)]
    except (OSError, ValueError, KeyError, TypeError):
        return
    yield from ((kind, str(cell[kind])) for cell in cells for kind in ("config", "dataset") if kind in cell)


def _written(suite: Path | None) -> list[str]:
    """Return the names and labels that a suite's data sets and denoisers have, as they are written."""
    import yaml

    from ctpbench.errors import InputError
    from ctpbench.suite.shipped import find_suite

    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        data = yaml.load(find_suite(suite).read_bytes(), Loader=loader) if suite else {}
        items = [item for section in ("datasets", "denoisers") for item in data[section]]
    except (OSError, ValueError, KeyError, TypeError, InputError, yaml.YAMLError):
        return []
    named = [item if isinstance(item, dict) else {"name": item} for item in items]
    return [str(item[key]) for item in named for key in ("name", "label") if key in item]


# -- components -------------------------------------------------------------------------------------------------


def component_names() -> dict[str, list[str]]:
    """Return the names of components by kind, as they were when somebody last looked.

    Where other plugins, or others of their files, are there now, somebody is sent to look again.
    """
    try:
        kept = json.loads(_names_file().read_bytes())
        names = {str(kind): [str(name) for name in of] for kind, of in kept["names"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        kept, names = {}, {}
    if kept.get("stamp") != _stamp():
        import subprocess

        code = "from ctpbench.cli.completers import refresh; refresh()"
        nowhere: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        environment = {name: value for name, value in os.environ.items() if name != "_CTPBENCH_COMPLETE"}
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True, env=environment, **nowhere)
    return names


def refresh() -> None:
    """Load the plugins and keep the names of what they offer."""
    from ctpbench.atomic import write_text
    from ctpbench.contract.component_check import KINDS
    from ctpbench.plugins import load_catalogue

    stamp, catalogue = _stamp(), load_catalogue()
    names = {kind: list(catalogue.named(kind)) for kind in KINDS}
    write_text(_names_file(), json.dumps({"stamp": stamp, "names": names}))


def _names_file() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ctpbench" / "names.json"


def _stamp() -> str:
    """Return what changes with the plugins: which there are, their versions, and the times and sizes of their files."""
    import hashlib

    from ctpbench.probe import files_of

    found = [
        [entry.name, entry.value, entry.dist.version if entry.dist else "", files_of(entry.module.partition(".")[0])]
        for entry in _plugins()
    ]
    return hashlib.sha256(json.dumps(sorted(found)).encode()).hexdigest()


def _plugins() -> list[EntryPoint]:
    from importlib import metadata

    return list(metadata.entry_points(group="ctpbench"))
