"""The temporal components of a scan, found where its slices lie: on a GPU, or on all threads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ctpbench.arrays import Float32
from ctpbench.perfusion import TemporalComponents, cell_smoothing
from ctpbench_unet.runtime import threads
from ctpbench_unet.slices import Slice


def components_of(slices: Sequence[Slice], device: str) -> TemporalComponents:
    """Return the components of all slices' tissue, those of `ctpbench.perfusion.smooth_components`.

    A slice that lies elsewhere is moved to the device and let go before the next.
    """
    products, pixels = [], 0
    for part in slices:
        series, tissue = part.frames.to(device), part.tissue.cpu().numpy()
        products.append((_by_kernels if series.device.type == "cpu" else _by_torch)(series, tissue))
        pixels += int(tissue.sum())
    both = sum(each.double() for each in products)
    return TemporalComponents.of_products(*both.cpu().numpy(), pixels)  # only here is a GPU waited for


def _by_kernels(series: Tensor, tissue: Float32) -> Tensor:
    """Return the products of a slice's frames and those of its smooth curves, (2, time, time)."""
    from ctpbench_unet import _components_kernel as kernel  # numba loads when a scan is denoised

    count = torch.get_num_threads()
    with threads(count):  # afterwards as before: numba's first use changes torch's number where they share OpenMP
        curves = series.flatten(1).numpy()
        smooth = kernel.smooth(series.numpy(), tissue, count).reshape(len(curves), -1)
        both = kernel.products(curves, count), kernel.products(smooth, count)
    return torch.from_numpy(np.stack(both))


def _by_torch(series: Tensor, tissue: Float32) -> Tensor:
    """Return the same by torch's operations."""
    down, across, scale = (torch.from_numpy(each).to(series.device) for each in cell_smoothing(tissue > 0))
    rows, columns = series.shape[1:]
    filled = pad(series, (0, columns % 2, 0, rows % 2)) if rows % 2 or columns % 2 else series
    halves = filled[:, 0::2] + filled[:, 1::2]
    sums = halves[..., 0::2] + halves[..., 1::2]
    smooth = down @ ((sums - sums.mean(dim=0)) @ across) * scale
    return torch.stack([flat @ flat.T for flat in (series.flatten(1), smooth.flatten(1))])
