"""The temporal components of a scan, found where its slices lie: on a GPU, or on all threads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ctpbench.arrays import Float64
from ctpbench.perfusion import TemporalComponents, cell_smoothing
from ctpbench_unet.slices import Slice


def components_of(slices: Sequence[Slice], device: str) -> TemporalComponents:
    """Return the components of all slices' tissue, those of `ctpbench.perfusion.smooth_components`.

    A slice is moved to the device and let go before the next.
    """
    frames = len(slices[0].frames)
    products, smooth_products = (np.zeros((frames, frames)) for _ in range(2))
    for part in slices:
        series = part.frames.to(device)
        products += _products(series)
        smooth_products += _products(_smooth(series, part.tissue))
    return TemporalComponents.of_products(products, smooth_products, sum(int(part.tissue.sum()) for part in slices))


def _products(series: Tensor) -> Float64:
    flat = series.flatten(1)
    return (flat @ flat.T).cpu().numpy().astype(np.float64)


def _smooth(series: Tensor, tissue: Tensor) -> Tensor:
    rows, columns = series.shape[1:]
    if rows % 2 or columns % 2:
        series = pad(series, (0, columns % 2, 0, rows % 2))
    halves = series[:, 0::2] + series[:, 1::2]
    sums = halves[..., 0::2] + halves[..., 1::2]
    there = cell_smoothing(tissue.cpu().numpy() > 0)
    down, across, scale = (torch.from_numpy(each).to(series.device) for each in there)
    return down @ ((sums - sums.mean(dim=0)) @ across) * scale  # about their means: the larger numbers, the less exact
