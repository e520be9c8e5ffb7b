"""Weighted means over neighbours with similar curves, or features of curves.

Pixels are the lanes of vectors, `LANES` beside each other in a row. While a loop runs over the features, the squared
differences of `ROWS` rows of pixels and `OFFSETS` neighbours of each stay in registers: a vector of neighbours that is
loaded serves all rows, and one of pixels all neighbours. In the weighted sums it is the weights that stay there.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32
from ctpbench_filters._numba import OPTIONS, use_threads
from ctpbench_filters._vector import LANES, add_product, add_square, aligned, load, store, zeros

ROWS = 2
OFFSETS = 4


def similar_mean(
    features: npt.ArrayLike,
    mask: npt.ArrayLike,
    similarity: float,
    sigma_s_px: float,
    window_px: int,
    *,
    expected: float = 0.0,
    compared: int | None = None,
    threads: int = 1,
) -> Float32:
    """Replace the features of each pixel inside a mask by the weighted mean of those around it.

    Pixels i and j of a square window weigh
    ``exp(-similarity max(SSD_ij - expected, 0) - |i - j|^2 / (2 sigma_s_px^2))``, SSD the sum of squared differences of
    the features that are compared. Weights below ``exp(-16)``, a ten-millionth of a pixel's own, count as 0.

    Parameters
    ----------
    features : array, (feature, y, x)
        Of one slice: its frames, or what stands for them.
    mask : array, (y, x), bool
        The pixels that are filtered, and that others are averaged with.
    similarity : float
        In one over the unit of a feature, squared: 0 or more.
    sigma_s_px : float
        Width in pixels of the spatial weight, above 0.
    window_px : int
        Side of the square window, odd.
    expected : float
        What noise alone adds to the squared differences of two pixels that are alike.
    compared : int, optional
        How many of the features, the first ones, are compared; all are averaged. By default all are compared.
    threads : int

    Returns
    -------
    array, (feature, y, x), float32
        Outside the mask equal to `features`.

    Source: Mendrik 2011, PMB 56:3857; Wu, Ren, Li, section V-E3. Without what noise adds: Buades, Coll and Morel, Image
    Processing On Line 1:208, 2011.
    """
    features, mask = np.asarray(features, dtype=np.float32), np.asarray(mask, dtype=bool)
    smooth = features.copy()
    if not mask.any():
        return smooth
    use_threads(threads)
    box = tuple(slice(ends.min(), ends.max() + 1) for ends in np.nonzero(mask))
    penalty = _penalties(sigma_s_px, window_px)
    table, inside = _table(features[:, *box], penalty), _table(mask[None, *box].astype(np.float32), penalty)
    compared = len(features) if compared is None else compared
    _filter_rows(table, inside, penalty, (np.float32(similarity), np.float32(expected)), compared, smooth[:, *box])
    return smooth


def _penalties(sigma_s_px: float, window_px: int) -> Float32:
    """Return |i - j|^2 / (2 sigma^2) of a window's offsets, (dy, dx), in a margin of infinity.

    The first of the rows that are filtered together is as far from neighbours as its own window goes, and the last one
    `ROWS` - 1 less; columns come `OFFSETS` at a time.
    """
    square = ((np.arange(window_px) - window_px // 2) / sigma_s_px) ** 2 / 2
    beside = ((ROWS - 1, ROWS - 1), (0, -window_px % OFFSETS))
    return np.pad(np.add.outer(square, square), beside, constant_values=np.inf).astype(np.float32)


def _table(images: Float32, penalty: Float32) -> Float32:
    """Return images, (feature, y, x), as (y, feature, x), in a margin of zeros as wide as the window's reach or wider.

    Every row begins at the address of a vector, and so does its first pixel.
    """
    features, height, width = images.shape
    margin, rows = _margin(penalty), -(-height // ROWS) * ROWS + 2 * _reach(penalty)
    columns = -(-width // LANES) * LANES + 2 * margin
    table = aligned(rows * features * columns).reshape(rows, features, columns)
    _fill(table, images, _reach(penalty), margin)
    return table


@numba.njit(**OPTIONS)
def _reach(penalty):
    return len(penalty) // 2 - (ROWS - 1)


@numba.njit(**OPTIONS)
def _margin(penalty):
    # To the right of the last pixel a load begins at most at its last offset.
    return -(-penalty.shape[1] // LANES) * LANES


@numba.njit(parallel=True, **OPTIONS)
def _fill(table, images, top, left):
    features, height, width = images.shape
    for y in numba.prange(len(table)):
        table[y] = 0
        if top <= y < top + height:
            for f in range(features):
                table[y, f, left : left + width] = images[f, y - top]


@numba.njit(parallel=True, **OPTIONS)
def _filter_rows(table, inside, penalty, scale, compared, smooth):
    reach, margin = _reach(penalty), _margin(penalty)
    for task in numba.prange((smooth.shape[1] + ROWS - 1) // ROWS):
        y = task * ROWS
        weights = aligned(ROWS * penalty.shape[1] * LANES).reshape(ROWS, penalty.shape[1], LANES)
        sums = aligned(ROWS * table.shape[1] * LANES).reshape(ROWS, table.shape[1], LANES)
        for x in range(0, smooth.shape[2], LANES):
            own = inside[y + reach : y + reach + ROWS, 0, x + margin : x + margin + LANES]
            if own.any():
                total = _sum_up(table, inside, penalty, scale, compared, (y, x), weights, sums)
                for r in range(min(ROWS, smooth.shape[1] - y)):
                    _divide(sums[r], total[r], own[r], smooth[:, y + r, x : x + LANES])


@numba.njit(**OPTIONS)
def _sum_up(table, inside, penalty, scale, compared, at, weights, sums):
    """Write the weighted sums of all neighbours of `ROWS` x `LANES` pixels and return the sums of their weights."""
    y, x = at
    reach, margin = _reach(penalty), _margin(penalty)
    _, features, columns = table.shape
    numbers, stride = table.reshape(-1), features * columns
    own = (y + reach) * stride + x + margin
    total = np.zeros((ROWS, LANES), np.float32)
    sums[:] = 0
    for dy in range(2 * reach + ROWS):
        there = (y + dy) * stride + x + margin - reach
        for dx in range(0, penalty.shape[1], OFFSETS):
            _compare(numbers, own, own + stride, there + dx, (compared, columns), weights[:, dx : dx + OFFSETS])
        for dx in range(penalty.shape[1]):
            start = x + margin - reach + dx
            for r in range(ROWS):
                near = penalty[dy - r + ROWS - 1, dx]
                _weigh(weights[r, dx], inside[y + dy, 0, start : start + LANES], scale, near, total[r])
        for dx in range(0, penalty.shape[1], OFFSETS):
            _average(sums, weights[:, dx : dx + OFFSETS], numbers, there + dx, columns)
    return total


@numba.njit(**OPTIONS)
def _compare(numbers, own, below, there, step, ssd):
    """Write the squared differences of a vector and the one below from `OFFSETS` neighbours, (row, offset, lane)."""
    first = second = (zeros(), zeros(), zeros(), zeros())
    for k in range(0, step[0] * step[1], step[1]):
        neighbours = _beside(numbers, there + k)
        first = _add_squares(first, load(numbers, own + k), neighbours)
        second = _add_squares(second, load(numbers, below + k), neighbours)
    _store(ssd[0], first)
    _store(ssd[1], second)


@numba.njit(**OPTIONS)
def _average(sums, weights, numbers, there, step):
    """Add to the sums of two rows of pixels, (row, feature, lane), `OFFSETS` neighbours times their weights."""
    first, second = _rows(weights[0]), _rows(weights[1])
    for f in range(sums.shape[1]):
        neighbours = _beside(numbers, there + f * step)
        store(sums[0, f], 0, _add_products(load(sums[0, f], 0), first, neighbours))
        store(sums[1, f], 0, _add_products(load(sums[1, f], 0), second, neighbours))


@numba.njit(**OPTIONS)
def _beside(numbers, at):
    return load(numbers, at), load(numbers, at + 1), load(numbers, at + 2), load(numbers, at + 3)


@numba.njit(**OPTIONS)
def _rows(numbers):
    return load(numbers[0], 0), load(numbers[1], 0), load(numbers[2], 0), load(numbers[3], 0)


@numba.njit(**OPTIONS)
def _add_squares(totals, a, b):
    return (
        add_square(totals[0], a, b[0]),
        add_square(totals[1], a, b[1]),
        add_square(totals[2], a, b[2]),
        add_square(totals[3], a, b[3]),
    )


@numba.njit(**OPTIONS)
def _add_products(total, a, b):
    total = add_product(add_product(total, a[0], b[0]), a[1], b[1])
    return add_product(add_product(total, a[2], b[2]), a[3], b[3])


@numba.njit(**OPTIONS)
def _store(rows, vectors):
    store(rows[0], 0, vectors[0])
    store(rows[1], 0, vectors[1])
    store(rows[2], 0, vectors[2])
    store(rows[3], 0, vectors[3])


@numba.njit(**OPTIONS)
def _weigh(ssd, inside, scale, near, total):
    """Turn squared differences into weights, in place, and add them up; 0 where the neighbour is outside the mask."""
    similarity, expected = scale
    for lane in range(LANES):
        beyond = max(ssd[lane] - expected, np.float32(0))
        ssd[lane] = inside[lane] * _exp(-similarity * beyond - near)
        total[lane] += ssd[lane]


@numba.njit(**OPTIONS)
def _divide(sums, total, inside, out):
    for f in range(len(out)):
        for lane in range(out.shape[1]):
            out[f, lane] = sums[f, lane] / total[lane] if inside[lane] > 0 else out[f, lane]


@numba.njit(**OPTIONS)
def _exp(exponent):
    """Return the exponential of 0 or less, within 1e-6; below -16 it is 0.

    Half of a filter's time went into the library's exponential, which takes one number at a time. This one, Taylor's
    series of a sixteenth of the exponent, to the sixteenth power, is compiled to vector instructions.
    """
    x = max(exponent, np.float32(-16)) * np.float32(1 / 16)
    series = np.float32(1 / 720)
    series = series * x + np.float32(1 / 120)
    series = series * x + np.float32(1 / 24)
    series = series * x + np.float32(1 / 6)
    series = series * x + np.float32(1 / 2)
    series = series * x + np.float32(1)
    series = series * x + np.float32(1)
    series *= series
    series *= series
    series *= series
    series *= series
    return series if exponent > np.float32(-16) else np.float32(0)
