"""The five stages of work: data -> reference, data -> model -> prediction, all -> scores.

Each function runs in a child process. It reads only the files it is handed, writes into ``out`` and returns what
it measured as plain data. Those that run a method are handed observations only; the truth is opened by
`reference` and `scores`, which run no method, and by `model` where the method declares that it learns from clean.
"""

from __future__ import annotations

import json
import platform
import resource
import statistics
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, cast, overload
from urllib.parse import quote

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench import device
from ctpbench.contract.case import Case, Observation, ScoredCase, TrainingCase, Truth, check_observation
from ctpbench.contract.components import (
    HARNESS_FILES,
    Component,
    Context,
    Dataset,
    Denoiser,
    Metric,
    Trainable,
    check_learning_curve,
)
from ctpbench.errors import DataError, PluginError
from ctpbench.perfusion import scale_factor
from ctpbench.plugins import distribution_of
from ctpbench.running.estimation import (
    Estimate,
    InvalidOutput,
    baseline_subtracted,
    concentration_maps,
    estimate,
    region_perfusion,
    rois_of,
    white_matter_scale,
)
from ctpbench.running.store import (
    load_arrays,
    load_observation,
    load_truth,
    save_arrays,
    save_observation,
    save_truth,
)
from ctpbench.running.work import ComponentSpec, Item
from ctpbench.settings import MapsSettings


@dataclass(frozen=True)
class Lent:
    """What the executor lends a piece of work."""

    inputs: Mapping[str, Path]
    out: Path
    scratch: Path
    checkpoints: Path
    device: str
    threads: int
    progress: Callable[[float, str], None]

    def observation(self, case: str) -> Observation:
        return load_observation(self.inputs[f"observation/{case}"])

    def truth(self, case: str) -> Truth | None:
        path = self.inputs[f"truth/{case}"]
        return load_truth(path) if path.exists() else None

    def context(self, seed: int, *names: str) -> Context:
        """Return a context whose generator depends on the seed and the names alone."""
        entropy = [seed, *(zlib.crc32(name.encode()) for name in names)]
        rng = np.random.default_rng(entropy)
        return Context(self.device, self.threads, rng, self.scratch, self.checkpoints, self.progress)


def run(item: Item, lent: Lent) -> dict[str, Any]:
    """Do one item's work."""
    stages = {
        "data": data,
        "reference": reference,
        "model": model,
        "prediction": prediction,
        "scores": scores,
    }
    return stages[item.stage](item.task, lent)


def data(task: Mapping[str, Any], lent: Lent) -> dict[str, Any]:
    """Load one case at one noise level and check it."""
    dataset = cast(Dataset, build(task["dataset"]))
    case = dataset.load(task["case"], task["noise"])
    if not isinstance(case, Case) or case.id != task["case"]:
        raise DataError(f"dataset {dataset.name}: load({task['case']!r}) returned {getattr(case, 'id', case)!r}")
    check_observation(case.observation)
    save_observation(case.observation, lent.out / "observation.npz")
    if case.truth is not None:
        save_truth(case.truth, lent.out / "truth.npz")
    return {"inspection": dict(case.inspection)} if case.inspection else {}


def reference(task: Mapping[str, Any], lent: Lent) -> dict[str, Any]:
    """Compute what a case set shares: noiseless maps, regions of interest and one pair of scaling factors."""
    settings = MapsSettings(**task["maps"])
    white_matter = settings.scaling == "white_matter"
    true_maps: dict[str, list[tuple[Any, Any, Any]]] = {"cbf": [], "cbv": []}
    in_white_matter: list[Mapping[str, float]] = []
    for case in task["cases"]:
        observation, truth = lent.observation(case), lent.truth(case)
        maps = rois = None
        if truth is not None and truth.frames is not None:
            maps = concentration_maps(baseline_subtracted(truth.frames, settings), observation, settings)
        if maps is not None and truth is not None and truth.maps is not None:
            for name, known in true_maps.items():
                true = truth.maps.sel(map=name).values
                known.append((maps.sel(map=name).values, true, observation.tissue & np.isfinite(true)))
        if task["rois"] or white_matter:
            rois = rois_of(observation, truth)
        if white_matter and rois is not None and "white_matter" in rois["roi"]:
            mask = rois.sel(roi="white_matter").values
            in_white_matter.append(region_perfusion(observation, mask, settings))
        if maps is not None or rois is not None:
            save_arrays(lent.out / file_name(case), maps=maps, rois=rois)
    if settings.scaling == "truth":
        return {
            "scale": {
                name: scale_factor(*(list(column) for column in zip(*known, strict=True))) if known else 1.0
                for name, known in true_maps.items()
            }
        }
    return {"scale": white_matter_scale(in_white_matter) if white_matter else {"cbf": 1.0, "cbv": 1.0}}


def model(task: Mapping[str, Any], lent: Lent) -> dict[str, Any]:
    """Fit a trainable denoiser on the training split and save what it learnt, with where that comes from."""
    trainable = cast(Trainable, build(task["denoiser"]))
    training = TrainingView(lent, tuple(task["cases"]), clean=trainable.learns_from == "clean")
    resumed = any(lent.checkpoints.iterdir())
    clock = device.Stopwatch(lent.device)
    fitted = trainable.fit(training, lent.context(task["seed"], trainable.name))
    measured = {"fit_s": clock.seconds(), "fit_resumed": resumed, **_resources(lent)}
    learning = _learning(trainable, fitted)
    trainable.save(fitted, lent.out)
    if taken := [name for name in HARNESS_FILES if (lent.out / name).exists()]:
        raise PluginError(f"{trainable.name}: save wrote {taken[0]}, which the harness writes; choose another name")
    about = origin(
        task["denoiser"], trainable, measured, cases=list(task["cases"]), data=task["data"], seed=task["seed"]
    )
    (lent.out / "training.json").write_text(json.dumps(about, indent=1))
    return {**measured, "learning": learning}


def prediction(task: Mapping[str, Any], lent: Lent) -> dict[str, Any]:
    """Denoise every case of a set and compute its maps, not yet scaled."""
    denoiser = cast(Denoiser, build(task["denoiser"]))
    if isinstance(denoiser, Trainable):
        denoiser = denoiser.load(lent.inputs["model"])
    settings = MapsSettings(**task["maps"])

    def attempt(case: str) -> Estimate:
        return estimate(denoiser, lent.observation(case), settings, lent.context(task["seed"], denoiser.name, case))

    if task["timed"]:
        attempt(task["cases"][0])  # warm-up: compilation, caches, allocators
    estimates = []
    for done, case in enumerate(task["cases"]):
        lent.progress(done / len(task["cases"]), case)
        runs = [attempt(case) for _ in range(task["repeats"] if task["timed"] else 1)]
        kept = runs[-1].concentration if task["keep_concentration"] else None
        save_arrays(lent.out / file_name(case), maps=runs[-1].maps, concentration=kept)
        estimates.append(
            (
                statistics.median(r.denoise_s for r in runs),
                statistics.median(r.maps_s for r in runs),
                runs[-1].diagnostics,
            )
        )
    names = sorted({name for *_, diagnostics in estimates for name in diagnostics})
    return {
        "denoise_s": [denoise_s for denoise_s, _, _ in estimates],
        "maps_s": [maps_s for _, maps_s, _ in estimates],
        "diagnostics": {name: [d.get(name) for *_, d in estimates] for name in names},
        **_resources(lent),
    }


def scores(task: Mapping[str, Any], lent: Lent) -> dict[str, Any]:
    """Score every case of a set with every metric."""
    metrics = {label: cast(Metric, build(spec)) for label, spec in task["metrics"].items()}
    settings = MapsSettings(**task["maps"])
    scored: dict[str, list[xr.DataArray | None]] = {label: [] for label in metrics}
    for case in task["cases"]:
        answer = scored_case(case, lent, settings, task["scale"])
        for label, metric in metrics.items():
            applies = all(getattr(answer, need) is not None for need in metric.needs)
            scored[label].append(metric.score(answer).astype(np.float64) if applies else None)
    return {"scores": {label: _score_table(metrics[label], results) for label, results in scored.items()}}


def scored_case(case: str, lent: Lent, settings: MapsSettings, scale: Mapping[str, float]) -> ScoredCase:
    """Bring together a case's observation, truth and reference with a method's answer, scaled alike."""
    observation, truth = lent.observation(case), lent.truth(case)
    answer = load_arrays(lent.inputs[f"prediction/{case}"])
    reference_path = lent.inputs[f"reference/{case}"]
    known = load_arrays(reference_path) if reference_path.exists() else xr.Dataset()
    noiseless = scaled(known["maps"], scale) if "maps" in known else None
    clean = None if truth is None or truth.frames is None else baseline_subtracted(truth.frames, settings)
    maps, concentration = scaled(answer["maps"], scale), answer.get("concentration")
    return ScoredCase(case, observation, maps, noiseless, truth, concentration, clean, known.get("rois"))


def scaled(maps: xr.DataArray, scale: Mapping[str, float]) -> xr.DataArray:
    """Return maps with CBF and CBV times their factors, and MTT = 60 CBV / CBF of those."""
    factor = {**scale, "mtt": scale["cbv"] / scale["cbf"]}
    names = [str(name) for name in maps["map"].values]
    factors = xr.DataArray([factor.get(name, 1.0) for name in names], dims="map").astype(np.float32)
    return (maps * factors).transpose(*maps.dims)


class TrainingView(Sequence[TrainingCase]):
    """The training split as a method may see it; loads one case at a time, clean frames only where allowed."""

    def __init__(self, lent: Lent, cases: tuple[str, ...], clean: bool) -> None:
        self._lent, self._cases, self._clean = lent, cases, clean

    def __len__(self) -> int:
        return len(self._cases)

    @overload
    def __getitem__(self, index: int) -> TrainingCase: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TrainingCase]: ...
    def __getitem__(self, index: int | slice) -> TrainingCase | Sequence[TrainingCase]:
        if isinstance(index, slice):
            return TrainingView(self._lent, self._cases[index], self._clean)
        case = self._cases[index]
        clean = None
        if self._clean:
            truth = self._lent.truth(case)
            if truth is None or truth.frames is None:
                raise DataError(
                    f"case {case}: has no noiseless frames, which this method learns from; choose another dataset"
                )
            clean = truth.frames
        return TrainingCase(case, self._lent.observation(case), clean)

    def __iter__(self) -> Iterator[TrainingCase]:
        return (self[i] for i in range(len(self)))


def build(spec: ComponentSpec) -> Component:
    """Import a component's class and make it."""
    kind = reduce(getattr, spec.qualname.split("."), import_module(spec.module))
    return cast(type[Component], kind)(**spec.params)


def file_name(case: str) -> str:
    """Return a case's file name, whatever characters its id holds."""
    return quote(case, safe=" ") + ".npz"


def _resources(lent: Lent) -> dict[str, Any]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {
        "peak_memory_mib": peak,
        "peak_device_memory_mib": device.peak_memory_mib(lent.device),
        "device": lent.device,
        "threads": lent.threads,
        "hardware": device.hardware(lent.device),
    }


def _learning(trainable: Trainable, fitted: Denoiser) -> dict[str, list[float | None]] | None:
    """Return what training logged, checked and short enough for a record."""
    curve = trainable.learning_curve(fitted)
    try:
        return None if curve is None else thinned(check_learning_curve(curve))
    except ValueError as error:
        raise InvalidOutput(str(error)) from None


def thinned(curve: Mapping[str, list[float | None]], most: int = 500) -> dict[str, list[float | None]]:
    """Return a learning curve with at most so many numbers of each quantity, its first and last among them.

    Quantities may be logged at different steps, so each is thinned by itself; the steps that one needs alone
    are null in the others.
    """
    if len(curve["step"]) <= most:
        return dict(curve)
    kept: dict[str, set[int]] = {}
    for name, values in curve.items():
        if name != "step":
            known = [i for i, value in enumerate(values) if value is not None]
            evenly = np.linspace(0, len(known) - 1, min(most, len(known))).round().astype(int)
            kept[name] = {known[i] for i in evenly}
    rows = sorted(set().union(*kept.values()))
    return {name: [values[i] if i in kept.get(name, rows) else None for i in rows] for name, values in curve.items()}


def origin(spec: ComponentSpec, trainable: Trainable, measured: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """Return what a model was made of, by whom and where; `facts` go in as they are."""
    distribution, version = distribution_of(type(trainable))
    versions = {"python": platform.python_version(), "ctpbench": metadata.version("ctpbench"), distribution: version}
    versions |= {name: sys.modules[name].__version__ for name in ("numpy", "torch") if name in sys.modules}
    return {
        "denoiser": {"module": spec.module, "qualname": spec.qualname, **spec.identity},
        "learns_from": trainable.learns_from,
        **facts,
        "device": measured["device"],
        "threads": measured["threads"],
        "hardware": measured["hardware"],
        "versions": {name: found for name, found in versions.items() if name},
    }


def _score_table(metric: Metric, results: list[xr.DataArray | None]) -> dict[str, Any]:
    """Stack one metric's results over cases; None and NaN become null, for JSON knows no NaN."""
    known = [r.drop_vars(set(r.coords) - set(r.dims)) for r in results if r is not None]
    cases = [i for i, r in enumerate(results) if r is not None]
    values: Any = [None] * len(results)
    dims, coords = ["case"], {}
    if known:  # cases may differ in their times: the union of their coordinates is kept
        at = pd.Index(cases, name="case")
        table = xr.concat(known, at, join="outer", coords="minimal", compat="override")
        table = table.reindex(case=range(len(results))).transpose("case", ...)
        dims = [str(dim) for dim in table.dims]
        coords = {dim: np.asarray(table[dim].values).tolist() for dim in dims[1:]}
        array = np.asarray(table.values, dtype=object)
        array[~np.isfinite(table.values)] = None
        values = array.tolist()
    summary = (type(metric).__doc__ or "").strip().split("\n")[0]
    return {
        "dims": dims,
        "coords": coords,
        "values": values,
        "units": metric.units,
        "better": metric.better,
        "description": summary,
    }
