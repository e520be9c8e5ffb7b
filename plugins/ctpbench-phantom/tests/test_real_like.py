import json
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from ctpbench import MAPS, DataError
from ctpbench.perfusion import brain_mask, subtract_baseline
from ctpbench.perfusion.aif import find_input_functions
from ctpbench.testing import parametrize_with_checks
from ctpbench_phantom import simulated_scan
from ctpbench_phantom.aif import bolus, grid
from ctpbench_phantom.anatomy import Tissue, slice_labels
from ctpbench_phantom.head import HEIGHT_MM, LOWEST_MM
from ctpbench_phantom.patient import LATEST_PEAK_S, draw_patient, patient_slice
from ctpbench_phantom.real_like import RealLike
from ctpbench_phantom.series import at_frames
from ctpbench_phantom.tissue import TABLE

SPLITS = ("test", "validation", "train")
CORE = [Tissue.GRAY_SEVERE, Tissue.WHITE_SEVERE]
TINY = {
    "size_px": 64,
    "pixel_mm": 3.2,
    "frames": 24,
    "frame_interval_s": 2.0,
    "views": 120,
    "detectors": 96,
    "slices": 2,
    "train_patients": 2,
    "validation_patients": 0,
    "test_patients": 1,
    "input_functions": "true",
}
SMALL = {"size_px": 128, "pixel_mm": 1.8, "views": 288, "detectors": 192, "slices": 2}


@pytest.fixture(scope="module")
def tiny():
    return RealLike(**TINY)


@pytest.fixture(scope="module")
def cases(tiny):
    return {noise: tiny.load("patient-02", noise) for noise in (None, 1e5, 1e6)}


@parametrize_with_checks([RealLike(**TINY)], noise=(None, 2e5))
def test_conforms(component, check):
    check(component)


def width_s(curve, dt_s):
    """Full width at half maximum, to the nearest sample."""
    return (curve > curve.max() / 2).sum() * dt_s


@pytest.mark.parametrize("shape", [2.5, 4.5])
@pytest.mark.parametrize("width", [8.0, 14.0])
def test_bolus_has_its_arrival_and_width(shape, width):
    times_s = grid(200.0)
    first = bolus(times_s, 6.0, width, shape, 0.0)
    assert first.max() == pytest.approx(1.0, abs=1e-3)
    assert (first[times_s <= 6.0] == 0).all()
    assert first[times_s > 6.05].min() > 0
    assert width_s(first, 0.1) == pytest.approx(width, abs=0.11)
    # Near its peak, k (1 + log t - t) for the rise t: the curvature is the exponent over the rise squared.
    peak = first.argmax()
    rise_s = times_s[peak] - 6.0
    curvature = -np.diff(np.log(first[peak - 10 : peak + 11 : 10]), 2)[0]
    assert curvature == pytest.approx(shape / rise_s**2, rel=0.06)


def test_recirculation_adds_its_share_of_the_area_later():
    times_s = grid(200.0)
    first, whole = (bolus(times_s, 6.0, 11.0, 3.0, share) for share in (0.0, 0.25))
    assert whole.sum() == pytest.approx(1.25 * first.sum(), rel=1e-3)
    np.testing.assert_array_equal(whole[times_s < 18.0], first[times_s < 18.0])


@pytest.fixture(scope="module")
def patients():
    return [draw_patient(0, number, None, 5.0) for number in range(1, 151)]


def test_patients_have_the_statistics_of_real_scans(patients):
    widths = [width_s(p.aif_hu, 0.1) for p in patients]
    lags = [0.1 * (p.vof_hu.argmax() - p.aif_hu.argmax()) for p in patients]
    peaks = [p.vof_hu.max() for p in patients]
    shares = [p.artery_share for p in patients]
    areas = [p.vof_hu.sum() / p.aif_hu.sum() for p in patients]
    for found, median, lowest, highest in (
        (widths, 11, 7.9, 16.5),
        (lags, 6, 3.9, 8.1),
        (peaks, 148, 88, 300),
        (shares, 1 / 3.6, 0.2, 0.5),
        (areas, 1.075, 0.98, 1.15),
    ):
        assert np.median(found) == pytest.approx(median, rel=0.1)
        assert np.min(found) >= lowest
        assert np.max(found) <= highest
    arrivals = [0.1 * np.flatnonzero(p.aif_hu)[0] for p in patients]
    assert min(arrivals) >= 5
    assert max(arrivals) <= 12.1
    assert max(0.1 * p.vof_hu.argmax() for p in patients) < LATEST_PEAK_S
    whole = [p.vof_hu[410:441].mean() < 0.3 * p.vof_hu.max() for p in patients]  # the last 3 s of 44 s
    assert 0.8 < np.mean(whole) < 1


def test_slabs_lie_in_the_head_and_differ(patients):
    assert {p.heights_mm.size for p in patients} == {1, 2, 3, 4}
    for p in patients:
        np.testing.assert_allclose(np.diff(p.heights_mm), 5.0)
        assert LOWEST_MM <= p.heights_mm[0] <= LOWEST_MM + 30
    assert draw_patient(0, 3, 16, 5.0).heights_mm[-1] <= LOWEST_MM + HEIGHT_MM
    assert len({p.head_seed for p in patients}) == len(patients)
    assert draw_patient(0, 3, 6, 5.0).heights_mm.size == 6
    assert draw_patient(1, 3, None, 5.0).head_seed != patients[2].head_seed


def test_every_patient_has_arteries_in_the_lowest_and_highest_slice(patients):
    for p in patients[:8]:
        for z_mm in {*p.heights_mm[[0, -1]].tolist()}:
            assert (slice_labels(z_mm, 80, 2.7, p.head_seed) == Tissue.ARTERY).sum() * 2.7**2 > 15, z_mm


def test_partial_volume_is_in_the_arteries_alone(patients):
    times_s, p = np.arange(44.0), patients[0]
    source = patient_slice(p, 0, 80, 2.7, times_s, True)
    change = source.series - source.series[0]
    artery = change[:, source.labels == Tissue.ARTERY]
    shares = artery.max(axis=0) / source.aif.max()
    np.testing.assert_allclose(artery, source.aif[:, None] * shares, atol=2e-4)
    assert np.median(shares) == pytest.approx(p.artery_share, rel=0.25)
    assert 0.05 < np.log(shares).std() < 0.4
    np.testing.assert_allclose(change[:, source.labels == Tissue.VEIN].T[0], source.vof, atol=1e-4)

    whole = patient_slice(replace(p, artery_share=1.0), 0, 80, 2.7, times_s, True)
    tissue = np.isin(source.labels, list(TABLE))
    np.testing.assert_array_equal(source.series[:, tissue], whole.series[:, tissue])
    np.testing.assert_array_equal(source.maps, whole.maps)


def test_the_true_maps_keep_their_laws_and_their_classes(patients):
    p = patients[1]
    source = patient_slice(p, 0, 80, 2.7, np.arange(44.0), True)
    cbf, cbv, mtt, ttp, tmax = source.maps
    tissue = np.isin(source.labels, list(TABLE))
    lesion = tissue & ~np.isin(source.labels, [Tissue.GRAY, Tissue.WHITE])
    np.testing.assert_allclose(cbv[tissue], cbf[tissue] * mtt[tissue] / 60, rtol=1e-5)
    for label, base in TABLE.items():
        assert cbf[source.labels == label].mean() == pytest.approx(base.cbf, rel=1e-4)
        assert mtt[source.labels == label].mean() == pytest.approx(base.mtt_s, rel=1e-4)
    assert np.isnan(source.maps[2:, ~tissue]).all()
    # Delay and what dispersion and transit add to it.
    assert tmax[tissue & ~lesion].min() >= 0
    assert tmax[tissue & ~lesion].max() < 7
    assert tmax[lesion].min() > 5
    assert tmax[lesion].max() < 14 + 15
    assert (ttp[lesion] > source.aif.argmax()).all()


def test_without_delay_contrast_is_everywhere_at_once(patients):
    source = patient_slice(patients[1], 0, 80, 2.7, np.arange(44.0), False)
    tissue = np.isin(source.labels, list(TABLE))
    assert (source.maps[4][tissue] == 0).all()
    late = patient_slice(patients[1], 0, 80, 2.7, np.arange(44.0), True)
    np.testing.assert_array_equal(source.maps[:3], late.maps[:3])
    np.testing.assert_array_equal(source.labels, late.labels)


def test_an_old_infarct_has_the_density_of_csf_and_no_flow(patients):
    p = next(p for p in patients if p.old_infarct)
    for k in range(p.heights_mm.size):
        source = patient_slice(p, k, 80, 2.7, np.arange(0.0, 44.0, 4.0), True)
        old = source.labels == Tissue.OLD_INFARCT
        if old.any():
            break
    assert (source.series[:, old] < 20).all()
    assert (source.series[:, old] == source.series[0, old]).all()
    assert (source.maps[:2, old] == 0).all()
    assert np.isnan(source.maps[2:, old]).all()


def test_the_default_is_sixteen_patients_to_learn_from_and_four_to_test_on():
    dataset = RealLike()
    assert [len(dataset.cases(split)) for split in SPLITS] == [4, 2, 16]
    ids = [case for split in SPLITS for case in dataset.cases(split)]
    assert ids == [f"patient-{number:02d}" for number in range(1, 23)]
    assert RealLike(train_patients=3).cases("test") == dataset.cases("test")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size_px": 128}, "got a field of view of 115.2 mm; allowed: 200 mm"),
        ({"frames": 30}, "frames: got 30, the last at 29 s; allowed: the last at 36 s"),
        ({"slice_mm": 30.0}, "slices: got 90 mm from the lowest to the highest; allowed: 80 mm"),
        ({"slices": 0}, "greater than or equal to 1"),
        ({"aif_method": "manual"}, "'components' or 'kmeans'"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change, said):
    with pytest.raises(ValidationError) as caught:
        RealLike(**change)
    assert said in str(caught.value)


def test_parameters_round_trip_and_are_described(tiny):
    for dataset in (RealLike(), tiny):
        assert RealLike(**json.loads(dataset.model_dump_json())) == dataset
    assert all(field.description for field in RealLike.model_fields.values())


def test_a_case_is_a_patient_with_the_truth(cases):
    for case in cases.values():
        frames, truth = case.observation.frames, case.truth
        assert frames.shape == (24, 2, 64, 64)
        assert frames.attrs["spacing_mm"] == [5.0, 3.2, 3.2]
        assert list(truth.maps["map"].values) == list(MAPS)
        for array in (truth.maps, truth.labels, truth.frames):
            for dim in ("z", "y", "x"):
                np.testing.assert_array_equal(array[dim], frames[dim])
        core = truth.rois.sel(roi="core").values
        np.testing.assert_array_equal(core, np.isin(truth.labels, CORE))
        assert core.any(axis=(1, 2)).all()
        assert (truth.maps.sel(map="tmax").values[core] > 6).all()
        penumbra = truth.rois.sel(roi="penumbra").values
        np.testing.assert_array_equal(penumbra, np.isin(truth.labels, [Tissue.GRAY_REDUCED, Tissue.WHITE_REDUCED]))
        assert case.inspection["true_aif_peak_hu"] == pytest.approx(frames["aif"].values.max())


def test_noise_levels_share_the_truth_and_no_two_slices_their_noise(cases):
    clean = cases[None]
    np.testing.assert_array_equal(clean.observation.frames, clean.truth.frames)
    inside = clean.observation.frames["brain"].values
    noise = {}
    for level in (1e5, 1e6):
        np.testing.assert_array_equal(cases[level].truth.maps, clean.truth.maps)
        np.testing.assert_array_equal(cases[level].truth.frames, clean.truth.frames)
        noise[level] = cases[level].observation.frames.values - clean.truth.frames.values
    assert noise[1e5][:, inside].std() / noise[1e6][:, inside].std() == pytest.approx(np.sqrt(10), rel=0.05)
    both = inside.all(axis=0)
    for one, other in ((noise[1e5][:, 0], noise[1e5][:, 1]), (noise[1e5][:, 0], noise[1e6][:, 0])):
        assert abs(np.corrcoef(one[:, both].ravel(), other[:, both].ravel())[0, 1]) < 0.05


def test_the_same_bytes_whatever_came_before_and_whatever_a_caller_changes(tiny, cases):
    simulated_scan._scan.cache_clear()
    tiny.load("patient-01", 1e6)
    for _ in range(2):
        case = RealLike(**TINY).load("patient-02", 1e5)
        np.testing.assert_array_equal(case.observation.frames, cases[1e5].observation.frames)
        np.testing.assert_array_equal(case.observation.aif, cases[1e5].observation.aif)
        np.testing.assert_array_equal(case.truth.maps, cases[1e5].truth.maps)
        np.testing.assert_array_equal(case.truth.labels, cases[1e5].truth.labels)
        observed = case.observation.frames
        for array in (
            observed,
            observed["aif"],
            observed["vof"],
            case.truth.frames,
            case.truth.maps,
            case.truth.labels,
        ):
            array.values[...] = 0


def test_a_patient_is_the_same_in_every_set(tiny):
    other = RealLike(**{**TINY, "test_patients": 2, "train_patients": 1}).load("patient-02", 1e5)
    np.testing.assert_array_equal(other.observation.frames, tiny.load("patient-02", 1e5).observation.frames)


def test_unknown_patients_and_impossible_noise_are_refused(tiny):
    with pytest.raises(
        DataError, match=r"real_like: case: got 'patient-09'; allowed: patient-01, patient-02, patient-03"
    ):
        tiny.load("patient-09", None)
    with pytest.raises(DataError, match=r"real_like: noise: got 0\.0; allowed: photons per ray"):
        tiny.load("patient-01", 0.0)


def test_artery_voxels_of_a_scan_are_as_weak_as_real_ones(cases):
    case = RealLike(**{**SMALL, "input_functions": "true"}).load("patient-01", None)
    change = subtract_baseline(case.observation.frames.values)
    brain, labels = case.observation.frames["brain"].values, case.truth.labels.values
    artery = change[:, brain & (labels == Tissue.ARTERY)].max(axis=0)
    assert 0.1 < np.median(artery) / case.inspection["true_aif_peak_hu"] < 0.5
    vein = np.sort(change[:, brain & (labels == Tissue.VEIN)].max(axis=0))[-5:]
    assert vein.mean() == pytest.approx(case.inspection["true_vof_peak_hu"], rel=0.1)


@pytest.mark.parametrize("method", ["components", "kmeans"])
def test_input_functions_are_those_found_in_the_frames_handed_over(method):
    case = RealLike(**SMALL, aif_method=method).load("patient-04", 2e5)
    observed, facts = case.observation.frames, case.inspection
    found = find_input_functions(
        subtract_baseline(observed.values), observed["brain"].values, (5.0, 1.8, 1.8), 1.0, method=method
    )
    np.testing.assert_array_equal(observed["aif"], found.scaled_aif)
    if found.vof is None:
        assert "vof" not in observed.coords
    else:
        np.testing.assert_array_equal(observed["vof"], found.vof.curve)
    assert facts["scaling_factor"] == pytest.approx(found.factor)
    assert facts["aif_notes"] == "; ".join(found.notes)
    assert all(isinstance(value, bool | float | str) for value in facts.values())


def test_input_functions_come_near_those_of_the_blood():
    dataset = RealLike(**SMALL)
    for case_id in dataset.cases("test")[:2]:
        case = dataset.load(case_id, 2e5)
        facts, aif = case.inspection, case.observation.aif
        assert facts["aif_correlation"] > 0.98
        assert abs(facts["aif_peak_offset_s"]) <= 1.0
        assert aif.max() == pytest.approx(facts["true_aif_peak_hu"], rel=0.3)
        assert aif.max() == pytest.approx(facts["scaling_factor"] * facts["aif_peak_hu"], rel=1e-5)


@lru_cache
def found_aif(number):
    """The found AIF's likeness to that of a patient's blood, how late it peaks, s, and its height over the blood's.

    At full size, where a scan takes ten seconds: blur and correlated noise of 7 HU stand in for the scanner. The 202 mm
    hold each head; a wider view adds nothing but air.
    """
    patient, times_s, spacing_mm = draw_patient(0, number, None, 5.0), np.arange(44.0), (5.0, 0.9, 0.9)
    rng = np.random.default_rng(number)
    slices = [patient_slice(patient, k, 224, 0.9, times_s, True).series for k in range(patient.heights_mm.size)]
    series = gaussian_filter(np.stack(slices, axis=1), (0, 0, 0.75, 0.75))
    noise = gaussian_filter(rng.standard_normal(series.shape, dtype=np.float32), (0, 0, 0.7, 0.7))
    frames = series + 7.0 * noise / noise.std()
    found = find_input_functions(subtract_baseline(frames), brain_mask(frames, spacing_mm), spacing_mm, 1.0)
    blood = at_frames(patient.aif_hu, times_s)
    late_s = int(found.aif.curve.argmax()) - int(blood.argmax())
    return np.corrcoef(found.scaled_aif, blood)[0, 1], late_s, found.scaled_aif.max() / blood.max()


@pytest.mark.parametrize("number", range(1, 9))
def test_the_found_aif_is_an_arterys(number):
    likeness, late_s, height = found_aif(number)
    assert likeness >= 0.96
    assert abs(late_s) <= 3
    assert height == pytest.approx(1, abs=0.25)


def test_the_found_aif_is_that_of_the_blood_in_all_but_one_of_eight_patients():
    near = [likeness >= 0.98 and abs(late_s) <= 1 for likeness, late_s, _ in map(found_aif, range(1, 9))]
    assert sum(near) >= 7


def test_where_no_artery_is_found_the_curves_are_those_of_the_blood(monkeypatch):
    from ctpbench.perfusion import aif

    def fail(*args, **options):
        raise DataError("no artery: none is there")

    tiny = {"size_px": 64, "pixel_mm": 3.2, "views": 120, "detectors": 96, "slices": 1, "frames": 44}
    true = RealLike(**tiny, input_functions="true").load("patient-01", 2e5)
    monkeypatch.setattr(aif, "find_input_functions", fail)
    case = RealLike(**tiny).load("patient-01", 2e5)
    np.testing.assert_array_equal(case.observation.aif, true.observation.aif)
    assert case.inspection["aif_notes"] == "those of the blood, for none was found: no artery: none is there"
