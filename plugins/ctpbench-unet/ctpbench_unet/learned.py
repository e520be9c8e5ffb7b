"""What all networks of this package share: their parameters, and the way from training cases to a fitted network."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ctpbench import Context, DataError, Trainable, TrainingCase

if TYPE_CHECKING:
    from ctpbench_unet.fitted import Fitted
    from ctpbench_unet.losses import Objective
    from ctpbench_unet.network import Architecture
    from ctpbench_unet.slices import Slice
    from ctpbench_unet.training import Recipe

_BUDGETS = ("epochs", "steps", "minutes")


class LearnedDenoiser(Trainable):
    """Base of the networks: what decides their size, their training and its budget.

    A subclass says what a network sees (`architecture`), what it learns from (`read`) and what training makes small
    (`objective`).
    """

    width: Annotated[int, Field(ge=2, le=256, examples=[4], description="channels of the network's first level")] = 16
    depth: Annotated[int, Field(ge=1, le=7, examples=[2], description="levels of the network")] = 4
    steps: Annotated[int | None, Field(ge=1, examples=[12], description="budget of training in steps of one batch")] = (
        4000
    )
    epochs: Annotated[
        float | None, Field(gt=0, description="budget in epochs: once as many images as there are to learn from")
    ] = None
    minutes: Annotated[
        float | None, Field(gt=0, description="budget in minutes; the same seed then gives other weights each time")
    ] = None
    batch: Annotated[int, Field(ge=1, le=4096, examples=[4], description="images or patches in a batch")] = 4
    patch_px: Annotated[
        int | None, Field(ge=8, le=4096, examples=[16], description="side of a square patch; null: whole slices")
    ] = 64
    learning_rate: Annotated[float, Field(gt=0, le=1, description="of Adam")] = 5e-3
    warmup: Annotated[
        float, Field(ge=0, le=1, description="share of the budget over which the learning rate rises to its value")
    ] = 0.05
    schedule: Annotated[
        Literal["cosine", "constant"], Field(description="cosine: the learning rate falls to 0 as the budget ends")
    ] = "cosine"
    clip: Annotated[float | None, Field(gt=0, description="largest norm of the gradient; null: as it comes")] = 0.3
    ema: Annotated[
        float, Field(ge=0, lt=1, description="decay of the average of weights that is kept; 0: the last weights")
    ] = 0.0
    precision: Annotated[
        Literal["auto", "float32", "bf16", "fp16"],
        Field(description="of the network's arithmetic; auto: bf16 or else fp16, where the device has it"),
    ] = "auto"
    compile: Annotated[bool, Field(description="whether torch compiles the network before training")] = False
    levels: Annotated[
        Literal["own", "all"], Field(description="one network for each noise level, or one trained on all of them")
    ] = "own"
    training_seed: Annotated[
        int | None, Field(ge=0, description="decides initial weights and batches; null: the suite's seed does")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        """Take a preset's values for what is not given; a budget that is given takes the place of any other."""
        if not isinstance(given, Mapping):
            return given
        asked = [name for name in _BUDGETS if given.get(name) is not None]
        chosen = {**cls.preset_values(given), **given}
        if len(asked) > 1:
            raise ValueError(f"budget: got {' and '.join(asked)}; allowed: one of {', '.join(_BUDGETS)}")
        budget = asked or [name for name in _BUDGETS if chosen.get(name) is not None]
        return {**chosen, **{name: None for name in _BUDGETS if budget and name != budget[0]}}

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if all(getattr(self, name) is None for name in _BUDGETS):
            raise ValueError(f"budget: got none; allowed: one of {', '.join(_BUDGETS)}")
        if self.patch_px is not None and self.patch_px % self.multiple:
            raise ValueError(
                f"patch_px: got {self.patch_px}; allowed: a multiple of {self.multiple}, with depth {self.depth}"
            )
        return self

    @property
    def multiple(self) -> int:
        """What rows and columns of an image must be a multiple of."""
        return 2 ** (self.depth - 1)

    @property
    def all_levels(self) -> bool:
        """Whether one network learns from all noise levels."""
        return self.levels == "all"

    @classmethod
    def preset_values(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values of the preset that is asked for: none by default."""
        return {}

    @property
    def bias_weight(self) -> float:
        """Weight of the bias compensation, eq. 10: none by default."""
        return 0.0

    @abstractmethod
    def architecture(self) -> Architecture:
        """Return what must be known of its network to make it and to use it."""

    @abstractmethod
    def fitted_type(self) -> type[Fitted]:
        """Return what its trained network denoises by."""

    def use(self) -> dict[str, Any]:
        """Return what else decides how its trained network denoises: nothing by default."""
        return {}

    @abstractmethod
    def read(self, training: Sequence[TrainingCase]) -> list[Slice]:
        """Return the slices that hold tissue; the cases are loaded one at a time."""

    @abstractmethod
    def images_in(self, slices: Sequence[Slice]) -> int:
        """Return how many images there are to learn from."""

    @abstractmethod
    def objective(self, slices: Sequence[Slice]) -> Objective:
        """Return what training makes small on slices, which are in the device's memory."""

    def most_steps(self, slices: Sequence[Slice]) -> float:
        """Return after how many steps training on slices ends, however large its budget: without limit by default."""
        return math.inf

    def recipe(self, images: int) -> Recipe:
        """Return how to train, where an epoch has so many images."""
        from ctpbench_unet.training import Recipe

        steps = self.steps if self.epochs is None else math.ceil(self.epochs * images / self.batch)
        return Recipe(
            steps=steps,
            seconds=None if self.minutes is None else 60 * self.minutes,
            learning_rate=self.learning_rate,
            warmup=self.warmup,
            cosine=self.schedule == "cosine",
            clip=self.clip,
            beta=self.bias_weight,
            ema=self.ema,
            precision=self.precision,
            compile=self.compile,
        )

    def fit(self, training: Sequence[TrainingCase], context: Context) -> Fitted:
        """Train a network.

        Raises
        ------
        DataError
            Where no case holds a frame to learn from.
        FloatingPointError
            Where the loss is no longer finite.
        """
        from ctpbench_unet.runtime import threads
        from ctpbench_unet.training import train

        context.progress(0.0, f"reading {len(training)} cases")
        with threads(context.threads):  # sums depend on their number, in the last digit
            slices = self.read(training)
        if not slices:
            raise DataError(
                f"{self.name}: got {len(training)} training cases, none with tissue (brain without vessels); "
                "allowed: one or more with tissue; check the masks"
            )
        objective = self.objective([part.to(context.device) for part in slices])
        rng = context.rng if self.training_seed is None else np.random.default_rng(self.training_seed)
        architecture = self.architecture()
        network = architecture.network(seed=int(rng.integers(2**31)))
        recipe = self.recipe(self.images_in(slices))
        if recipe.steps is not None:
            recipe = replace(recipe, steps=int(min(recipe.steps, self.most_steps(slices))))
        curve = train(network, objective, recipe, rng, context)
        return self.fitted_type().of(network, architecture, curve, **self.use())

    def save(self, fitted: Fitted, folder: Path) -> None:
        """Write ``network.safetensors`` and ``network.json``."""
        fitted.write(folder)

    def load(self, folder: Path) -> Fitted:
        """Return the network that `save` wrote."""
        return self.fitted_type().read(folder)

    def learning_curve(self, fitted: Fitted) -> Mapping[str, Sequence[float]] | None:
        """Return the loss and its bias term at some steps of training."""
        return fitted.curve
