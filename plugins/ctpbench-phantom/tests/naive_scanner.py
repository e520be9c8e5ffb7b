"""Slow, obvious twins of the scanner's kernels: explicit loops over views, rays, pixels; no symmetry, no lanes."""

from __future__ import annotations

import math

import numpy as np


def source(fan, view):
    beta = 2 * math.pi * view / fan.views
    return beta, fan.source_iso_mm * math.sin(beta), -fan.source_iso_mm * math.cos(beta)


def project(image, fan, pixel_mm):
    """Distance-driven projection by the overlap of each ray's strip with each pixel, row by row.

    A view sums over rows or over columns, whichever its central ray crosses more steeply.
    """
    size = len(image)
    borders_mm = (np.arange(size + 1) - size / 2) * pixel_mm
    centres_mm = (np.arange(size) - (size - 1) / 2) * pixel_mm
    sinogram = np.zeros((fan.views, fan.detectors))
    for view in range(fan.views):
        beta, source_x, source_y = source(fan, view)
        by_rows = (8 * view + fan.views) // (2 * fan.views) % 2 == 0
        for ray in range(fan.detectors):
            gamma = (ray - (fan.detectors - 1) / 2) * fan.step_rad
            angles = beta + gamma + np.array([-0.5, 0.0, 0.5]) * fan.step_rad
            along_x, along_y = -np.sin(angles), np.cos(angles)
            for line in range(size):
                if by_rows:
                    hit = source_x + (centres_mm[line] - source_y) * along_x / along_y
                    length, values = pixel_mm / abs(along_y[1]), image[line]
                else:
                    hit = source_y + (centres_mm[line] - source_x) * along_y / along_x
                    length, values = pixel_mm / abs(along_x[1]), image[:, line]
                low, high = sorted((hit[0], hit[2]))
                for pixel in range(size):
                    overlap = min(high, borders_mm[pixel + 1]) - max(low, borders_mm[pixel])
                    if overlap > 0:
                        sinogram[view, ray] += values[pixel] * overlap / (high - low) * length
    return sinogram


def windowed_ramp(fan, window, cutoff):
    """h(n) = integral of |f| W(f) cos(2 pi f n step) df, by the midpoint rule on a very fine grid."""
    end = cutoff / (2 * fan.step_rad)
    f = (np.arange(200_000) + 0.5) / 200_000 * end
    response = {
        "ramp": 1.0,
        "hann": 0.5 * (1 + np.cos(math.pi * f / end)),
        "hamming": 0.54 + 0.46 * np.cos(math.pi * f / end),
        "cosine": np.cos(math.pi * f / (2 * end)),
        "shepp-logan": np.sin(math.pi * f / (2 * end)) / (math.pi * f / (2 * end)),
    }[window]
    return np.array(
        [2 * (f * response * np.cos(2 * math.pi * f * n * fan.step_rad)).mean() * end for n in range(fan.detectors)]
    )


def fbp(sinogram, scanner, size):
    """Kak and Slaney's equiangular reconstruction, a pixel and a view at a time."""
    fan = scanner.fan
    h = windowed_ramp(fan, scanner.window, scanner.cutoff)
    gammas = [(ray - (fan.detectors - 1) / 2) * fan.step_rad for ray in range(fan.detectors)]
    filtered = np.zeros(sinogram.shape)
    for view in range(fan.views):
        for i in range(fan.detectors):
            for j in range(fan.detectors):
                angle = (i - j) * fan.step_rad
                warp = (angle / math.sin(angle)) ** 2 if i != j else 1.0
                weighted = fan.source_iso_mm * math.cos(gammas[j]) * sinogram[view, j]
                filtered[view, i] += weighted * 0.5 * warp * h[abs(i - j)] * fan.step_rad
    image = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            x, y = ((index - (size - 1) / 2) * scanner.pixel_mm for index in (column, row))
            for view in range(fan.views):
                beta, source_x, source_y = source(fan, view)
                depth = -(x - source_x) * math.sin(beta) + (y - source_y) * math.cos(beta)
                lateral = -(x - source_x) * math.cos(beta) - (y - source_y) * math.sin(beta)
                at = math.atan2(lateral, depth) / fan.step_rad + (fan.detectors - 1) / 2
                if 0 <= at <= fan.detectors - 1:
                    cell = min(int(at), fan.detectors - 2)
                    value = filtered[view, cell] * (cell + 1 - at) + filtered[view, cell + 1] * (at - cell)
                    image[row, column] += 2 * math.pi / fan.views * value / (depth**2 + lateral**2)
    return image


def ellipse_line_integrals(fan, centre_mm, axes_mm):
    """Chord of every ray with an ellipse whose axes lie along x and y, mm: (views, detectors)."""
    chords = np.zeros((fan.views, fan.detectors))
    for view in range(fan.views):
        beta, source_x, source_y = source(fan, view)
        for ray in range(fan.detectors):
            theta = beta + (ray - (fan.detectors - 1) / 2) * fan.step_rad
            p = np.array([source_x - centre_mm[0], source_y - centre_mm[1]]) / axes_mm
            d = np.array([-math.sin(theta), math.cos(theta)]) / axes_mm
            discriminant = (p @ d) ** 2 - (d @ d) * (p @ p - 1)
            chords[view, ray] = 2 * math.sqrt(max(discriminant, 0.0)) / (d @ d)
    return chords


def raster_ellipse(size, pixel_mm, centre_mm, axes_mm, fine=8):
    """Share of each pixel that lies inside an ellipse, by `fine` x `fine` points a pixel: (size, size)."""
    at = ((np.arange(size * fine) + 0.5) / fine - size / 2) * pixel_mm
    inside = ((at - centre_mm[0]) / axes_mm[0]) ** 2 + ((at[:, None] - centre_mm[1]) / axes_mm[1]) ** 2 < 1
    return inside.reshape(size, fine, size, fine).mean(axis=(1, 3))
