"""A suite run from Python, and a method put on a suite's board."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pandas as pd

from ctpbench.calls.methods import Method, denoiser_of, importable, label_of, of_this_call
from ctpbench.calls.results import Results
from ctpbench.calls.words import in_python
from ctpbench.contract.components import Denoiser
from ctpbench.contract.control import NOISELESS, UNFILTERED
from ctpbench.driving import drive
from ctpbench.errors import InputError
from ctpbench.outcome.claims import FILE_NAME, load_claims
from ctpbench.plugins import Catalogue, load_catalogue
from ctpbench.report.drawing import draw
from ctpbench.report.folder import render, results_of
from ctpbench.report.watching import Watch, watched_run
from ctpbench.running.drive import Drive, Sandboxing
from ctpbench.running.options import Options
from ctpbench.running.plan import plan
from ctpbench.running.store import Store
from ctpbench.suite.entries import DenoiserEntry, Suite
from ctpbench.suite.load import load_suite, suite_of
from ctpbench.suite.rows import plain
from ctpbench.suite.shipped import find_suite
from ctpbench.text import did_you_mean
from ctpbench.written.document import plain as plain_document

Folder: TypeAlias = str | os.PathLike[str]
SuiteLike: TypeAlias = str | os.PathLike[str] | Mapping[str, Any]
_ALWAYS = ("dataset", "noise", "rank", "config", "method", "status", "message")


def run_suite(
    suite: SuiteLike,
    out: Folder | None = None,
    *,
    only: Sequence[str] = (),
    jobs: int = 1,
    rerun_failed: bool = False,
    fail_fast: bool = False,
    serial_timing: bool = False,
    sandbox: Sandboxing = "wanted",
    into: bool = False,
    cache: Folder | None = None,
    progress: Watch = None,
) -> Results:
    """Run a suite, or go on with it, and return its results: what `ctpbench run` does, but for pages for a browser.

    Parameters
    ----------
    suite : str, path or mapping
        The name of a suite that ships with ctpbench, a file, or what such a file holds.
    out : path or None
        The run's folder; None: ``runs/NAME`` of the suite.
    only : sequence of str
        Only these methods, row labels or datasets.
    jobs : int
        Cells side by side.
    rerun_failed, fail_fast, serial_timing : bool
        Run failed cells again; stop at the first that fails; time methods alone.
    sandbox : {"wanted", "required", "none"}
        Whether methods are kept from the truth as far as the system can, or the run refused where it cannot.
    into : bool
        Write into a folder that holds other things or another suite's run.
    cache : path, "none" or None
        The cache that all runs share, or none; None: what ``CTPBENCH_CACHE`` says, else ``ctpbench/cache`` in the
        user's cache.
    progress : bool, callable(fraction, text) or None
        None: shown in a notebook and on a terminal.

    Returns
    -------
    Results
        Failed cells are rows with their status.

    Raises
    ------
    InputError, DataError, PluginError, ResultError
        Where the suite or the call is wrong: one line for each fault.
    KeyboardInterrupt
        Where it is interrupted: finished cells are kept, and the same call goes on.
    """
    with in_python():
        catalogue = load_catalogue()
        loaded, claims = _suite(suite, catalogue)
        options = Options(_jobs(jobs), fail_fast, rerun_failed, serial_timing)
        folder = Path("runs") / loaded.name if out is None else Path(out)
        asked = Drive(loaded, folder, _names("only", only), options, _sandbox(sandbox), into, claims, cache=cache)
        return _driven(asked, catalogue, progress, pictures=True)


def evaluate(
    method: Method,
    suite: SuiteLike = "quick",
    *,
    label: str | None = None,
    beside: Sequence[str] | Literal["all"] | None = None,
    only: Sequence[str] = (),
    jobs: int = 1,
    folder: Folder | None = None,
    into: bool = False,
    cache: Folder | None = None,
    progress: Watch = None,
    **parameters: Any,
) -> pd.DataFrame:
    """Put a method on a suite's board, beside the suite's own rows.

    A plain function, and a component that no other process can import, such as one of a notebook, work in this
    process: nothing is kept from them, no limit of time or memory ends them, and nothing of theirs is kept for another
    call. All else runs as in `run_suite`, and what is finished is not computed again.

    Parameters
    ----------
    method : str, component or function
        As of `denoise`: a function of frames, (time, z, y, x), float32, HU, that returns as many is a row.
    suite : str, path or mapping
        As of `run_suite`.
    label : str or None
        What the board calls the row; None: the method's name with the parameters that were given.
    beside : sequence of str, "all" or None
        Labels or methods of the suite's rows to run as well. None: those that are finished in the folder. The controls
        none and noiseless are always there, where the suite has them.
    only : sequence of str
        Only these datasets of the suite.
    jobs : int
        Cells side by side.
    folder : path or None
        Where data and finished rows are kept for the next call; None: ``ctpbench/evaluate/NAME`` in the user's cache.
    into : bool
        Use a folder that holds other things or another suite's run.
    cache : path, "none" or None
        As of `run_suite`. What a function or a component of a notebook made is never shared.
    progress : bool, callable(fraction, text) or None
        None: shown in a notebook and on a terminal.
    **parameters
        Of the method.

    Returns
    -------
    DataFrame
        The leaderboard, see `Results.leaderboard`, without columns that hold nothing. A method that fails is a row
        with its status and message.

    Raises
    ------
    InputError, DataError, PluginError, ResultError
        Where the suite, the method or the call is wrong: one line.
    """
    with in_python("folder"):
        catalogue = load_catalogue()
        loaded, _ = _suite(suite, catalogue)
        denoiser = denoiser_of(method, parameters, catalogue)
        cls = type(denoiser) if importable(type(denoiser)) else of_this_call(type(denoiser))
        called = label or label_of(denoiser)
        place = _cache(loaded) if folder is None else Path(folder)
        known = replace(loaded, name=f"evaluate {loaded.name}")
        rows = [*_beside(known, beside, Store(place)), *_rows(known, denoiser, cls, called)]
        here = {cls.__qualname__: cls} if cls is not type(denoiser) else {}
        suite_here, datasets = replace(known, denoisers=tuple(rows)), _datasets(known, only)
        asked = Drive(suite_here, place, datasets, Options(_jobs(jobs)), into=into, here=here, cache=cache)
        results = _driven(asked, catalogue, progress, pictures=False)
    board = results.leaderboard
    if datasets:
        board = board[board["dataset"].isin(datasets)].reset_index(drop=True)
    empty = [name for name in board if name not in _ALWAYS and (board[name].isna() | (board[name] == "")).all()]
    return board.drop(columns=empty)


def _driven(asked: Drive, catalogue: Catalogue, progress: Watch, *, pictures: bool) -> Results:
    """Run a suite and return what came of it, written for people where pictures are wanted."""
    found: list[Results] = []

    def finish(store: Store) -> None:
        if pictures:
            draw(store, render(store))
        tree, cells = results_of(store.folder)
        found.append(Results(tree, store.folder, cells))

    drive(
        asked,
        catalogue,
        lambda cells: watched_run(progress, asked.suite.name, cells, asked.suite.axes),
        say=lambda text: None,
        finish=finish,
    )
    return found[0]


def _suite(suite: SuiteLike, catalogue: Catalogue) -> tuple[Suite, str | None]:
    """Return a suite, and the text of the claims beside its file."""
    if isinstance(suite, Mapping):
        return suite_of(plain_document(suite, "suite"), "suite", catalogue), None
    if not isinstance(suite, str | os.PathLike):
        raise InputError(f"suite: got {type(suite).__name__}; allowed: a name, a path or a mapping")
    path = find_suite(suite)
    beside = path.with_name(FILE_NAME)
    return load_suite(path, catalogue), load_claims(beside).document.text if beside.is_file() else None


def _cache(suite: Suite) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "ctpbench" / "evaluate" / suite.name


def _beside(suite: Suite, beside: Sequence[str] | str | None, store: Store) -> list[DenoiserEntry]:
    """Return the suite's rows that are to be run as well."""
    if isinstance(beside, str) and beside != "all":
        raise InputError(f"beside: got {beside!r}; allowed: a list of rows, 'all' or None")
    if beside == "all":
        return list(suite.denoisers)
    if beside is None:
        wanted = _finished(suite, store)
    else:
        wanted = set(_names("beside", beside))
        known = dict.fromkeys(name for row in suite.denoisers for name in (row.label, row.name))
        for name in wanted:
            if name not in known:
                hint = did_you_mean(name, known)
                raise InputError(f"beside: the suite has no row {name!r}{hint}; it has {', '.join(known)}")
    return [row for row in suite.denoisers if {row.label, row.name} & wanted or row.cls.name in (UNFILTERED, NOISELESS)]


def _finished(suite: Suite, store: Store) -> set[str]:
    """Return the labels of the rows of which every cell is finished in a folder."""
    if not store.folder.is_dir():
        return set()
    cells = plan(suite)
    known = store.summaries([cell.key for cell in cells])
    done = {(cell.row.label, summary is not None) for cell, summary in zip(cells, known, strict=True)}
    return {label for label, whole in done if whole and (label, False) not in done}


def _rows(suite: Suite, denoiser: Denoiser, cls: type[Denoiser], label: str) -> list[DenoiserEntry]:
    """Return the method's rows: one for each way in which the suite computes maps."""
    several = len(suite.maps) > 1
    labels = {f"{label}, {maps.label}" if several else label: maps for maps in suite.maps}
    taken = {row.label for row in suite.denoisers}
    for each in labels:
        if each in taken:
            raise InputError(f"label: {each!r} is taken by a row of the suite; give another, as in label='my {label}'")
    return [DenoiserEntry(cls.name, each, cls, _plain(denoiser), None, None, (maps,)) for each, maps in labels.items()]


def _plain(denoiser: Denoiser) -> dict[str, Any]:
    return {**plain(denoiser), **(denoiser.__pydantic_extra__ or {})}


def _datasets(suite: Suite, only: Sequence[str]) -> tuple[str, ...]:
    wanted, known = _names("only", only), [entry.label for entry in suite.datasets if not entry.train_only]
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known)
            raise InputError(f"only: the suite has no dataset {name!r}{hint}; it has {', '.join(known)}")
    return wanted


def _names(keyword: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{keyword}: got {names!r}; allowed: a list of names")
    return tuple(names)


def _jobs(jobs: int) -> int:
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise InputError(f"jobs: got {jobs!r}; allowed: a whole number, 1 or more")
    return jobs


def _sandbox(sandbox: Sandboxing) -> Sandboxing:
    if sandbox not in ("wanted", "required", "none"):
        raise InputError(f"sandbox: got {sandbox!r}; allowed: 'wanted', 'required' or 'none'")
    return sandbox
