import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from ctpbench import MAPS, DataError, check_observation
from ctpbench.perfusion import perfusion_maps
from ctpbench_phantom import ctpbench_datasets, dataset
from ctpbench_phantom.aif import grid, phantom_aif
from ctpbench_phantom.anatomy import Tissue
from ctpbench_phantom.dataset import Phantom
from ctpbench_phantom.real_like import RealLike
from ctpbench_phantom.residue import tissue_curves
from ctpbench_phantom.scan import noise_seed
from ctpbench_phantom.series import Head, simulate
from ctpbench_phantom.tissue import TABLE

SPLITS = ("train", "validation", "test")
SMALL = {
    "size_px": 64, "pixel_mm": 3.2, "frames": 26, "frame_interval_s": 1.5, "views": 64, "detectors": 64,
    "train_slices": 2, "validation_slices": 1, "test_slices": 2, "gap_slices": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def small():
    return Phantom(**SMALL)


@pytest.fixture(scope="module")
def cases(small):
    """One slice without noise and at three doses."""
    return {noise: small.load("slice-001", noise) for noise in (None, 1e5, 2e5, 1e6)}


def numbers(phantom, split):
    return [int(case.removeprefix("slice-")) for case in phantom.cases(split)]


def test_the_default_is_the_papers_set():
    phantom = Phantom()
    assert {split: len(phantom.cases(split)) for split in SPLITS} == {"train": 50, "validation": 5, "test": 15}
    assert (phantom.size_px, phantom.pixel_mm, phantom.frames, phantom.frame_interval_s) == (256, 1.0, 50, 1.0)
    assert (phantom.views, phantom.detectors) == (1152, 384)
    fan = phantom._scanner().fan
    assert (fan.pitch_mm, fan.source_iso_mm, fan.source_detector_mm) == (1.2858, 595.0, 1086.5)


@pytest.mark.parametrize(("gap", "step"), [(5, 1), (0, 1), (2, 3)])
def test_splits_are_apart(gap, step):
    phantom = Phantom(train_slices=7, validation_slices=3, test_slices=4, gap_slices=gap, slice_step=step)
    found = {split: numbers(phantom, split) for split in SPLITS}
    for split, count in (("train", 7), ("validation", 3), ("test", 4)):
        assert len(found[split]) == count
        assert set(np.diff(found[split])) == {step}
    assert found["validation"][0] - found["test"][-1] == gap + 1
    assert found["train"][0] - found["validation"][-1] == gap + 1


def test_an_empty_split_takes_no_gap():
    phantom = Phantom(validation_slices=0, train_slices=1, test_slices=2, gap_slices=4)
    assert phantom.cases("validation") == []
    assert numbers(phantom, "train") == [6]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"slice_mm": 2.0}, "reach 158 mm above the lowest; allowed: 80 mm"),
        ({"size_px": 128}, "field of view of 128 mm; allowed: 200 mm"),
        ({"frames": 10}, "taken at 9 s; allowed: 20 s"),
        ({"anatomy": "file"}, "file is missing"),
        ({"file": "a.npz"}, "anatomy is procedural"),
        ({"anatomy": "file", "file": "a.npz", "frames": 40, "delay": True}, "decides frames, delay itself"),
        ({"views": 100}, "multiple of 8"),
        ({"noise": 1e5}, "Extra inputs"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change, said):
    with pytest.raises(ValidationError) as caught:
        Phantom(**change)
    assert said in str(caught.value)


def test_parameters_round_trip_and_are_described(small):
    for phantom in (Phantom(), small, Phantom(anatomy="file", file=Path("a.npz"))):
        assert Phantom(**json.loads(phantom.model_dump_json())) == phantom
    assert all(field.description for field in Phantom.model_fields.values())


def test_windows_are_those_of_the_scanner():
    from ctpbench_phantom.scanner.geometry import WINDOWS

    assert set(Phantom.model_json_schema()["properties"]["window"]["enum"]) == set(WINDOWS)


def test_the_hook_offers_the_class_without_heavy_imports():
    assert ctpbench_datasets() == [Phantom, RealLike]
    code = (
        "import sys, ctpbench_phantom as p; p.ctpbench_datasets(); "
        "print([m for m in ('numba', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_case_keeps_the_contract(cases, small):
    for case in cases.values():
        check_observation(case.observation)
        frames = case.observation.frames
        assert frames.shape == (26, 1, 64, 64)
        assert frames.attrs["spacing_mm"] == [1.0, 3.2, 3.2]
        assert case.id == "slice-001"
        assert case.truth.maps.dims == ("map", "z", "y", "x")
        assert list(case.truth.maps["map"].values) == list(MAPS)
        for dim in ("z", "y", "x"):
            np.testing.assert_array_equal(case.truth.maps[dim], frames[dim])
            np.testing.assert_array_equal(case.truth.labels[dim], frames[dim])
        np.testing.assert_array_equal(case.truth.frames["time"], frames["time"])
        np.testing.assert_allclose(frames["aif"], phantom_aif(frames["time"].values), rtol=1e-5)
        assert frames["vof"].values.argmax() > frames["aif"].values.argmax()


def test_labels_explain_themselves(cases):
    labels = cases[None].truth.labels
    assert labels.dtype == np.int8
    meanings = labels.attrs["flag_meanings"].split()
    assert len(meanings) == len(labels.attrs["flag_values"]) == len(Tissue)
    assert meanings[labels.attrs["flag_values"].tolist().index(Tissue.WHITE_SEVERE)] == "white_severe"


def test_the_core_is_a_region_of_interest(cases):
    for case in cases.values():
        core = case.truth.rois.sel(roi="core")
        assert core.dtype == bool
        np.testing.assert_array_equal(core, np.isin(case.truth.labels, [Tissue.GRAY_SEVERE, Tissue.WHITE_SEVERE]))
        assert core.values.any()


def test_brain_and_vessels_are_found(cases):
    for case in cases.values():
        labels, frames = case.truth.labels.values, case.observation.frames
        tissue = np.isin(labels, list(TABLE))
        brain = frames["brain"].values
        assert brain[tissue].mean() > 0.85  # a pixel of 3.2 mm beside bone reads as bone
        assert brain[np.isin(labels, [Tissue.AIR, Tissue.SCALP])].sum() == 0
        assert frames["vessels"].values[labels == Tissue.ARTERY].mean() > 0.7


def test_noise_levels_share_the_truth_and_differ_in_noise_alone(cases):
    clean = cases[None]
    np.testing.assert_array_equal(clean.observation.frames.values, clean.truth.frames.values)
    inside = clean.observation.frames["brain"].values
    noise = {}
    for level in (1e5, 2e5, 1e6):
        case = cases[level]
        np.testing.assert_array_equal(case.truth.maps, clean.truth.maps)
        np.testing.assert_array_equal(case.truth.frames, clean.truth.frames)
        noise[level] = (case.observation.frames.values - case.truth.frames.values)[:, inside]
    assert noise[1e5].std() / noise[1e6].std() == pytest.approx(np.sqrt(10), rel=0.05)
    assert noise[1e5].std() / noise[2e5].std() == pytest.approx(np.sqrt(2), rel=0.05)
    assert abs(np.corrcoef(noise[1e5].ravel(), noise[1e6].ravel())[0, 1]) < 0.03
    frames = np.corrcoef(noise[2e5])[np.triu_indices(26, 1)]
    assert abs(frames.mean()) < 0.02


def test_the_same_bytes_at_every_call_whatever_came_before(cases, small):
    again = small.load("slice-001", 2e5)
    np.testing.assert_array_equal(again.observation.frames.values, cases[2e5].observation.frames.values)
    dataset._scan.cache_clear()
    small.load("slice-000", 1e6)
    fresh = Phantom(**SMALL).load("slice-001", 2e5)
    np.testing.assert_array_equal(fresh.observation.frames.values, cases[2e5].observation.frames.values)
    np.testing.assert_array_equal(fresh.truth.labels.values, cases[2e5].truth.labels.values)


def test_what_a_caller_changes_does_not_come_back(small):
    first = small.load("slice-000", None)
    kept = first.truth.frames.values.copy()
    for array in (first.observation.frames, first.truth.frames, first.truth.maps):
        array.values[...] = 0
    second = small.load("slice-000", None)
    np.testing.assert_array_equal(second.truth.frames.values, kept)
    np.testing.assert_array_equal(second.observation.frames.values, kept)
    assert np.nanmax(second.truth.maps.values) > 0


def test_noise_seeds_are_fixed_and_all_different():
    # Golden: noise that was published must not change with a new Python or numpy.
    assert noise_seed(0, "slice-000", 2e5) == 5821162328724242683
    seeds = {
        noise_seed(seed, f"slice-{index:03d}", noise)
        for seed in (0, 1) for index in range(80) for noise in (1e5, 2e5, 1e6)
    }  # fmt: skip
    assert len(seeds) == 2 * 80 * 3


def test_seeds_make_other_heads(small):
    other = Phantom(**SMALL, seed=1).load("slice-001", None)
    assert (other.truth.labels.values != small.load("slice-001", None).truth.labels.values).mean() > 0.05


@pytest.mark.parametrize("noise", [0.0, -1e5, float("nan"), float("inf")])
def test_noise_must_be_photons(small, noise):
    with pytest.raises(DataError, match="photons per ray"):
        small.load("slice-000", noise)


def test_unknown_case_is_named(small):
    with pytest.raises(DataError, match=r"no case 'slice-999'; allowed: slice-000, "):
        small.load("slice-999", None)


@pytest.fixture(scope="module")
def series():
    times_s = np.arange(40) * 1.25
    return simulate(Head(96, 2.2, 0, "plateau", True), 5.0, times_s, phantom_aif(grid(times_s[-1])))


def test_true_maps_belong_to_the_labels(series):
    cbf, cbv, mtt, _, tmax = series.maps
    for label, base in TABLE.items():
        inside = series.labels == label
        assert inside.any()
        assert cbf[inside].mean() == pytest.approx(base.cbf, rel=1e-4)
        assert mtt[inside].mean() == pytest.approx(base.mtt_s, rel=1e-4)
        assert np.abs(cbf[inside] - base.cbf).max() <= base.cbf_spread * (1 + 1e-5)
        np.testing.assert_allclose(cbv[inside], cbf[inside] * mtt[inside] / 60, rtol=1e-5)
        assert (tmax[inside] == base.delay_s).all()
        assert series.series[0][inside].mean() == pytest.approx(base.hu, abs=0.01)
    outside = ~np.isin(series.labels, list(TABLE))
    assert np.isnan(series.maps[2:, outside]).all()
    csf = series.labels == Tissue.CSF
    assert (series.maps[:2, csf] == 0).all()
    assert np.isnan(series.maps[:2, outside & ~csf]).all()


def test_series_is_baseline_and_curves(series):
    change = series.series - series.series[0]
    tissue = np.isin(series.labels, list(TABLE))
    delay = np.nan_to_num(series.maps[4][tissue])
    aif_hu = phantom_aif(grid(series.times_s[-1]))
    curves = tissue_curves(aif_hu, series.times_s, series.maps[0][tissue], series.maps[2][tissue], delay, "plateau")
    np.testing.assert_allclose(change[:, tissue], curves, atol=2e-3)
    np.testing.assert_allclose(change[:, series.labels == Tissue.ARTERY].T[0], series.aif, atol=1e-3)
    np.testing.assert_allclose(change[:, series.labels == Tissue.VEIN].T[0], series.vof, atol=1e-3)
    still = np.isin(series.labels, [Tissue.AIR, Tissue.SCALP, Tissue.SKULL, Tissue.CSF])
    assert (change[:, still] == 0).all()


def test_true_ttp_is_what_the_core_measures(series):
    maps = perfusion_maps((series.series - series.series[0])[:, None], series.aif, 1.25)
    tissue = np.isin(series.labels, list(TABLE))
    agree = maps["ttp"][0][tissue] == series.maps[3][tissue]
    assert agree.mean() > 0.99  # adding the baseline in float32 can swap two frames of equal height
