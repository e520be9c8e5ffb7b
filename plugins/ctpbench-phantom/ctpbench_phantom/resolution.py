"""What a scanner can resolve of true maps: the maps through its point spread."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import signal

from ctpbench import MAPS
from ctpbench.arrays import Float32, Float64, Mask
from ctpbench_phantom.scanner.backprojector import fbp
from ctpbench_phantom.scanner.geometry import Scanner
from ctpbench_phantom.scanner.projector import project

_POINTS = 4
_RADII_MM = (25.0, 65.0)  # the middle itself is no typical place: all rays sample it alike
_HALF_PX = 4  # what lies further from a point holds no more than its streaks
_MOST_UNDEFINED = 0.01  # a vessel holds 25 to 50 times the blood of tissue: a hundredth of it adds a quarter to a half


@lru_cache(maxsize=16)
def point_spread(scanner: Scanner) -> Float64:
    """Return what a scanner without noise makes of a pixel: (9, 9), float64, read-only, no unit, of sum 1.

    The mean image of pixels of value 1 at four places of the field of view, and of its flips and turns. With the
    default scanner and pixels of 1 mm it is about a Gaussian of 0.7 mm.
    """
    middle = int(_RADII_MM[1] / scanner.pixel_mm) + _HALF_PX + 1
    turn = np.arange(_POINTS) * np.pi * (3 - np.sqrt(5))  # the golden angle: in all directions
    radius = np.linspace(*_RADII_MM, _POINTS) / scanner.pixel_mm
    places = middle + np.rint(radius * np.array([np.sin(turn), np.cos(turn)])).astype(int).T
    images = np.zeros((_POINTS, 2 * middle + 1, 2 * middle + 1))
    images[np.arange(_POINTS), places[:, 0], places[:, 1]] = 1.0
    scanned = fbp(project(images, scanner.fan, scanner.pixel_mm), scanner, images.shape[1:])
    around = np.arange(-_HALF_PX, _HALF_PX + 1)
    spread = np.mean([image[np.ix_(y + around, x + around)] for image, (y, x) in zip(scanned, places, strict=True)], 0)
    spread = np.mean([np.rot90(each, k) for each in (spread, spread.T) for k in range(4)], axis=0, dtype=np.float64)
    spread /= spread.sum()
    spread.flags.writeable = False
    return spread


def resolved_maps(maps: Float32, spread: Float64) -> Float32:
    """Return true maps as a scanner resolves them, where it does.

    Parameters
    ----------
    maps : ndarray, (map, z, y, x), float32
        The five of `ctpbench.MAPS`; NaN where undefined.
    spread : ndarray, (y, x), float64, no unit
        The scanner's `point_spread`.

    Returns
    -------
    ndarray, (map, z, y, x), float32
        CBF and CBV: in each slice the mean over the defined pixels around, CSF's zeros among them, weighted by the
        point spread. MTT: 60 CBV / CBF of these, NaN where that CBF is not above 0. TTP and Tmax: as they are, for a
        time of a maximum is no mean of its neighbours'. All are NaN where the true map is, and where more than a
        hundredth of what the scanner mixes into a pixel comes from where CBF has no true value: from a vessel, which
        enhances many times as much as tissue does, or from outside of the brain.
    """
    by_name = dict(zip(MAPS, maps.astype(np.float64), strict=True))
    undefined = _blurred(~np.isfinite(by_name["cbf"]), spread)
    cbf, cbv = (_within_defined(by_name[name], spread) for name in ("cbf", "cbv"))
    mtt = np.full_like(cbf, np.nan)
    np.divide(60.0 * cbv, cbf, out=mtt, where=np.isfinite(by_name["mtt"]) & (cbf > 0))
    resolved = {**by_name, "cbf": cbf, "cbv": cbv, "mtt": mtt}
    stack = np.stack([resolved[name] for name in MAPS])
    return np.where(undefined > _MOST_UNDEFINED, np.nan, stack).astype(np.float32)


def _within_defined(values: Float64, spread: Float64) -> Float64:
    """Blur a map, (z, y, x), slice by slice; pixels where it is NaN neither give nor get."""
    defined = np.isfinite(values)
    weight, total = _blurred(defined, spread), _blurred(np.where(defined, values, 0.0), spread)
    return np.divide(total, weight, out=np.full_like(values, np.nan), where=defined)


def _blurred(values: Float64 | Mask, spread: Float64) -> Float64:
    """Return values, (z, y, x), through the point spread, slice by slice; there is nothing outside of the image."""
    return signal.fftconvolve(values.astype(np.float64), spread[None], mode="same", axes=(1, 2))
