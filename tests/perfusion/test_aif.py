"""Arteries and veins on synthetic slabs whose blood curves, vessels and noise are planted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest
from scipy import ndimage

from ctpbench.errors import DataError
from ctpbench.perfusion.aif import find_input_functions
from ctpbench.perfusion.bolus import fwhm_s, truncation
from tests import golden

SHAPE = (5, 96, 96)
SPACING_MM = (5.0, 2.0, 2.0)
FRAMES = 45  # at 1 s
STEP_S = 0.1  # of the curves before they are sampled
METHODS = ("components", "kmeans")

# As wide apart as the peaks in arterial voxels of ISLES 2018.
PEAKS_HU = (14, 417, 30, 52, 22, 36, 90, 44, 18, 64, 28, 120, 40, 33, 200, 25, 48, 16, 75, 40)


@dataclass(frozen=True)
class Slab:
    concentration: np.ndarray
    brain: np.ndarray
    arteries: np.ndarray  # (z, y, x), share of the AIF in each voxel
    sinus: np.ndarray  # (z, y, x), bool
    aif: np.ndarray  # of blood, (time)
    vof: np.ndarray


def sampled(curve, delay_s=0.0):
    return np.interp(np.arange(float(FRAMES)) - delay_s, np.arange(curve.size) * STEP_S, curve, left=0.0)


def blood(rng, peak_hu):
    """A gamma variate with recirculation, about 11 s wide."""
    fine = np.arange(0, FRAMES + 10, STEP_S)
    x = np.clip(fine - rng.uniform(5.0, 10.0), 0, None) / rng.uniform(5.5, 8.5)
    first = (x * np.exp(1 - x)) ** 2.8
    again = np.convolve(first, fine * np.exp(-fine / 8.0))[: fine.size]
    curve = first + rng.uniform(0.08, 0.2) * again / again.max()
    return peak_hu * curve / curve.max()


def tissue(curve, cbf, mtt_s):
    lag_s = np.arange(curve.size) * STEP_S
    residue = np.exp(-np.clip(lag_s - 0.8 * mtt_s, 0, None) / (0.2 * mtt_s))
    return cbf / 6000 * STEP_S * np.convolve(curve, residue)[: curve.size]


def dispersed(curve, spread_s=1.8):
    weights = np.exp(-np.arange(curve.size) * STEP_S / spread_s)
    return np.convolve(curve, weights / weights.sum())[: curve.size]


def course(rng, start, end, width_px):
    """A wavy course through a slice, (y, x), bool."""
    along = np.linspace(start, end, 60)
    for axis, height in enumerate((3, 2)):
        along[:, axis] += height * np.sin(np.linspace(0, rng.uniform(4, 9), 60) + rng.uniform(0, 6))
    y, x = np.indices(SHAPE[1:])
    away = (y - along[:, :1, None]) ** 2 + (x - along[:, 1:, None]) ** 2
    return away.min(axis=0) <= (width_px / 2) ** 2


@lru_cache(maxsize=len(PEAKS_HU) + 4)
def slab(seed, peak_hu=40.0, noise_hu=8.5, vessels=True, venous_share=1.0):
    """Five slices of a head: gray and white matter, arteries of 2 to 3.5 px that are 15 to 60% blood, a sagittal sinus,
    small late veins, correlated noise, and an edge that flickers and, at the front and back, moves once.
    """
    rng = np.random.default_rng(seed)
    y, x = np.indices(SHAPE[1:]) - 47.5
    brain = np.broadcast_to((y / 43) ** 2 + (x / 36) ** 2 < 1, SHAPE).copy()
    share = rng.uniform(0.2, 0.35)
    aif = blood(rng, peak_hu / share)
    vof, lag_s = dispersed(aif), rng.uniform(2.5, 4.5)  # with the dispersion, peaks are 4 to 6 s apart

    texture = np.clip(ndimage.gaussian_filter(rng.normal(size=SHAPE), (1, 4, 4)) * 10, -1, 1)
    core = (y / 33) ** 2 + (x / 26) ** 2 < 1
    white = core & (ndimage.gaussian_filter(rng.normal(size=SHAPE), (1, 5, 5)) > -0.01)
    gray_curve, white_curve = sampled(tissue(aif, 53, 3.74), 0.5), sampled(tissue(aif, 25, 4.56), 0.5)
    series = gray_curve[:, None, None, None] * ((brain & ~white) * (1 + 0.25 * texture))
    series += white_curve[:, None, None, None] * (white * (1 + 0.5 * texture))

    arteries, sinus = np.zeros(SHAPE), np.zeros(SHAPE, bool)

    def fill(z, where, curve, part):
        series[:, z, where] = part * curve[:, None] + (1 - part) * series[:, z, where]

    def artery(z, start, end):
        where = course(rng, start, end, rng.uniform(2, 3.5)) & brain[z]
        part = np.clip(share * rng.uniform(0.6, 1.45), 0.15, 0.6)
        fill(z, where, sampled(aif, rng.uniform(-0.5, 0.5)), part)  # branches arrive up to 1 s apart
        arteries[z, where] = part

    if vessels:
        for z in (0, 1):
            for start, end in (((45, 44), (40, 22)), ((45, 52), (40, 73)), ((40, 48), (20, 47))):
                artery(z, start, end)
        for z in (2, 3, 4):
            for side, inwards in ((20, 6), (75, -6)):
                height = rng.uniform(30, 60)
                artery(z, (height, side), (height + rng.uniform(-8, 8), side + inwards))
        for z in range(SHAPE[0]):
            where = course(rng, (rng.uniform(15, 75), 30), (rng.uniform(15, 75), 66), 2.2) & (arteries[z] == 0)
            fill(z, where, sampled(vof, lag_s + rng.uniform(0, 2)), venous_share * rng.uniform(0.2, 0.6))
        sinus |= ((y - 38.5) / 2.5) ** 2 + (x / 2.5) ** 2 < 1
        series[:, sinus] = venous_share * sampled(vof, lag_s)[:, None]

    edge = brain & ~ndimage.binary_erosion(brain, np.ones((1, 3, 3)))
    noise = ndimage.gaussian_filter(rng.standard_normal(series.shape, np.float32), (0, 0, 0.7, 0.7))
    series += noise_hu / noise.std() * noise
    series[:, edge] += 7 * noise_hu * rng.normal(size=(FRAMES, int(edge.sum())))
    front_and_back = edge & (np.abs(y) > 36)
    series[int(rng.integers(8, 35)) :, front_and_back] += 7 * noise_hu
    concentration = ((series - series[:2].mean(axis=0)) * brain).astype(np.float32)
    return Slab(concentration, brain, arteries, sinus, sampled(aif), sampled(vof, lag_s))


def found(scan, **options):
    return find_input_functions(scan.concentration, scan.brain, SPACING_MM, 1.0, **options)


def test_peaks_are_those_of_scans():
    assert [min(PEAKS_HU), np.median(PEAKS_HU), max(PEAKS_HU)] == golden.expected("isles2018.aif_peak").approx()


def correlation(one, other):
    return np.corrcoef(one, other)[0, 1]


def case(seed):
    """One of the 20 cases, noise 7 to 10 HU."""
    return slab(seed, PEAKS_HU[seed], noise_hu=7 + 3 * seed / len(PEAKS_HU))


def same(one, other):
    np.testing.assert_array_equal(one.aif.voxels, other.aif.voxels)
    np.testing.assert_array_equal(one.vof.voxels, other.vof.voxels)


@pytest.mark.parametrize("seed", range(len(PEAKS_HU)))
def test_the_scaled_aif_is_that_of_the_blood(seed):
    scan = case(seed)
    result = found(scan)
    assert (scan.arteries[*result.aif.voxels.T] > 0).mean() >= 0.95
    assert correlation(result.scaled_aif, scan.aif) >= 0.98
    assert abs(int(result.scaled_aif.argmax()) - int(scan.aif.argmax())) <= 1
    assert result.scaled_aif.sum() / scan.aif.sum() == pytest.approx(1.1, abs=0.2)
    assert scan.sinus[*result.vof.voxels.T].all()
    assert correlation(result.vof.curve, scan.vof) >= 0.95


@pytest.mark.parametrize(
    ("seed", "least", "frames_off"), [(1, 0.99, 1), (6, 0.98, 1), (11, 0.98, 1), (14, 0.99, 1), (4, 0.94, 2)]
)
def test_clusters_find_few_voxels_of_arteries(seed, least, frames_off):
    scan = case(seed)
    result = found(scan, method="kmeans")
    assert 25 < len(result.aif.voxels) <= 50
    assert (scan.arteries[*result.aif.voxels.T] > 0).mean() >= 0.95
    assert correlation(result.scaled_aif, scan.aif) >= least
    assert abs(int(result.scaled_aif.argmax()) - int(scan.aif.argmax())) <= frames_off
    assert scan.sinus[*result.vof.voxels.T].all()


@pytest.mark.parametrize("method", METHODS)
def test_a_curve_is_the_mean_of_its_voxels_above_the_frames_before_the_bolus(method):
    scan = case(6)
    result = found(scan, method=method)
    for vessel in (result.aif, result.vof):
        assert vessel.curve.dtype == np.float32
        assert vessel.voxels.dtype == np.intp
        assert len(np.unique(vessel.voxels, axis=0)) == len(vessel.voxels)
        mean = np.mean([scan.concentration[:, z, y, x] for z, y, x in vessel.voxels], axis=0)
        np.testing.assert_allclose(vessel.curve - vessel.curve[0], mean - mean[0], atol=1e-3)
        assert abs(vessel.curve[:3].mean()) < 0.02 * vessel.curve.max()
    np.testing.assert_allclose(result.scaled_aif, result.factor * result.aif.curve, rtol=1e-6)
    assert result.scaled_aif.dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
def test_twice_the_contrast_and_noise_is_found_in_the_same_voxels(method):
    scan = case(7)
    once, twice = (
        find_input_functions(gain * scan.concentration, scan.brain, SPACING_MM, 1.0, method=method)
        for gain in (np.float32(1), np.float32(2))
    )
    same(once, twice)
    np.testing.assert_array_equal(2 * once.aif.curve, twice.aif.curve)
    assert once.factor == twice.factor


@pytest.mark.parametrize("method", METHODS)
def test_the_back_of_the_head_may_lie_along_any_axis(method):
    scan = case(3)
    upright = found(scan, method=method)
    forward = find_input_functions(
        scan.concentration[:, :, ::-1], scan.brain[:, ::-1], SPACING_MM, 1.0, method=method, posterior=(0, -0.5, 0)
    )
    np.testing.assert_array_equal(np.sort(95 - forward.vof.voxels[:, 1]), np.sort(upright.vof.voxels[:, 1]))
    sideways = find_input_functions(
        scan.concentration.swapaxes(2, 3),
        scan.brain.swapaxes(1, 2),
        SPACING_MM,
        1.0,
        method=method,
        posterior=(0, 0, 2),
    )
    assert scan.sinus.swapaxes(1, 2)[*sideways.vof.voxels.T].all()
    missed = find_input_functions(scan.concentration, scan.brain, SPACING_MM, 1.0, method=method, posterior=(0, -1, 0))
    assert missed.vof is None or not scan.sinus[*missed.vof.voxels.T].any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("peak_hu", [15, 40, 400])
def test_tissue_without_vessels_has_no_artery(method, peak_hu):
    with pytest.raises(DataError, match="no artery: "):
        found(slab(100, peak_hu, vessels=False), method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("correlated_px", [0.0, 0.7, 2.0])
def test_noise_has_no_artery(method, correlated_px):
    rng = np.random.default_rng(5)
    noise = ndimage.gaussian_filter(rng.normal(size=(FRAMES, 3, 64, 64)), (0, 0, correlated_px, correlated_px))
    series = (10 / noise.std() * noise).astype(np.float32)
    with pytest.raises(DataError, match="no artery: "):
        find_input_functions(
            series - series[:2].mean(axis=0), np.ones((3, 64, 64), bool), SPACING_MM, 1.0, method=method
        )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("curve", [np.zeros(30), np.full(30, 5.0), np.linspace(0, 50, 30), -np.linspace(0, 50, 30)])
def test_one_curve_everywhere_has_no_artery(method, curve):
    series = np.broadcast_to(curve[:, None, None, None], (30, 2, 32, 32)).astype(np.float32)
    with pytest.raises(DataError, match="no artery: "):
        find_input_functions(series, np.ones((2, 32, 32), bool), SPACING_MM, 1.0, method=method)


def test_a_scan_that_ends_before_the_arteries_fall_has_no_artery():
    scan = case(6)
    end = int(scan.aif.argmax()) + 2
    with pytest.raises(DataError, match="no artery: the best candidate ends at"):
        find_input_functions(scan.concentration[:end], scan.brain, SPACING_MM, 1.0)


def test_a_thick_early_mass_is_no_artery():
    scan = case(3)
    y, x = np.indices(SHAPE[1:])
    mass = (y - 62) ** 2 + (x - 32) ** 2 < 10**2
    series = scan.concentration.copy()
    series[:, 2, mass] += (0.5 * scan.aif)[:, None].astype(np.float32)
    result = find_input_functions(series, scan.brain, SPACING_MM, 1.0)
    z, y, x = result.aif.voxels.T
    assert not (mass[y, x] & (z == 2)).any()


@pytest.mark.parametrize("method", METHODS)
def test_voxels_that_flicker_are_left_out(method):
    scan = case(5)  # read as if its pixels were finer, so that what is smoothed in plane reaches them
    flicker = np.random.default_rng(1).random(SHAPE) < 0.2
    series = scan.concentration.copy()
    series[:, flicker] += 150 * np.random.default_rng(2).standard_normal((FRAMES, int(flicker.sum())), np.float32)
    result = find_input_functions(series, scan.brain, (5.0, 0.8, 0.8), 1.0, method=method)
    assert not flicker[*result.aif.voxels.T].any()
    assert not flicker[*result.vof.voxels.T].any()


def test_an_artery_is_found_where_it_borders_on_what_is_too_thick_for_a_vessel():
    frame = np.arange(FRAMES)[:, np.newaxis, np.newaxis]
    series = np.random.default_rng(0).normal(0, 1, (FRAMES, 1, 48, 48))
    series[:, 0] += 5 * np.exp(-(((frame - 18) / 4) ** 2))
    series[:, 0, 12:15, 8:11] += 100 * np.exp(-(((frame - 15) / 4) ** 2))
    series[:, 0, 8:20, 11:24] += 100 * np.exp(-(((frame - 22) / 4) ** 2))  # the only other vessel: none is highest
    result = find_input_functions(series, np.ones((1, 48, 48), bool), SPACING_MM, 1.0)
    assert (result.aif.voxels[:, 2] < 11).all()
    assert result.vof is None


def test_frames_may_be_two_seconds_apart():
    scan = case(6)
    result = find_input_functions(scan.concentration[::2], scan.brain, SPACING_MM, 2.0)
    assert correlation(result.scaled_aif, scan.aif[::2]) >= 0.98
    assert result.factor == pytest.approx(found(scan).factor, rel=0.15)


def test_partial_volume_is_left_where_it_should_be():
    result = found(case(6), partial_volume=False)
    assert result.factor == 1.0
    assert result.notes == ()
    np.testing.assert_array_equal(result.scaled_aif, result.aif.curve)


def test_an_early_end_of_the_scan_does_not_change_the_factor():
    scan = case(6)
    whole = found(scan)
    end = int(scan.vof.argmax()) + 8
    cut = find_input_functions(scan.concentration[:end], scan.brain, SPACING_MM, 1.0)
    tail = truncation(cut.vof.curve)
    assert 0.3 < tail < 0.75
    share = [scan.arteries[*result.aif.voxels.T].mean() for result in (whole, cut)]
    assert cut.factor * share[1] == pytest.approx(whole.factor * share[0], rel=0.1)
    assert cut.notes == (f"scaled by {cut.factor:.1f}, less surely: the VOF is cut off (tail {tail:.0%} of its peak)",)


def test_a_vein_that_still_rises_scales_nothing():
    scan = case(6)
    cut = find_input_functions(scan.concentration[: int(scan.vof.argmax()) + 2], scan.brain, SPACING_MM, 1.0)
    assert cut.factor == 1.0
    assert [note.split(" (")[0] for note in cut.notes] == ["not scaled: the VOF is cut off"]


def test_a_vein_with_partial_volume_scales_nothing():
    result = found(slab(6, 90.0, venous_share=0.25))
    assert result.factor == 1.0
    assert "not scaled: the VOF's area" in result.notes[-1]


def test_without_a_vein_nothing_is_scaled():
    result = found(slab(6, 90.0, venous_share=0.0))
    assert result.vof is None
    assert result.factor == 1.0
    assert "not scaled: no vein was found" in result.notes


def test_notes_tell_of_a_weak_aif_and_of_contrast_in_the_first_frames():
    weak = found(slab(15, 8.0, noise_hu=4.0))
    assert any(note.endswith("HU: weak") for note in weak.notes)
    scan = case(6)
    late = scan.concentration[int(np.argmax(scan.aif > 0.3 * scan.aif.max())) :]
    result = find_input_functions(late - late[:2].mean(axis=0), scan.brain, SPACING_MM, 1.0)
    assert "contrast is there in the first frames: the baseline holds some of it" in result.notes


def with_tissue_as_late_as_the_vein(scan, late=6):
    """A slab whose tissue comes some frames later, arteries and veins as they are."""
    series = scan.concentration.copy()
    still = (scan.arteries == 0) & ~scan.sinus
    series[late:, still], series[:late, still] = scan.concentration[:-late, still], 0
    noise = np.random.default_rng(3).normal(0, 8, (late, int(still.sum())))
    series[:late, still] = noise
    return series


def test_where_tissue_is_as_late_as_the_vein_the_artery_is_found():
    scan = case(9)
    result = find_input_functions(with_tissue_as_late_as_the_vein(scan), scan.brain, SPACING_MM, 1.0)
    assert (scan.arteries[*result.aif.voxels.T] > 0).mean() >= 0.9
    assert abs(int(result.aif.curve.argmax()) - int(scan.aif.argmax())) <= 1


def test_a_vein_is_refused_where_there_is_no_artery():
    scan = case(9)
    series = with_tissue_as_late_as_the_vein(scan)
    here = scan.arteries > 0
    series[:, here] = np.random.default_rng(4).normal(0, 8, (FRAMES, int(here.sum())))
    with pytest.raises(DataError, match=r"no artery: the best candidate lies [0-9]+% of the way to the back|no group"):
        find_input_functions(series, scan.brain, SPACING_MM, 1.0)


def test_an_artery_little_higher_than_tissue_is_found_by_being_early():
    scan = slab(16, peak_hu=18.0, noise_hu=5.0)
    tissue = scan.brain & (scan.arteries == 0) & ~scan.sinus
    series = scan.concentration.copy()
    series[:, tissue] += 6 * np.interp(np.arange(FRAMES) - 3, np.arange(FRAMES), scan.aif / scan.aif.max())[:, None]
    result = find_input_functions(series, scan.brain, SPACING_MM, 1.0)
    assert result.aif.curve.max() < 3 * series[:, tissue].mean(axis=1).max()
    assert (scan.arteries[*result.aif.voxels.T] > 0).mean() >= 0.9


def test_confidence_is_high_for_an_artery_and_says_what_speaks_against_a_vein():
    scan = case(9)
    sure = found(scan).confidence
    assert sure.score == pytest.approx(np.prod(list(sure.parts.values())))
    assert sure.score > 0.9
    assert not sure.doubtful
    assert sure.doubts == ()
    vein = find_input_functions(scan.concentration, scan.brain, SPACING_MM, 1.0, at=np.argwhere(scan.sinus)[:8])
    assert vein.confidence.doubtful
    assert vein.confidence.order < 0.3
    assert any("tissue rises" in note and "earlier" in note for note in vein.notes)
    assert vein.notes[0] == "AIF from voxels that were named: the mean of 8; none was looked for"


@pytest.mark.parametrize("seed", range(len(PEAKS_HU)))
def test_an_artery_is_not_doubtful(seed):
    assert not found(case(seed)).confidence.doubtful


def test_early_tissue_taken_for_the_artery_is_doubtful_for_its_height():
    scan = case(9)
    gray = np.argwhere(scan.brain & (scan.arteries == 0) & ~scan.sinus)[2000:2400]
    taken = find_input_functions(scan.concentration, scan.brain, SPACING_MM, 1.0, at=gray).confidence
    assert taken.doubtful
    assert taken.height < 0.1
    assert any("times as high as the brain's mean" in text for text in taken.doubts)


def test_artery_and_vein_in_one_are_doubtful_for_their_fall():
    scan = case(9)
    here = np.argwhere(scan.arteries > 0.2)
    series = scan.concentration.copy()
    series[:, *here.T] = 40 * np.maximum(scan.aif / scan.aif.max(), scan.vof / scan.vof.max())[:, np.newaxis]
    taken = find_input_functions(series, scan.brain, SPACING_MM, 1.0, at=here).confidence
    assert taken.fall < 0.3
    assert taken.doubtful
    assert any(text.startswith("the vein falls 0") for text in taken.doubts)


def test_what_the_end_of_the_scan_hides_is_unknown_and_said():
    scan = case(6)
    cut = find_input_functions(scan.concentration[: int(scan.vof.argmax()) + 2], scan.brain, SPACING_MM, 1.0).confidence
    assert cut.fall == cut.area == cut.width == 0.8
    assert not cut.doubtful
    assert cut.doubts == (
        "the scan ends before the vein has fallen",
        "the scan ends before tissue's curve has fallen",
    )


@pytest.mark.parametrize("seed", [3, 8, 9, 15, 17])
def test_without_its_arteries_a_scan_has_none_or_a_doubtful_one(seed):
    scan = case(seed)
    brain = scan.brain & (scan.arteries == 0)
    try:
        left = find_input_functions(scan.concentration, brain, SPACING_MM, 1.0)
    except DataError as error:
        told = str(error)
    else:
        told = left.notes[0]
    assert told.startswith(("no artery: ", "AIF doubtful (confidence 0."))


def test_voxels_that_are_named_are_taken_in_the_brain_or_out_of_it():
    scan = case(9)
    chosen = np.argwhere(scan.arteries > 0.2)[:6]
    brain = scan.brain.copy()
    brain[*chosen[:3].T] = False
    result = find_input_functions(scan.concentration, brain, SPACING_MM, 1.0, at=chosen)
    np.testing.assert_array_equal(result.aif.voxels, chosen)
    mean = scan.concentration[:, *chosen.T].mean(axis=1)
    np.testing.assert_allclose(result.aif.curve - result.aif.curve[0], mean - mean[0], atol=1e-3)


@pytest.mark.parametrize("at", [[[0, 0, 96]], [[-1, 0, 0]], [[0, 0]], [[0.5, 1, 1]], []])
def test_no_such_voxel_is_an_error(at):
    with pytest.raises(DataError, match=r"at: got .*; allowed: rows of an index \(z, y, x\) below \(5, 96, 96\)"):
        find_input_functions(case(9).concentration, case(9).brain, SPACING_MM, 1.0, at=np.array(at))


def test_a_result_does_not_change_from_call_to_call():
    for method in METHODS:
        same(found(case(9), method=method), found(case(9), method=method))


def test_truncation_is_the_tail_over_the_peak():
    assert truncation([0, 4, 10, 4, 1, 2, 3]) == pytest.approx(0.2)
    assert truncation([0, 10, 5, -1, -2, -3]) == 0.0
    assert truncation([0, 0, 0, 5, 5, 5]) == 1.0


def test_fwhm_is_linear_between_frames():
    assert fwhm_s([0, 0, 10, 0, 0], 2.0) == pytest.approx(2.0)
    assert fwhm_s([0, 5, 10, 8, 4, 0], 1.0) == pytest.approx(2.75)
    assert fwhm_s([0, 0, 10, 9, 8, 8], 1.0) == pytest.approx(3.5)  # to the end of the scan
    frame = np.arange(60)
    assert (
        fwhm_s(np.exp(-(((frame - 30.3) / 5) ** 2) / 2), 0.5) / (0.5 * 5) == golden.expected("gaussian.fwhm").approx()
    )


@pytest.mark.parametrize("measure", [truncation, lambda curve: fwhm_s(curve, 1.0)])
@pytest.mark.parametrize("curve", [[], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0], [[1.0, 2.0]]])
def test_a_curve_without_a_peak_is_refused(measure, curve):
    with pytest.raises(DataError, match="curve: got shape"):
        measure(curve)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"concentration": np.zeros((10, 32, 32), np.float32)}, "concentration: got shape"),
        ({"concentration": np.zeros((4, 2, 32, 32), np.float32)}, "concentration: got shape"),
        ({"concentration": np.full((10, 2, 32, 32), np.nan, np.float32)}, "concentration: got NaN"),
        ({"brain": np.ones((2, 32, 31), bool)}, "concentration: got shape"),
        ({"brain": np.ones((2, 32, 32), int)}, "concentration: got shape"),
        ({"brain": np.zeros((2, 32, 32), bool)}, "brain: got no voxel"),
        ({"spacing_mm": (1.0, 1.0)}, "spacing_mm, dt_s: got"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "spacing_mm, dt_s: got"),
        ({"dt_s": 0.0}, "spacing_mm, dt_s: got"),
        ({"posterior": (0.0, 0.0, 0.0)}, "posterior: got"),
        ({"posterior": (0.0, 1.0)}, "posterior: got"),
        ({"method": "manual"}, "method: got 'manual'; allowed: kmeans, components"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    arguments = {
        "concentration": np.zeros((10, 2, 32, 32), np.float32),
        "brain": np.ones((2, 32, 32), bool),
        "spacing_mm": SPACING_MM,
        "dt_s": 1.0,
    } | change
    with pytest.raises(DataError, match=message):
        find_input_functions(**arguments)
