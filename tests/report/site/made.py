"""Runs made by hand, small and whole: one with images of three cases, one with eight patients and hostile names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.contract.case import Case
from ctpbench.running.estimation import baseline_subtracted, concentration_maps, scaled
from ctpbench.running.files import file_name, save_arrays, save_observation, save_truth
from ctpbench.running.index import Index
from ctpbench.running.quality import gathered, quality_of
from ctpbench.running.record import Entries, Record
from ctpbench.running.store import Store
from ctpbench.running.work import Outcome
from ctpbench.settings import MapsSettings
from ctpbench.testing import example_case
from tests.outcome.records import changed, index_of, objective, record, rmse, trial
from tests.outcome.test_leaderboard import ward

CASES = ("one", "two", "three")
SCALE = {"cbf": 2.0, "cbv": 0.5}
MAPS = MapsSettings()
HOSTILE = (
    "<script>globalThis.hacked = 1</script>",
    "<img src=x onerror=\"globalThis.hacked = 2\"> & 'x'",
    '"></bdi></script><b>bold</b>',
    "{{7*7}} ${7*7} =HYPERLINK(1)",
    "\u202eright to left \u05d0\u05d1 \u2028 line",
)
TEXT = "name: '<script>globalThis.hacked = 3</script>'\n"


def example(place: int) -> Case:
    """The case of a place, each with another noise and a head of another size."""
    made = example_case(slices=2, rows=12, columns=14 + 2 * place, frames=8, seed=place)
    return Case(CASES[place], made.observation, made.truth)


def answer(place: int, label: str) -> xr.Dataset:
    """What a row makes of a case: its maps, not scaled, and its concentration."""
    case = example(place)
    assert case.truth is not None
    frames = case.observation.frames if label == "none" else case.truth.frames
    assert frames is not None
    if label not in ("none", "noiseless"):
        frames = frames.copy(data=frames.values + np.float32(0.5) * np.roll(frames.values, 1, axis=-1) / 40)
    concentration = baseline_subtracted(frames, MAPS)
    maps = concentration_maps(concentration, case.observation, MAPS)
    return xr.Dataset(
        {"maps": maps, "concentration": concentration.drop_vars(set(concentration.coords) - set(concentration.dims))}
    )


def maps_of(place: int, label: str) -> xr.DataArray:
    """A row's maps of a case as they are scored."""
    return scaled(answer(place, label)["maps"], SCALE)


def pictured_run(folder: Path, noise: float | None = 2e5) -> Path:
    """A run whose cache holds three cases with the answers of three rows; the record names the first case's data."""
    store = Store(folder)
    (folder / "tmp").mkdir(parents=True)
    ok = Outcome(status="ok")

    def commit(stage: Any, key: str, inputs: Sequence[Any] = (), **files: Any) -> None:
        made = store.cache.workspace() / "entry"
        made.mkdir()
        for name, write in files.items():
            write(made / name)
        store.cache.commit(stage, key, made, ok, inputs)

    cases = [example(place) for place in range(3)]
    for case in cases:
        parts = {
            "observation.npz": lambda path, case=case: save_observation(case.observation, path),
            "truth.npz": lambda path, case=case: save_truth(case.truth, path),
        }
        commit("data", f"data-{case.id}", **parts)
    data = [("data", f"data-{case.id}") for case in reversed(cases)]
    noiseless = {
        file_name(CASES[i]): lambda path, i=i: save_arrays(path, maps=answer(i, "noiseless")["maps"]) for i in range(3)
    }
    commit("reference", "reference", data, **noiseless)
    quality = gathered([quality_of(case.observation, case.truth) for case in cases])
    records = []
    for label, errors in {"noiseless": [0, 0, 0], "blur": [2, 4, 3], "none": [9, 7, 8]}.items():
        answers = {
            file_name(CASES[i]): lambda path, i=i, label=label: save_arrays(path, **answer(i, label)) for i in range(3)
        }
        commit("prediction", f"prediction-{label}", data, **answers)
        entries = Entries(observation="data-one", reference="reference", prediction=f"prediction-{label}")
        more: dict[str, Any] = {"cases": list(CASES), "quality": quality, "scale": SCALE, "entries": entries}
        records.append(record(label, noise, scores={"rmse": rmse([float(e) for e in errors])}, timings={}, **more))
    return _written(store, records)


def ward_run(folder: Path) -> Path:
    """A run of eight patients at two levels: a tuned row, one that learnt, one that failed, and hostile names."""
    tuned = {"sigma_px": 2.0}
    tried = [
        trial({"sigma_px": 1.0}, 7.0),
        trial(tuned, 5.0),
        trial({"sigma_px": 4.0}, 6.0),
        trial({"sigma_px": 9.0}, None),
    ]
    more = {"tuned": tuned, "parameters": tuned, "tuned_by": objective("rmse"), "trials": tried}
    records = []
    for noise in (1e5, 2e5):
        records += [
            ward("noiseless", 0.5, noise=noise),
            ward("tips", 5.0, noise=noise, **more),
            _learnt("n2n", noise, {"step": [1.0, 2.0, 3.0], "loss": [3.0, 2.0, 1.0]}),
            ward("none", 40.0, noise=noise),
            record("ttv", noise, status="crashed", message="signal 11 </script><script>globalThis.hacked = 4</script>"),
            *(ward(label, 6.0 + i, noise=noise, key=f"hostile-{noise:g}-{i}") for i, label in enumerate(HOSTILE)),
        ]
    records += [
        ward("tips", 5.0, noise=2e5, seed=1, **{**more, "trials": [trial({"sigma_px": 1.0}, 8.0), trial(tuned, 4.0)]}),
        _learnt("n2n", 2e5, {"step": [1.0, 2.0, 3.0], "loss": [5.0, 3.0, 2.0]}, seed=1),
    ]
    return _written(Store(folder), records)


def _learnt(label: str, noise: float, learning: dict[str, Any], **more: Any) -> Record:
    return changed(ward(label, 5.02, spread=1.2, noise=noise, learning=learning, **more), timings={"fit_s": 60.0})


def _written(store: Store, records: Sequence[Record]) -> Path:
    provenance = {
        "suite": "paper",
        "suite_text": TEXT,
        "suite_sha256": "0" * 64,
        "description": HOSTILE[0],
        "cpu": "a processor",
    }
    index = index_of(records)
    store.write_plan(Index(suite="paper", provenance=provenance, cells=index.cells), TEXT)
    for made in records:
        written = store.write_record(made)
        path = store.log_path(written.key)
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"what {written.config} printed\n</script>\n")
    return store.folder
