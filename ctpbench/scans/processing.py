"""One scan of a user's own, denoised and mapped a few slices at a time, without a suite."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import xarray as xr

from ctpbench import device
from ctpbench.contract.case import MAP_UNITS, MAPS, Observation, TrainingCase
from ctpbench.contract.components import Context, Deconvolver, Denoiser, Trainable
from ctpbench.contract.series import Format, Series, Volume, slabs
from ctpbench.errors import DataError, InputError, PluginError
from ctpbench.plugins import Catalogue
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
from ctpbench.running.executors.local import Limits
from ctpbench.running.stages import origin, scaled
from ctpbench.running.store import write_text
from ctpbench.running.work import ComponentSpec, digest
from ctpbench.running.worker import numba_cache
from ctpbench.scans.inspection import Inspection
from ctpbench.settings import MapsSettings
from ctpbench.text import did_you_mean

Float32 = npt.NDArray[np.float32]
Progress = Callable[[float, str], None]
_WORK, _MODEL = ".ctpbench", "model"


def open_series(catalogue: Catalogue, path: Path, frame_interval_s: float | None) -> Series:
    """Return the scan at a path, opened by the plugin that reads its format.

    Raises
    ------
    DataError
        Where there is nothing, nobody reads it, or it is faulty.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; name a 4-D NIfTI file or a folder of one DICOM series")
    series = catalogue.manager.hook.ctpbench_open_series(path=path, frame_interval_s=frame_interval_s)
    if series is None:
        raise DataError(
            f"{path}: no installed plugin reads it; allowed: a 4-D NIfTI file or a folder of one DICOM series "
            "(both by ctpbench-isles)"
        )
    return cast(Series, series)


def writable_format(scan: Series, asked: Format | None) -> Format:
    """Return the format that results are written in: the scan's own where none is asked for.

    Raises
    ------
    DataError
        Where the scan cannot be written so.
    """
    chosen = asked or scan.formats[0]
    if chosen not in scan.formats:
        raise DataError(f"{scan.path}: cannot be written as {chosen}; allowed: {' or '.join(scan.formats)}")
    return chosen


@dataclass(frozen=True)
class Processed:
    """What `process` made.

    Attributes
    ----------
    files : list of Path
        The series and maps that were written.
    noisy, maps : DataArray, (map, y, x), float32
        Of the slice with the most brain: maps of the frames as they are, and the method's.
    tissue : ndarray, (y, x), bool
    slice : int
    slabs : int
        How many pieces the scan was taken in.
    """

    files: list[Path]
    noisy: xr.DataArray
    maps: xr.DataArray
    tissue: npt.NDArray[np.bool_]
    slice: int
    slabs: int


def process(
    inspection: Inspection,
    denoiser: Denoiser,
    settings: MapsSettings,
    context: Context,
    out: Path,
    *,
    format: Format | None = None,
    series: bool = True,
) -> Processed:
    """Denoise a scan and compute its maps slab by slab, and write both in the scan's own geometry.

    A method that looks across slices sees no further than its slab.

    Parameters
    ----------
    inspection : Inspection
    denoiser : Denoiser
        Ready to use: a method that learns, as fitted.
    settings : MapsSettings
        `scaling` is none or white_matter.
    context : Context
    out : Path
        An existing folder.
    format : "nifti", "dicom" or None
        The scan's own where it is None.
    series : bool
        Whether the denoised series is written too; a method that emits no frames has none.

    Raises
    ------
    DataError
        Where no artery was found, the scan cannot be read, or it is not written in that format.
    PluginError
        Where the method's output breaks its contract.
    """
    scan = inspection.series
    chosen = writable_format(scan, format)
    pieces = list(slabs(scan))
    scale = _scale(inspection, pieces, settings)
    emits_frames = not isinstance(denoiser, Deconvolver)
    central = int(inspection.brain.sum(axis=(1, 2)).argmax())
    volumes: dict[str, Volume] = {}

    def write(name: str, first: int, values: Float32) -> None:
        if name not in volumes:
            times_s, units = (inspection.times_s, "HU") if name == "denoised" else (None, MAP_UNITS[name])
            volumes[name] = scan.create(out, name, chosen, times_s=times_s, units=units)
        volumes[name].put(first, values)

    try:
        for number, slices in enumerate(pieces):
            context.progress(number / len(pieces), f"slices {slices.start + 1} to {slices.stop} of {scan.shape[1]}")
            if not inspection.brain[slices].any():
                nothing = np.zeros((slices.stop - slices.start, *scan.shape[2:]), np.float32)
                answers = dict.fromkeys(MAPS, nothing) | {"denoised": inspection.frames(slices)}
            else:
                observation = inspection.observation(slices)
                within = replace(context, progress=_part(context.progress, number, len(pieces)))
                answer = estimate(denoiser, observation, settings, within)
                maps = scaled(answer.maps, scale)
                answers = {name: maps.sel(map=name).values for name in MAPS} | _denoised(answer, observation, settings)
                if slices.start <= central < slices.stop:
                    shown = maps.isel(z=central - slices.start)
            for name, values in answers.items():
                if name in MAPS or (series and emits_frames):
                    write(name, slices.start, values)
        files = [volume.finish() for volume in volumes.values()]
    except BaseException as error:
        for volume in volumes.values():
            volume.discard()
        if isinstance(error, InvalidOutput):
            raise PluginError(f"{denoiser.name}: {error}") from None
        raise
    context.progress(1.0, "")
    one = inspection.observation(slice(central, central + 1))
    noisy = scaled(concentration_maps(baseline_subtracted(one.frames, settings), one, settings), scale)
    return Processed(files, noisy.isel(z=0), shown, one.tissue[0], central, len(pieces))


def check_new(out: Path) -> None:
    """Raise InputError where a folder holds more than an interrupted call leaves: results are not mixed or replaced."""
    held = [] if not out.exists() else [path.name for path in out.iterdir() if path.name not in (_WORK, _MODEL)]
    if held:
        raise InputError(f"--out {out}: holds {min(held)}; give a new folder, or empty this one")


def check_learns_from_noise(denoiser: Denoiser) -> None:
    """Raise InputError where a method learns from noiseless frames, which a recorded scan does not have."""
    if isinstance(denoiser, Trainable) and denoiser.learns_from == "clean":
        raise InputError(
            f"{denoiser.name}: learns from noiseless frames, which a recorded scan does not have; give --model, the "
            "folder of one trained on a simulation: cache/model/KEY of a run"
        )


def trained(denoiser: Denoiser, inspection: Inspection, context: Context, out: Path, seed: int) -> Denoiser:
    """Return a denoiser ready to use: one that learns is trained on the scan and saved as the folder ``model``.

    Raises
    ------
    InputError
        Where it learns from noiseless frames, which a recorded scan does not have.
    """
    if not isinstance(denoiser, Trainable):
        return denoiser
    check_learns_from_noise(denoiser)
    training = ScanTraining(inspection)
    clock = device.Stopwatch(context.device)
    fitted = denoiser.fit(training, context)
    measured = {
        "device": context.device,
        "threads": context.threads,
        "hardware": device.hardware(context.device),
        "fit_s": clock.seconds(),
    }
    made = Path(tempfile.mkdtemp(dir=context.scratch))
    denoiser.save(fitted, made)
    about = origin(ComponentSpec.of(denoiser), denoiser, measured, cases=["the scan itself"], seed=seed)
    write_text(made / "training.json", json.dumps(about, indent=1))
    made.chmod(0o755)
    shutil.rmtree(out / _MODEL, ignore_errors=True)
    made.rename(out / _MODEL)
    return fitted


def loaded(catalogue: Catalogue, folder: Path, name: str | None) -> tuple[Denoiser, Denoiser]:
    """Return the method that a saved model belongs to and, fitted, the model.

    Raises
    ------
    DataError, PluginError, InputError
        Where there is no model, its method is not installed, or it is another than `name`.
    """
    try:
        about = json.loads((folder / "training.json").read_text())["denoiser"]
        found, params = str(about["name"]), about["params"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            f"{folder}: no model (training.json is missing or unreadable); name the folder `model` that "
            "`ctpbench denoise` wrote, or cache/model/KEY of a run"
        ) from None
    if name is not None and name != found:
        raise InputError(f"--method {name}: the model in {folder} is of {found!r}{did_you_mean(name, [found])}")
    cls = catalogue.find("denoiser", found)
    try:
        denoiser = cls(**params)
        if isinstance(denoiser, Trainable):
            return denoiser, denoiser.load(folder)
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise DataError(f"{folder}: the model of {found!r} cannot be read: {why}; train it again") from None
    raise DataError(f"{folder}: a model of {found!r}, which as installed does not learn; install its version again")


class ScanTraining(Sequence[TrainingCase]):
    """A scan as a method that learns from noise is given it: its slabs with brain, read one at a time."""

    def __init__(self, inspection: Inspection) -> None:
        self._inspection = inspection
        self._slabs = [slices for slices in slabs(inspection.series) if inspection.brain[slices].any()]

    def __len__(self) -> int:
        return len(self._slabs)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # one case, or a list of them
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        slices = self._slabs[index]
        return TrainingCase(f"slices {slices.start + 1} to {slices.stop}", self._inspection.observation(slices))


@contextmanager
def lent(
    denoiser: Denoiser, inspection: Inspection, out: Path, limits: Limits, seed: int, progress: Progress
) -> Iterator[Context]:
    """Lend a method what it works with; checkpoints of an interrupted training are found again by the same call."""
    spec, scan = ComponentSpec.of(denoiser), inspection.series
    os.environ["NUMBA_CACHE_DIR"] = str(numba_cache([spec.identity["code"]]))
    aif = [] if inspection.inputs is None else inspection.inputs.scaled_aif.round(1).tolist()
    learnt_from = (str(scan.path.resolve()), scan.path.stat().st_mtime_ns, scan.shape, inspection.times_s.tolist(), aif)
    work = out / _WORK
    scratch, checkpoints = work / f"scratch-{os.getpid()}", work / digest(spec.identity, learnt_from, seed)
    for folder in (scratch, checkpoints):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield Context(limits.device, limits.threads, np.random.default_rng([seed]), scratch, checkpoints, progress)
        shutil.rmtree(checkpoints, ignore_errors=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        for folder in (checkpoints, work):  # unless another training's are there
            with suppress(OSError):
                folder.rmdir()


def _denoised(answer: Estimate, observation: Observation, settings: MapsSettings) -> dict[str, Float32]:
    """Return the denoised frames in HU; where a method gives concentrations, those above the scan's own baseline."""
    if answer.frames is not None:
        return {"denoised": answer.frames.values}
    if answer.concentration is None:
        return {}
    early = observation.frames.values[: settings.baseline_frames].mean(axis=0)
    return {"denoised": answer.concentration.values + early}


def _scale(inspection: Inspection, pieces: Sequence[slice], settings: MapsSettings) -> Mapping[str, float]:
    """Return the factors of CBF and CBV, which the white matter of the whole scan decides."""
    if settings.scaling != "white_matter":
        return {"cbf": 1.0, "cbv": 1.0}
    found = []
    for slices in pieces:
        if inspection.brain[slices].any():
            observation = inspection.observation(slices)
            rois = rois_of(observation, None)
            if rois is not None:
                found.append(region_perfusion(observation, rois.sel(roi="white_matter").values, settings))
    if not found:
        raise DataError(
            f"{inspection.series.path}: no flat normal white matter was found to scale by; use --scaling none"
        )
    return white_matter_scale(found)


def _part(progress: Progress, number: int, count: int) -> Progress:
    """Return a progress of one piece as that of all."""
    return lambda fraction, text: progress((number + fraction) / count, text)
