"""A case as a run's cache still holds it: what methods were handed, the truth, and what they made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from ctpbench.contract.case import Truth
from ctpbench.contract.observation import Observation
from ctpbench.errors import ResultError
from ctpbench.running.files import file_name, load_arrays, load_observation, load_truth
from ctpbench.running.quality import quality_of
from ctpbench.running.record import Record
from ctpbench.running.seals import Entry
from ctpbench.running.store import Store

_QUICK = ("aif_peak_hu", "aif_time_to_peak_s", "brain_ml")
"""What is told from a few small arrays of an observation, without its frames."""


@dataclass(frozen=True, eq=False)
class Pictured:
    """A case of a level.

    Attributes
    ----------
    case : str
    observation : Observation
    truth : Truth or None
    reference : Dataset or None
        Its noiseless maps and regions.
    """

    case: str
    observation: Observation
    truth: Truth | None
    reference: xr.Dataset | None


def pictured(store: Store, record: Record, case: str, key: str) -> Pictured | None:
    """Return a case of a record, whose data has that key; None where the cache does not hold it any more."""
    assert record.entries is not None
    folder = store.cache.path("data", key)
    try:
        observation = load_observation(folder / "observation.npz")
        return Pictured(case, observation, _truth(folder), referred(store, record, case))
    except ResultError:
        return None


def referred(store: Store, record: Record, case: str) -> xr.Dataset | None:
    """Return the noiseless maps and regions of a case by a row's way to maps; None where there are none."""
    assert record.entries is not None
    path = store.cache.path("reference", record.entries.reference) / file_name(case)
    try:
        return load_arrays(path) if path.is_file() else None
    except ResultError:
        return None


def predicted(store: Store, record: Record, case: str) -> xr.Dataset | None:
    """Return a row's maps and, where it has one, concentration of a case; None where they are no longer cached."""
    assert record.entries is not None
    path = store.cache.path("prediction", record.entries.prediction) / file_name(case)
    try:
        return load_arrays(path) if path.is_file() else None
    except ResultError:
        return None


def data_key(store: Store, record: Record, case: str) -> str | None:
    """Return the key of a case's data; None where the cache has it no more, or it cannot be told which it is.

    A record names that of its first case alone. The others are among those that the level's reference was made from,
    and are told by their numbers: see `ctpbench.running.quality`.
    """
    assert record.entries is not None
    place = record.cases.index(case)
    if place == 0:
        return record.entries.observation if store.cache.holds("data", record.entries.observation) else None
    alike = [key for key in _inputs(store, record) if _is_alike(store.cache.path("data", key), record, place)]
    if len(alike) > 1:
        alike = [key for key in alike if _is_same(store.cache.path("data", key), record, place)]
    return alike[0] if len(alike) == 1 else None


def _inputs(store: Store, record: Record) -> Iterator[str]:
    assert record.entries is not None
    try:
        text = (store.cache.path("reference", record.entries.reference) / "outcome.json").read_bytes()
        entry = Entry.model_validate_json(text)
    except (OSError, ValueError):
        return
    for name in entry.inputs:
        stage, _, key = name.partition("/")
        if stage == "data" and key != record.entries.observation and store.cache.holds("data", key):
            yield key


def _truth(folder: Path) -> Truth | None:
    path = folder / "truth.npz"
    return load_truth(path) if path.is_file() else None


def _is_alike(folder: Path, record: Record, place: int) -> bool:
    """Whether a case's few numbers are those of the record's."""
    known = _known(record, place, _QUICK)
    try:
        with np.load(folder / "observation.npz", allow_pickle=False) as file:
            aif, times_s, brain = file["aif"], file["time"], file["brain"]
            spacing_mm = [float(np.diff(file[dim][:2])[0]) if file[dim].size > 1 else np.nan for dim in ("z", "y", "x")]
    except (OSError, ValueError, KeyError):
        return False
    found = {
        "aif_peak_hu": float(aif.max()),
        "aif_time_to_peak_s": float(times_s[aif.argmax()] - times_s[0]),
        "brain_ml": int(brain.sum()) * float(np.prod(spacing_mm)) / 1000,
    }
    return bool(known) and all(np.isnan(found[name]) or np.isclose(found[name], known[name], 1e-3) for name in known)


def _is_same(folder: Path, record: Record, place: int) -> bool:
    """Whether all of a case's numbers are those of the record's, the noise among them."""
    try:
        found = quality_of(load_observation(folder / "observation.npz"), _truth(folder))
    except ResultError:
        return False
    known = _known(record, place, list(record.quality))
    numbers = {name: value for name, value in found.items() if value is not None}
    return all(name in numbers and np.isclose(numbers[name], value, 1e-4) for name, value in known.items())


def _known(record: Record, place: int, names: Sequence[str]) -> dict[str, float]:
    values = {name: record.quality[name][place] for name in names if name in record.quality}
    return {name: value for name, value in values.items() if value is not None}
