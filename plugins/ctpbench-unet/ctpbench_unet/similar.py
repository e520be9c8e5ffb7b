"""Similar pixels: for each pixel of a slice those whose curves are most like its own, though not beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ctpbench import DataError
from ctpbench_unet.frames import EARLY
from ctpbench_unet.subspace import SubspaceSlice

FOLDS = 4
"""Frames t, t + 4, t + 8 ... have their similar pixels found together: without any of them."""


@dataclass(frozen=True)
class Likeness:
    """Which pixels are taken for similar.

    Attributes
    ----------
    similar : int
        How many to each pixel.
    window_px : int
        Side of the square window around a pixel in which they lie, odd.
    apart_px : float
        How far from it they lie at least: noise of nearer pixels is correlated with its own.
    """

    similar: int
    window_px: int
    apart_px: float

    def offsets(self) -> list[tuple[int, int]]:
        """Return the rows and columns to go from a pixel to each place where a similar one may lie."""
        steps = range(-(self.window_px // 2), self.window_px // 2 + 1)
        return [(dy, dx) for dy in steps for dx in steps if math.hypot(dy, dx) >= self.apart_px and (dy or dx)]


@dataclass(frozen=True)
class SimilarPixels:
    """The similar pixels of a slice.

    Attributes
    ----------
    found : Tensor, (fold, similar, y, x), int32
        Each one's place in the slice, row by row, the most similar first; -1 where there are no more, and outside the
        tissue.
    """

    found: Tensor

    def drawn(self, t: int, window: tuple[slice, slice], rng: np.random.Generator) -> Tensor:
        """Return for each pixel of a window a similar one, all as likely, for frame t: (y, x), int64; -1 for none."""
        found = self.found[t % len(self.found)][:, *window]
        chance = torch.from_numpy(rng.random(found.shape[1:], dtype=np.float32)).to(found.device)
        chosen = (chance * (found >= 0).sum(dim=0)).long()
        return found.gather(0, chosen[None])[0].long()


def similar_pixels(part: SubspaceSlice, likeness: Likeness) -> SimilarPixels:
    """Return the similar pixels of a slice.

    Two pixels are as unlike as the squared difference of their temporal coefficients is large. For frame t these are
    fitted to other frames alone, neither t nor the early ones. Otherwise a pixel would be taken for similar because its
    noise in t is like that of the pixel it stands for, and a network would learn to keep that noise.

    Raises
    ------
    DataError
        Where too few frames are left to fit the coefficients to.
    """
    count, least = part.basis.shape
    folds = [[t for t in range(count) if t % FOLDS != fold and t not in EARLY] for fold in range(FOLDS)]
    fewest = min(map(len, folds))
    if fewest < least:
        raise DataError(
            f"rank: got {least - 1}; allowed: at most {fewest - 1} with {count} frames, of which {fewest} are compared"
        )
    features = [part.coefficients(torch.tensor(kept, device=part.frames.device)) for kept in folds]
    return SimilarPixels(torch.stack([nearest(each, part.tissue, likeness) for each in features]))


def nearest(features: Tensor, tissue: Tensor, likeness: Likeness) -> Tensor:
    """Return for each pixel the places of those nearest to it in the space of features, (similar, y, x), int32.

    Parameters
    ----------
    features : Tensor, (feature, y, x)
    tissue : Tensor, (y, x)
        1 where pixels have similar ones and may be one, 0 elsewhere.
    likeness : Likeness
    """
    offsets = likeness.offsets()
    reach = likeness.window_px // 2
    rows, columns = tissue.shape
    inside = tissue > 0
    around = pad(torch.where(inside, features, math.inf), (reach,) * 4, value=math.inf)
    own = features[:, inside]
    distances = torch.stack(
        [
            (own - around[:, reach + dy : reach + dy + rows, reach + dx : reach + dx + columns][:, inside])
            .square()
            .sum(dim=0)
            for dy, dx in offsets
        ],
        dim=1,
    )
    found = torch.full((likeness.similar, rows, columns), -1, dtype=torch.int32, device=features.device)
    least, which = distances.topk(min(likeness.similar, len(offsets)), dim=1, largest=False)
    steps = torch.tensor([dy * columns + dx for dy, dx in offsets], dtype=torch.int32, device=features.device)
    places = torch.arange(rows * columns, dtype=torch.int32, device=features.device).view(rows, columns)[inside]
    found[: which.shape[1], inside] = torch.where(least < math.inf, places[:, None] + steps[which], -1).T
    return found
