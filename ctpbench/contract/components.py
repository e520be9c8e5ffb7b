"""The contracts a plugin fulfils: Dataset, Denoiser (three kinds), Trainable and Metric.

A component is a frozen pydantic model. Its fields are its parameters: typed, bounded, with the unit in the
name. Its docstring says what it is and cites the source. From the model come validation, ``ctpbench show NAME``,
the suite's JSON Schema and the row's label.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import BaseModel, ConfigDict

from ctpbench.contract.case import Case, ScoredCase, TrainingCase

Better = Literal["lower", "higher", "zero"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
HARNESS_FILES = ("outcome.json", "training.json")
"""What the harness itself writes beside a saved model."""


@dataclass(frozen=True)
class Context:
    """What the harness lends a component while it works.

    Attributes
    ----------
    device : str
        ``"cpu"``, ``"cuda"`` or ``"mps"``: already resolved, never ``"auto"``.
    threads : int
        How many threads the work may use.
    rng : numpy.random.Generator
        Seeded from the suite's seed, the method and the case: the only allowed source of randomness.
    scratch : Path
        An empty folder, deleted afterwards.
    checkpoints : Path
        A folder that outlives the process: what a killed `Trainable.fit` left there, its next attempt finds.
        Deleted once the work is done. The end may come at any moment: write a file beside its place and rename
        it. In all other work it is the scratch folder.
    progress : callable(fraction, text)
        Reports progress of long work, ``fraction`` from 0 to 1.
    """

    device: str
    threads: int
    rng: np.random.Generator
    scratch: Path
    checkpoints: Path
    progress: Callable[[float, str], None] = lambda fraction, text: None


class Component(BaseModel):
    """Base of all components: a frozen model with a `name` and a `version`, both class attributes.

    Raise `version` whenever the same parameters give another answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    name: ClassVar[str]
    version: ClassVar[str]


class Dataset(Component, ABC):
    """A source of cases. `noise` is a value of the suite's noise axis, None where the suite names none."""

    @abstractmethod
    def cases(self, split: Split) -> Sequence[str]:
        """Return the ids of one split's cases; no id is in two splits."""

    @abstractmethod
    def load(self, case_id: str, noise: float | None) -> Case:
        """Return one case at one noise level, the same bytes at every call."""

    def fingerprint(self) -> str:
        """Return what identifies the bytes this dataset reads, beyond its parameters (files: size and time)."""
        return ""


class Denoiser(Component, ABC):
    """Base of the three kinds of denoiser below. All end in the same residues and the same maps."""


class FrameDenoiser(Denoiser):
    """Frames in, frames out; the core subtracts the baseline and deconvolves."""

    @abstractmethod
    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return denoised frames.

        Parameters
        ----------
        frames : DataArray, (time, z, y, x), float32, HU
            Read-only. The coordinates of `ctpbench.contract.case.Observation`: brain, vessels, aif, vof, times.
        context : Context

        Returns
        -------
        DataArray, (time, z, y, x), float32, HU
            Finite, with the same coordinates: ``frames.copy(data=...)``.
        """


class ConcentrationDenoiser(Denoiser):
    """Frames in, concentration out (baseline already subtracted); the core deconvolves."""

    @abstractmethod
    def concentration(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return the concentration, (time, z, y, x), float32, HU above baseline. See `FrameDenoiser`."""


class Deconvolver(Denoiser):
    """Concentration and AIF in, residues out: denoising and deconvolution at once."""

    @abstractmethod
    def deconvolve(self, concentration: xr.DataArray, context: Context) -> xr.DataArray:
        """Return the residue functions, flow included.

        Parameters
        ----------
        concentration : DataArray, (time, z, y, x), float32, HU above baseline
            Read-only, with the coordinates of the frames; ``concentration["aif"]`` is the input function.
        context : Context

        Returns
        -------
        DataArray, (lag, z, y, x), float32, 1/s
            r of ``c = A r``, A the circulant matrix of `ctpbench.perfusion`; lag has its length M = 2 T.
        """


class Trainable(Denoiser):
    """A denoiser that first learns from the training split; what it learns is cached as a model."""

    learns_from: ClassVar[Literal["noisy", "clean"]]

    @property
    def all_levels(self) -> bool:
        """Whether it learns from all noise levels of the dataset at once; one fit then serves every one of them."""
        return False

    @abstractmethod
    def fit(self, training: Sequence[TrainingCase], context: Context) -> Denoiser:
        """Return a fitted denoiser of one of the three kinds. Cases load lazily, one at a time.

        Long training goes on from where a killed attempt was: see `Context.checkpoints`.
        """

    @abstractmethod
    def save(self, fitted: Denoiser, folder: Path) -> None:
        """Write what `fit` returned into an existing empty folder; the names `HARNESS_FILES` are taken."""

    @abstractmethod
    def load(self, folder: Path) -> Denoiser:
        """Return what `save` wrote."""

    def learning_curve(self, fitted: Denoiser) -> Mapping[str, Sequence[float]] | None:
        """Return what training logged, for `fitted` as `fit` returned it; None where it logs nothing.

        Equally long lists of numbers by name, one of them ``step``: ``{"step": [0, 100], "loss": [9.1, 2.3]}``.
        NaN where a quantity was not logged at a step.
        """
        return None


def check_learning_curve(curve: object) -> dict[str, list[float | None]]:
    """Return a learning curve as lists of plain numbers, None for each that is not finite.

    Raises
    ------
    ValueError
        Where it is no mapping of names to equally long lists of numbers with finite ``step`` among them.
    """
    if not isinstance(curve, Mapping):
        raise ValueError(f"learning_curve: got {type(curve).__name__}; allowed: a mapping of lists, or None")
    if "step" not in curve:
        raise ValueError(f"learning_curve: got {', '.join(map(repr, curve)) or 'nothing'}; allowed: 'step' among them")
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for name, values in curve.items():
        column = np.asarray(values)
        if not isinstance(name, str) or column.ndim != 1 or (column.size and column.dtype.kind not in "iuf"):
            got = f"{column.dtype} of shape {column.shape}"
            raise ValueError(f"learning_curve: {name!r}: got {got}; allowed: a name and a list of numbers")
        columns[name] = column.astype(np.float64)
    lengths = {name: column.size for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"learning_curve: got lengths {lengths}; allowed: equally long lists")
    if not np.isfinite(columns["step"]).all():
        raise ValueError("learning_curve: step: got NaN or infinity; allowed: finite numbers")
    return {name: [v if np.isfinite(v) else None for v in column.tolist()] for name, column in columns.items()}


class Metric(Component, ABC):
    """A score of one case. `better` is lower, higher, or nearer to zero; `units` ``"map"`` means those of each map."""

    better: ClassVar[Better]
    units: ClassVar[str]

    @property
    def needs(self) -> frozenset[str]:
        """Which optional parts of a ScoredCase are read.

        Of noiseless, truth, concentration, noiseless_concentration and rois. Where a case lacks one of them the score
        is "not applicable", which is no failure.
        """
        return frozenset()

    @abstractmethod
    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the score; it may keep the dims map, time, frequency and roi, with their coordinates, and no other."""


def check_score(score: object, case: ScoredCase, name: str) -> xr.DataArray:
    """Return a metric's score where it is sound, raise ValueError where not."""
    if not isinstance(score, xr.DataArray):
        raise ValueError(f"metric {name!r}: got {type(score).__name__}; allowed: DataArray")
    dims = ("map", "time", "frequency", "roi")
    if not set(score.dims) <= set(dims):
        raise ValueError(f"metric {name!r}: got dims {score.dims}; allowed: any of {', '.join(dims)}")
    return score
