"""The fit of a deep image prior: from a fixed random input to noisy images, stopped before it fits their noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ctpbench_unet.descent import descend, scaler_of, slope
from ctpbench_unet.losses import mean_square
from ctpbench_unet.runtime import autocast, threads
from ctpbench_unet.unet import UNet


@dataclass(frozen=True)
class PriorRecipe:
    """How to fit.

    Attributes
    ----------
    width, depth : int
        See `ctpbench_unet.unet.UNet`.
    input_channels : int
        Random images that are the network's input.
    steps : int
        After how many the fit stops.
    learning_rate : float
        Of Adam.
    clip : float or None
        Largest norm of the gradient; a longer one is shortened to it.
    average : float
        Decay of the average of the network's answers that is returned; 0 returns the last.
    precision : str
        See `ctpbench_unet.runtime.autocast`.
    """

    width: int
    depth: int
    input_channels: int
    steps: int
    learning_rate: float
    clip: float | None
    average: float
    precision: str


def fit_prior(
    images: Tensor,
    tissue: Tensor,
    recipe: PriorRecipe,
    *,
    seed: int,
    device: str,
    n_threads: int,
    progress: Callable[[int], None],
) -> Tensor:
    """Return what a new network makes of a random input after it was fitted to images, (channels, y, x), float32.

    Parameters
    ----------
    images : Tensor, (channels, y, x), float32
        With a noise of about one third; y and x are multiples of ``2**(depth - 1)``.
    tissue : Tensor, (y, x), float32
        1 where images are fitted, 0 elsewhere.
    recipe : PriorRecipe
    seed : int
        Decides the random input and the initial weights.
    device : str
    n_threads : int
    progress : callable(step)
        Called after each step.
    """
    generator = torch.Generator().manual_seed(seed)
    network = UNet(recipe.input_channels, len(images), recipe.width, recipe.depth, generator)
    network.train().to(device, memory_format=torch.channels_last)
    given = torch.randn(1, recipe.input_channels, *tissue.shape, generator=generator)
    given = given.to(device).contiguous(memory_format=torch.channels_last)
    target, mask = images[None].to(device), tissue.expand_as(images)[None].to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, foreach=True)
    scaler, average = scaler_of(device, recipe.precision), torch.zeros_like(target)
    with threads(n_threads):
        for step in range(1, recipe.steps + 1):
            with autocast(device, recipe.precision):
                answer = network(given)
            answer = answer.float()
            slope(mean_square(answer - target, mask), optimizer, scaler)
            descend(network, optimizer, scaler, recipe.clip)
            average.lerp_(answer.detach(), 1 - min(recipe.average, step / (step + 10)))
            progress(step)
    return average[0].cpu()
