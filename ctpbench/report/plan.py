"""What a run would do, and what that would take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ctpbench.running.cell import Cell
from ctpbench.running.forecast import Forecast, forecast, free_bytes, trials
from ctpbench.running.race import can_stop
from ctpbench.running.rates import Estimate, Span
from ctpbench.running.sharing import Shelf
from ctpbench.running.store import Store
from ctpbench.running.work import Stage
from ctpbench.suite.entries import MAPS
from ctpbench.text import duration_text, noise_column, size_text

_HEADINGS = ("Dataset", "Noise", "Row", "Seed", "Tuning", "State", "Time")
_KINDS: dict[Stage, str] = {
    "data": "data",
    "reference": "references",
    "model": "models",
    "prediction": "predictions",
    "scores": "scores",
}
_MIB = 2**20
_MOST = 200
"""Lines of the table."""


def print_plan(
    cells: Sequence[Cell],
    store: Store,
    console: Console,
    *,
    jobs: int,
    threads: int,
    hardware: str,
    shared: Shelf | None = None,
) -> None:
    """Print each cell with what is done of it, and what the others would take with so many side by side.

    Of very many cells those of a method at a noise level are one line.
    """
    keys = [cell.key for cell in cells]
    known = zip(keys, store.summaries(keys), strict=True)
    states = {key: each.status if each and each.status != "skipped" else "to run" for key, each in known}
    found = forecast([cell for cell in cells if states[cell.key] == "to run"], store, threads, hardware, jobs, shared)
    console.print(_each(cells, states, found) if len(cells) <= _MOST else _together(cells, states, found))
    kinds = {(id(cell.row), id(cell.test)): cell for cell in cells}.values()  # whose seeds read the same
    sets = {id(each): each for cell in kinds for each in (cell.test, cell.validation, *cell.train) if each}
    data = {key for each in sets.values() for key in each.keys}
    mine = data & store.cache.keys("data")
    others = sum(shared.holds("data", key) for key in data - mine) if shared else 0
    cached = f"{len(mine)} cached{f', {others} in the cache that runs share' if others else ''}"
    console.print(f"{len(cells)} cells: {len(cells) - len(found.cells)} finished, {len(found.cells)} to run.")
    console.print(f"{len(data)} cases at their noise levels: {cached}. Folder: {escape(str(store.folder))}")
    for line in lines(found, free_bytes(store.folder), _memory_bytes()) if found.cells else ():
        console.print(line, soft_wrap=True, highlight=False)


def _each(cells: Sequence[Cell], states: Mapping[str, str], found: Forecast) -> Table:
    """Return a line for each cell."""
    table = _table(_HEADINGS)
    for cell in cells:
        place = (cell.dataset, noise_column(cell.noise, cell.test.axis), cell.row.label, str(cell.seed))
        time = _short(found.cells[cell.key]) if cell.key in found.cells else ""
        table.add_row(*map(escape, place), _tuning(cell), states[cell.key], time)
    return table


def _together(cells: Sequence[Cell], states: Mapping[str, str], found: Forecast) -> Table:
    """Return a line for the cells of each method at each noise level; of very many levels, at all of them."""
    rows: dict[tuple[int, str], list[Cell]] = {}
    for cell in cells:
        rows.setdefault((id(cell.test), cell.row.name), []).append(cell)
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for (_, name), members in rows.items():
        test = members[0].test
        noise = noise_column(test.noise, test.axis) if len(rows) <= _MOST else "all"
        groups.setdefault((test.label, noise, name), []).extend(members)
    table = _table(("Dataset", "Noise", "Method", "Cells", "State", "Time"))
    for place, members in groups.items():
        count = Counter(states[cell.key] for cell in members)
        state = ", ".join(f"{number} {word}" for word, number in count.most_common())
        left = [found.cells[cell.key] for cell in members if cell.key in found.cells]
        table.add_row(*map(escape, place), str(len(members)), state, _summed(left))
    return table


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold", justify="right" if heading in ("Cells", "Time") else "left")
    return table


def _summed(left: Sequence[Estimate]) -> str:
    """Return the time of cells that are to run, one after another."""
    if not left:
        return ""
    known = [estimate for estimate in left if estimate.basis != "unknown"]
    if not known:
        return "unknown"
    rough = any(estimate.basis != "same" for estimate in known)
    seconds = sum(estimate.seconds.likely for estimate in known)
    return f"{'~' * rough}{duration_text(seconds)}{' and more' * (len(known) < len(left))}"


def lines(found: Forecast, free: int, memory: int) -> Iterator[str]:
    """Yield what is expected, a line each, and a warning where disk or memory will not suffice."""
    if not found.sources:
        yield (
            "Time, memory and disk: unknown, for no run here or beside it noted what it took; run a part with --only, "
            f"and plan again. {size_text(free)} are free on the disk."
        )
        return
    count = sum(found.pieces.values())
    yield f"Time with -j {found.jobs}: {_around(found.wall_s, duration_text)} for {count} pieces of work{_but(found)}"
    peak = found.peak_memory_mib
    used = sum(found.size.values(), Span())
    if peak is None:
        yield "Memory: unknown."
    else:
        most, side_by_side = peak * _MIB, f", {found.jobs} of them {size_text(peak * _MIB * found.jobs)}"
        yield f"Memory: up to {size_text(most)} a cell{side_by_side * (found.jobs > 1)}; {size_text(memory)} are free."
        if most * found.jobs > memory:
            yield "[yellow]Memory may not suffice[/]: run fewer cells side by side, or on a larger machine."
    kinds = ", ".join(f"{_KINDS[stage]} {size_text(span.likely)}" for stage, span in found.size.items() if span.likely)
    yield f"Disk: {_around(used, size_text)}{f' ({kinds})' * bool(kinds)}; {size_text(free)} are free."
    if used.high > free:
        sure = "will not" if used.low > free else "may not"
        yield f"[yellow]The disk {sure} suffice[/]: free some, as with `ctpbench clean`, or give --out on another disk."
    yield _how(found)


def _but(found: Forecast) -> str:
    """Return what the time leaves out, of the work of some cells a part and of others all."""
    shared = f"{found.unknown_shared} sets of data or references" if found.unknown_shared else ""
    cells = f"{len(found.unknown)} of {len(found.cells)} cells" if found.unknown else ""
    unknown = " and ".join(part for part in (cells, shared) if part)
    return f", and more for {unknown}, of whose work nothing like it ran." if unknown else "."


def _how(found: Forecast) -> str:
    rough = any(estimate.basis in ("scaled", "rough") for estimate in found.cells.values())
    runs = "an earlier run" if found.sources == 1 else f"{found.sources} earlier runs"
    marked = " ~: from other parameters, data or machine, or an older version." if rough else ""
    return f"[dim]Estimated from what {runs} took, pictures left out.{marked}[/]"


def _around(span: Span, text: Callable[[float], str]) -> str:
    if not span.high:
        return "unknown"
    return f"about {text(span.likely)} ({text(span.low)} to {text(span.high)})"


def _short(estimate: Estimate) -> str:
    if estimate.basis == "unknown":
        return "unknown"
    return f"{'~' * (estimate.basis != 'same')}{duration_text(estimate.seconds.likely)}"


def _tuning(cell: Cell) -> str:
    tune = cell.row.tune
    if tune is None or cell.validation is None:
        return "-"
    metric, of_maps = cell.objective.component, len(cell.row.maps) if MAPS in tune.parameters else 1
    sets = trials(tune) // of_maps
    stops = tune.stops_early and metric.best is not None and can_stop(sets, len(cell.validation.cases), metric.better)
    return f"{tune.search}, {trials(tune)} trials{', losers stopped early' if stops else ''}"


def _memory_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().available)
