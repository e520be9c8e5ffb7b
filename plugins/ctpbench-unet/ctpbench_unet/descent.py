"""One step down a loss: its gradient, no longer than wanted, and what the optimiser makes of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctpbench_unet.runtime import dtype_of


def scaler_of(device: str, precision: str) -> torch.amp.GradScaler:
    """Return what keeps the gradients of fp16 from vanishing; in other precisions it does nothing.

    Source: Micikevicius et al., "Mixed precision training", ICLR 2018, section 3.2.
    """
    return torch.amp.GradScaler(device, enabled=dtype_of(device, precision) == torch.float16)


def slope(loss: Tensor, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
    """Put the gradient of the loss, scaled, in place of any before."""
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()


def descend(
    network: nn.Module, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, clip: float | None
) -> None:
    """Step along the gradient that `slope` left; `clip` is its largest norm, None leaves it as it is."""
    scaler.unscale_(optimizer)
    if clip is not None:
        nn.utils.clip_grad_norm_(network.parameters(), clip)
    scaler.step(optimizer)
    scaler.update()
