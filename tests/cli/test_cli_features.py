"""What a suite can ask for, run end to end: learning, tuning, seeds, excluding, and reading it all again."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr


def open_group(path, name="toy"):
    with xr.open_datatree(path / "results.nc") as tree:
        return tree[name].to_dataset().load()


def test_a_trainable_learns_from_what_it_declares_and_is_fitted_once(ctpbench, write_suite, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [learn, learn-clean]
metrics: [error]
""")
    for metrics in ("[error]", "[error, frame-error]"):  # the second run scores anew and learns nothing
        suite.write_text(suite.read_text().replace("[error]", metrics))
        done = ctpbench("run", suite, "--out", "out")
        assert done.returncode == 0, done.stdout
    toy = open_group(tmp_path / "out")
    assert (toy["fit_s"] > 0).all()
    assert len(list((tmp_path / "out/cache/model").iterdir())) == 2
    logs = [path.read_text() for path in (tmp_path / "out/logs").iterdir()]
    assert sum("learnt a mean" in log for log in logs) == 2


def test_a_process_that_denoises_or_learns_from_noisy_is_handed_no_truth(catalogue, write_suite):
    from ctpbench.running.plan import plan
    from ctpbench.suite.load import load_suite

    path = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [learn, {name: learn-clean, tune: {parameters: {factor: [0, 1]}, metric: error}}]
metrics: [error]
""")
    noisy, clean = plan(load_suite(path, catalogue))
    for cell in (noisy, clean):
        files = {
            given.file
            for given in cell.prediction(cell.row.cls(), cell.test, cell.row.maps[0], trial=False).inputs.values()
        }
        assert files == {"observation.npz", ""}  # the empty name is the model's folder
    assert {given.file for given in noisy.model(noisy.row.cls()).inputs.values()} == {"observation.npz"}
    assert {given.file for given in clean.model(clean.row.cls()).inputs.values()} == {"observation.npz", "truth.npz"}
    learns = noisy.model(noisy.row.cls()).inputs
    assert {role.split("/")[1] for role in learns} == {"train"}
    tried = clean.prediction(clean.row.cls(), clean.validation, clean.row.maps[0], trial=True).inputs
    assert {role.split("/")[1] for role in tried if role != "model"} == {"validation"}


TUNINGS = {
    "exhaustive": "parameters: {weight: [0, 0.3, 0.6, 0.9, 1.0]}",
    "tpe": "parameters: {weight: {low: 0.0, high: 1.0}}, search: tpe, trials: 8, seed: 1",
}


@pytest.mark.parametrize("search", list(TUNINGS))
def test_tuning_chooses_on_validation_and_keeps_every_trial(search, ctpbench, write_suite, tmp_path):
    suite = write_suite(f"""
datasets: [{{name: toy, noise: [0.2, 8]}}]
denoisers: [leave, {{name: shrink, tune: {{metric: error, {TUNINGS[search]}}}}}]
metrics: [error]
""")
    done = ctpbench("run", suite, "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    toy = open_group(tmp_path / "out")
    weights = toy["tuned_weight"].sel(config="shrink").squeeze()
    assert float(weights.sel(noise=8)) > float(weights.sel(noise=0.2))
    trials = open_group(tmp_path / "out", "toy/trials")
    assert trials.sizes["trial"] == 2 * (5 if search == "exhaustive" else 8)
    at_8 = trials.isel(trial=trials["trial_noise"].values == 8)
    best = json.loads(str(at_8["parameters"].values[int(np.argmin(at_8["value"].values))]))
    assert best["weight"] == pytest.approx(float(weights.sel(noise=8)))
    assert not list((tmp_path / "out/cache/prediction").glob("*/validation*"))  # a scored trial's maps are not kept


def test_a_trial_that_fails_is_noted_and_the_others_decide(ctpbench, write_suite, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: misbehave, tune: {metric: error, parameters: {how: [raise, signal, nan]}}},
            {name: tally, params: {file: count.txt}, tune: {metric: error, parameters: {amount: [1.0, .inf]}}}]
metrics: [error]
""")
    wrong = ctpbench("run", suite, "--out", "out")
    assert wrong.returncode == 2
    assert ":4:" in wrong.stderr
    suite.write_text(suite.read_text().replace(".inf", "1e30").replace("count.txt", str(tmp_path / "count.txt")))
    done = ctpbench("run", suite, "--out", "out", "--no-sandbox")  # one writes to a file of the test
    assert done.returncode == 3
    toy = open_group(tmp_path / "out")
    statuses = toy["status"].squeeze().values.tolist()
    assert statuses == ["error", "ok"]
    assert "no trial succeeded" in str(toy["message"].sel(config="misbehave").squeeze().values)
    trials = open_group(tmp_path / "out", "toy/trials")
    assert set(trials["status"].values[:3].tolist()) == {"error", "crashed", "invalid_output"}


def test_seeds_give_other_answers_and_the_same_seed_the_same(ctpbench, write_suite, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [jitter]
metrics: [error]
seeds: [0, 1]
""")
    for out in ("a", "b"):
        assert ctpbench("run", suite, "--out", out, "-j", "2").returncode == 0
    a, b = open_group(tmp_path / "a")["error"], open_group(tmp_path / "b")["error"]
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a.isel(seed=0), a.isel(seed=1))


def test_excluded_cells_are_missing_from_the_tree_and_the_board(ctpbench, write_suite, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, noise: [1, 2]}]
denoisers: [leave, jitter]
metrics: [error]
exclude: [{denoiser: jitter, noise: 2}]
""")
    assert ctpbench("run", suite, "--out", "out").returncode == 0
    status = open_group(tmp_path / "out")["status"].squeeze("seed")
    assert status.sel(config="jitter", noise=2) == "missing"
    assert status.sel(config="jitter", noise=1) == "ok"
    board = json.loads((tmp_path / "out/leaderboard.json").read_text())
    assert len(board) == 3


def test_side_by_side_timings_are_marked_unless_taken_alone(ctpbench, write_suite, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: leave, grid: {wait_s: [0.05, 0.1, 0.15]}}]
metrics: [error]
""")
    assert ctpbench("run", suite, "--out", "busy", "-j", "2").returncode == 0
    assert ctpbench("run", suite, "--out", "calm", "-j", "2", "--serial-timing").returncode == 0
    assert open_group(tmp_path / "busy")["contended"].any()
    assert not open_group(tmp_path / "calm")["contended"].any()


def test_results_are_rebuilt_from_the_records(ctpbench, write_suite, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [leave, {name: shrink, params: {weight: 0.2}}]
metrics: [error, frame-error]
""")
    assert ctpbench("run", suite, "--out", "out").returncode == 0
    before = open_group(tmp_path / "out")
    (tmp_path / "out/results.nc").unlink()
    shown = ctpbench("leaderboard", "out")
    assert shown.returncode == 0, shown.stderr
    assert "shrink" in shown.stdout
    xr.testing.assert_identical(open_group(tmp_path / "out"), before)
    assert "shrink" in ctpbench("leaderboard", "out/results.nc", "--by", "error_mtt").stdout
    wrong = ctpbench("leaderboard", "out", "--by", "error_xyz")
    assert wrong.returncode == 2
    assert "error_mtt" in wrong.stderr


def test_a_new_metric_scores_what_is_already_predicted(ctpbench, write_suite, tmp_path):
    tally = tmp_path / "tally.txt"
    text = f"""
datasets: [{{name: toy, noise: [1]}}]
denoisers: [{{name: tally, params: {{file: "{tally}"}}}}]
metrics: [error]
"""
    assert ctpbench("run", write_suite(text), "--out", "out", "--no-sandbox").returncode == 0
    calls = tally.read_text()
    suite = write_suite(text.replace("[error]", "[error, frame-error, {name: error, params: {scale: 2}}]"))
    assert ctpbench("run", suite, "--out", "out", "--no-sandbox").returncode == 0
    assert tally.read_text() == calls
    toy = open_group(tmp_path / "out")
    np.testing.assert_allclose(toy["error_2"], 2 * toy["error"])


def test_plan_says_what_would_run_and_runs_nothing(ctpbench, write_suite, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [leave, {name: shrink, tune: {metric: error, parameters: {weight: [0, 0.5, 1]}}}]
metrics: [error]
""")
    planned = ctpbench("plan", suite, "--out", "out")
    assert planned.returncode == 0, planned.stderr
    assert "2 cells: 0 finished, 2 to run" in planned.stdout
    assert "3 trials" in planned.stdout
    assert not (tmp_path / "out").exists()
    assert ctpbench("run", suite, "--out", "out").returncode == 0
    assert "2 cells: 2 finished, 0 to run" in ctpbench("plan", suite, "--out", "out").stdout
    assert ctpbench("status", "out").stdout.startswith(f"{tmp_path.name}: 2 of 2 cells finished")


@pytest.mark.parametrize("split", ["validation", "train", "test"])
def test_an_empty_split_is_named_before_anything_runs(split, ctpbench, write_suite):
    suite = write_suite(f"""
datasets: [{{name: toy, params: {{{split}_cases: 0}}, noise: [1]}}]
denoisers: [learn, {{name: shrink, tune: {{metric: error, parameters: {{weight: [0, 1]}}}}}}]
metrics: [error]
""")
    done = ctpbench("run", suite)
    assert done.returncode == 2
    assert f"its {split} split is empty" in done.stderr
    assert done.stderr.count("\n") == 1


def test_loggers_hear_of_each_cell_and_a_broken_one_does_no_harm(
    ctpbench, ctpbench_process, write_suite, tmp_path, monkeypatch
):
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [leave, {name: misbehave, params: {how: raise}}]
metrics: [error]
""")
    monkeypatch.setenv("CTPBENCH_FAKES_LOG", str(tmp_path / "heard.txt"))
    assert ctpbench("run", suite, "--out", "out").returncode == 3
    assert (tmp_path / "heard.txt").read_text() == "leave ok\nmisbehave(how=raise) error\n"
    monkeypatch.setenv("CTPBENCH_FAKES_LOG", "raise")
    done = ctpbench_process("run", suite, "--out", "other")  # which shows a warning as people see it
    assert done.returncode == 3
    assert "the logger's server is gone" in done.stderr
    assert (tmp_path / "other/results.nc").exists()
