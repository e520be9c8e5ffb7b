"""What an older run took, from its records: those of before `ctpbench.running.costs` was kept hold timings.

They know less. A method's process is measured without its start, which is why such costs count as of another machine;
how long data and references took nobody wrote down; and scoring is what is left of the quickest cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from ctpbench.errors import ResultError
from ctpbench.running.costs import FILE_NAME, Cost, read_costs, scores_name
from ctpbench.running.record import Record
from ctpbench.running.store import INDEX, Store
from ctpbench.running.work import Stage
from ctpbench.suite.entries import MAPS

_BY_RECORD = "by its record"
"""What stands behind the hardware of such a cost: no machine is called so."""


def known_costs(folder: Path) -> list[Cost]:
    """Return what the work of a run's folder took: as it was noted then, else as far as its records say."""
    return read_costs(folder) if (folder / FILE_NAME).is_file() else recollected(folder)


def runs_beside(folder: Path) -> list[Path]:
    """Return the other runs that lie beside one."""
    found = sorted(path.parent for name in (FILE_NAME, INDEX) for path in folder.absolute().parent.glob(f"*/{name}"))
    return [other for other in dict.fromkeys(found) if other != folder.absolute()]


def recollected(folder: Path) -> list[Cost]:
    """Return what the records of a run's folder say of fits, predictions and scoring; nothing where there is no run."""
    if not (folder / INDEX).is_file():
        return []
    store = Store(folder)
    try:
        records = [record for record in store.finished() if record.status == "ok" and record.timings.denoise_s]
    except ResultError:  # of a format that this version does not read
        return []
    return [cost for record in records for cost in _of_method(record, store)] + list(_of_scoring(records, store))


def _of_method(record: Record, store: Store) -> Iterator[Cost]:
    fit_s = record.timings.fit_s
    if fit_s is not None:
        yield _cost("model", record.method, record, fit_s, {**record.parameters, **_tuned(record)})
    maps = {MAPS: record.maps.label} if record.maps else {}
    size = _size(store.cache.path("prediction", record.entries.prediction)) if record.entries else 0
    params = {**record.parameters, **_tuned(record), **maps}
    yield _cost("prediction", record.method, record, _denoised_s(record), params, _read(record, store), size)


def _of_scoring(records: Iterable[Record], store: Store) -> Iterator[Cost]:
    """Yield for each set of metrics what its quickest cell took a case beside its method: the others waited, too."""
    quickest: dict[str, tuple[float, Record]] = {}
    for record in records:
        if not record.started or not record.finished:
            continue
        whole = datetime.fromisoformat(record.finished) - datetime.fromisoformat(record.started)
        rest_s = max(whole.total_seconds() - _denoised_s(record) - (record.timings.fit_s or 0.0), 0.0)
        name = scores_name(table.metric or label for label, table in record.scores.items())
        if name not in quickest or rest_s / len(record.cases) < quickest[name][0]:
            quickest[name] = (rest_s / len(record.cases), record)
    for name, (case_s, record) in quickest.items():
        yield _cost("scores", name, record, case_s * len(record.cases), {}, _read(record, store))


def _cost(
    stage: Stage, name: str, record: Record, seconds: float, params: dict[str, object], amount: int = 0, size: int = 0
) -> Cost:
    timings = record.timings
    return Cost(
        stage=stage,
        name=name,
        params=params,
        trial=False,
        amount=amount,
        repeats=1,
        seconds=seconds,
        size=size,
        peak_memory_mib=timings.peak_memory_mib if stage != "scores" else None,
        threads=timings.threads or 1,
        hardware=f"{timings.hardware}, {_BY_RECORD}",
    )


def _tuned(record: Record) -> dict[str, object]:
    return {name: value for name, value in record.tuned.items() if name != MAPS}


def _denoised_s(record: Record) -> float:
    return sum([*(record.timings.denoise_s or ()), *(record.timings.maps_s or ())], 0.0)


def _read(record: Record, store: Store) -> int:
    """Return the bytes of the observations that a cell read, all like the first; 0 where that is no longer there."""
    if record.entries is None:
        return 0
    first = store.cache.path("data", record.entries.observation) / "observation.npz"
    return first.stat().st_size * len(record.cases) if first.is_file() else 0


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
