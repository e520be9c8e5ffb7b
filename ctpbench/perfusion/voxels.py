"""Voxels in blocks that fit in cache, and reductions along time for a whole block at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Float64, Index, Mask
from ctpbench.errors import DataError

Pixels: TypeAlias = slice | Index

PIXEL_BLOCK = 8192  # voxels solved at once, so that their residues are still in cache when they are read
_ONE_THREAD = 2**18  # multiplications up to which OpenBLAS keeps a product on the calling thread


def as_curves(concentration: npt.ArrayLike, aif: npt.ArrayLike) -> Float32:
    """Return the concentration as float32, or raise DataError where it is not as long as the AIF."""
    curves = np.asarray(concentration, dtype=np.float32)
    if curves.shape[:1] != np.shape(aif):
        raise DataError(
            f"concentration: got shape {curves.shape} with an AIF of shape {np.shape(aif)}; "
            "allowed: (time, ...) and (time,) of one length"
        )
    return curves


def mask_of(mask: npt.ArrayLike | None, shape: tuple[int, ...]) -> Mask:
    """Return a mask, or one that holds everywhere; DataError where it does not fit."""
    inside = np.ones(shape, bool) if mask is None else np.asarray(mask)
    if inside.shape != shape or inside.dtype != bool:
        raise DataError(f"mask: got {inside.dtype} of shape {inside.shape}; allowed: bool of shape {shape}")
    return inside


def blocks(inside: Mask, size: int = PIXEL_BLOCK) -> Iterator[Pixels]:
    """Yield the mask's pixels in blocks: a slice, which needs no gathering, where they lie side by side."""
    pixels = np.flatnonzero(inside)
    for start in range(0, pixels.size, size):
        block = pixels[start : start + size]
        first, last = int(block[0]), int(block[-1])
        yield slice(first, last + 1) if last - first + 1 == block.size else block


def columns(values: Float32, pixels: Pixels) -> Float32:
    return values[:, pixels] if isinstance(pixels, slice) else np.take(values, pixels, axis=1)


def energies(flat: Float32, inside: Mask) -> Float32:
    """Return the sum of squares of each curve in the mask, (voxel,); DataError where one is not finite."""
    sums = [np.square(columns(flat, pixels)).sum(axis=0) for pixels in blocks(inside)]
    energy = np.concatenate([np.zeros(0, np.float32), *sums])
    if not np.isfinite(energy).all():
        raise DataError("concentration: got NaN or infinity in the mask; allowed: finite curves")
    return energy


def levels(energy: Float32) -> Float32:
    """Return, (voxel,), the factor that brings a curve's energy down to the median of those above zero, at most 1.

    The few vessels, whose contrast is tens of times the tissue's, would else outweigh all of it.
    """
    if not energy.any():
        return np.ones_like(energy)
    median = np.median(energy[energy > 0])
    return np.sqrt(np.divide(median, energy, out=np.ones_like(energy), where=energy > median))


def peak(rows: Float32) -> tuple[Float32, Index]:
    """Return each column's maximum and the first row that holds it.

    A knock-out tournament of neighbouring rows. It compares whole rows, which numpy does by SIMD: measured, a
    fifth of the time of argmax along the first axis.
    """
    height = rows
    winner = np.arange(len(rows), dtype=np.min_scalar_type(len(rows)))[:, np.newaxis]
    while len(height) > 1:
        paired = len(height) // 2 * 2
        left, right = height[0:paired:2], height[1:paired:2]
        ahead, behind = winner[0:paired:2], winner[1:paired:2]
        # ahead, or behind where right wins; a strict > keeps the first of equals.
        won = (right > left).view(np.uint8) * (behind - ahead)
        won += ahead
        best = np.maximum(left, right)
        if paired < len(height):
            best = np.concatenate([best, height[paired:]])
            won = np.concatenate([won, np.broadcast_to(winner[paired:], (1, won.shape[1]))])
        height, winner = best, won
    return height[0], np.broadcast_to(winner[0], height[0].shape).astype(np.intp)


def multiply(kernel: Float32, curves: Float32) -> Float32:
    """Return ``kernel @ curves`` by strips of columns so narrow that BLAS keeps each on one thread.

    A wide product in two threads waits at their barriers. Measured on two cores, threads gain a third on an
    idle machine and cost thirty times as much on a busy one; the strips cost a fifth, idle or busy.
    """
    width = max(16, _ONE_THREAD // kernel.size // 16 * 16)
    strips = curves.shape[1] // width
    product = np.empty((kernel.shape[0], curves.shape[1]), np.float32)

    def in_strips(values: Float32) -> Float32:
        return values[:, : strips * width].reshape(len(values), strips, width).transpose(1, 0, 2)

    np.matmul(kernel, in_strips(curves), out=in_strips(product))
    np.matmul(kernel, curves[:, strips * width :], out=product[:, strips * width :])
    return product


def gram(curves: Float32) -> Float64:
    """Return ``curves @ curves.T``, (time, time), float64, summed over strips of columns as `multiply` has them."""
    width = max(16, _ONE_THREAD // len(curves) ** 2)
    starts = range(0, curves.shape[1], width)
    strips = [curves[:, start : start + width] for start in starts]
    total: Float64 = np.sum([strip @ strip.T for strip in strips], axis=0, dtype=np.float64)
    return total
