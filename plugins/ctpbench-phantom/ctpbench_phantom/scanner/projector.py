"""Distance-driven projection and its transpose (De Man and Basu, Phys. Med. Biol. 49, 2004).

A ray is a strip between the borders of its detector element. In every row it crosses it takes the mean of the
row over the strip's width there, times the length inside the row. With C the running sum of a row and x_k the
place where border k crosses it, that is

    p_k = sum over rows of (C(x_{k+1}) - C(x_k)) / |x_{k+1} - x_k| * pixel / |cos|,

which holds no branches. The width is the distance of the row from the source times the difference of the two
borders' slopes, so the sum over rows can be taken at the borders, before the difference.

Views within 45 degrees of the column axis sum over rows. The other three quarters of the rotation are the same
sweep over the image turned by 90, 180 and 270 degrees, and go through it side by side, as lanes.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from ctpbench.arrays import Array, Float32, Float64
from ctpbench_phantom.scanner.geometry import TURNS, FanBeam, check_grid, check_sinograms
from ctpbench_phantom.scanner.lanes import FLAGS, FUSED, LANES, add_interpolated, to_lanes

ROWS = 2 * FUSED  # rows summed before one difference: more would cost float32 digits, fewer cost time
VIEWS_PER_TASK = 12  # a task's sinogram and a block of rows stay in the second-level cache together


def project(images: Array, fan: FanBeam, pixel_mm: float) -> Float32:
    """Return the line integrals of square images.

    Parameters
    ----------
    images : ndarray, (n, y, x), 1/mm
        Attenuation. Any unit per mm will do: the projection is linear.
    fan : FanBeam
    pixel_mm : float

    Returns
    -------
    ndarray, (n, views, detectors), float32, no unit

    Raises
    ------
    ValueError
        Where the images are not (n, y, x), not square, or reach the source's orbit.

    Source: De Man and Basu 2004, Phys Med Biol 49:2463 (distance-driven projection); Wu, Ren, Li, Table I (geometry).
    """
    if images.ndim != 3:
        raise ValueError(f"project: images: got shape {images.shape}; allowed: (n, y, x)")
    size = check_grid(images.shape[1:], pixel_mm, fan)
    turned = np.stack([np.rot90(images, turn, axes=(1, 2)) for turn in range(TURNS)], axis=1)
    turned = turned.reshape(-1, size, size)
    rays = _quarter_rays(fan, pixel_mm)
    swept = np.empty((len(turned), fan.views // TURNS, fan.detectors), np.float32)
    for start in range(0, len(turned), LANES):
        block = turned[start : start + LANES]
        lanes = np.zeros((*rays[3].shape, LANES), np.float32)
        _sweep(_running_sums(block, pixel_mm), *rays, lanes.reshape(len(lanes), -1))
        swept[start : start + len(block)] = np.moveaxis(lanes, -1, 0)[: len(block)]
    sinograms = swept.reshape(len(images), fan.views, fan.detectors)
    return np.roll(sinograms, _first_view(fan), axis=1)


def back_transpose(sinograms: Array, fan: FanBeam, pixel_mm: float, shape: tuple[int, int]) -> Float32:
    """Return the transpose (adjoint) of `project`: ``<project(a), b> = <a, back_transpose(b)>``.

    Parameters
    ----------
    sinograms : ndarray, (n, views, detectors)
    fan : FanBeam
    pixel_mm : float
    shape : (int, int)
        Of the images, (y, x), square.

    Returns
    -------
    ndarray, (n, y, x), float32, in the sinograms' unit times mm

    Raises
    ------
    ValueError
        Where the sinograms do not belong to this fan, or the shape is not allowed.
    """
    check_sinograms(sinograms.shape, fan)
    size = check_grid(shape, pixel_mm, fan)
    rays = _quarter_rays(fan, pixel_mm)
    swept = np.roll(sinograms, -_first_view(fan), axis=1)
    swept = swept.reshape(-1, fan.views // TURNS, fan.detectors)
    padded = np.pad(swept * rays[3], ((0, 0), (0, 0), (1, 1)))
    borders = np.ascontiguousarray(np.moveaxis(padded[..., :-1] - padded[..., 1:], 0, -1), np.float32)
    turned = np.empty((size, size, len(swept)), np.float32)
    _spread(borders, *rays[:3], turned)
    turned = np.moveaxis(turned, -1, 0).reshape(-1, TURNS, size, size) * np.float32(pixel_mm)
    return sum(np.rot90(turned[:, turn], -turn, axes=(1, 2)) for turn in range(TURNS))


def _first_view(fan: FanBeam) -> int:
    """Return the (negative) view with which the first quarter begins, to stay within 45 degrees of the column axis."""
    return -(fan.views // TURNS // 2)


def _quarter_rays(fan: FanBeam, pixel_mm: float) -> tuple[Float64, Float64, Float32, Float32]:
    """Return the rays of the first quarter.

    The source's x and y, (views / 4), in pixels; the borders' slopes dx/dy, (views / 4, detectors + 1); the scales
    1 / (cos * difference of slopes), (views / 4, detectors).
    """
    views = np.arange(fan.views // TURNS) + _first_view(fan)
    beta = views * (2 * np.pi / fan.views)
    radius = fan.source_iso_mm / pixel_mm
    slopes = -np.tan(beta[:, None] + fan.edge_angles())
    scales = 1 / (np.cos(beta[:, None] + fan.ray_angles()) * np.diff(slopes, axis=1))
    return radius * np.sin(beta), -radius * np.cos(beta), slopes.astype(np.float32), scales.astype(np.float32)


def _running_sums(images: Array, pixel_mm: float) -> Float32:
    """Return (n, y, x) as (rows padded to a multiple of ROWS, (x + 1) * LANES), each row's sums beginning with 0."""
    n, rows, columns = images.shape
    sums = np.zeros((n, -(-rows // ROWS) * ROWS, columns + 1))
    np.cumsum(images, axis=2, dtype=np.float64, out=sums[:, :rows, 1:])
    return to_lanes(sums * pixel_mm).reshape(sums.shape[1], -1)


@njit(**FLAGS)
def _places(first_row, size, source_x, source_y, slopes, place, near, far):
    # Where each border crosses FUSED rows: its place in the running sums, and the two weights of the linear
    # interpolation there, divided by the distance of the row from the source.
    last, edge = np.float32(size - 1), np.float32(size)
    for r in range(FUSED):
        depth = np.float32(first_row + r - 0.5 * (size - 1) - source_y)
        shift = np.float32(source_x + 0.5 * size)
        over = np.float32(1.0) / depth
        row = (first_row + r) * (size + 1) * LANES
        for k in range(slopes.size):
            x = min(max(shift + depth * slopes[k], np.float32(0.0)), edge)
            cell = min(np.floor(x), last)  # numba widens integers to 64 bits, floats stay SIMD
            fraction = x - cell
            place[r, k] = row + np.int32(cell) * LANES
            near[r, k] = over - fraction * over
            far[r, k] = fraction * over


@njit(parallel=True, **FLAGS)
def _sweep(sums, source_x, source_y, slopes, scales, out):
    # out[view, k] += scales[view, k] * (E[k + 1] - E[k]), E the sum over ROWS rows at the borders.
    views, borders = slopes.shape
    size = sums.shape[1] // LANES - 1
    table = sums.reshape(-1)
    for task in prange((views + VIEWS_PER_TASK - 1) // VIEWS_PER_TASK):
        place = np.empty((FUSED, borders), np.int32)
        near = np.empty((FUSED, borders), np.float32)
        far = np.empty((FUSED, borders), np.float32)
        at_borders = np.empty(borders * LANES, np.float32)
        for block in range(0, sums.shape[0], ROWS):
            for view in range(task * VIEWS_PER_TASK, min(views, (task + 1) * VIEWS_PER_TASK)):
                at_borders[:] = 0.0
                for first in range(block, block + ROWS, FUSED):
                    _places(first, size, source_x[view], source_y[view], slopes[view], place, near, far)
                    add_interpolated(at_borders, table, place, near, far)
                _add_differences(out[view], at_borders, scales[view])


@njit(**FLAGS)
def _add_differences(out, at_borders, scales):
    step = np.uintp(LANES)
    for k in range(np.uintp(scales.size)):
        scale, start = scales[k], k * step
        for lane in range(start, start + step):
            out[lane] += scale * (at_borders[lane + step] - at_borders[lane])


@njit(parallel=True, **FLAGS)
def _spread(borders, source_x, source_y, slopes, out):
    # The sweep backwards, a row a task: what each border sent to its two neighbours in the running sum,
    # and then the transpose of the running sum. In float64, since the running sum of differences cancels.
    size, _, lanes = out.shape
    for row in prange(size):
        sums = np.zeros((size + 1, lanes))
        for view in range(slopes.shape[0]):
            depth = row - 0.5 * (size - 1) - source_y[view]
            over = 1.0 / depth
            for k in range(slopes.shape[1]):
                x = min(max(source_x[view] + depth * slopes[view, k] + 0.5 * size, 0.0), float(size))
                cell = min(int(x), size - 1)
                fraction = x - cell
                for lane in range(lanes):
                    sums[cell, lane] += (1.0 - fraction) * over * borders[view, k, lane]
                    sums[cell + 1, lane] += fraction * over * borders[view, k, lane]
        for lane in range(lanes):
            total = 0.0
            for column in range(size - 1, -1, -1):
                total += sums[column + 1, lane]
                out[row, column, lane] = total
