"""The picture shows the numbers: one window a row, black outside the tissue, a map pixel a block of pixels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from ctpbench.report.colours import Palette, lookup
from ctpbench.report.panels import ROWS, bounding_box, difference_panels, map_panels, window
from ctpbench.report.sheet import Marks, outline

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
    bottom = image.shape[0] - GAP - (len(ROWS) - 1 - row) * (height + GAP)
    left = LEFT + column * (width + GAP)
    block = image[bottom - height : bottom, left : left + width]
    blocks = block.reshape(40, SCALE, 36, SCALE, 3)
    np.testing.assert_array_equal(blocks.max(axis=(1, 3)), blocks.min(axis=(1, 3)))
    return blocks[:, 0, :, 0]


@pytest.mark.parametrize("palette", ["perceptual", "clinic"])
def test_each_map_is_drawn_with_the_window_of_its_reference(
    tmp_path: Path, tissue: np.ndarray, palette: Palette
) -> None:
    columns = [("twice", maps(2 * ramp())), ("reference", maps(ramp())), ("also", maps(0.5 * ramp()))]
    map_panels(columns, tissue, "title", tmp_path / "p.png", references=2, palette=palette)
    image, box = np.asarray(imread(tmp_path / "p.png"))[..., :3], bounding_box(tissue, EDGE)
    for row, name in enumerate(ROWS):
        highest = window(columns[1][1].sel(map=name).values, tissue, 95 if name in ("cbf", "cbv") else 99)
        highest = max(highest, 10.0) if name == "tmax" else highest
        colours = "asist" if palette == "clinic" else "inferno" if name in ("cbf", "cbv") else "viridis"
        for column, (_, shown) in enumerate(columns):
            share = np.clip(shown.sel(map=name).values / highest, 0, 1)
            expected = lookup(colours)[(share * 256).clip(0, 255).astype(int)][box] / 255
            expected[~tissue[box]] = 0
            np.testing.assert_allclose(panel(image, row, column), expected, atol=0.025)  # a step of colour


def test_vessels_do_not_leave_the_tissue_dark_and_a_late_lesion_lies_within_the_window(
    tmp_path: Path, tissue: np.ndarray
) -> None:
    values = np.full((64, 64), 50.0)
    values[10:12, 16:40] = 900.0  # vessels, 4% of the tissue
    image = draw(tmp_path / "p.png", tissue, ("reference", maps(values)))
    brightest = lookup("inferno")[-1] / 255
    np.testing.assert_allclose(panel(image, 0, 0)[20, 20], lookup("inferno")[255] / 255, atol=0.01)
    np.testing.assert_allclose(panel(image, 0, 0)[EDGE, EDGE], brightest, atol=0.01)
    quiet = draw(tmp_path / "p.png", tissue, ("reference", maps(np.full((64, 64), 20.0))))
    np.testing.assert_allclose(panel(quiet, 3, 0)[20, 20], lookup("viridis")[51] / 255, atol=0.01)  # 2 s of 10


def test_a_difference_is_white_where_maps_agree_and_red_where_there_is_more(tmp_path: Path, tissue: np.ndarray) -> None:
    reference = maps(np.full((64, 64), 50.0))
    more, less = reference + 10, reference - 10
    path = tmp_path / "d.png"
    difference_panels([("same", reference), ("more", more), ("less", less)], reference, tissue, "title", path)
    image = np.asarray(imread(path))[..., :3]
    height, width = 40 * SCALE, 36 * SCALE
    middle = image.shape[0] - GAP - height // 4
    same, high, low = (image[middle, LEFT + column * (width + GAP) + width // 4] for column in range(3))
    assert same.min() > 0.95
    assert high[0] > high[2] + 0.2
    assert low[2] > low[0] + 0.2


def test_of_a_reference_that_knows_nothing_of_a_map_there_is_no_row(tmp_path: Path, tissue: np.ndarray) -> None:
    known, path = maps(np.full((64, 64), 50.0)), tmp_path / "d.png"
    heights = []
    for unknown in ((), ("mtt", "tmax")):
        reference = known.where(~known["map"].isin(unknown))
        difference_panels([("a", known + 1)], reference, tissue, "title", path)
        heights.append(imread(path).shape[0])
    assert heights[0] - heights[1] == 2 * (40 * SCALE + GAP + 25)


def test_many_columns_stand_in_bands_that_all_end_with_the_references(tmp_path: Path, tissue: np.ndarray) -> None:
    columns = [(f"method {i}", maps(np.full((64, 64), 5.0 * i))) for i in range(40)]
    references = [("noiseless", maps(np.full((64, 64), 200.0))), ("truth", maps(np.full((64, 64), 100.0)))]
    map_panels([*columns, *references], tissue, "title", tmp_path / "p.png", references=2)
    image = np.asarray(imread(tmp_path / "p.png"))[..., :3]
    assert image.shape[1] <= 2600
    scale = 180 // 36
    right = image.shape[1] - 140 - GAP - 36 * scale // 2
    truth = lookup("inferno")[128] / 255
    in_truth = np.abs(image[:, right] - truth).max(axis=-1) < 0.02
    starts = np.flatnonzero(np.diff(np.concatenate([[0], in_truth.astype(int)])) == 1)
    runs = np.flatnonzero(np.diff(np.concatenate([in_truth.astype(int), [0]])) == -1) - starts
    assert (runs > 20).sum() >= 2 * 4  # CBF and CBV of four bands, the hole in the tissue apart


def test_sides_are_said_where_they_are_known(tmp_path: Path, tissue: np.ndarray) -> None:
    shown = {}
    for sides in (False, True):
        map_panels([("a", maps(ramp()))], tissue, "t", tmp_path / "p.png", marks=Marks(sides=sides))
        image = np.asarray(imread(tmp_path / "p.png"))[..., :3]
        bottom = image.shape[0] - GAP - 3 * (40 * SCALE + GAP)
        corner = image[bottom - 40 * SCALE : bottom - 38 * SCALE, LEFT : LEFT + 2 * SCALE]
        shown[sides] = corner.max()
    assert shown == {False: 0, True: pytest.approx(1, abs=0.1)}


def test_a_lesion_is_outlined_and_the_legend_says_so(tmp_path: Path, tissue: np.ndarray) -> None:
    core = np.zeros((64, 64), dtype=bool)
    core[20:24, 20:26] = True
    marks = Marks(outlines=[("infarct core", core, "-"), ("penumbra", np.zeros_like(core), "--")])
    assert marks.legend == "Truth: infarct core (solid outline)."
    map_panels([("a", maps(np.full((64, 64), 50.0)))], tissue, "t", tmp_path / "p.png", marks=marks)
    image = np.asarray(imread(tmp_path / "p.png"))[..., :3]
    top = image.shape[0] - GAP - 4 * (40 * SCALE + GAP) + GAP
    y, x = top + (20 - 10 + EDGE) * SCALE, LEFT + (20 - 16 + EDGE) * SCALE
    assert image[y, x + SCALE].min() == 1  # on the edge
    assert image[y + 2 * SCALE, x + 2 * SCALE].min() < 1  # within
    assert image[y - 3, x + SCALE].min() < 1  # without


def test_an_outline_lies_within_the_mask_and_passes_over_furrows() -> None:
    mask = np.zeros((12, 12), dtype=bool)
    mask[2:9, 2:9] = True
    whole = outline(mask, 8)
    mask[2:7, 5] = False
    np.testing.assert_array_equal(outline(mask, 8), whole)
    assert whole.sum() == 4 * 2 * (7 * 8 - 2)
    assert not outline(np.zeros((4, 4), dtype=bool), 8).any()


def test_outside_the_tissue_is_black_and_inside_is_not(tmp_path: Path, tissue: np.ndarray) -> None:
    image = draw(tmp_path / "panel.png", tissue, ("bright", maps(np.full((64, 64), 50.0))))
    for row in range(len(ROWS)):
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
