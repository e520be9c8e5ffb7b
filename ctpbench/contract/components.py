"""The contracts a plugin fulfils: Dataset, Denoiser (three kinds), Trainable and Metric.

A component is a frozen pydantic model. Its fields are its parameters: typed, bounded, with the unit in the
name. Its docstring says what it is and cites the source. From the model come validation, ``ctpbench show NAME``,
the suite's JSON Schema and the row's label.

What holds for all of them, and what ``ctpbench check PACKAGE`` looks for:

- Each piece of work runs in a process of its own, and the component is made there anew from its parameters: what it
  keeps elsewhere is lost, and the same parameters, input and seed give the same bytes in every process. Python's
  ``hash`` of text and the order of a set do not: they differ from process to process.
- Arrays that it is given are read-only, and so is the rest of what it is given; what it returns is its own.
- Random numbers come from `Context.rng`, a dataset's from a seed among its parameters; never from the global
  generators of numpy, torch or `random`.
- An error that a user can mend is raised as `ctpbench.DataError`, with one line: where, what was got, what is allowed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args, get_origin

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from ctpbench.contract.case import Case, ScoredCase, TrainingCase
from ctpbench.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

Better = Literal["lower", "higher", "zero", "none"]
Quantity = Literal["number", "decision"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SCORE_DIMS = ("map", "time", "frequency", "roi")
"""The dims that a metric's score may keep."""
HARNESS_FILES = ("outcome.json", "training.json")
"""What the harness itself writes beside a saved model."""


@dataclass(frozen=True)
class Context:
    """What a component is given to work with.

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

    `name` is what suites and results call it: a letter, then letters, digits, ``_`` or ``-``. Where two distributions
    offer one name, users write ``distribution:name``. A metric's is also that of a variable of the results, beside
    ``status``, ``message``, ``denoise_s`` and the like, unless the suite gives it another label.

    Raise `version` whenever the same parameters give another answer.

    The docstring's first line stands alone in ``ctpbench list`` and, for a metric, in the results; its first paragraph
    describes the component in the suite's JSON Schema; ``ctpbench show`` prints all of it. There a metric that may be
    NaN says when it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    name: ClassVar[str]
    version: ClassVar[str]

    @field_validator("*", mode="before")
    @classmethod
    def _list_as_tuple(cls, value: Any, info: ValidationInfo) -> Any:
        """Take a list for a parameter that is a tuple: YAML and JSON know no other, and a validator may come first."""
        field = cls.model_fields[info.field_name or ""]
        return tuple(value) if isinstance(value, list) and _is_tuple(field.annotation) else value


def _is_tuple(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(map(_is_tuple, get_args(annotation)))


class Dataset(Component, ABC):
    """A source of cases. `noise` is a value of the suite's noise axis, None where the suite names none.

    Attributes
    ----------
    noise_symbol, noise_units : str
        What a value of the noise axis is, as titles and tables say it: ``"N0"`` and ``"photons a ray"`` give "N0 = 2e5
        photons a ray". Without a symbol they say "noise 2e5".
    """

    noise_symbol: ClassVar[str] = ""
    noise_units: ClassVar[str] = ""

    @abstractmethod
    def cases(self, split: Split) -> Sequence[str]:
        """Return the ids of one split's cases, text that is not empty, in the same order each time.

        No id is in two splits; a split may be empty.

        Raises
        ------
        DataError
            Where the data are not on this machine: says how to get them. The conformance kit then skips the dataset.
        """

    @abstractmethod
    def load(self, case_id: str, noise: float | None) -> Case:
        """Return one case at one noise level, the same bytes at every call and in every process.

        A seed for its noise is made from the id's bytes, as by ``zlib.crc32(case_id.encode())``, not by ``hash``.

        Raises
        ------
        DataError
            Where there is no such case, a file cannot be read, or the noise level is none of the dataset's.
        """

    def patient(self, case_id: str) -> str:
        """Return whose case it is, text that is not empty: slices or scans of one patient are no independent evidence.

        Scores are averaged within a patient, and intervals are drawn over patients. No patient is in two splits. By
        default each case is a patient of its own.
        """
        return case_id

    def load_replicate(self, case_id: str, noise: float, replicate: int) -> Case:
        """Return a case as `load` does, with another draw of its noise; `replicate` 0 is the draw of `load`.

        A dataset whose noise is simulated implements it; the others refuse.

        Raises
        ------
        DataError
            As `load`; by default always.
        """
        raise DataError(f"{self.name}: got replicate {replicate}; allowed: 0, for its noise cannot be drawn anew")

    def fingerprint(self) -> str:
        """Return what identifies the bytes this dataset reads, beyond its parameters (files: size and time).

        It is the same at every call and in every process, for cached cases are found by it.
        """
        return ""


class Denoiser(Component, ABC):
    """Base of the three kinds of denoiser below. All end in the same residues and the same maps.

    Its output may report numbers of the method itself, by name, in ``attrs["diagnostics"]``:
    ``{"iterations": 12, "relative_gap": 1e-4}``. Finite numbers alone, up to 100, by plain names (letters, digits,
    ``_``, ``-``, ``.``); the results hold them for each case.

    Attributes
    ----------
    pretrained_on : str
        What its weights were made from before any run, if it brings some: data sets and splits, as people know them.
        The leaderboard shows it.
    """

    pretrained_on: ClassVar[str] = ""

    @property
    def needs_frames(self) -> int | None:
        """How many frames it takes where it takes no other number, as a network of fixed size; None for any number.

        A method that learns says so of what it learns from, and what it has learnt of what that denoises. Where a case
        has another number, the harness says so in one line and does not call the method.
        """
        return None


class FrameDenoiser(Denoiser):
    """Frames in, frames out; the core subtracts the baseline and deconvolves."""

    @abstractmethod
    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return denoised frames.

        Parameters
        ----------
        frames : DataArray, (time, z, y, x), float32, HU
            Read-only. The coordinates of `ctpbench.Observation`: brain, vessels, aif, vof where known, times.
        context : Context

        Returns
        -------
        DataArray, (time, z, y, x), float32, HU
            Finite, with the same coordinates and memory of its own: ``frames.copy(data=...)``.
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
            Read-only, with the coordinates of the frames; ``concentration["aif"]`` is the input function. Times are
            evenly spaced: the core resamples where the scanner's were not.
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
        """Return a fitted denoiser of one of the three kinds. Cases load lazily, one at a time, and are read-only.

        Long training goes on from where a killed attempt was: see `Context.checkpoints`.
        """

    @abstractmethod
    def save(self, fitted: Denoiser, folder: Path) -> None:
        """Write what `fit` returned into an existing empty folder; the names `HARNESS_FILES` are taken."""

    @abstractmethod
    def load(self, folder: Path) -> Denoiser:
        """Return what `save` wrote: a denoiser that answers as the one that was saved, to the bit.

        Called in another process, on an instance that fitted nothing, and the folder lies elsewhere by then.
        """

    def learning_curve(self, fitted: Denoiser) -> Mapping[str, Sequence[float]] | None:
        """Return what training logged, for `fitted` as `fit` returned it; None where it logs nothing.

        Equally long lists of numbers by name, one of them ``step``: ``{"step": [0, 100], "loss": [9.1, 2.3]}``.
        NaN where a quantity was not logged at a step.
        """
        return None


class Metric(Component, ABC):
    """A score of one case. `better` is lower, higher, or nearer to zero; `units` ``"map"`` means those of each map.

    What is no better for being large or small, such as a volume, has the `better` ``"none"``: it ranks and tunes
    nothing. It may name in `agrees_with` the metric that gives its reference, such as the true volume: where a suite
    asks for both, results say how far they agree over patients, at each map and region that both keep. Each case
    counts as one reading of its patient, so it must hold all that is to be measured. `quantity` says how they are held
    together: a ``"number"`` by Bland and Altman's limits of agreement and the ICC; a ``"decision"``, which is 1, 0 or
    NaN, by Cohen's kappa.

    `best` is a value that no score is better than, such as 0 of an error and 1 of an overlap: tuning by the metric then
    stops early what can no longer win. None where there is none, or nobody knows.
    """

    better: ClassVar[Better]
    units: ClassVar[str]
    agrees_with: ClassVar[str] = ""
    quantity: ClassVar[Quantity] = "number"
    best: ClassVar[float | None] = None

    @property
    def needs(self) -> frozenset[str]:
        """Which optional parts of a ScoredCase are read.

        Of noiseless, truth, concentration, noiseless_concentration and rois. Where a case lacks one of them the score
        is "not applicable", which is no failure.
        """
        return frozenset()

    @abstractmethod
    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the score of a case, which is read-only.

        Returns
        -------
        DataArray, any of (map, time, frequency, roi), float32 or float64
            A number for each of what it keeps, with a coordinate for each dim: maps by name, times of the frames in s,
            frequencies in 1/mm, regions by name. NaN where it is not defined.
        """
