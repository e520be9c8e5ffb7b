"""Distance-driven projection beside numpy, a view at a time, and beside the same projector as a sparse matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import sparse

from ctpbench_phantom.scanner.geometry import FanBeam
from ctpbench_phantom.scanner.projector import project

from .contest import Peer, within

SMALL = FanBeam(views=144, detectors=96, pitch_mm=4 * 1.2858)
LIMIT = 5e-4  # of line integrals up to 5: float32 rounding over 256 rows


def crossings(fan: FanBeam, size: int, pixel_mm: float) -> Iterator[tuple[bool, np.ndarray, np.ndarray]]:
    """Yield for each view whether it sums over rows, where the borders of its rays cross them, and its weights.

    The crossings, (row, border), count pixels from the image's left or upper side; a weight, (row, ray), is the
    ray's length in the row over the width of its strip there.
    """
    depth_mm = (np.arange(size) - (size - 1) / 2) * pixel_mm
    for view, beta in enumerate(fan.view_angles()):
        by_rows = (8 * view + fan.views) // (2 * fan.views) % 2 == 0  # the central ray crosses rows more steeply
        along, across = (np.cos, lambda a: -np.sin(a)) if by_rows else (lambda a: -np.sin(a), np.cos)
        slopes = across(beta + fan.edge_angles()) / along(beta + fan.edge_angles())
        start, line = fan.source_iso_mm * np.array([np.sin(beta), -np.cos(beta)])[:: 1 if by_rows else -1]
        at = (start + (depth_mm[:, None] - line) * slopes) / pixel_mm + size / 2
        length = pixel_mm / np.abs(along(beta + fan.ray_angles()))
        yield by_rows, at, length / np.diff(at, axis=1)


def numpy_project(image: np.ndarray, fan: FanBeam, pixel_mm: float) -> np.ndarray:
    """Project by differences of the rows' running sums at the borders."""
    size = len(image)
    sums = [np.pad(np.cumsum(turned, axis=1, dtype=np.float64), ((0, 0), (1, 0))) for turned in (image, image.T)]
    row = np.arange(size)[:, None]
    sinogram = np.empty((fan.views, fan.detectors), np.float32)
    for view, (by_rows, at, weight) in enumerate(crossings(fan, size, pixel_mm)):
        table, inside = sums[0 if by_rows else 1], np.clip(at, 0, size)
        cell = np.minimum(inside.astype(np.intp), size - 1)
        left = table[row, cell]
        value = left + (inside - cell) * (table[row, cell + 1] - left)
        sinogram[view] = (np.diff(value, axis=1) * weight).sum(axis=0)
    return sinogram


def system_matrix(fan: FanBeam, size: int, pixel_mm: float) -> sparse.csr_array:
    """The projector as a matrix (views * detectors, size * size): the overlap of strips and pixels, weighted."""
    parts = []
    for view, (by_rows, at, weight) in enumerate(crossings(fan, size, pixel_mm)):
        low, high = np.minimum(at[:, :-1], at[:, 1:]), np.maximum(at[:, :-1], at[:, 1:])
        widest = int(np.ceil((high - low).max())) + 1
        pixel = np.floor(low).astype(np.intp)[..., None] + np.arange(widest)
        overlap = np.minimum(high[..., None], pixel + 1) - np.maximum(low[..., None], pixel)
        hit = (overlap > 0) & (pixel >= 0) & (pixel < size)
        line, ray, _ = np.nonzero(hit)
        columns = line * size + pixel[hit] if by_rows else pixel[hit] * size + line
        parts.append((overlap[hit] * np.abs(weight)[line, ray], view * fan.detectors + ray, columns))
    values, rows, columns = (np.concatenate(part) for part in zip(*parts, strict=True))
    return sparse.csr_array((values.astype(np.float32), (rows, columns)), (fan.views * fan.detectors, size * size))


@pytest.mark.parametrize("who", ["ours", "numpy", "scipy.sparse"])
def test_small_projection(contest, head, who):
    images, fan = head(64), SMALL
    matrix = system_matrix(fan, 64, 4.0)
    flat = images.reshape(len(images), -1).T.copy()
    shape = (fan.views, fan.detectors)
    contest(
        who,
        task="projection",
        size="64x64, 144 views",
        ours=lambda: project(images, fan, 4.0)[0],
        peers={
            "numpy": Peer(lambda: numpy_project(images[0], fan, 4.0), within(LIMIT, "")),
            "scipy.sparse": Peer(lambda: (matrix @ flat)[:, 0].reshape(shape), within(LIMIT, "")),
        },
        images={"ours": len(images), "scipy.sparse": len(images)},
    )


@pytest.mark.parametrize("who", ["ours", "numpy"])
def test_projection(contest, head, who):
    images, fan = head(256), FanBeam()
    contest(
        who,
        task="projection",
        size="256x256, 1152 views",
        ours=lambda: project(images, fan, 1.0)[0],
        peers={"numpy": Peer(lambda: numpy_project(images[0], fan, 1.0), within(LIMIT, ""))},
        images={"ours": len(images)},
    )
