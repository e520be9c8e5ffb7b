"""A method made ready for a scan: trained on it, or loaded from a model, with what it works with."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import overload

import numpy as np

from ctpbench.atomic import write_text
from ctpbench.code import digest, kernel_cache
from ctpbench.contract.answers import check_frame_count
from ctpbench.contract.case import TrainingCase
from ctpbench.contract.components import Context, Denoiser, Trainable
from ctpbench.contract.series import slabs
from ctpbench.device import hardware
from ctpbench.errors import DataError, InputError
from ctpbench.plugins import Catalogue
from ctpbench.running.executors.protocol import Limits
from ctpbench.running.origin import origin
from ctpbench.running.work import ComponentSpec
from ctpbench.scans.inspection import Inspection
from ctpbench.scans.opening import MODEL, WORK
from ctpbench.text import did_you_mean, one_line

Progress = Callable[[float, str], None]


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
    training = ScanTraining(inspection, denoiser)
    fitted = denoiser.fit(training, context)
    made = Path(tempfile.mkdtemp(dir=context.scratch))
    denoiser.save(fitted, made)
    about = origin(
        ComponentSpec.of(denoiser),
        learns_from=denoiser.learns_from,
        cases=["the scan itself"],
        seed=seed,
        device=context.device,
        threads=context.threads,
        hardware=hardware(context.device),
    )
    write_text(made / "training.json", json.dumps(about, indent=1))
    made.chmod(0o755)
    shutil.rmtree(out / MODEL, ignore_errors=True)
    made.rename(out / MODEL)
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
    cls = catalogue.find("denoiser", name or found)
    if cls.name != found:
        raise InputError(f"--method {name}: the model in {folder} is of {found!r}{did_you_mean(cls.name, [found])}")
    try:
        denoiser = cls(**params)
        if isinstance(denoiser, Trainable):
            return denoiser, denoiser.load(folder)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: the model of {found!r} cannot be read: {one_line(error)}; train it again") from None
    raise DataError(f"{folder}: a model of {found!r}, which as installed does not learn; install its version again")


class ScanTraining(Sequence[TrainingCase]):
    """A scan as a method that learns from noise is given it: its slabs with brain, read one at a time."""

    def __init__(self, inspection: Inspection, learner: Trainable) -> None:
        self._inspection, self._learner = inspection, learner
        self._slabs = [slices for slices in slabs(inspection.series) if inspection.brain[slices].any()]

    def __len__(self) -> int:
        return len(self._slabs)

    @overload
    def __getitem__(self, index: int) -> TrainingCase: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TrainingCase]: ...
    def __getitem__(self, index: int | slice) -> TrainingCase | Sequence[TrainingCase]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        slices = self._slabs[index]
        observation = self._inspection.observation(slices)
        check_frame_count(self._learner, observation.frames)
        return TrainingCase(f"slices {slices.start + 1} to {slices.stop}", observation)


@contextmanager
def working_context(
    denoiser: Denoiser, inspection: Inspection, out: Path, limits: Limits, seed: int, progress: Progress
) -> Iterator[Context]:
    """Provide what a method works with; the same call finds the checkpoints of an interrupted training again."""
    spec, scan = ComponentSpec.of(denoiser), inspection.series
    os.environ["NUMBA_CACHE_DIR"] = str(kernel_cache([spec.code]))
    aif = [] if inspection.inputs is None else inspection.inputs.scaled_aif.round(1).tolist()
    source = (str(scan.path.resolve()), scan.path.stat().st_mtime_ns, scan.shape, inspection.times_s.tolist(), aif)
    work = out / WORK
    scratch, checkpoints = work / f"scratch-{os.getpid()}", work / digest(spec.identity, source, seed)
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
