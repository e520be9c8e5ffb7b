"""How far a head moved in the plane of a slice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from ctpbench.arrays import Array, Float32, Float64
from ctpbench.errors import DataError

_WINDOW_HU = (-100.0, 100.0)  # keeps the outlines of head, skull and brain; contrast in vessels is cut to little
_EDGE_PX = 1.5  # sd of the Gaussian whose derivative finds edges
_RIM_SHARE = 0.05  # of each side, where edges fade out: a head that is cut off there does not end abruptly


def motion_mm(frames: npt.ArrayLike, spacing_mm: Sequence[float]) -> Float64:
    """Return each frame's displacement in the plane against the first.

    The edges of a frame are correlated with those of the first; a parabola through the highest value and its
    neighbours gives the fraction of a pixel.

    Parameters
    ----------
    frames : array, (time, y, x), HU
        One slice, with its skull or without. A brain cut out by one mask for all frames shows less than it moved.
    spacing_mm : sequence of 2 floats
        Pixel size along (y, x) in mm.

    Returns
    -------
    array, (time), float64, mm
        0 for the first frame.

    Raises
    ------
    DataError
        Where a shape does not fit or a value is not finite.

    Examples
    --------
    A head that moves by 3 pixels of 0.5 mm.

    >>> import numpy as np
    >>> from ctpbench.perfusion import motion_mm
    >>> radius_px = np.hypot(*(np.mgrid[:48, :48] - 23.5))
    >>> slice_hu = np.where(radius_px < 20, 35, np.where(radius_px < 23, 1000, -1000))
    >>> print(motion_mm(np.stack([slice_hu, np.roll(slice_hu, 3, axis=0)]), (0.5, 0.5)).round(1))
    [0.  1.5]

    Source: Guizar-Sicairos et al. 2008, Opt Lett 33:156 (registration by a refined peak of the cross-correlation).
    """
    series = np.asarray(frames)
    if series.ndim != 3 or min(series.shape) < 1 or min(series.shape[1:]) < 3:
        raise DataError(f"frames: got shape {series.shape}; allowed: 3 axes (time, y, x), 3 pixels or more a side")
    if len(spacing_mm) != 2 or not all(0 < step < np.inf for step in spacing_mm):
        raise DataError(f"spacing_mm: got {tuple(spacing_mm)}; allowed: 2 sizes (y, x) above 0 mm")
    if not np.isfinite(series).all():
        raise DataError("frames: got NaN or infinity; allowed: finite HU")
    windowed = np.clip(series, *_WINDOW_HU).astype(np.float32, copy=False)
    sigmas = (0, _EDGE_PX, _EDGE_PX)
    along_y = ndimage.gaussian_filter(windowed, sigmas, order=(0, 1, 0), mode="nearest")
    along_x = ndimage.gaussian_filter(windowed, sigmas, order=(0, 0, 1), mode="nearest")
    edges = (along_y + 1j * along_x) * np.outer(*(_fade(n) for n in series.shape[1:]))
    spectra = fft.fft2(edges)
    # The real part is the sum of both derivatives' correlations.
    correlations = fft.ifft2(spectra * np.conj(spectra[0])).real
    shifts_px = np.array([_peak(correlation) for correlation in correlations])
    shifts_px -= shifts_px[0]
    return np.asarray(np.hypot(*(shifts_px * np.asarray(spacing_mm)).T), dtype=np.float64)


def _fade(n: int) -> Float32:
    """Return 1 within and a cosine's fall to nearly 0 at both ends."""
    to_end = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
    return (np.sin(np.pi / 2 * np.minimum(to_end / max(1.0, _RIM_SHARE * n), 1)) ** 2).astype(np.float32)


def _peak(correlation: Array) -> tuple[float, float]:
    """Return where a correlation on the circle is highest, (y, x), px."""
    rows, columns = correlation.shape
    y, x = np.unravel_index(np.argmax(correlation), correlation.shape)
    along_y = correlation[(y + np.arange(-1, 2)) % rows, x].astype(np.float64)
    along_x = correlation[y, (x + np.arange(-1, 2)) % columns].astype(np.float64)
    return (
        (y + rows // 2) % rows - rows // 2 + _vertex(along_y),
        (x + columns // 2) % columns - columns // 2 + _vertex(along_x),
    )


def _vertex(values: Array) -> float:
    """Return the place of the top of a parabola through values at -1, 0 and 1."""
    left, top, right = values
    bend = left - 2 * top + right
    return float((left - right) / (2 * bend)) if bend < 0 else 0.0
