"""The picture shows the numbers: one window a row, black outside the tissue, a map pixel a block of pixels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib import colormaps
from matplotlib.image import imread

from ctpbench.report.panels import bounding_box, map_panels, window

MAPS = ["cbf", "cbv", "mtt", "ttp", "tmax"]
LEFT, GAP, EDGE = 60, 10, 2  # pixels left of the first panel, between panels, and the margin of the crop in map pixels
SCALE = 360 // 36  # a tissue of 32 pixels with its margin, enlarged to about 360


def maps(values: np.ndarray, names: list[str] = MAPS) -> xr.DataArray:
    stack = np.stack([values * factor for factor in (1.0, 0.05, 0.1, 0.1, 0.1)[: len(names)]])
    return xr.DataArray(stack.astype(np.float32), dims=("map", "y", "x"), coords={"map": names})


@pytest.fixture
def tissue() -> np.ndarray:
    inside = np.zeros((64, 64), dtype=bool)
    inside[10:46, 16:48] = True
    inside[30, 30] = False
    return inside


def ramp() -> np.ndarray:
    return np.linspace(0, 80, 64 * 64).reshape(64, 64)


def draw(path: Path, tissue: np.ndarray, *columns: tuple[str, xr.DataArray]) -> np.ndarray:
    map_panels(columns, tissue, "phantom, noise 2e5", path)
    return np.asarray(imread(path))[..., :3]


def panel(image: np.ndarray, row: int, column: int) -> np.ndarray:
    """One panel at the maps' own size: (40, 36, 3)."""
    height, width = 40 * SCALE, 36 * SCALE
    bottom = image.shape[0] - GAP - (2 - row) * (height + GAP)
    left = LEFT + column * (width + GAP)
    block = image[bottom - height : bottom, left : left + width]
    blocks = block.reshape(40, SCALE, 36, SCALE, 3)
    np.testing.assert_array_equal(blocks.max(axis=(1, 3)), blocks.min(axis=(1, 3)))
    return blocks[:, 0, :, 0]


def test_each_map_is_drawn_with_the_window_of_its_reference(tmp_path: Path, tissue: np.ndarray) -> None:
    columns = [("twice", maps(2 * ramp())), ("reference", maps(ramp()))]
    image = draw(tmp_path / "panel.png", tissue, *columns)
    box = bounding_box(tissue, EDGE)
    for row, (name, colours) in enumerate({"cbf": "inferno", "cbv": "inferno", "mtt": "viridis"}.items()):
        highest = window(columns[-1][1].sel(map=name).values, tissue)
        for column, (_, shown) in enumerate(columns):
            expected = colormaps[colours](np.clip(shown.sel(map=name).values / highest, 0, 1))[box][..., :3]
            expected[~tissue[box]] = 0
            np.testing.assert_allclose(panel(image, row, column), expected, atol=0.025)  # a step of colour


def test_outside_the_tissue_is_black_and_inside_is_not(tmp_path: Path, tissue: np.ndarray) -> None:
    image = draw(tmp_path / "panel.png", tissue, ("bright", maps(np.full((64, 64), 50.0))))
    for row in range(3):
        inside = panel(image, row, 0).max(axis=-1) > 0
        np.testing.assert_array_equal(inside, tissue[bounding_box(tissue, EDGE)])


def test_values_that_are_no_number_are_black(tmp_path: Path, tissue: np.ndarray) -> None:
    values = np.full((64, 64), 50.0)
    values[20, 20] = np.nan
    shown = panel(draw(tmp_path / "panel.png", tissue, ("nan", maps(values))), 0, 0)
    assert shown[20 - 10 + EDGE, 20 - 16 + EDGE].max() == 0
    assert shown[21 - 10 + EDGE, 20 - 16 + EDGE].max() > 0


def test_a_map_that_a_column_lacks_is_left_blank(tmp_path: Path, tissue: np.ndarray) -> None:
    image = draw(tmp_path / "p.png", tissue, ("flow only", maps(ramp(), ["cbf"])), ("reference", maps(ramp())))
    assert panel(image, 0, 0).max() > 0
    assert panel(image, 1, 0).max() == 0
    assert panel(image, 1, 1).max() > 0


def test_any_label_and_any_tissue_can_be_drawn(tmp_path: Path) -> None:
    labels = ["", "$x^$", "a_very_long_label(" + "sigma_t_hu=11.25, " * 9 + ")", "two\nlines"]
    for tissue in (np.zeros((5, 9), dtype=bool), np.ones((5, 9), dtype=bool)):
        columns = [(label, maps(np.zeros((5, 9)))) for label in labels]
        image = draw(tmp_path / "odd.png", tissue, *columns)
        assert image.shape[1] > 4 * 5


@pytest.mark.parametrize("size", [64, 512])
def test_a_column_is_legible_at_any_size(tmp_path: Path, size: int) -> None:
    image = draw(tmp_path / "p.png", np.ones((size, size), dtype=bool), ("all", maps(np.ones((size, size)))))
    assert image.shape[1] - LEFT - 140 - GAP == {64: 6 * 64, 512: 512}[size]


def test_the_picture_is_replaced_whole_or_not_at_all(tmp_path: Path, tissue: np.ndarray) -> None:
    path = tmp_path / "new" / "panel.png"
    draw(path, tissue, ("first", maps(ramp())))
    first = path.read_bytes()
    with pytest.raises(ValueError, match="shape"):
        draw(path, tissue, ("wrong", maps(np.zeros((3, 3)))))
    assert path.read_bytes() == first
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("percentile", "expected"),
    [(78.0, 80.0), (80.0, 80.0), (80.1, 100.0), (4.2, 5.0), (11.3, 12.0), (0.013, 0.015), (1.0, 1.0)],
)
def test_the_window_ends_at_the_next_round_number(percentile: float, expected: float) -> None:
    values = np.full((4, 4), percentile)
    assert window(values, np.ones((4, 4), dtype=bool)) == pytest.approx(expected)


def test_the_window_reads_the_reference_in_the_tissue_alone() -> None:
    values = np.full((10, 10), 30.0)
    values[0, :], values[5, 5] = 1e6, np.nan
    inside = np.ones((10, 10), dtype=bool)
    inside[0] = False
    assert window(values, inside) == 30
    assert window(values, np.zeros((10, 10), dtype=bool)) == 1
    assert window(np.zeros((10, 10)), inside) == 1
    assert window(np.full((10, 10), np.nan), inside) == 1


def test_the_crop_holds_the_mask_with_its_margin() -> None:
    inside = np.zeros((20, 30), dtype=bool)
    inside[1:5, 10:29] = True
    assert bounding_box(inside, margin=2) == (slice(0, 7), slice(8, 31))
    assert inside[bounding_box(inside, margin=0)].all()
    assert inside[bounding_box(np.zeros_like(inside))].shape == inside.shape


def test_matplotlib_comes_with_the_first_picture_and_pyplot_never(tmp_path: Path) -> None:
    code = f"""
import sys
import numpy as np, xarray as xr
from ctpbench.report.panels import map_panels
assert "matplotlib" not in sys.modules
maps = xr.DataArray(np.ones((1, 4, 4), "f4"), dims=("map", "y", "x"), coords={{"map": ["cbf"]}})
map_panels([("a", maps)], np.ones((4, 4), bool), "t", __import__("pathlib").Path({str(tmp_path / "p.png")!r}))
assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
