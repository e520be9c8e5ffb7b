"""From a method's answer to maps: one way for all three kinds of denoiser."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctpbench import Context, Observation
from ctpbench.estimation import InvalidOutput, estimate
from ctpbench.suite.settings import MapsSettings


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
