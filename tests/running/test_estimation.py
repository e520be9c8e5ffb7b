"""From a method's answer to maps: one way for all three kinds of denoiser."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctpbench import Context, DataError, Observation, Truth, regions
from ctpbench.running.estimation import (
    InvalidOutput,
    baseline_subtracted,
    concentration_maps,
    estimate,
    region_perfusion,
    rois_of,
    white_matter_scale,
)
from ctpbench.settings import MapsSettings


@pytest.fixture
def context(tmp_path):
    return Context("cpu", 1, np.random.default_rng(0), tmp_path, tmp_path)


@pytest.fixture
def observation(catalogue):
    return catalogue.datasets["toy"]().load("test/0", 1.0).observation


def test_the_three_kinds_end_in_the_same_maps(catalogue, observation, context):
    answers = [
        estimate(catalogue.denoisers[name](), observation, MapsSettings(), context)
        for name in ("leave", "concentrate", "unfold")
    ]
    frames, concentration, residues = answers
    xr.testing.assert_identical(frames.maps, concentration.maps)
    for name in ("cbf", "cbv", "mtt", "tmax"):
        np.testing.assert_allclose(residues.maps.sel(map=name), frames.maps.sel(map=name), rtol=1e-4, atol=1e-4)
    assert residues.concentration is None
    assert residues.diagnostics == {"iterations": 3.0}


@pytest.mark.parametrize("kind", ["leave", "unfold"])
def test_irregular_times_are_resampled_once(kind, catalogue, observation, context):
    times_s = observation.times_s.copy()
    times_s[6:] += 0.4
    frames = observation.frames
    irregular = Observation.of(
        frames.values, times_s=times_s, spacing_mm=(5, 1, 1), brain=frames["brain"].values,
        vessels=frames["vessels"].values, aif=observation.aif,
    )  # fmt: skip
    answer = estimate(catalogue.denoisers[kind](), irregular, MapsSettings(), context)
    assert np.isfinite(answer.maps).all()
    assert answer.maps.sel(map="cbf").mean() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.values, "got ndarray"),
        (lambda f: f.transpose("time", "z", "x", "y"), "got dims"),
        (lambda f: f.isel(time=slice(1, None)), "along time"),
        (lambda f: f.assign_coords(time=f["time"].values + 1), "coordinate time was changed"),
        (lambda f: f.astype(np.float64), "float64"),
        (lambda f: f.where(f["time"] > 0), "NaN"),
    ],
)
def test_an_output_that_breaks_its_contract_is_named(change, message, catalogue, observation, context):
    class Wrong(catalogue.denoisers["leave"]):
        def denoise(self, frames, context):
            return change(frames)

    with pytest.raises(InvalidOutput, match=message):
        estimate(Wrong(), observation, MapsSettings(), context)


def test_a_deconvolver_must_return_all_lags(catalogue, observation, context):
    class Short(catalogue.denoisers["unfold"]):
        def deconvolve(self, concentration, context):
            return super().deconvolve(concentration, context).isel(lag=slice(5))

    with pytest.raises(InvalidOutput, match=r"5 along lag; allowed: 24"):
        estimate(Short(), observation, MapsSettings(), context)


# -- regions of interest and what they scale ---


@pytest.fixture
def found(monkeypatch):
    """White matter that is found: the first column; notes what was asked for."""
    asked = []

    def flat(frames, tissue, spacing_mm, *, exclude=None):
        asked.append((frames, exclude))
        return np.arange(tissue.shape[2]) * np.ones(tissue.shape) < 1

    monkeypatch.setattr("ctpbench.running.estimation.flat_white_matter", flat)
    return asked


def test_white_matter_is_found_in_the_unfiltered_frames_outside_the_core(observation, found):
    core = np.zeros(observation.tissue.shape, bool)
    core[0, 0, 0] = True
    rois = rois_of(observation, Truth(rois=regions(core=core)))
    assert list(rois["roi"].values) == ["core", "white_matter"]
    assert rois.sel(roi="white_matter").values.sum() == observation.tissue.shape[1]
    assert np.array_equal(rois.sel(roi="core").values, core)
    ((frames, exclude),) = found
    assert frames is observation.frames.values
    assert np.array_equal(exclude, core)
    assert list(rois_of(observation, None)["roi"].values) == ["white_matter"]


def test_white_matter_that_is_known_is_not_sought(observation, found):
    drawn = regions(white_matter=observation.tissue)
    assert rois_of(observation, Truth(rois=drawn)) is drawn
    assert not found


def test_without_any_region_there_is_none(observation, monkeypatch):
    monkeypatch.setattr(
        "ctpbench.running.estimation.flat_white_matter", lambda f, tissue, s, exclude=None: tissue & False
    )
    assert rois_of(observation, None) is None


def test_a_regions_perfusion_is_that_of_its_mean_curve(catalogue):
    observation = catalogue.datasets["toy"]().load("test/0", None).observation
    region = np.zeros(observation.tissue.shape, bool)
    region[0, 2:4, 3:7] = True
    maps = concentration_maps(baseline_subtracted(observation.frames, MapsSettings()), observation, MapsSettings())
    found = region_perfusion(observation, region, MapsSettings())
    for name in ("cbf", "cbv"):  # every voxel of the toy has the same residue: the mean of maps is the map of the mean
        assert found[name] == pytest.approx(float(maps.sel(map=name).values[region].mean()), rel=1e-4)


def test_factors_bring_white_matter_to_its_perfusion_on_average():
    scale = white_matter_scale([{"cbf": 10.0, "cbv": 1.0}, {"cbf": 12.0, "cbv": 4.0}])
    assert scale == {"cbf": pytest.approx(2.0), "cbv": pytest.approx(0.8)}
    with pytest.raises(DataError, match="allowed: a mean above 0"):
        white_matter_scale([])
