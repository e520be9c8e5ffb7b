"""What a run writes, held against a naive loop over its cases: no answer under another's name, no split for another."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from ctpbench.perfusion import Tikhonov, perfusion_maps, subtract_baseline
from tests.stored import stored_records

NOISE = (2.0, 4.0)
WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
PARAMETERS = {"test_cases": 3, "validation_cases": 2, "train_cases": 2}
SUITE = f"""
datasets: [{{name: toy, params: {json.dumps(PARAMETERS)}, noise: [2, 4]}}]
denoisers: [DENOISERS]
metrics: [error, frame-error]
maps: {{scaling: none}}
"""
TUNED = f"{{name: shrink, tune: {{metric: error, parameters: {{weight: {list(WEIGHTS)}}}}}}}"


@pytest.fixture
def toy(catalogue):
    """The dataset of the suite."""
    return catalogue.find("dataset", "toy")(**PARAMETERS)


def naive_errors(case, weight=0.0):
    """Shrink a case's frames towards their means; return the RMSE of each map, and of each frame's concentration."""
    noisy, clean = case.observation.frames.values, case.truth.frames.values
    means = noisy.mean(axis=(2, 3), keepdims=True)
    concentrations = [subtract_baseline(frames) for frames in ((1 - weight) * noisy + weight * means, clean)]
    ours, noiseless = (perfusion_maps(c, case.observation.aif, 1.0, Tikhonov(0.3)) for c in concentrations)
    of_maps = {name: np.sqrt(np.mean((ours[name] - noiseless[name]) ** 2)) for name in ours}
    return of_maps, np.sqrt(np.mean((concentrations[0] - concentrations[1]) ** 2, axis=(1, 2, 3)))


def naive_trials(toy, split, noise):
    """Return the mean error in CBF over a split, for each weight."""
    cases = [toy.load(case, noise) for case in toy.cases(split)]
    return [float(np.mean([naive_errors(case, weight)[0]["cbf"] for case in cases])) for weight in WEIGHTS]


@pytest.mark.parametrize("lost", ["", "test/0"])
def test_each_case_has_its_own_score_and_each_split_its_own_use(lost, toy, ctpbench, write_suite, tmp_path):
    suite = SUITE.replace("DENOISERS", f"leave, {TUNED}")
    suite = suite.replace('"test_cases"', f'"broken_case": "{lost}", "test_cases"')
    assert ctpbench("run", write_suite(suite), "--out", "out").returncode == (3 if lost else 0)
    with xr.open_datatree(tmp_path / "out/results.nc") as tree:
        results, trials = (tree[name].to_dataset(inherit=False).load() for name in ("toy", "toy/trials"))
    tested = [case for case in toy.cases("test") if case != lost]
    assert results["case"].values.tolist() == tested
    for noise in NOISE:
        tried = naive_trials(toy, "validation", noise)
        best = WEIGHTS[int(np.argmin(tried))]
        assert best != WEIGHTS[int(np.argmin(naive_trials(toy, "test", noise)))]  # else no swap would be seen
        at_noise = trials["trial_noise"] == noise
        weights = [json.loads(str(text))["weight"] for text in trials["parameters"][at_noise].values]
        assert weights == list(WEIGHTS)
        np.testing.assert_allclose(trials["value"][at_noise], tried, rtol=1e-4)
        assert results["tuned_weight"].sel(config="shrink", noise=noise, seed=0) == best
        for config, weight in (("leave", 0.0), ("shrink", best)):
            row = results.sel(config=config, noise=noise, seed=0)
            for case in tested:
                of_maps, of_frames = naive_errors(toy.load(case, noise), weight)
                scored = {str(name): float(row["error"].sel(case=case, map=name)) for name in row["map"].values}
                assert scored == pytest.approx(of_maps, rel=1e-4)
                np.testing.assert_allclose(row["frame-error"].sel(case=case), of_frames, rtol=1e-4)


def test_answers_of_cases_and_optima_of_splits_are_far_apart(toy):
    """What the test above would not see, were the toy's cases alike."""
    for noise in NOISE:
        frames = [toy.load(case, noise).truth.frames.values for case in toy.cases("test")]
        maps = [naive_errors(toy.load(case, noise))[0]["cbf"] for case in toy.cases("test")]
        assert all(abs(a - b) > 1e-3 * a for i, a in enumerate(maps) for b in maps[:i])
        assert all(np.abs(a - b).max() > 1 for i, a in enumerate(frames) for b in frames[:i])


def test_what_is_learnt_comes_from_the_training_split_at_its_own_noise_level(toy, ctpbench, write_suite, tmp_path):
    suite = write_suite(SUITE.replace("DENOISERS", "learn"))
    assert ctpbench("run", suite, "--out", "out").returncode == 0
    records = stored_records(tmp_path / "out")
    logs = {r["noise"]: (tmp_path / "out" / r["log"]).read_text() for r in records}

    def printed(split, noise):
        frames = [toy.load(case, noise).observation.frames.values for case in toy.cases(split)]
        return f"learnt a mean of {np.mean([volume.mean() for volume in frames]):.3f}\n"

    assert len({printed(split, noise) for split in ("train", "validation", "test") for noise in NOISE}) == 6
    assert logs == {noise: printed("train", noise) for noise in NOISE}
