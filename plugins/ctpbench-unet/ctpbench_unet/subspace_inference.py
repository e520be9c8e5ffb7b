"""From the slices of a scan through a network on temporal coefficients to curves, as many at once as memory holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from ctpbench.arrays import Float32
from ctpbench_unet.inference import coefficients_of
from ctpbench_unet.memory import fitting, in_batches
from ctpbench_unet.network import SubspaceArchitecture
from ctpbench_unet.non_local_mean import FLOATS_A_CHANNEL
from ctpbench_unet.subspace import SubspaceSlice, images_of


def denoise_slices(
    network: nn.Module,
    slices: Sequence[SubspaceSlice],
    architecture: SubspaceArchitecture,
    mirrors: int,
    device: str,
    noisy: Tensor,
    whole: Float32,
) -> Iterator[int]:
    """Write a series, (time, z, y, x), HU, with the denoised curves of slices; yield how many slices are done.

    Pixels outside their tissue are those of the noisy series.

    The network is one that `ctpbench_unet.unet.ready` returned.

    On a GPU the slices of a scan go together, as many as half of its free memory holds; where it runs out, half as
    many. On a CPU one goes after another: the next would push it from the cache.
    """

    def denoise(some: list[SubspaceSlice]) -> int:
        with torch.inference_mode():
            there = [part.to(device) for part in some]
            images, inside = images_of(there)
            answers = coefficients_of(network, images, architecture, device, mirrors=mirrors, inside=inside)
            own = [
                answer[:, : part.tissue.shape[0], : part.tissue.shape[1]]
                for part, answer in zip(there, answers, strict=True)
            ]
            if device == "cpu":
                for part, answer in zip(some, own, strict=True):
                    part.put_curves(answer, noisy, whole)
            else:
                made = [part.series(answer) for part, answer in zip(there, own, strict=True)]
                for part, series in zip(some, _fetched(made, device), strict=True):
                    part.put(series, whole)
        return len(some)

    written = {part.z for part in slices} if device == "cpu" else set()
    for z in set(range(noisy.shape[1])) - written:
        torch.from_numpy(whole)[:, z].copy_(noisy[:, z])  # by all threads
    if slices:
        floats_a_pixel = 2 * len(slices[0].frames) + FLOATS_A_CHANNEL * (architecture.rank + 1)
        largest_px = max(part.tissue.numel() for part in slices)
        at_once = fitting(4 * floats_a_pixel * largest_px, device, otherwise=1)
        yield from accumulate(in_batches(denoise, list(slices), at_once))


def _fetched(made: list[Tensor], device: str) -> list[Tensor]:
    """Return the series in the host's memory; those of a GPU come one behind the other, and are waited for once."""
    if device != "cuda":
        return [each.cpu() for each in made]
    here = [torch.empty(each.shape, pin_memory=True).copy_(each, non_blocking=True) for each in made]
    torch.cuda.synchronize()
    return here
