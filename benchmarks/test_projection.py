"""Distance-driven projection beside numpy, a view at a time, and beside the same projector as a sparse matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy import sparse

from ctpbench_phantom.scanner.geometry import FanBeam
from ctpbench_phantom.scanner.projector import project

from .contest import Agreement, Peer, within
from .machine import Work
from .optional import missing, optional

SMALL = FanBeam(views=144, detectors=96, pitch_mm=4 * 1.2858)
LIMIT = 5e-4  # of line integrals up to 5: float32 rounding over 256 rows
OTHERS_LIMIT = 1e-4  # gecatsim chooses rows or columns elsewhere in a few rays at 45 degrees
FLAT_LIMIT = 0.01  # astra's detector is flat, and its strips are as wide at its ends as in its middle


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


def gecatsim(image: np.ndarray, fan: FanBeam) -> Callable[[], np.ndarray]:
    """Distance-driven projection by GE's CatSim, pixels of 1 mm."""
    from gecatsim.pyfiles.C_DD3Proj import DD3Proj

    source, reach, size = fan.source_iso_mm, fan.source_detector_mm, len(image)
    x = (-reach * np.sin(fan.ray_angles())).astype(np.float32)
    y = (reach * np.cos(fan.ray_angles()) - source).astype(np.float32)
    z, shifts = np.zeros(1, np.float32), np.zeros(fan.views, np.float32)
    angles, upwards = fan.view_angles().astype(np.float32), np.ascontiguousarray(image[::-1])
    grid = (0.0, 0.0, 0.0, angles, shifts, fan.views, size, size, 1, upwards)
    return lambda: DD3Proj(0.0, -source, 0.0, fan.detectors, 1, x, y, z, 1.0, *grid)[:, :, 0]


def astra(image: np.ndarray, fan: FanBeam) -> tuple[Callable[[], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """Strip projection by the ASTRA toolbox on a flat detector, pixels of 1 mm; and its values at our rays."""
    import astra as toolbox

    reach = fan.source_detector_mm
    edges = reach * np.tan(fan.edge_angles())
    width = (edges[-1] - edges[0]) / fan.detectors
    distances = fan.source_iso_mm, reach - fan.source_iso_mm
    beam = toolbox.create_proj_geom("fanflat", width, fan.detectors, fan.view_angles(), *distances)
    projector = toolbox.create_projector("strip_fanflat", beam, toolbox.create_vol_geom(*image.shape))
    centres = (np.arange(fan.detectors) - (fan.detectors - 1) / 2) * width

    def projected() -> np.ndarray:
        number, sinogram = toolbox.create_sino(image, projector)
        toolbox.data2d.delete(number)
        return sinogram

    def at_our_rays(sinogram: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(-reach * np.tan(fan.ray_angles()), centres, row) for row in sinogram])

    return projected, at_our_rays


def near(limit: float, seen: Callable[[np.ndarray], np.ndarray] = np.asarray) -> Agreement:
    """Agree where two sinograms differ by no more than `limit` on average."""
    return Agreement(limit, "on average", lambda ours, theirs: float(np.abs(ours - seen(theirs)).mean()))


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


@pytest.mark.parametrize("who", ["ours", "numpy", optional("gecatsim"), optional("astra")])
def test_projection(contest, head, who):
    images, fan = head(256), FanBeam()
    peers = {"numpy": Peer(lambda: numpy_project(images[0], fan, 1.0), within(LIMIT, ""))}
    if not missing("gecatsim"):
        peers["gecatsim"] = Peer(gecatsim(images[0], fan), near(OTHERS_LIMIT))
    if not missing("astra"):
        run, at_our_rays = astra(images[0], fan)
        peers["astra"] = Peer(run, near(FLAT_LIMIT, at_our_rays))
    borders = fan.views * 256 * (fan.detectors + 1)  # in every row: interpolate there, subtract, weigh, add up
    contest(
        who,
        task="projection",
        size="256x256, 1152 views",
        ours=lambda: project(images, fan, 1.0)[0],
        peers=peers,
        images={"ours": len(images)},
        work=Work(4e-6 * (256**2 + fan.views * fan.detectors), 6e-9 * borders),
    )
