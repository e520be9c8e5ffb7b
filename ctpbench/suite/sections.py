"""What a suite's YAML may hold beside the parameters of components, which their own models say."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from ctpbench.settings import Settings


def _one_line(text: str) -> str:
    if not re.fullmatch(r"\S(.*\S)?", text):
        raise ValueError("allowed: one line of text, with no blanks at its ends")
    return text


def _file_name(text: str) -> str:
    if "/" in text or text in (".", ".."):
        raise ValueError("allowed: text without /")
    return text


Label = Annotated[str, AfterValidator(_one_line)]
Name = Annotated[Label, AfterValidator(_file_name)]
"""A label that names a folder or a group of results."""
Level = Annotated[float, Field(gt=0)]
Noise = Level | None
Seed = Annotated[int, Field(ge=0)]
Replicates = Annotated[int, Field(ge=1)]


class Range(Settings):
    """An interval that `search: tpe` draws from, ends included: whole numbers where the parameter is one."""

    low: int | float
    high: int | float
    log: bool = Field(False, description="Whether to draw evenly in the logarithm.")

    @model_validator(mode="after")
    def _check_order(self) -> Range:
        if not self.low < self.high:
            raise ValueError("allowed: low below high")
        if self.log and not self.low > 0:
            raise ValueError("allowed with log: low above 0")
        return self


Choices = Annotated[list[Any], Field(min_length=1)]
Candidates = Annotated[
    Annotated[Choices, Tag("list")] | Annotated[Range, Tag("range")],
    Discriminator(lambda written: "range" if isinstance(written, dict | Range) else "list"),
]


class TuneSettings(Settings):
    """How a row's parameters are chosen, per dataset and noise level, on the validation split."""

    parameters: dict[str, Candidates] = Field(
        default_factory=dict, description="For each parameter a list of values or (tpe only) a range."
    )
    maps: bool = Field(False, description="Whether to choose among the suite's `maps`, too.")
    search: Literal["exhaustive", "tpe"] = Field(
        "exhaustive", description="Every combination, or Optuna's tree-structured Parzen estimator."
    )
    trials: Annotated[int, Field(ge=1)] | None = Field(None, description="How many combinations tpe tries.")
    metric: str | None = Field(
        None, description="Label of the metric of this suite that decides; its first that ranks where left out."
    )
    map: Literal["cbf", "cbv", "mtt", "ttp", "tmax"] = Field(
        "cbf", description="The map that decides, where the metric keeps maps apart."
    )
    seed: Seed = Field(0, description="Seed of tpe.")
    stop_early: bool = Field(
        True,
        description="Whether an exhaustive search stops what can no longer win, which it can tell where the metric has "
        "a best score. What it chooses is the same; what it stopped has no score of its own.",
    )

    @model_validator(mode="after")
    def _check_any(self) -> TuneSettings:
        if not self.parameters and not self.maps:
            raise ValueError("allowed: parameters to choose, or maps: true")
        return self


def _how_many(written: Any) -> str:
    return "several" if isinstance(written, list) else "one"


Labels = Annotated[
    Annotated[str, Tag("one")] | Annotated[list[str], Field(min_length=1), Tag("several")], Discriminator(_how_many)
]
Levels = Annotated[
    Annotated[Level, Tag("one")] | Annotated[list[Level], Field(min_length=1), Tag("several")], Discriminator(_how_many)
]
Seeds = Annotated[
    Annotated[Seed, Tag("one")] | Annotated[list[Seed], Field(min_length=1), Tag("several")], Discriminator(_how_many)
]


class ExclusionSettings(Settings):
    """Cells to leave out: those that match every key given, by its value or by one of several."""

    dataset: Labels | None = Field(None, description="A dataset's label, or several.")
    denoiser: Labels | None = Field(
        None, description="A denoiser as the suite names it, for all its rows, or a row's label; or several."
    )
    noise: Levels | None = Field(None, description="A noise level, or several.")
    seed: Seeds | None = Field(None, description="A seed, or several.")

    @model_validator(mode="after")
    def _check_any(self) -> ExclusionSettings:
        if all(value is None for value in vars(self).values()):
            raise ValueError(f"allowed: at least one of {', '.join(type(self).model_fields)}")
        return self


class DatasetSettings(Settings):
    """A dataset and the noise levels it is run at."""

    name: str
    label: Name | None = Field(None, description="What results call it; its name where left out.")
    params: dict[str, Any] = Field(default_factory=dict)
    noise: list[Noise] = Field([None], min_length=1, description="Noise levels, as the dataset defines them.")
    train_only: bool = Field(False, description="Only rows that name it in `train` use it; none is scored on it.")


class TrainSettings(Settings):
    """Where a row learns, if not on the training split of the dataset that it is scored on."""

    dataset: str = Field(description="A dataset's label; its training split serves every dataset of the suite.")
    noise: Noise = Field(None, description="One of its noise levels; the only one where left out.")


class DenoiserSettings(Settings):
    """One row of the leaderboard, or with `grid` one for each combination."""

    name: str
    label: Label | None = Field(None, description="The row's label; name and parameters where left out.")
    params: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, Choices] = Field(default_factory=dict, description="Every combination is a row of its own.")
    tune: TuneSettings | None = None
    maps: Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Labels of the suite's `maps` that it is run with, such as 'tikhonov 0.3'; all by default.",
    )
    train: TrainSettings | None = Field(None, description="Another dataset to learn from, as simulation for real data.")


class MetricSettings(Settings):
    """A metric."""

    name: str
    label: Name | None = Field(None, description="What results call it.")
    params: dict[str, Any] = Field(default_factory=dict)
