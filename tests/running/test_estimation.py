"""From a method's answer to maps: one way for all three kinds of denoiser."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctpbench import Context, DataError, Observation, Truth, regions
from ctpbench.perfusion import (
    Bayesian,
    Gcv,
    LCurve,
    Osvd,
    Tikhonov,
    Tsvd,
    perfusion_maps,
    regularisation_weight,
    resample,
    subtract_baseline,
)
from ctpbench.running.estimation import (
    InvalidOutput,
    answer_of,
    baseline_subtracted,
    concentration_maps,
    estimate,
    region_perfusion,
    rois_of,
    scaled,
    white_matter_scale,
)
from ctpbench.settings import MapsSettings

DEFAULT = MapsSettings()


@pytest.fixture
def context(tmp_path):
    return Context("cpu", 1, np.random.default_rng(0), tmp_path, tmp_path)


@pytest.fixture
def observation(catalogue):
    return catalogue.datasets["toy"]().load("test/0", 1.0).observation


def test_the_three_kinds_end_in_the_same_maps(catalogue, observation, context):
    answers = [
        answer_of(catalogue.denoisers[name](), observation, MapsSettings(), context)
        for name in ("leave", "concentrate", "unfold")
    ]
    assert [answer.kind for answer in answers] == ["frames", "concentration", "residues"]
    assert answers[2].diagnostics == {"iterations": 3.0}
    frames, concentration, residues = (estimate(answer, observation, MapsSettings()) for answer in answers)
    xr.testing.assert_identical(frames.maps, concentration.maps)
    for name in ("cbf", "cbv", "mtt", "tmax"):
        np.testing.assert_allclose(residues.maps.sel(map=name), frames.maps.sel(map=name), rtol=1e-4, atol=1e-4)
    assert residues.concentration is None


@pytest.mark.parametrize("shift_mm", [0.0, 3.5])
def test_maps_lie_where_the_frames_do(shift_mm, observation):
    frames = observation.frames.assign_coords(z=("z", observation.frames["z"].values + shift_mm, {"units": "mm"}))
    maps = concentration_maps(baseline_subtracted(frames, DEFAULT), Observation(frames), DEFAULT)
    for dim in ("z", "y", "x"):
        xr.testing.assert_identical(maps[dim].variable, frames[dim].variable)
        assert maps.get_index(dim).equals(frames.get_index(dim))


@pytest.mark.parametrize("kind", ["leave", "unfold"])
def test_irregular_times_are_resampled_once(kind, catalogue, observation, context):
    times_s = observation.times_s.copy()
    times_s[6:] += 0.4
    frames = observation.frames
    irregular = Observation.of(
        frames.values,
        times_s=times_s,
        spacing_mm=(5, 1, 1),
        brain=frames["brain"].values,
        vessels=frames["vessels"].values,
        aif=observation.aif,
    )
    maps = maps_of(catalogue.denoisers[kind](), irregular, context)
    curves, dt_s = resample(subtract_baseline(frames.values), times_s)
    aif, _ = resample(observation.aif, times_s)
    assert curves.shape[0] == frames.sizes["time"]
    expected = perfusion_maps(curves, aif, dt_s, mask=frames["brain"].values)
    for name in ("cbf", "cbv", "tmax"):
        np.testing.assert_allclose(maps.sel(map=name), expected[name], rtol=1e-4, atol=1e-4)
    assert (maps != maps_of(catalogue.denoisers[kind](), observation, context)).any()


def maps_of(denoiser, observation, context, settings=DEFAULT):
    return estimate(answer_of(denoiser, observation, settings, context), observation, settings).maps


@pytest.mark.parametrize("kind", ["leave", "unfold"])
def test_rounded_times_leave_the_frames_as_they_are(kind, catalogue, observation, context):
    rounded_s = observation.times_s + np.resize([0, 0.01, -0.01], observation.times_s.size)
    rounded = Observation(observation.frames.assign_coords(time=rounded_s))
    seen = []

    class Watching(catalogue.denoisers[kind]):
        def deconvolve(self, concentration, context):
            seen.append(concentration)
            return super().deconvolve(concentration, context)

    maps = maps_of(Watching(), rounded, context)
    even = maps_of(catalogue.denoisers[kind](), observation, context)
    mean_s = np.diff(rounded_s).mean()
    assert abs(np.median(np.diff(rounded_s)) - mean_s) > 0.005
    # The fake deconvolver always takes 1 s for the interval: its CBF does not feel the times, its CBV does.
    for name, factor in {"leave": {"cbf": 1 / mean_s, "cbv": 1}, "unfold": {"cbf": 1, "cbv": mean_s}}[kind].items():
        np.testing.assert_allclose(maps.sel(map=name), factor * even.sel(map=name), rtol=1e-4, atol=1e-4)
    assert all(np.array_equal(concentration["time"], rounded_s) for concentration in seen)


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
        answer_of(Wrong(), observation, MapsSettings(), context)


def test_a_deconvolver_must_return_all_lags(catalogue, observation, context):
    class Short(catalogue.denoisers["unfold"]):
        def deconvolve(self, concentration, context):
            return super().deconvolve(concentration, context).isel(lag=slice(5))

    with pytest.raises(InvalidOutput, match=r"5 along lag; allowed: 24"):
        answer_of(Short(), observation, MapsSettings(), context)


def test_what_is_no_denoiser_is_named(observation, context):
    with pytest.raises(InvalidOutput, match=r"^denoiser: got object; allowed: a FrameDenoiser, Conc"):
        answer_of(object(), observation, MapsSettings(), context)


# -- settings, and what maps are scaled by ---


def test_settings_give_the_deconvolution_with_its_own_parameter():
    values = {"lambda_rel": 0.2, "threshold_rel": 0.1, "oscillation_index": 0.05}
    for name, expected in {"tikhonov": Tikhonov(0.2), "tsvd": Tsvd(0.1), "osvd": Osvd(0.05)}.items():
        assert MapsSettings(deconvolution=name, **values).regularisation == expected
        assert MapsSettings(deconvolution=name).regularisation == type(expected)()
    assert MapsSettings().regularisation == Tikhonov()
    bounds = {"lambda_rel_min": 0.01, "lambda_rel_max": 0.5}
    for name, kind in {"gcv": Gcv, "lcurve": LCurve}.items():
        assert MapsSettings(deconvolution=name, **bounds).regularisation == kind(0.01, 0.5)
        assert MapsSettings(deconvolution=name).regularisation == kind()
    prior = MapsSettings(deconvolution="bayesian", prior_mtt_s=6, prior_delay_s=3, model_error=0.2, baseline_frames=4)
    assert prior.regularisation == Bayesian(6.0, 3.0, 0.2, 4)
    assert MapsSettings(deconvolution="bayesian").regularisation == Bayesian()


SOLVERS = {
    "tikhonov": Tikhonov(),
    "tsvd": Tsvd(),
    "osvd": Osvd(),
    "gcv": Gcv(),
    "lcurve": LCurve(),
    "bayesian": Bayesian(),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_maps_are_those_of_the_deconvolution_that_is_set(name, observation):
    settings = MapsSettings(deconvolution=name, kappa=0.73, rho=1.05, peak_lags="scan")
    maps = concentration_maps(baseline_subtracted(observation.frames, settings), observation, settings)
    expected = perfusion_maps(
        subtract_baseline(observation.frames.values),
        observation.aif,
        1.0,
        SOLVERS[name],
        mask=observation.frames["brain"].values,
        kappa=0.73,
        rho=1.05,
        peak_lags="scan",
    )
    for key, values in expected.items():
        np.testing.assert_array_equal(maps.sel(map=key), values)


def test_scaled_maps_keep_their_law():
    maps = xr.DataArray(
        np.array([20, 2, 6, 9, 3], np.float32).reshape(5, 1, 1, 1),
        dims=("map", "z", "y", "x"),
        coords={"map": ["cbf", "cbv", "mtt", "ttp", "tmax"]},
    )
    found = scaled(maps, {"cbf": 2.0, "cbv": 1.5})
    assert found.dims == maps.dims
    assert found.dtype == np.float32
    assert found.values.ravel().tolist() == [40, 3, 4.5, 9, 3]
    assert found[2] == 60 * found[1] / found[0]


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


@pytest.mark.parametrize("name", ["gcv", "lcurve"])
def test_a_regions_mean_curve_is_deconvolved_with_the_weight_of_all_voxels(name, catalogue):
    noisy = catalogue.datasets["toy"]().load("test/0", 3.0).observation
    region = np.ones(noisy.tissue.shape, bool)
    settings = MapsSettings(deconvolution=name)
    curves = subtract_baseline(noisy.frames.values)
    weight = regularisation_weight(curves, noisy.aif, 1.0, settings.regularisation)
    mean = curves.mean(axis=(1, 2, 3), dtype=np.float64)
    assert weight > 1.5 * regularisation_weight(mean, noisy.aif, 1.0, settings.regularisation)
    expected = perfusion_maps(mean, noisy.aif, 1.0, Tikhonov(weight))
    found = region_perfusion(noisy, region, settings)
    assert found == {key: pytest.approx(float(expected[key]), rel=1e-4) for key in ("cbf", "cbv")}


@pytest.mark.parametrize("lags", ["circle", "scan"])
def test_the_peaks_lags_are_the_same_for_what_emits_residues(lags, catalogue, observation, context):
    early = Observation(observation.frames.assign_coords(aif=observation.frames["aif"].roll(time=4)))
    settings = MapsSettings(peak_lags=lags)
    frames, residues = (maps_of(catalogue.denoisers[n](), early, context, settings) for n in ("leave", "unfold"))
    for name in ("cbf", "tmax"):
        np.testing.assert_allclose(residues.sel(map=name), frames.sel(map=name), rtol=1e-4, atol=1e-4)
    assert (float(frames.sel(map="tmax").min()) < 0) == (lags == "circle")


def test_factors_bring_white_matter_to_its_perfusion_on_average():
    scale = white_matter_scale([{"cbf": 10.0, "cbv": 1.0}, {"cbf": 12.0, "cbv": 4.0}])
    assert scale == {"cbf": pytest.approx(2.0), "cbv": pytest.approx(0.8)}
    with pytest.raises(DataError, match="allowed: a mean above 0"):
        white_matter_scale([])
