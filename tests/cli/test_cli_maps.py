"""A run with several ways to compute maps, held against maps that are computed apart from it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctpbench.perfusion import Tikhonov, perfusion_maps, subtract_baseline

LAMBDAS = (0.3, 0.02)
SUITE = """
datasets: [{name: toy, noise: [2]}]
denoisers:
  - leave
  - noiseless
  - {name: shrink, label: tuned, tune: {parameters: {weight: [0.0, 0.9]}, maps: true}}
metrics: [error]
maps: [{lambda_rel: 0.3, scaling: none}, {lambda_rel: 0.02, scaling: none}]
"""


def error(toy, split, weight, lambda_rel):
    """Return the mean error in CBF over a split against the noiseless frames, through the same deconvolution."""
    errors = []
    for case_id in toy.cases(split):
        case = toy.load(case_id, 2.0)
        frames = case.observation.frames.values
        shrunk = frames + weight * (frames.mean(axis=(2, 3), keepdims=True) - frames)
        ours, noiseless = (
            perfusion_maps(subtract_baseline(each), case.observation.aif, 1.0, Tikhonov(lambda_rel))["cbf"]
            for each in (shrunk, case.truth.frames.values)
        )
        errors.append(np.sqrt(np.mean((ours - noiseless) ** 2)))
    return float(np.mean(errors))


@pytest.fixture
def results(ctpbench, write_suite, tmp_path):
    done = ctpbench("run", write_suite(SUITE), "--out", "out")
    assert done.returncode == 0, done.stderr
    with xr.open_datatree(tmp_path / "out/results.nc") as tree:
        return tree["toy"].to_dataset(inherit=False).load()


def test_rows_differ_by_how_their_maps_were_computed_and_tuning_chooses_jointly(results, catalogue):
    toy = catalogue.find("dataset", "toy")()
    assert results["config"].values.tolist() == [
        "leave, tikhonov 0.3, scaling none",
        "leave, tikhonov 0.02, scaling none",
        "noiseless, tikhonov 0.3, scaling none",
        "noiseless, tikhonov 0.02, scaling none",
        "tuned",
    ]
    assert results["maps"].values.tolist() == [f"tikhonov {value}, scaling none" for value in LAMBDAS] * 2 + ["tuned"]
    cbf = results["error"].sel(map="cbf").mean("case").values.ravel()
    plain = [error(toy, "test", 0.0, value) for value in LAMBDAS]
    np.testing.assert_allclose(cbf[:4], [*plain, 0, 0], rtol=1e-4, atol=1e-4)
    assert plain[1] > 1.5 * plain[0]  # else no swap would be seen
    tried = {(weight, value): error(toy, "validation", weight, value) for weight in (0.0, 0.9) for value in LAMBDAS}
    weight, value = min(tried, key=tried.get)
    assert results["tuned_maps"].sel(config="tuned").item() == f"tikhonov {value}, scaling none"
    assert results["tuned_weight"].sel(config="tuned").item() == weight
    np.testing.assert_allclose(cbf[4], error(toy, "test", weight, value), rtol=1e-4)
