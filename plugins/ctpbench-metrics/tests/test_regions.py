"""Where scores are taken: by labels, by the truth's maps and regions, and by the noiseless frames."""

from dataclasses import replace

import numpy as np
import pytest

from ctpbench import Truth, regions
from ctpbench.testing import example_scored_case
from ctpbench.testing.examples import CLASSES
from ctpbench_metrics.frames import FrameRmse
from ctpbench_metrics.maps import Rmse
from ctpbench_metrics.regions import REGIONS, region_mask

from .conftest import frame_array, label_array, map_array

PHANTOM = "air scalp skull csf gray gray_reduced gray_severe white white_reduced white_severe artery vein"


@pytest.fixture
def row_case(make_case):
    """A row with a voxel of each class of the phantom; the last two are vessels, the first three outside the brain."""
    labels = np.arange(12).reshape(1, 1, 12)
    cbf = np.where(np.isin(labels, (0, 1, 2, 10, 11)), np.nan, np.where(labels == 3, 0, 10.0))
    maps = {"cbf": np.ones(labels.shape)}
    return make_case(
        maps, maps, {"cbf": cbf}, brain=labels > 2, vessels=labels > 9, labels=label_array(labels, PHANTOM)
    )


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("parenchyma", [4, 5, 6, 7, 8, 9]),
        ("tissue", [3, 4, 5, 6, 7, 8, 9]),
        ("gray", [4, 5, 6]),
        ("white", [7, 8, 9]),
        ("penumbra", [5, 8]),
        ("core", [6, 9]),
        ("healthy", [4, 7]),
    ],
)
def test_each_region_by_hand(row_case, region, expected):
    assert np.flatnonzero(region_mask(row_case, region)).tolist() == expected


def test_what_the_scanner_does_not_resolve_is_no_parenchyma(row_case):
    maps = row_case.truth.maps
    resolved = maps.copy(deep=True)
    resolved[..., [3, 4, 9]] = np.nan
    object.__setattr__(row_case, "truth", replace(row_case.truth, resolved=resolved))
    assert np.flatnonzero(region_mask(row_case, "parenchyma")).tolist() == [5, 6, 7, 8]
    assert np.flatnonzero(region_mask(row_case, "healthy")).tolist() == [7]
    assert np.flatnonzero(region_mask(row_case, "white")).tolist() == [7, 8, 9]
    object.__setattr__(row_case, "truth", replace(row_case.truth, resolved=maps.where(False)))  # nothing known of it
    assert np.flatnonzero(region_mask(row_case, "parenchyma")).tolist() == [4, 5, 6, 7, 8, 9]


def test_the_example_knows_every_region_and_they_part_its_tissue():
    case = example_scored_case()
    inside = {region: region_mask(case, region) for region in REGIONS}
    assert all(mask.any() and mask.dtype == bool and not (mask & ~inside["tissue"]).any() for mask in inside.values())
    parts = inside["penumbra"].astype(int) + inside["core"] + inside["healthy"]
    assert np.array_equal(parts, inside["parenchyma"])
    assert np.array_equal(inside["core"], case.truth.labels.values == CLASSES.index("core"))
    assert np.array_equal(inside["healthy"], inside["gray"] | inside["white"])


def test_words_tell_a_class_whole_and_in_any_case(make_case):
    """A scored word counts between underscores alone: no grayish, and what is reduced severely is core."""
    meanings = "Gray_matter grayish grey_Reduced severe_reduced hardcore_white INFARCT"
    labels = np.arange(6).reshape(1, 1, 6)
    case = make_case({"cbf": np.ones(labels.shape)}, labels=label_array(labels, meanings))
    found = {region: np.flatnonzero(region_mask(case, region)).tolist() for region in REGIONS}
    assert found["gray"] == [0, 2]
    assert found["white"] == [4]
    assert found["penumbra"] == [2]
    assert found["core"] == [3, 5]
    assert found["healthy"] == [0, 1, 4]


def test_labels_come_before_regions_of_interest_which_serve_where_there_are_none(row_case):
    core, penumbra = (np.zeros((1, 1, 12), bool) for _ in range(2))
    core[..., 4], penumbra[..., 5:8] = True, True
    rois = regions(core=core, penumbra=penumbra)
    object.__setattr__(row_case, "truth", Truth(row_case.truth.maps, labels=row_case.truth.labels, rois=rois))
    assert np.flatnonzero(region_mask(row_case, "core")).tolist() == [6, 9]
    object.__setattr__(row_case, "truth", Truth(row_case.truth.maps, rois=rois))
    found = {region: np.flatnonzero(region_mask(row_case, region)).tolist() for region in REGIONS}
    assert (found["core"], found["penumbra"], found["healthy"]) == ([4], [5, 6, 7], [8, 9])
    assert found["gray"] == found["white"] == []


@pytest.mark.parametrize("rois", [None, {"core": np.ones((1, 1, 12), bool)}])
def test_what_is_not_known_is_no_region_and_scores_nan(row_case, rois):
    """Where the penumbra is not known, neither is what is healthy."""
    known = Truth(row_case.truth.maps, rois=None if rois is None else regions(**rois))
    object.__setattr__(row_case, "truth", known)
    for region in ("gray", "white", "penumbra", "healthy", "enhancing_at_peak"):
        assert not region_mask(row_case, region).any()
        assert np.isnan(Rmse(region=region).score(row_case).values).all()
    object.__setattr__(row_case, "truth", None)
    assert [region for region in REGIONS if region_mask(row_case, region).any()] == ["tissue"]


def series(make_case, enhancement, **options):
    """A case without true CBF: each voxel's share of a curve that peaks at 10 s, and the AIF 2 s before."""
    times_s = np.arange(20.0)
    curve = np.exp(-(((times_s - 10) / 3) ** 2))
    frames = 30 + curve[:, None, None, None] * np.asarray(enhancement)[None, None, None]
    maps = {"cbf": np.ones(frames.shape[1:])}
    aif = np.exp(-(((times_s - 8) / 2) ** 2))
    unknown = {"cbf": np.full(frames.shape[1:], np.nan)}
    case = make_case(maps, maps, unknown, times_s=times_s, aif=aif, **options)
    object.__setattr__(case, "truth", Truth(map_array(unknown), frames=frame_array(frames)))
    return case


def test_without_true_flow_parenchyma_is_what_enhances_more_than_a_tenth_of_the_median(make_case):
    case = series(make_case, [8.0, 10.0, 12.0, 1.1, 0.8, 0.2, 0.0, -3.0, 11.0])
    assert np.median([8.0, 10.0, 12.0, 1.1, 0.8, 0.2, 0.0, -3.0, 11.0]) == 1.1
    assert np.flatnonzero(region_mask(case, "parenchyma")).tolist() == [0, 1, 2, 3, 4, 5, 8]
    case = series(make_case, [8.0, 10.0, 12.0, 9.0, 0.8, 0.2, 0.0, -3.0, 11.0])
    assert np.flatnonzero(region_mask(case, "parenchyma")).tolist() == [0, 1, 2, 3, 8]
    assert not region_mask(series(make_case, np.zeros(4)), "parenchyma").any()


def test_the_papers_region_is_what_enhances_6_s_after_the_aifs_peak(make_case):
    """A voxel that enhances at its peak only, and one that does in the paper's frame only: 14 s, or the nearest."""
    case = series(make_case, [5.0, 0.01, 0.0, -1.0, 5.0, -5.0])
    frames = case.truth.frames.values.copy()
    frames[14, ..., 4], frames[14, ..., 5] = 29, 31
    object.__setattr__(case, "truth", Truth(case.truth.maps, frames=case.truth.frames.copy(data=frames)))
    assert np.flatnonzero(region_mask(case, "enhancing_at_peak")).tolist() == [0, 1, 5]
    late = series(make_case, [5.0, -5.0], vessels=np.array([[[True, False]]]))
    assert not region_mask(late, "enhancing_at_peak").any()


@pytest.mark.parametrize("region", ["parenchyma", "gray", "penumbra"])
def test_map_and_frame_errors_are_those_of_the_region(row_case, region):
    inside = region_mask(row_case, region)
    off = np.where(inside, 3.0, 50.0)
    object.__setattr__(row_case, "maps", map_array({"cbf": 1 + off}))
    object.__setattr__(row_case, "concentration", frame_array(np.stack([off, 2 * off, -off])))
    object.__setattr__(row_case, "noiseless_concentration", frame_array(np.zeros((3, *off.shape))))
    assert Rmse(region=region).score(row_case).item() == pytest.approx(3)
    assert FrameRmse(region=region).score(row_case).values.tolist() == pytest.approx([3, 6, 3])
    assert Rmse(region="tissue").score(row_case).item() > 3


def test_fluid_is_in_no_score_by_default(row_case):
    """The noiseless MTT of fluid is noise over noise."""
    maps = {"cbf": np.full((1, 1, 12), 10.0), "mtt": np.full((1, 1, 12), 4.0)}
    wrong = {name: np.where(np.arange(12) == 3, 9.0, values) for name, values in maps.items()}
    object.__setattr__(row_case, "maps", map_array(wrong))
    object.__setattr__(row_case, "noiseless", map_array(maps))
    assert Rmse().score(row_case).values.tolist() == [0, 0]
    assert (Rmse(region="tissue").score(row_case).values > 0).all()
