"""The network's input at a place and the target that its answer is compared with, for each way of learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ctpbench.arrays import Float32, Float64
from ctpbench_unet.frames import EARLY, channels_of, target_frames
from ctpbench_unet.pairs import Example, Place
from ctpbench_unet.similar import SimilarPixels
from ctpbench_unet.slices import Slice

Maker = Callable[[Place], Example]
RandomMaker = Callable[[Place, np.random.Generator], Example]


def from_adjacent_frames(slices: Sequence[Slice], *, ratio: bool, neighbours: int) -> Maker:
    """Return Noise2Noise's examples: the target of t is the mean of t-1 and t+1 (eqs 4 to 7)."""
    corrections = [kappa((part.solid * part.frames).cpu().numpy(), ratio=ratio) for part in slices]

    def example(place: Place) -> Example:
        frames = _window(slices, place)
        before, after, other = target_frames(place.t, place.early)
        estimate = float(corrections[place.part][place.t] / 2) * (frames[before] + frames[after])
        return _example(slices, place, estimate - frames[other], neighbours)

    return example


def from_clean(slices: Sequence[Slice]) -> Maker:
    """Return supervised examples: the target of t is its noiseless concentration (eqs 14 and 15)."""

    def example(place: Place) -> Example:
        clean = slices[place.part].clean
        assert clean is not None  # the harness gives clean frames to what learns from clean
        frames = clean[:, *place.window]
        return _example(slices, place, frames[place.t] - _baseline(frames), neighbours=0)

    return example


def from_itself(slices: Sequence[Slice]) -> Maker:
    """Return examples whose target is the noisy concentration itself."""

    def example(place: Place) -> Example:
        frames = _window(slices, place)
        return _example(slices, place, frames[place.t] - frames[EARLY[place.early]], neighbours=0)

    return example


def from_similar_pixels(slices: Sequence[Slice], similar: Callable[[int], SimilarPixels]) -> RandomMaker:
    """Return Noise2Sim's examples: the target of a pixel is the concentration at a similar one, drawn each time anew.

    `similar` finds those of a slice, by its number. The baseline is the mean of both early frames. A pixel without
    similar ones counts in no loss.
    """

    def example(place: Place, rng: np.random.Generator) -> Example:
        frames = slices[place.part].frames
        concentration = frames[place.t] - _baseline(frames)
        drawn = similar(place.part).drawn(place.t, place.window, rng)
        target = concentration.flatten()[drawn.clamp(min=0)] * (drawn >= 0)
        made = _example(slices, place, target, neighbours=0)
        return replace(made, mask=made.mask * (drawn >= 0))

    return example


def kappa(frames: Float32, *, ratio: bool = True) -> Float64:
    """Return the linear correction of the adjacent frames' mean for each frame, (time); 1 for the first and the last.

    Parameters
    ----------
    frames : ndarray, (time, y, x), float32, HU
        Zero where nothing is to be learnt from.
    ratio : bool
        True: the ratio of the sums over the tissue, which noise does not bend. False: the least squares of eq. 6. Noise
        in the adjacent frames makes it too small, by the variance of their mean over its mean square: 2% at 7 HU.
    """
    correction = np.ones(len(frames))
    for t in range(1, len(frames) - 1):
        mean = (frames[t - 1].astype(np.float64) + frames[t + 1]) / 2
        above, below = (frames[t].sum(), mean.sum()) if ratio else ((mean * frames[t]).sum(), (mean**2).sum())
        correction[t] = above / below if below != 0 else 1.0
    return correction


def _example(slices: Sequence[Slice], place: Place, target: Tensor, neighbours: int) -> Example:
    part, frames = slices[place.part], _window(slices, place)
    channels = channels_of(place.t, place.early, len(frames), neighbours)
    noisy = frames[place.t] - frames[EARLY[place.early]]
    images = torch.stack([frames[frame] for frame in channels])
    return Example(images, target[None], noisy[None], part.solid[place.window][None])


def _baseline(frames: Tensor) -> Tensor:
    """Return the mean of the early frames, by slices of the series: a list of numbers would make a GPU wait for it."""
    first, second = EARLY
    return (frames[first] + frames[second]) / 2


def _window(slices: Sequence[Slice], place: Place) -> Tensor:
    return slices[place.part].frames[:, *place.window]
