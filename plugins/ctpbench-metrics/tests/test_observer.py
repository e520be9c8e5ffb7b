"""The channelised Hotelling observer: against an obvious twin, theory, and pictures whose answer is known."""

import numpy as np
import pytest
from scipy import stats

from ctpbench import regions
from ctpbench_metrics.observer import Detectability, auc_by_pairs, laguerre_gauss

WIDTH = 7.0


def slow_auc(lesion, empty):
    """Each pair left out in turn, the observer made anew of what is left."""
    right = 0.0
    for i in range(len(lesion)):
        for j in range(len(empty)):
            with_lesion, without = np.delete(lesion, i, axis=0), np.delete(empty, j, axis=0)
            scatter = np.cov(with_lesion.T, ddof=0) * len(with_lesion) + np.cov(without.T, ddof=0) * len(without)
            weights = np.linalg.solve(np.atleast_2d(scatter), with_lesion.mean(axis=0) - without.mean(axis=0))
            right += float(weights @ lesion[i] > weights @ empty[j])
    return right / len(lesion) / len(empty)


@pytest.mark.parametrize("channels", [1, 3])
def test_pairs_are_told_apart_as_by_the_obvious_twin(channels):
    """With few sites and hardly a signal, what each site that is left out does to the weights decides many pairs."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        mix = rng.normal(size=(channels, channels))
        lesion, empty = rng.normal(0.2, 1, (7, channels)) @ mix, rng.normal(size=(6, channels)) @ mix
        assert auc_by_pairs(lesion, empty) == pytest.approx(slow_auc(lesion, empty), abs=1e-12)


def test_the_area_is_that_of_theory_and_without_a_signal_it_is_a_half():
    """For normal responses AUC = Phi(d / sqrt(2)), d the Mahalanobis distance; the estimate has no bias."""
    found = {0.0: [], 1.5: []}
    for seed in range(120):
        rng = np.random.default_rng(seed)
        for apart, areas in found.items():
            shift = np.array([apart, 0, 0])
            areas.append(auc_by_pairs(rng.normal(size=(40, 3)) + shift, rng.normal(size=(40, 3))))
    error = {apart: np.std(areas) / np.sqrt(len(areas)) for apart, areas in found.items()}
    assert np.mean(found[0.0]) == pytest.approx(0.5, abs=3 * error[0.0])
    expected = stats.norm.cdf(1.5 / np.sqrt(2))
    assert np.mean(found[1.5]) == pytest.approx(expected, abs=0.02)  # a finite set of sites costs it some
    assert np.mean(found[1.5]) < expected + 3 * error[1.5]


def test_channels_are_orthonormal_and_the_first_a_gaussian():
    seen = laguerre_gauss(4, 12.0, 30)
    np.testing.assert_allclose(np.einsum("iyx,jyx->ij", seen, seen), np.eye(4), atol=1e-6)
    along = np.arange(-30, 31)
    np.testing.assert_allclose(seen[0, 30], np.sqrt(2) / 12 * np.exp(-np.pi * along**2 / 144))


def sites(shape=(2, 120, 120), apart=15, radius=3):
    """Discs on a grid: those of a chessboard's white fields, and those of its black ones."""
    y, x = np.indices(shape[1:])
    masks = np.zeros((2, *shape), bool)
    for row in range(1, shape[1] // apart):
        for column in range(1, shape[2] // apart):
            masks[(row + column) % 2] |= np.hypot(y - row * apart, x - column * apart) <= radius
    return masks


@pytest.fixture
def scored(make_case):
    def score(cbf, **changes):
        lesion, empty = sites()
        case = make_case({"cbf": cbf, "mtt": np.ones_like(cbf)}, rois=None, **changes)
        rois = regions(lesion_sites=lesion, empty_sites=empty, core=lesion)
        object.__setattr__(case.truth, "rois", rois)
        return Detectability().score(case)

    return score


def test_what_is_seen_is_one_and_what_is_not_is_a_half(scored):
    lesion, _ = sites()
    rng = np.random.default_rng(0)
    noise = rng.normal(size=lesion.shape)
    clear = scored(25 - 10 * lesion + 0.1 * noise)
    assert clear.dims == ("map",)
    assert clear.sel(map="cbf") == 1
    assert clear.sel(map="mtt") == 0.5  # an even map
    assert scored(25 + 10 * lesion + 0.1 * noise).sel(map="cbf") == 1  # whichever way it differs
    assert scored(25 + noise).sel(map="cbf") == pytest.approx(0.5, abs=0.12)
    assert 0.6 < scored(25 - 0.35 * lesion + noise).sel(map="cbf") < 0.97


def test_the_observer_sees_no_more_in_what_is_the_same_up_to_scale(scored):
    lesion, _ = sites()
    cbf = 25 - 0.4 * lesion + np.random.default_rng(3).normal(size=lesion.shape)
    assert scored(3 * cbf - 20).sel(map="cbf") == pytest.approx(float(scored(cbf).sel(map="cbf")), abs=0.01)


def test_without_sites_or_numbers_there_is_no_area(make_case, scored):
    assert np.isnan(Detectability().score(make_case({"cbf": np.ones((1, 9, 9))}))).all()
    lesion, _ = sites()
    cbf = np.ones(lesion.shape)
    cbf[0, 15, 15] = np.nan
    found = scored(cbf)
    assert np.isnan(found.sel(map="cbf"))
    assert found.sel(map="mtt") == 0.5
    assert np.isnan(auc_by_pairs(np.ones((5, 5)), np.ones((50, 5))))


def test_a_site_at_the_edge_of_the_image_counts(make_case):
    lesion, empty = (mask[..., 11:, 11:] for mask in sites((1, 120, 120)))
    assert lesion[0, 4, 4]
    case = make_case({"cbf": 25 - lesion + 0.05 * np.random.default_rng(1).normal(size=lesion.shape)})
    object.__setattr__(case.truth, "rois", regions(lesion_sites=lesion, empty_sites=empty))
    assert Detectability().score(case) > 0.99
