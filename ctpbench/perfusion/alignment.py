"""A head that moved within its slices, brought back to where it lay first: shift and turn, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ctpbench.arrays import Float32, Float64

_WINDOW_HU = (-1000.0, 1500.0)  # air beyond the field of view, and metal, count for no more than air and bone
_SMOOTH_MM = 2.0
_OUTLINE_HU_MM = 30.0  # slope of a smoothed edge of 150 HU
_RADIUS_MM = 80.0  # of the skull
_ROUNDS, _ENOUGH_PX = 40, 0.001


def poses(frames: Float32, spacing_mm: Sequence[float]) -> Float64:
    """Return how the head of one slice lies in each frame, against the first two.

    Gauss and Newton's method on the difference of smooth images where the first have the outline of bone or air. Of a
    brain that was cut out onto 0 HU nothing is told: its edge is no stronger than what contrast does.

    Parameters
    ----------
    frames : array, (time, y, x), float32, HU
    spacing_mm : sequence of 2 floats
        Pixel size along (y, x) in mm.

    Returns
    -------
    array, (time, 3), float64
        Shift along y and x, mm, and turn from y to x, rad, about the image's middle.

    Source: Lucas, Kanade 1981, Proc IJCAI 674 (registration by the image's gradient).
    """
    sigma = [_SMOOTH_MM / step for step in spacing_mm]
    images = ndimage.gaussian_filter(np.clip(frames, *_WINDOW_HU), (0, *sigma), mode="nearest")
    first = images[:2].mean(axis=0)
    along_y, along_x = np.gradient(first, *spacing_mm)
    y, x = _from_middle(first.shape, spacing_mm)
    outline = np.hypot(along_y, along_x) > _OUTLINE_HU_MM
    slopes = np.stack([along_y, along_x, along_x * y - along_y * x])[:, outline].astype(np.float64)
    # The inverse of the normal matrix: a slice without an outline has none, and lies as it is.
    solve = np.linalg.pinv(slopes @ slopes.T, rcond=1e-9) @ slopes
    found = np.zeros((len(images), 3))
    for number, image in enumerate(images):
        pose = found[number - 1].copy() if number else found[0]
        for _ in range(_ROUNDS):
            step = solve @ (first - _moved_back(image, pose, spacing_mm))[outline]
            pose += step
            if np.abs(step * [1, 1, max(y.max(), x.max())]).max() < _ENOUGH_PX * min(spacing_mm):
                break
        found[number] = pose
    return found


def farthest_mm(where: Float64) -> float:
    """Return how far the head moved at most, 80 mm from the image's middle."""
    return float((np.hypot(where[:, 0], where[:, 1]) + _RADIUS_MM * np.abs(where[:, 2])).max())


def aligned(series: Float32, where: Float64, spacing_mm: Sequence[float]) -> Float32:
    """Return a series, (time, z, y, x), with each frame's slices moved back, by linear interpolation."""
    still = np.empty_like(series)
    for frame, pose, out in zip(series, where, still, strict=True):
        for image, place in zip(frame, out, strict=True):
            place[...] = _moved_back(image, pose, spacing_mm)
    return still


def _moved_back(image: Float32, pose: Float64, spacing_mm: Sequence[float]) -> Float32:
    """Return an image as it was before the head was shifted and turned, linearly interpolated."""
    scale = np.asarray(spacing_mm)
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    turn = np.array([[cos, -sin], [sin, cos]]) * scale / scale[:, np.newaxis]
    middle = (np.array(image.shape) - 1) / 2
    offset = middle + pose[:2] / scale - turn @ middle
    return np.asarray(ndimage.affine_transform(image, turn, offset, order=1, mode="nearest"), dtype=np.float32)


def _from_middle(shape: tuple[int, ...], spacing_mm: Sequence[float]) -> tuple[Float64, Float64]:
    y, x = ((np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing_mm, strict=True))
    return np.broadcast_to(y[:, np.newaxis], shape), np.broadcast_to(x, shape)
