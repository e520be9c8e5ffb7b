"""Filtered backprojection of a full rotation of an equiangular fan (Kak and Slaney 1988, section 3.4.1).

    f(x, y) = sum over views of dbeta / L^2 * Q(gamma),   Q = (R cos(gamma) p) * g,
    g(gamma) = 1/2 (gamma / sin gamma)^2 h(gamma),

with L the distance from the source to the pixel, gamma the pixel's fan angle and h the windowed ramp's kernel.
Q is interpolated linearly between detector elements and is 0 outside their centres, so a pixel outside the
circle that every view sees is not reconstructed, only filled with what some views saw of it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit, prange

from ctpbench.arrays import Array, Float32, Float64, Index, Mask
from ctpbench_phantom.scanner.geometry import TURNS, FanBeam, Scanner, Window, check_grid, check_sinograms
from ctpbench_phantom.scanner.lanes import FLAGS, FUSED, LANES, add_interpolated, aligned_zeros, to_lanes

BATCH = 4 * LANES  # images that share the search for a pixel's shadow
TILE = 32  # pixels are done in square tiles, whose shadow on the detector stays in the first-level cache


def fbp(sinograms: Array, scanner: Scanner, shape: tuple[int, int], roi: Mask | None = None) -> Float32:
    """Return the images that sinograms give.

    Parameters
    ----------
    sinograms : ndarray, (n, views, detectors), no unit
        Line integrals.
    scanner : Scanner
        Geometry, pixel size and filter.
    shape : (int, int)
        Of the images, (y, x), square.
    roi : ndarray, (y, x), bool, or None
        Only these pixels are computed, the others are 0; None computes all.

    Returns
    -------
    ndarray, (n, y, x), float32, 1/mm
        Attenuation.

    Raises
    ------
    ValueError
        Where the sinograms do not belong to the scanner, the shape is not allowed, or the roi is not a mask of it.

    Sources: Kak and Slaney, Principles of Computerized Tomographic Imaging, section 3.4.1 (equiangular rays); Wu, Ren,
    Li, section V-A1 (pixel-driven backprojection).
    """
    check_sinograms(sinograms.shape, scanner.fan)
    size = check_grid(shape, scanner.pixel_mm, scanner.fan)
    # The pixels of all quarters of a rotation cast the same shadows, turned; a region, turned, is another one.
    turns = TURNS if roi is None and scanner.fan.views % (TURNS * FUSED) == 0 else 1
    swept = sinograms.reshape(-1, scanner.fan.views // turns, scanner.fan.detectors)
    turned = _sweep(swept, scanner, size, _pixels_by_tile(size, roi)).reshape(-1, turns, size, size)
    images = np.ascontiguousarray(turned[:, 0])
    for turn in range(1, turns):
        images += np.rot90(turned[:, turn], -turn, axes=(1, 2))
    return images


def _sweep(sinograms: Array, scanner: Scanner, size: int, pixels: Index) -> Float32:
    """Return what the views of sinograms, the first of a rotation, give some pixels: (n, y * x)."""
    centre = (size - 1) / 2
    x_mm = ((pixels % size - centre) * scanner.pixel_mm).astype(np.float32)
    y_mm = ((pixels // size - centre) * scanner.pixel_mm).astype(np.float32)
    matrix = filter_matrix(scanner.fan, scanner.window, scanner.cutoff)
    angles = scanner.fan.view_angles()[: sinograms.shape[1]]
    turns = np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    images = np.zeros((len(sinograms), size * size), np.float32)
    for start in range(0, len(sinograms), BATCH):
        table = _filtered_lanes(sinograms[start : start + BATCH], matrix)
        values = aligned_zeros((len(table), len(pixels) * LANES))
        _backproject(table, x_mm, y_mm, turns, _fan_numbers(scanner.fan), values)
        for block, first in zip(values, range(start, len(sinograms), LANES), strict=False):
            some = images[first : first + LANES]
            some[:, pixels] = block.reshape(-1, LANES).T[: len(some)]
    return images


@lru_cache(maxsize=8)
def filter_matrix(fan: FanBeam, window: Window, cutoff: float) -> Float32:
    """Return the whole filter as one matrix: a row of line integrals times it is the row Q that is backprojected.

    Convolution, cosine weight, the step of the sum over rays and that of the sum over views are all in it.

    Parameters
    ----------
    fan : FanBeam
    window : {"hann", "ramp", "shepp-logan", "cosine", "hamming"}
    cutoff : float
        Fraction of the Nyquist frequency.

    Returns
    -------
    ndarray, (detectors, detectors), float32, mm
        So that Q / L^2 summed over views is in 1/mm.
    """
    lag = np.arange(fan.detectors)
    angle = lag * fan.step_rad
    kernel = _windowed_ramp(fan, window, cutoff)
    kernel[1:] *= (angle[1:] / np.sin(angle[1:])) ** 2
    toeplitz = 0.5 * kernel[np.abs(lag[:, None] - lag)]
    weight = fan.source_iso_mm * np.cos(fan.ray_angles()) * fan.step_rad * (2 * np.pi / fan.views)
    return (weight[:, None] * toeplitz).astype(np.float32)


def _windowed_ramp(fan: FanBeam, window: Window, cutoff: float) -> Float64:
    """Return the windowed ramp's kernel h at lags 0, 1, ..., (detector), 1/rad^2."""
    # h(n) = 2 * integral from 0 to the cut-off of f W(f) cos(2 pi f n step) df, with f = u / (2 step):
    # h(n) = 1 / (2 step^2) * integral from 0 to cutoff of u W(u / cutoff) cos(pi n u) du, u = 1 at Nyquist.
    # Gauss-Legendre over panels short against the fastest cosine, so exact to rounding for every window.
    node, weight = np.polynomial.legendre.leggauss(16)
    panels = fan.detectors // 4 + 1
    u = ((np.arange(panels)[:, None] + 0.5 + 0.5 * node) / panels).ravel() * cutoff
    r = u / cutoff
    response = {
        "ramp": lambda: np.ones_like(r),
        "hann": lambda: 0.5 + 0.5 * np.cos(np.pi * r),
        "hamming": lambda: 0.54 + 0.46 * np.cos(np.pi * r),
        "cosine": lambda: np.cos(np.pi / 2 * r),
        "shepp-logan": lambda: np.sinc(r / 2),
    }[window]()
    integrand = u * response * np.tile(weight, panels) * (cutoff / (2 * panels))
    return np.cos(np.pi * np.arange(fan.detectors)[:, None] * u) @ integrand / (2 * fan.step_rad**2)


def _pixels_by_tile(size: int, roi: Mask | None) -> Index:
    """Return the flat indices of the pixels to compute, tile after tile."""
    if roi is None:
        roi = np.ones((size, size), bool)
    if roi.shape != (size, size) or roi.dtype != bool:
        raise ValueError(f"fbp: roi: got {roi.dtype} of shape {roi.shape}; allowed: bool of shape {(size, size)}")
    row, column = np.nonzero(roi)
    order = np.argsort((row // TILE) * size + column // TILE, kind="stable")
    return (row * size + column)[order]


def _filtered_lanes(sinograms: Array, matrix: Float32) -> Float32:
    """Return (n, views, detectors) filtered, as (n / LANES rounded up, views * detectors * LANES)."""
    starts = range(0, len(sinograms), LANES)
    table = aligned_zeros((len(starts), sinograms[0].size * LANES))
    for lanes, start in zip(table, starts, strict=True):
        block = sinograms[start : start + LANES].astype(np.float32, copy=False)
        lanes[:] = to_lanes((block.reshape(-1, len(matrix)) @ matrix).reshape(len(block), -1)).reshape(-1)
    return table


def _fan_numbers(fan: FanBeam) -> Float32:
    """Return what the kernel needs of a fan: the orbit's radius in mm, rays a radian, detectors."""
    return np.array([fan.source_iso_mm, 1 / fan.step_rad, fan.detectors], np.float32)


@njit(**FLAGS)
def _arctangent(t):
    # Abramowitz and Stegun 4.4.49: error below 2e-8 for |t| <= 1, with nothing that stops SIMD.
    s = t * t
    total = np.float32(0.0028662257)
    for coefficient in (-0.0161657367, 0.0429096138, -0.0752896400, 0.1065626393, -0.1420889944, 0.1999355085):
        total = total * s + np.float32(coefficient)
    return t * ((total * s - np.float32(0.3333314528)) * s + np.float32(1.0))


@njit(**FLAGS)
def _shadows(view, turn, x_mm, y_mm, fan_numbers, place, near, far):
    # Where pixels cast their shadow in one view, and the weights of the linear interpolation there times
    # 1 / L^2. A tangent beyond 1 is cut to 1, which lies outside every fan that `FanBeam` allows.
    cosine, sine = turn[0], turn[1]
    one, zero = np.float32(1.0), np.float32(0.0)
    radius, per_step, last = fan_numbers[0], fan_numbers[1], fan_numbers[2] - one
    row, last_cell = view * int(fan_numbers[2]) * LANES, last - one
    for k in range(np.uintp(x_mm.size)):
        lateral = -cosine * x_mm[k] - sine * y_mm[k]
        depth = radius - sine * x_mm[k] + cosine * y_mm[k]
        square = lateral * lateral + depth * depth
        reciprocal = one / (square * depth)  # one division for both quotients
        tangent = lateral * square * reciprocal
        at = _arctangent(min(max(tangent, -one), one)) * per_step + np.float32(0.5) * last
        seen = one if (at >= zero) & (at <= last) else zero
        weight = seen * depth * reciprocal
        cell = min(np.floor(max(at, zero)), last_cell)  # numba widens integers to 64 bits, floats stay SIMD
        fraction = at - cell
        place[k] = row + np.int32(cell) * LANES
        near[k] = weight - weight * fraction
        far[k] = weight * fraction


@njit(parallel=True, **FLAGS)
def _backproject(table, x_mm, y_mm, turns, fan_numbers, values):
    # values[block, pixel] = sum over views of Q at the pixel's shadow / L^2, a tile of pixels a task.
    tile = TILE * TILE
    for task in prange((x_mm.size + tile - 1) // tile):
        first, last = task * tile, min(x_mm.size, (task + 1) * tile)
        x, y = x_mm[first:last], y_mm[first:last]
        place = np.empty((FUSED, x.size), np.int32)
        near = np.empty((FUSED, x.size), np.float32)
        far = np.empty((FUSED, x.size), np.float32)
        for view in range(0, turns.shape[1], FUSED):
            for r in range(FUSED):
                turn = turns[:, view + r]
                _shadows(view + r, turn, x, y, fan_numbers, place[r], near[r], far[r])
            for block in range(table.shape[0]):
                sums = values[block, first * LANES : last * LANES]
                add_interpolated(sums, table[block], place, near, far)
