"""Batches: which frames and patches to draw, and how examples of them are put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ctpbench_unet.frames import EARLY, independent
from ctpbench_unet.slices import Slice

_NEAR = 2  # frames to either side of the peak: a window of width 5, section IV-B


@dataclass(frozen=True)
class Example:
    """One image or patch, (channels, y, x); with one more dimension in front, a batch.

    Attributes
    ----------
    images : Tensor, (channels, y, x), HU
        The network's input.
    target : Tensor, (1, y, x), HU above baseline
        What its answer is compared with.
    noisy : Tensor, (1, y, x), HU above baseline
        The concentration of the input, noise included: ``x(t) - x(t0)``.
    mask : Tensor, (1, y, x)
        1 in the tissue without fluid, 0 elsewhere.
    """

    images: Tensor
    target: Tensor
    noisy: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Place:
    """Where an example is taken from: the number of a slice, a frame, which early frame, and rows and columns."""

    part: int
    t: int
    early: int
    window: tuple[slice, slice]


def draw(
    slices: Sequence[Slice],
    rng: np.random.Generator,
    *,
    batch: int,
    patch_px: int | None,
    near_peak: float,
) -> list[Place]:
    """Return places for one batch.

    A share `near_peak` comes from within 2 frames of its slice's peak (section IV-B), the rest from all frames but
    the first and the last. A patch lies around a random pixel of the tissue; with `patch_px` None it is the whole
    slice.
    """
    places = []
    for number in range(batch):
        chosen = int(rng.integers(len(slices)))
        part = slices[chosen]
        moments = _moments(len(part.frames), part.peak if number < round(near_peak * batch) else None)
        t, early = moments[rng.integers(len(moments))]
        places.append(Place(chosen, t, early, window_in(part, patch_px, rng)))
    return places


def batch_of(
    places: Sequence[Place], example: Callable[[Place], Example], rng: np.random.Generator | None = None
) -> Example:
    """Return the examples of the places as a batch, each flipped along x and y at random where `rng` is given.

    Slices of different sizes are filled up with pixels outside the tissue.
    """
    examples = [example(place) for place in places]
    flips = [tuple(axis for axis in (-2, -1) if rng is not None and rng.integers(2)) for _ in examples]
    sizes = [each.mask.shape[-2:] for each in examples]
    rows, columns = (max(size[axis] for size in sizes) for axis in (0, 1))

    def images(each: Example, name: str, axes: tuple[int, ...]) -> Tensor:
        whole = pad(getattr(each, name), (0, columns - each.mask.shape[-1], 0, rows - each.mask.shape[-2]))
        return whole.flip(axes) if axes else whole

    return Example(
        *(
            torch.stack([images(each, field.name, axes) for each, axes in zip(examples, flips, strict=True)])
            for field in fields(Example)
        )
    )


@lru_cache(maxsize=4096)
def _moments(n_frames: int, peak: int | None) -> list[tuple[int, int]]:
    """All (t, early) to draw from; how many frames around t are part of the input makes no difference to it."""
    near = range(n_frames) if peak is None else range(peak - _NEAR, peak + _NEAR + 1)
    found = [(t, early) for t in near for early in range(len(EARLY)) if independent(t, early, n_frames)]
    return found if found or peak is None else _moments(n_frames, None)


def window_in(part: Slice, patch_px: int | None, rng: np.random.Generator) -> tuple[slice, slice]:
    """Return rows and columns of a patch around a random pixel of the tissue; all of them where `patch_px` is None."""
    if patch_px is None:
        return slice(None), slice(None)
    centre = part.places[rng.integers(len(part.places))]
    first = [
        int(min(max(0, at - patch_px // 2), size - patch_px))
        for at, size in zip(centre, part.tissue.shape, strict=True)
    ]
    return slice(first[0], first[0] + patch_px), slice(first[1], first[1] + patch_px)
