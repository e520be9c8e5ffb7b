"""Training that is broken off goes on from its checkpoint when the same command is given again.

Without a sandbox, for the learner of these tests notes its epochs in a file of the test.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import xarray as xr

from tests.stored import stored_records


def epochs(tmp_path: Path, end: str) -> list[str]:
    file = tmp_path / f"{end}.txt"
    return file.read_text().split() if file.exists() else []


def record(out: Path, config: str) -> dict:
    return next(record for record in stored_records(out) if record["config"] == config)


def test_a_runner_killed_in_the_middle_of_a_fit_goes_on_from_its_checkpoint(start, ctpbench, write_suite, tmp_path):
    suite = write_suite(f"""
datasets: [{{name: toy, noise: [1]}}]
denoisers: [{{name: train, params: {{file: "{tmp_path}/hang.txt", ends: hang}}, label: hang}}]
metrics: [error]
""")
    process = start("run", suite, "--out", "out", "--no-sandbox")
    deadline = time.monotonic() + 60
    while len(epochs(tmp_path, "hang")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)
    (left,) = (tmp_path / "out/checkpoints").iterdir()
    assert (left / "epoch.txt").read_text() == "2"
    assert not (tmp_path / "out/cache/model").exists()

    done = ctpbench("run", suite, "--out", "out", "--no-sandbox")
    assert done.returncode == 0, done.stdout + done.stderr
    assert epochs(tmp_path, "hang") == ["0", "1", "2", "3"]
    assert record(tmp_path / "out", "hang")["timings"]["fit_resumed"] is True
    assert not any((tmp_path / "out/checkpoints").iterdir())


def test_a_fit_that_failed_goes_on_when_failed_cells_are_run_again(ctpbench, write_suite, tmp_path):
    ends = {"well": "ok", "hang": "timeout", "raise": "error", "crash": "crashed"}
    rows = [
        f'  - {{name: train, label: {end}, params: {{file: "{tmp_path / end}.txt", factor: {i}, ends: {end}}}}}'
        for i, end in enumerate(ends)
    ]
    head = """
metrics: [error]
resources: {timeout_s: 3}
datasets: [{name: toy, noise: [1]}]
denoisers:
  - {name: train, label: tuned, params: {file: x.txt}, tune: {parameters: {factor: [0, 1]}, metric: error}}
"""
    suite = write_suite(head + "\n".join(rows))
    assert ctpbench("run", suite, "--out", "out", "-j", "2", "--no-sandbox").returncode == 3
    out = tmp_path / "out"
    assert {end: record(out, end)["status"] for end in ends} == ends
    assert record(out, "hang")["message"].startswith("fit: took longer")
    assert len(list((out / "checkpoints").iterdir())) == 3
    assert epochs(tmp_path, "hang") == ["0", "1"]

    done = ctpbench("run", suite, "--out", "out", "--rerun", "failed", "--no-sandbox")
    assert done.returncode == 0, done.stdout + done.stderr
    for end in ends:
        assert epochs(tmp_path, end) == ["0", "1", "2", "3"]
        assert record(out, end)["timings"]["fit_resumed"] is (end != "well")
    assert not any((out / "checkpoints").iterdir())

    with xr.open_datatree(out / "results.nc") as tree:
        toy, learning = tree["toy"].to_dataset().load(), tree["toy/learning"].to_dataset(inherit=False).load()
    assert toy["fit_resumed"].squeeze().values.tolist() == [False, False, True, True, True]
    logged = learning.isel(point=learning["learning_config"].values == "tuned")  # of the model chosen, not of trials
    assert list(logged["quantity"].values) == ["loss"] * 4 + ["bias"] * 2
    np.testing.assert_array_equal(logged["step"], [0, 1, 2, 3, 0, 2])
    np.testing.assert_array_equal(logged["value"], [8, 4, 2, 1, 0.5, -0.5])
    assert len(list((out / "cache/model").glob("*/training.json"))) == 4 + 2
