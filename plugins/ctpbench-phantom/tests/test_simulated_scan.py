import numpy as np
import pytest

from ctpbench import DataError
from ctpbench_phantom import simulated_scan
from ctpbench_phantom.phantom import Phantom
from ctpbench_phantom.real_like import RealLike
from ctpbench_phantom.scan import frames_at, noise_seed, scan_slice
from ctpbench_phantom.scanner import acquisition
from ctpbench_phantom.scanner.acquisition import basis_images

from .test_phantom import SMALL
from .test_real_like import TINY


@pytest.fixture(scope="module")
def small():
    return Phantom(**SMALL)


@pytest.fixture(scope="module")
def cases(small):
    """One slice without noise and at three doses."""
    return {noise: small.load("slice-001", noise) for noise in (None, 1e5, 2e5, 1e6)}


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


@pytest.mark.parametrize(
    ("dataset", "case_id", "names"),
    [
        (Phantom(**SMALL, seed=4), "slice-001", ["slice-001"]),
        (RealLike(**TINY, seed=4), "patient-02", ["patient-02/0", "patient-02/1"]),
    ],
)
def test_each_slice_is_scanned_alone_with_noise_seeded_by_its_name(dataset, case_id, names):
    case, scanner = dataset.load(case_id, 2e5), dataset.scanner()
    sources = dict(dataset.source(case_id))
    assert list(sources) == names
    for z, (name, source) in enumerate(sources.items()):
        scan = scan_slice(source.series, scanner)
        noisy = frames_at(scan, scanner, 2e5, noise_seed(4, name, 2e5))
        np.testing.assert_array_equal(case.observation.frames[:, z], noisy)
        np.testing.assert_array_equal(case.truth.frames[:, z], scan.noiseless)
        np.testing.assert_array_equal(case.truth.maps[:, z], source.maps)
        np.testing.assert_array_equal(case.truth.labels[z], source.labels)


def test_the_same_bytes_at_every_call_whatever_came_before(cases, small):
    again = small.load("slice-001", 2e5)
    np.testing.assert_array_equal(again.observation.frames.values, cases[2e5].observation.frames.values)
    simulated_scan._scan.cache_clear()
    small.load("slice-000", 1e6)
    fresh = Phantom(**SMALL).load("slice-001", 2e5)
    np.testing.assert_array_equal(fresh.observation.frames.values, cases[2e5].observation.frames.values)
    np.testing.assert_array_equal(fresh.truth.labels.values, cases[2e5].truth.labels.values)


def test_all_noise_levels_of_a_case_share_one_scan(small):
    simulated_scan._scan.cache_clear()
    for noise in (None, 1e5, 2e5):
        small.load("slice-000", noise)
    assert simulated_scan._scan.cache_info().misses == 1
    Phantom(**SMALL, seed=1).load("slice-000", None)
    assert simulated_scan._scan.cache_info().misses == 2


def test_what_is_free_of_noise_is_reconstructed_once_for_all_noise_levels(small, monkeypatch):
    made = []
    monkeypatch.setattr(acquisition, "basis_images", lambda *given: made.append(given) or basis_images(*given))
    simulated_scan._scan.cache_clear()
    for noise in (None, 1e5, 2e5):
        small.load("slice-000", noise)
    assert len(made) == 1


def test_what_a_caller_changes_does_not_come_back(small):
    def parts(case):
        frames, truth = case.observation.frames, case.truth
        return [frames, frames["aif"], frames["vof"], truth.frames, truth.maps, truth.labels]

    first = small.load("slice-000", None)
    kept = [array.values.copy() for array in parts(first)]
    for array in parts(first):
        array.values[...] = 0
    for array, before in zip(parts(small.load("slice-000", None)), kept, strict=True):
        np.testing.assert_array_equal(array.values, before)
        assert np.nanmax(before) > 0


@pytest.mark.parametrize(
    ("change", "differs"),
    [({"window": "ramp"}, (None, 1e5)), ({"views": 72}, (None, 1e5)), ({"electronic_sigma": 60.0}, (1e5,))],
)
def test_the_scanner_follows_its_parameters(cases, change, differs):
    other = Phantom(**{**SMALL, **change})
    for noise in (None, 1e5):
        frames = other.load("slice-001", noise).observation.frames.values
        assert np.array_equal(frames, cases[noise].observation.frames.values) == (noise not in differs)


@pytest.mark.parametrize("noise", [0.0, -1e5, float("nan"), float("inf")])
def test_noise_must_be_photons(small, noise):
    with pytest.raises(DataError, match=r"phantom: noise: got .*; allowed: photons per ray"):
        small.load("slice-000", noise)


def test_unknown_case_is_named(small):
    with pytest.raises(DataError, match=r"^phantom: case: got 'slice-999'; allowed: slice-000, slice-001, slice-003"):
        small.load("slice-999", None)
