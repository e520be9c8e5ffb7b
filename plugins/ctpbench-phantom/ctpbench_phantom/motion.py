"""Small rigid motion of a head within its slices, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ctpbench.arrays import Float32, Float64

_SMOOTH_S = 2.0  # a head drifts rather than trembles
_RADIUS_MM = 80.0  # where a turn moves as far as a shift does


@dataclass(frozen=True)
class Motion:
    """Where a head lies in each frame, relative to the first.

    Attributes
    ----------
    shift_mm : ndarray, (time, 2), float64, mm
        Along y and x.
    turn_rad : ndarray, (time), float64, rad
        About the image's middle, from y to x.
    """

    shift_mm: Float64
    turn_rad: Float64


def draw_motion(rng: np.random.Generator, times_s: Float64, motion_mm: float) -> Motion:
    """Return a smooth random walk that begins at 0.

    Along y and x, and by the turn 80 mm from the middle, it strays by `motion_mm` each (root mean square over the
    frames).
    """
    steps = rng.standard_normal((times_s.size, 3))
    smooth = _SMOOTH_S / float(np.diff(times_s).mean())
    walk = ndimage.gaussian_filter1d(np.cumsum(steps, axis=0), smooth, axis=0)
    walk -= walk[0]
    walk *= motion_mm / np.sqrt(np.mean(walk**2, axis=0))
    return Motion(walk[:, :2], walk[:, 2] / _RADIUS_MM)


def moved(series: Float32, motion: Motion, pixel_mm: float) -> Float32:
    """Return a series, (time, y, x), HU, of a head that moves: the first frame as it is, the others moved.

    Frames are interpolated by cubic splines, within the range of each frame's values.
    """
    middle = (np.array(series.shape[1:]) - 1) / 2
    out = series.copy()
    for frame in range(1, len(series)):
        cos, sin = np.cos(motion.turn_rad[frame]), np.sin(motion.turn_rad[frame])
        back = np.array([[cos, sin], [-sin, cos]])  # from where a pixel is now to where it was in the first frame
        offset = middle - back @ (middle + motion.shift_mm[frame] / pixel_mm)
        ndimage.affine_transform(series[frame], back, offset, output=out[frame], order=3, mode="nearest")
        np.clip(out[frame], series[frame].min(), series[frame].max(), out=out[frame])
    return out
