"""Bias and noise in white matter, contrast of the core."""

import numpy as np
import pytest

from ctpbench_metrics.contrast import CoreCnr, CoreContrast, CoreStd
from ctpbench_metrics.roi import RoiBias, RoiStd

SHAPE = (2, 6, 7)
TIMES_S = (0.0, 1.0, 2.0, 4.0)


@pytest.fixture
def series():
    """Noisy frames, a concentration, and masks that overlap a vessel."""
    rng = np.random.default_rng(11)
    frames, concentration = rng.normal(30, 9, (2, 4, *SHAPE)).astype(np.float32)
    white_matter, core, vessels = rng.random((3, *SHAPE)) < 0.4
    assert (white_matter & vessels).any()
    return {
        "frames": frames,
        "concentration": concentration,
        "vessels": vessels,
        "rois": {"core": core, "white_matter": white_matter},
        "times_s": TIMES_S,
    }


def naive(series, time):
    """Return the method's and the noisy concentration of a frame in white matter, voxel by voxel."""
    found = []
    for place in np.ndindex(SHAPE):
        if series["rois"]["white_matter"][place] and not series["vessels"][place]:
            curve = series["frames"][(slice(None), *place)].astype(float)
            found.append((float(series["concentration"][(time, *place)]), curve[time] - (curve[0] + curve[1]) / 2))
    return np.array(found).T


def test_bias_and_std_equal_their_naive_twins(make_case, series):
    case = make_case({"cbf": np.zeros(SHAPE)}, **series)
    bias, std = RoiBias().score(case), RoiStd().score(case)
    assert bias["time"].values.tolist() == std["time"].values.tolist() == list(TIMES_S)
    for time in range(4):
        method, noisy = naive(series, time)
        assert bias.values[time] == pytest.approx(sum(method) / method.size - sum(noisy) / noisy.size, rel=1e-5)
        variance = sum((value - sum(method) / method.size) ** 2 for value in method) / method.size
        assert std.values[time] == pytest.approx(variance**0.5, rel=1e-6)


def test_the_noisy_concentration_itself_has_no_bias(make_case, series):
    frames = series["frames"]
    series["concentration"] = frames - frames[:3].mean(axis=0)
    case = make_case({"cbf": np.zeros(SHAPE)}, **series)
    assert RoiBias(baseline_frames=3).score(case).values == pytest.approx([0, 0, 0, 0], abs=1e-4)
    assert np.abs(RoiBias().score(case).values).max() > 0.1


def test_a_planted_offset_is_the_bias_and_changes_no_std(make_case, series):
    case = make_case({"cbf": np.zeros(SHAPE)}, **series)
    series["concentration"] = series["concentration"] - np.float32(1.5)
    lower = make_case({"cbf": np.zeros(SHAPE)}, **series)
    assert (RoiBias().score(lower) - RoiBias().score(case)).values == pytest.approx([-1.5] * 4, abs=1e-5)
    assert RoiStd().score(lower).values == pytest.approx(RoiStd().score(case).values, rel=1e-5)


@pytest.mark.parametrize("metric", [RoiBias, RoiStd])
def test_one_number_is_the_mean_of_the_frames_sizes(metric, make_case, series):
    case = make_case({"cbf": np.zeros(SHAPE)}, **series)
    each, one = metric().score(case), metric(over_time="mean").score(case)
    assert one.dims == ()
    assert one.item() == pytest.approx(np.abs(each.values).mean())
    assert metric().needs == metric(over_time="mean").needs == {"concentration", "rois"}


def test_contrast_std_and_cnr_by_hand(make_case):
    """White matter 20 and 30, core 4 and 6: contrast 20, std 5 over n, CNR 4."""
    cbf = np.array([[[20.0, 30.0, 4.0, 6.0, 99.0]]])
    white_matter, core = (np.isin(cbf, values) for values in ((20, 30), (4, 6)))
    case = make_case({"cbv": cbf / 10, "cbf": cbf}, rois={"white_matter": white_matter, "core": core})
    scores = [metric().score(case) for metric in (CoreContrast, CoreStd, CoreCnr)]
    assert [score.item() for score in scores] == pytest.approx([20, 5, 4])
    assert all(score.dims == () for score in scores)


def test_cnr_without_noise_is_infinite_and_without_contrast_too_is_nan(make_case):
    left = np.array([[[True, False]]])
    rois = {"white_matter": left, "core": ~left}
    assert CoreCnr().score(make_case({"cbf": np.array([[[20.0, 5.0]]])}, rois=rois)).item() == np.inf
    assert np.isnan(CoreCnr().score(make_case({"cbf": np.array([[[5.0, 5.0]]])}, rois=rois)).item())


@pytest.mark.parametrize("metric", [CoreContrast, CoreStd, CoreCnr, RoiBias, RoiStd])
@pytest.mark.parametrize("rest", ["missing", "empty"])
def test_a_region_that_is_not_there_is_nan(metric, rest, make_case):
    cbf = np.ones((1, 2, 2))
    core = np.ones(cbf.shape, bool)
    rois = {"core": core} if rest == "missing" else {"core": core, "white_matter": ~core}
    case = make_case({"cbf": cbf}, concentration=np.zeros((3, *cbf.shape)), rois=rois)
    assert np.isnan(metric().score(case).values).all()


@pytest.mark.parametrize("metric", [CoreContrast, CoreStd, CoreCnr])
def test_without_cbf_or_core_there_is_no_contrast(metric, make_case):
    values, all_of_it = np.ones((1, 2, 2)), np.ones((1, 2, 2), bool)
    whole = {"core": all_of_it, "white_matter": all_of_it}
    assert np.isnan(metric().score(make_case({"mtt": values}, rois=whole)).item())
    assert np.isnan(metric().score(make_case({"cbf": values}, rois={"white_matter": all_of_it})).item())
