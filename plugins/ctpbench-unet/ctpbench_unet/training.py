"""The training loop: a plain function from a network and a loss to a trained network and its learning curve."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ctpbench import Context
from ctpbench_unet.descent import descend, scaler_of, slope
from ctpbench_unet.losses import Objective, Terms
from ctpbench_unet.memory import attempt
from ctpbench_unet.runtime import autocast, threads

_POINTS = 100  # points of the learning curve
_CHECKPOINT_S = 30.0
Curve = dict[str, list[float]]


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes
    ----------
    steps : int or None
        Budget in steps.
    seconds : float or None
        Budget in seconds, where `steps` is None.
    learning_rate : float
        Of Adam. It rises from zero over the share `warmup` of the budget; with `cosine` it falls to zero at its end.
    warmup : float
    cosine : bool
    clip : float or None
        Largest norm of the gradient; a longer one is shortened to it.
    beta : float
        Weight of the bias term, eq. 10.
    ema : float
        Decay of the average of the weights that is kept; 0 keeps the last weights.
    precision : str
        See `ctpbench_unet.runtime.autocast`.
    compile : bool
        Whether torch compiles the network.
    """

    steps: int | None
    seconds: float | None
    learning_rate: float
    warmup: float
    cosine: bool
    clip: float | None
    beta: float
    ema: float
    precision: str
    compile: bool

    def done(self, step: int, elapsed_s: float) -> float:
        """Return the share of the budget that is used up."""
        return step / self.steps if self.steps is not None else elapsed_s / (self.seconds or math.inf)

    def rate(self, done: float) -> float:
        """Return the learning rate where this share of the budget is used up."""
        rise = min(1.0, done / self.warmup) if self.warmup else 1.0
        fall = 0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)) if self.cosine else 1.0
        return self.learning_rate * rise * fall


def train(
    network: nn.Module,
    objective: Objective,
    recipe: Recipe,
    rng: np.random.Generator,
    context: Context,
) -> Curve:
    """Train a network in place and return its learning curve.

    Every half minute the whole state is written to ``context.checkpoints``; where such a state is found, training
    goes on from there, on a CPU to the same weights as without the interruption.

    Where memory runs out, the network goes over half of a batch at a time from then on, or less: it is then run once
    more for the gradient of each part (Chen et al. 2016, arXiv:1604.06174), which is that of the batch as a whole.

    Parameters
    ----------
    network : Module
        Moved to ``context.device``.
    objective : callable(network, rng) -> Terms
        Draws a batch and returns the terms of the loss on it.
    recipe : Recipe
    rng : Generator
        The only source of randomness.
    context : Context

    Returns
    -------
    dict of list
        ``step``, ``loss`` and ``bias``, means over the steps since the last point; bias is not yet times beta.

    Raises
    ------
    FloatingPointError
        Where the loss is no longer finite.
    torch.OutOfMemoryError, RuntimeError
        Where memory does not even suffice for one image of a batch at a time.
    """
    with threads(context.threads):
        network.train().to(context.device, memory_format=torch.channels_last)
        state = _State(network, recipe, rng, context.device)
        state.restore(context.checkpoints / "training.pt")
        called = torch.compile(network) if recipe.compile else network
        _loop(called, objective, recipe, state, context)
        if state.average is not None:
            network.load_state_dict(state.average)
    return state.curve


class _State:
    """All that changes while training goes on."""

    def __init__(self, network: nn.Module, recipe: Recipe, rng: np.random.Generator, device: str) -> None:
        self.network, self.rng = network, rng
        self.optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, foreach=True)
        self.scaler = scaler_of(device, recipe.precision)
        self.average = {k: v.clone() for k, v in network.state_dict().items()} if recipe.ema else None
        self.curve: Curve = {"step": [], "loss": [], "bias": []}
        self.step, self.elapsed_s = 0, 0.0
        self.sums = torch.zeros(2, device=device)  # of loss and bias since the last point of the curve
        self.parts = 1  # in how many a batch goes through the network; what memory there is is found anew each time

    def save(self, path: Path) -> None:
        """Write everything, whole or not at all."""
        everything = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average,
            "rng": self.rng.bit_generator.state,
            "curve": self.curve,
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "sums": self.sums,
        }
        temporary = path.with_suffix(".part")
        torch.save(everything, temporary)
        os.replace(temporary, path)

    def restore(self, path: Path) -> None:
        """Read what `save` wrote, if it did. Adam's counts stay on the CPU, or each step would wait for the device."""
        if not path.exists():
            return
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(found["network"])
        self.optimizer.load_state_dict(found["optimizer"])
        if found.get("scaler"):  # of fp16 alone
            self.scaler.load_state_dict(found["scaler"])
        self.rng.bit_generator.state = found["rng"]
        self.sums.copy_(found["sums"])
        for name, weights in (self.average or {}).items():
            weights.copy_(found["average"][name])
        for name in ("curve", "step", "elapsed_s"):
            setattr(self, name, found[name])


def _loop(network: nn.Module, objective: Objective, recipe: Recipe, state: _State, context: Context) -> None:
    started = time.monotonic() - state.elapsed_s
    saved = time.monotonic()
    while (done := recipe.done(state.step, time.monotonic() - started)) < 1:
        _step(network, objective, recipe, state, context.device, recipe.rate(done))
        now = time.monotonic()
        state.elapsed_s = now - started
        if int(_POINTS * recipe.done(state.step, state.elapsed_s)) > int(_POINTS * done):
            _log(state, recipe, context)  # only here is the device waited for
        if now - saved > _CHECKPOINT_S:
            state.save(context.checkpoints / "training.pt")
            saved = now


def _step(
    network: nn.Module, objective: Objective, recipe: Recipe, state: _State, device: str, learning_rate: float
) -> None:
    """One batch: eq. 10 and a step of Adam."""
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate

    before, images = state.rng.bit_generator.state, 1

    def part_of_answer(part: Tensor) -> Tensor:
        with autocast(device, recipe.precision):  # of the network alone: the loss is computed in float32
            return network(part)

    def answer(batch: Tensor) -> Tensor:
        nonlocal images
        images = len(batch)
        if state.parts == 1:
            return part_of_answer(batch)
        parts = batch.split(math.ceil(images / state.parts))
        return torch.cat(
            [checkpoint(part_of_answer, part, use_reentrant=False, preserve_rng_state=False) for part in parts]
        )

    def sloped() -> tuple[Tensor, Terms]:
        terms = objective(answer, state.rng)
        loss = terms.fit + recipe.beta * terms.bias
        slope(loss, state.optimizer, state.scaler)
        return loss, terms

    while (found := attempt(sloped, last=lambda: state.parts >= images)) is None:
        state.parts *= 2
        state.rng.bit_generator.state = before  # the same batch
        state.optimizer.zero_grad(set_to_none=True)
    loss, terms = found
    descend(state.network, state.optimizer, state.scaler, recipe.clip)
    state.sums += torch.stack([loss.detach(), terms.bias.detach()])
    state.step += 1
    if state.average is not None:
        _follow(state.average, state.network, min(recipe.ema, state.step / (state.step + 10)))


def _log(state: _State, recipe: Recipe, context: Context) -> None:
    """Add the means over the steps since the last point to the curve and report them."""
    before = state.curve["step"][-1] if state.curve["step"] else 0
    loss, bias = (state.sums / (state.step - before)).tolist()
    state.sums.zero_()
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"loss at step {state.step}: got {loss}; allowed: a finite number; "
            f"lower learning_rate, which is {recipe.learning_rate:g}"
        )
    for name, value in (("step", state.step), ("loss", loss), ("bias", bias)):
        state.curve[name].append(value)
    done = min(1.0, recipe.done(state.step, state.elapsed_s))
    left_s = state.elapsed_s * (1 - done) / done
    context.progress(done, f"step {state.step}, loss {loss:.3g}, bias {bias:.2g}, {_duration(left_s)} left")


def _follow(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for name, weights in network.state_dict().items():
            average[name].lerp_(weights, 1 - decay)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
