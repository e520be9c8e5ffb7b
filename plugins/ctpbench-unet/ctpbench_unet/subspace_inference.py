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
    many. On a CPU one goes after another: the next would push it from the cache. From a GPU come coefficients alone, a
    twelfth of the curves, and the host's threads write these.
    """

    def denoise(some: list[SubspaceSlice]) -> int:
        with torch.inference_mode():
            images, inside = images_of([part.to(device) for part in some])
            answers = coefficients_of(network, images, architecture, device, mirrors=mirrors, inside=inside).cpu()
            for part, answer in zip(some, answers, strict=True):
                part.put_curves(answer[:, : part.tissue.shape[0], : part.tissue.shape[1]], noisy, whole)
        return len(some)

    for z in set(range(noisy.shape[1])) - {part.z for part in slices}:
        torch.from_numpy(whole)[:, z].copy_(noisy[:, z])  # by all threads
    if slices:
        floats_a_pixel = len(slices[0].frames) + FLOATS_A_CHANNEL * (architecture.rank + 1)
        largest_px = max(part.tissue.numel() for part in slices)
        at_once = fitting(4 * floats_a_pixel * largest_px, device, otherwise=1)
        yield from accumulate(in_batches(denoise, list(slices), at_once))
