"""One cell of the grid, and the pieces of work that it may ask for, each with its content key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from ctpbench.code import digest_of, text_of
from ctpbench.contract.components import Denoiser, Trainable
from ctpbench.contract.control import is_noiseless
from ctpbench.running.cases import CaseSet, joint_key
from ctpbench.running.common import Common, plain_maps
from ctpbench.running.files import file_name
from ctpbench.running.keys import record_text, stage_key, stage_text
from ctpbench.running.record import Objective
from ctpbench.running.work import (
    ComponentSpec,
    Input,
    Inputs,
    Item,
    ModelTask,
    PredictionTask,
    ReferenceTask,
    Scale,
    ScoresTask,
    Stage,
)
from ctpbench.settings import MapsSettings
from ctpbench.suite.entries import MAPS, DenoiserEntry, MetricEntry, Suite
from ctpbench.suite.sections import Range
from ctpbench.text import parameters_text

_SEED = "\0"
"""Stands in a text where the seed goes: no other text of plain data holds one."""


@dataclass(frozen=True)
class Cell:
    """One row at one noise level of one dataset with one seed."""

    suite: Suite
    dataset: str
    noise: float | None
    row: DenoiserEntry
    seed: int
    test: CaseSet
    validation: CaseSet | None
    train: tuple[CaseSet, ...]
    """The training split at each noise level of the dataset it learns from; empty where the row does not learn."""
    common: Common = field(default_factory=Common, compare=False, repr=False)

    @property
    def label(self) -> str:
        return f"{self.test.level}: {self.row.label}, seed {self.seed}"

    @cached_property
    def key(self) -> str:
        """The key of the record: all that decides it, and the labels it is filed under."""
        sets = (self.test, self.validation, self.train)
        text = self.common.once("record", (self.suite, self.row, *sets), self._record_text)
        return digest_of(text.replace(_SEED, str(self.seed)))

    def _record_text(self) -> str:
        """Return what the key of a record is the digest of, with the seed left open."""
        train = None
        if self.train:
            train = joint_key(self.train if self.row.tune else self.training(self.common.denoiser(self.row)))
        sets = [self.test.key, self.validation.key if self.validation else None, train]
        place = f"{text_of([self.dataset, self.noise, self.row.label])[:-1]}, {_SEED}]"
        name, maps = self.common.row_texts(self.row)
        return record_text(place, text_of(sets), name, self.common.metrics_text(self.suite), maps)

    @property
    def objective(self) -> MetricEntry:
        """The metric that tuning goes by."""
        assert self.row.tune is not None
        name = self.row.tune.metric
        return next(metric for metric in self.suite.metrics if metric.label == name)

    @property
    def tuned_by(self) -> Objective | None:
        """The same as a record tells it; None where the row is not tuned."""
        if self.row.tune is None:
            return None
        metric = self.objective
        return Objective(metric=metric.label, map=self.row.tune.map, better=metric.component.better)

    def training(self, denoiser: Denoiser) -> tuple[CaseSet, ...]:
        """Return the case sets that a denoiser learns from: the cell's noise level, or all; none where it does not."""
        if not isinstance(denoiser, Trainable):
            return ()
        noise = self.row.train.noise if self.row.train else self.noise
        return self.train if denoiser.all_levels else tuple(s for s in self.train if s.noise == noise)

    @property
    def first_training(self) -> tuple[CaseSet, ...]:
        """What its method learns from, with the first of the values that are tried where it is tuned."""
        tuned = self.row.tune.parameters if self.row.tune else {}
        first = {name: values.low if isinstance(values, Range) else values[0] for name, values in tuned.items()}
        return self.training(self.row.component(**first)) if self.train else ()

    def reference(self, cases: CaseSet, maps: MapsSettings) -> Item:
        """Return the work that makes the noiseless maps and the scaling factors of a case set."""
        rois = any("rois" in metric.component.needs for metric in self.suite.metrics)
        quality = cases.split == "test"
        return Item(
            key=stage_key("reference", cases.key, plain_maps(maps), rois, quality),
            task=ReferenceTask(cases=cases.cases, maps=maps, rois=rois, quality=quality),
            inputs={**cases.observations(), **cases.truths()},
            label=f"{cases.level}: {cases.split} reference",
        )

    def model(self, denoiser: Denoiser) -> Item | None:
        """Return the work that fits a denoiser, None where there is nothing to learn."""
        sets = self.training(denoiser)
        if not sets or not isinstance(denoiser, Trainable):
            return None
        spec, data = ComponentSpec.of(denoiser), joint_key(sets)
        assert data is not None
        cases: tuple[str, ...] = ()
        inputs: Inputs = {}
        for case_set in sets:
            names = case_set.names if len(sets) > 1 else case_set.cases
            cases += names
            inputs |= case_set.observations(names)
            if denoiser.learns_from == "clean":
                inputs |= case_set.truths(names)
        return Item(
            key=stage_key("model", data, spec.identity, self.seed),
            task=ModelTask(denoiser=spec, cases=cases, seed=self.seed, data=data, learns_from=denoiser.learns_from),
            inputs=inputs,
            label=f"{self.label}: fit{self._tuned_text(denoiser)}",
            alone=True,
        )

    def prediction(
        self,
        denoiser: Denoiser,
        cases: CaseSet,
        maps: MapsSettings,
        *,
        trial: bool,
        further: tuple[MapsSettings, ...] = (),
    ) -> Item:
        """Return the work that denoises a case set: timed on the test split, quick in a trial.

        `further` are more ways to compute maps of what is denoised once; `scores` is told which one to score.
        """
        spec, model = ComponentSpec.of(denoiser), self.model(denoiser)
        inputs = cases.observations()
        if is_noiseless(denoiser):
            inputs |= cases.truths()
        if model is not None:
            inputs["model"] = Input(stage="model", key=model.key, file="")
        task = PredictionTask(
            denoiser=spec,
            cases=cases.cases,
            seed=self.seed,
            maps=maps,
            timed=not trial,
            noiseless=is_noiseless(denoiser),
            repeats=self.suite.resources.repeats,
            keep_concentration=not trial or any("concentration" in n for n in self.objective.component.needs),
            further=further,
        )
        purpose = ComponentSpec.of(self.objective.component).identity if trial else "test"
        upstream, ways = [cases.key, model.key if model else None], (maps, *further)
        return Item(
            key=stage_key("prediction", purpose, upstream, spec.identity, self.seed, *map(plain_maps, ways)),
            task=task,
            inputs=inputs,
            group=f"{self.key} trials" if trial else "",
            label=f"{self.label}: denoise",
            alone=not trial,
        )

    def prediction_key(self) -> str:
        """Return the key that `prediction` has on the test split, of a row that is not tuned: quickly, for plans."""
        if self.train:
            return digest_of(self._prediction_text().replace(_SEED, str(self.seed)))
        text = self.common.once("prediction", (self.row, self.test), self._prediction_text)
        return digest_of(text.replace(_SEED, str(self.seed)))

    def _prediction_text(self) -> str:
        """Return what the key of the prediction is the digest of, the seed left open but for that of a model."""
        denoiser = self.common.denoiser(self.row)
        model = self.model(denoiser) if self.train else None
        upstream = text_of([self.test.key, model.key if model else None])
        identity, (_, maps) = self.common.identity_text(denoiser), self.common.row_texts(self.row)
        return stage_text("prediction", text_of("test"), upstream, identity, _SEED, maps[1:-1])

    def scores(
        self,
        prediction: Item,
        reference: Item,
        scale: Scale,
        cases: CaseSet,
        metrics: tuple[MetricEntry, ...],
        *,
        trial: bool = False,
        way: int = 0,
    ) -> Item:
        """Return the work that scores a prediction; trials share a process, for they share their metric.

        `way` is that of computing maps, counted from the prediction's first.
        """
        assert isinstance(prediction.task, PredictionTask)
        maps = (prediction.task.maps, *prediction.task.further)[way]
        return scores_item(
            (prediction.key, reference.key),
            ScoresTask(metrics=metric_specs(metrics), cases=cases.cases, maps=maps, scale=scale),
            {**cases.observations(), **cases.truths()},
            group=f"{self.key} scores" if trial else "",
            label=f"{self.label}: score",
            way=way,
        )

    def _tuned_text(self, denoiser: Denoiser) -> str:
        """Return the values of the parameters that are tuned, as people read them."""
        tuned = self.row.tune.parameters if self.row.tune else ()
        values = {name: getattr(denoiser, name) for name in tuned if name != MAPS}
        return f" {parameters_text(values)}" if values else ""


def metric_specs(metrics: Iterable[MetricEntry]) -> dict[str, ComponentSpec]:
    """Return metrics as plain data, by label."""
    return {metric.label: ComponentSpec.of(metric.component) for metric in metrics}


def scores_item(keys: tuple[str, str], task: ScoresTask, data: Inputs, *, group: str, label: str, way: int = 0) -> Item:
    """Return the work that scores a prediction against a reference, which have these keys.

    `data` names the cases' observations and truths, `way` which of the prediction's maps are scored.
    """
    upstream: dict[str, tuple[Stage, str, int]] = {
        "prediction": ("prediction", keys[0], way),
        "reference": ("reference", keys[1], 0),
    }
    made = {
        f"{role}/{case}": Input(stage=stage, key=key, file=file_name(case, of))
        for role, (stage, key, of) in upstream.items()
        for case in task.cases
    }
    identities = {name: spec.identity for name, spec in task.metrics.items()}
    key = stage_key("scores", *keys, identities, *([way] if way else []))
    return Item(key=key, task=task, inputs={**data, **made}, group=group, label=label)
