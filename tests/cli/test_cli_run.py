"""`ctpbench run` as a user meets it: statuses, exit codes, resuming, breaking off."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import xarray as xr
import yaml

from tests.stored import stored_records

SMALL = """
datasets: [{name: toy, noise: [1, 3]}]
denoisers: [leave, {name: shrink, params: {weight: 0.3}}]
metrics: [error, frame-error]
"""


def records(folder: Path) -> dict[tuple[str, float | None], dict]:
    keys = {cell["key"] for cell in json.loads((folder / "cells.json").read_text())["cells"]}
    return {(each["config"], each["noise"]): each for each in stored_records(folder) if each["key"] in keys}


def test_a_run_writes_results_leaderboards_panels_and_a_lock(ctpbench, write_suite, tmp_path):
    done = ctpbench("run", write_suite(SMALL), "--out", "out", "--report")
    assert done.returncode == 0, done.stderr
    assert "leave" in done.stdout
    out = tmp_path / "out"
    assert {p.name for p in out.iterdir()} >= {
        "suite.lock.yaml", "cells.json", "records.jsonl", "cache", "results.nc", "panels", "curves",
        "leaderboard.md", "leaderboard.csv", "leaderboard.json",
    }  # fmt: skip
    assert sorted(p.name for p in (out / "panels").iterdir()) == [
        f"toy-{noise}{ending}.png" for noise in (1, 3) for ending in ("-clinic", "-less-noiseless", "-less-truth", "")
    ]
    assert [p.name for p in (out / "curves").iterdir()] == ["time-toy.png"]
    with xr.open_datatree(out / "results.nc") as tree:
        toy = tree["toy"].to_dataset().load()
    assert dict(toy.sizes) == {"config": 2, "noise": 2, "seed": 1, "case": 2, "map": 5, "time": 12}
    assert (toy["status"] == "ok").all()
    error = toy["error"].sel(map="cbf").mean("case").squeeze("seed")
    assert (error.sel(noise=3) > error.sel(noise=1)).all()
    assert (toy["denoise_s"] >= 0).all()
    assert not list(out.glob("tmp/*"))


def test_results_say_how_far_methods_were_held(ctpbench, write_suite, tmp_path):
    assert "sandbox: none, as asked for" in ctpbench("run", write_suite(SMALL), "--out", "out", "--no-sandbox").stdout
    with xr.open_datatree(tmp_path / "out/results.nc") as tree:
        assert tree.attrs["sandbox"] == "none, as asked for"
        assert (tree["toy/sandbox"] == "none").all()
    both = ctpbench("run", "suite.yaml", "--no-sandbox", "--require-sandbox")
    assert both.returncode == 2


@pytest.mark.parametrize(
    ("landlock", "namespaces", "held"),
    [
        (0, False, "none, this system lacks Landlock (files), user namespaces (processes, network)"),
        (4, True, "partial, this system lacks Landlock 6 (sockets and signals; here 4)"),
        (6, False, "partial, this system lacks user namespaces (processes, network)"),
    ],
)
def test_a_kernel_that_cannot_hold_methods_is_told_once_and_refused_where_asked(
    landlock, namespaces, held, ctpbench, write_suite, monkeypatch, tmp_path
):
    from ctpbench.running.executors.local import LocalExecutor
    from ctpbench.running.sandbox.enclosure import Hold

    monkeypatch.setattr(LocalExecutor, "hold", lambda self: Hold(landlock, namespaces))
    suite = write_suite(SMALL)
    refused = ctpbench("run", suite, "--out", "out", "--require-sandbox")
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"--require-sandbox: got a sandbox that is {held}")
    assert ctpbench("run", suite, "--out", "out").stdout.count(f"sandbox: {held}") == 1
    with xr.open_datatree(tmp_path / "out/results.nc") as tree:
        assert tree.attrs["sandbox"] == held


def test_the_lock_is_a_suite_that_gives_the_same_cells(ctpbench, write_suite, tmp_path):
    assert ctpbench("run", write_suite(SMALL), "--out", "out").returncode == 0
    lock = yaml.safe_load((tmp_path / "out/suite.lock.yaml").read_text())
    assert lock["denoisers"][1]["params"] == {"weight": 0.3}
    before = records(tmp_path / "out")
    again = ctpbench("run", "out/suite.lock.yaml", "--out", "out")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("(cached)") == 4
    assert records(tmp_path / "out") == before


def test_misbehaving_denoisers_become_rows_and_the_others_go_on(ctpbench, write_suite, tmp_path):
    suite = """
datasets: [{name: toy, params: {size: 8}, noise: [1]}]
denoisers:
  - leave
  - {name: misbehave, grid: {how: [raise, sleep, eat, signal, nan, shape, exit, float64, grandchild]}}
  - {name: shrink, params: {weight: 0.3}}
metrics: [error]
resources: {timeout_s: 6, memory_gib: 0.7}
"""
    done = ctpbench("run", write_suite(suite), "--out", "out", "-j", "2")
    assert done.returncode == 3, done.stderr
    found = {config.removeprefix("misbehave"): r for (config, _), r in records(tmp_path / "out").items()}
    statuses = {config: record["status"] for config, record in found.items()}
    assert statuses == {
        "leave": "ok",
        "(how=raise)": "error",
        "(how=sleep)": "timeout",
        "(how=eat)": "out_of_memory",
        "(how=signal)": "crashed",
        "(how=nan)": "invalid_output",
        "(how=shape)": "invalid_output",
        "(how=exit)": "crashed",
        "(how=float64)": "invalid_output",
        "(how=grandchild)": "timeout",
        "shrink(weight=0.3)": "ok",
    }
    assert found["(how=raise)"]["message"] == "ZeroDivisionError: on purpose"
    assert "SIGSEGV" in found["(how=signal)"]["message"]
    assert "along y" in found["(how=shape)"]["message"]
    assert "Traceback" in (tmp_path / "out" / found["(how=raise)"]["log"]).read_text()
    assert "denoise" in (tmp_path / "out" / found["(how=signal)"]["log"]).read_text()
    _wait_for(lambda: not any(_in_a_session_of_its_own(process) for process in _processes_in(tmp_path)), 20)
    status = ctpbench("status", "out")
    assert "11 of 11 cells finished" in status.stdout
    assert "3 invalid_output, 2 ok, 2 timeout, 2 crashed, 1 error, 1 out_of_memory" in status.stdout
    assert "--rerun failed" in status.stdout
    with xr.open_datatree(tmp_path / "out/results.nc") as tree:
        toy = tree["toy"].to_dataset().load()
    assert int((toy["status"] == "ok").sum()) == 2
    assert np.isfinite(toy["error"].where(toy["status"] == "ok", drop=True)).all()


def test_failed_cells_stay_failed_until_they_are_run_again(ctpbench, write_suite, tmp_path):
    flag = tmp_path / "count.txt"
    suite = write_suite(f"""
datasets: [{{name: toy, noise: [1]}}]
denoisers: [{{name: tally, params: {{file: "{flag}/missing"}}}}, leave]
metrics: [error]
""")
    run = ("run", suite, "--out", "out", "--no-sandbox")  # the denoiser writes to a file of the test
    assert ctpbench(*run).returncode == 3
    flag.mkdir()
    again = ctpbench(*run)
    assert again.returncode == 3
    assert "(cached)" in again.stdout
    mended = ctpbench(*run, "--rerun", "failed")
    assert mended.returncode == 0, mended.stdout


def test_a_broken_case_is_named_and_left_out_and_the_others_go_on(ctpbench, write_suite, tmp_path):
    suite = """
datasets:
  - {name: toy, label: whole, noise: [1]}
  - {name: toy, label: torn, params: {broken_case: test/1}, noise: [1]}
  - {name: toy, label: untaught, params: {broken_case: train/0}, noise: [1]}
  - {name: toy, label: gone, params: {broken_case: test/0, test_cases: 1}, noise: [1]}
denoisers: [leave, learn]
metrics: [error]
"""
    done = ctpbench("run", write_suite(suite), "--out", "out")
    assert done.returncode == 3
    assert "torn, noise 1, test/1: test/1.nii: truncated; copy it again" in done.stdout
    records = {(r["dataset"], r["config"]): r for r in stored_records(tmp_path / "out")}
    assert {name: record["status"] for name, record in records.items() if name[0] == "gone"} == {
        ("gone", "leave"): "skipped",
        ("gone", "learn"): "skipped",
    }
    assert all(record["status"] == "ok" for name, record in records.items() if name[0] != "gone")
    assert records["torn", "leave"]["cases"] == ["test/0"]
    assert len(records["torn", "leave"]["scores"]["error"]["values"]) == 1
    assert records["whole", "learn"]["left_out"] == records["untaught", "leave"]["left_out"] == {}
    assert list(records["untaught", "learn"]["left_out"]) == ["untaught, noise 1, train/0"]
    assert "Left out: torn, noise 1, test/1: test/1.nii: truncated" in (tmp_path / "out/leaderboard.md").read_text()
    again = ctpbench("run", write_suite(suite), "--out", "out", "--rerun", "failed")
    assert again.returncode == 3


def test_fail_fast_leaves_the_rest_for_another_time(ctpbench, write_suite, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: misbehave, params: {how: raise}}, {name: leave, params: {wait_s: 0.2}}]
metrics: [error]
""")
    assert ctpbench("run", suite, "--out", "out", "--fail-fast").returncode == 3
    statuses = [record["status"] for record in records(tmp_path / "out").values()]
    assert statuses == ["error", "skipped"]
    assert ctpbench("run", suite, "--out", "out").returncode == 3
    assert [record["status"] for record in records(tmp_path / "out").values()] == ["error", "ok"]


def test_only_runs_what_is_named_and_helps_with_names(ctpbench, write_suite, tmp_path):
    suite = write_suite(SMALL)
    assert ctpbench("run", suite, "--out", "out", "--only", "shrink").returncode == 0
    assert {config for config, _ in records(tmp_path / "out")} == {"shrink(weight=0.3)"}
    wrong = ctpbench("run", suite, "--only", "shrnk")
    assert wrong.returncode == 2
    assert "did you mean shrink" in wrong.stderr
    assert wrong.stderr.count("\n") == 1


def test_two_runs_at_once_in_one_folder_are_refused(start, write_suite, ctpbench, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: leave, params: {wait_s: 3}}]
metrics: [error]
""")
    first = start("run", suite, "--out", "out")
    try:
        _wait_for(lambda: (tmp_path / "out/cells.json").exists())
        second = ctpbench("run", suite, "--out", "out")
        assert second.returncode == 2
        assert f"process {first.pid}" in second.stderr
        assert f"running now (process {first.pid})" in ctpbench("status", "out").stdout
    finally:
        first.kill()
        first.communicate()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_at_any_moment_it_goes_on_and_computes_nothing_twice(how, fork, ctpbench, write_suite, tmp_path):
    tally = tmp_path / "tally.txt"
    text = f"""
datasets: [{{name: toy, params: {{test_cases: 1, validation_cases: 1}}, noise: [1, 2]}}]
denoisers:
  - name: tally
    params: {{file: "{tally}", wait_s: 0.1}}
    tune: {{parameters: {{amount: [0.5, 0.9, 1.0]}}, metric: error}}
metrics: [error]
"""
    suite = write_suite(text)
    (tmp_path / "undisturbed").mkdir()
    assert ctpbench("run", suite, "--out", "undisturbed/out", "--no-sandbox").returncode == 0
    undisturbed = _lines(tally)
    tally.unlink()
    kills = 0
    for pause in (0.3, 0.7, 1.1):
        before = _lines(tally)
        process = fork("run", suite, "--out", "out", "--no-sandbox")
        _wait_for(lambda p=process, n=before: not p.is_alive() or _lines(tally) > n)
        time.sleep(pause / 10)
        if process.is_alive():
            os.kill(process.pid, how)
            kills += 1
        process.join(60)
        assert process.exitcode in (0, 130, -signal.SIGKILL)
    assert kills >= 2
    done = ctpbench("run", suite, "--out", "out", "--no-sandbox")
    assert done.returncode == 0, done.stderr
    # a killed run may repeat the one piece of work that was under way, never a finished one
    assert undisturbed <= _lines(tally) <= undisturbed + 2 * kills
    for name in ("toy", "toy/trials"):
        with xr.open_datatree(tmp_path / "out/results.nc") as tree:
            resumed = tree[name].to_dataset().load()
        with xr.open_datatree(tmp_path / "undisturbed/out/results.nc") as tree:
            calm = tree[name].to_dataset().load()
        measured = [v for v in calm.variables if "_s" in v or "memory" in v or v in ("started", "finished", "seal")]
        xr.testing.assert_identical(resumed.drop_vars(measured), calm.drop_vars(measured))


def _called(folder: Path, name: str) -> list[Path]:
    """Return the files of that name, however folders come and go meanwhile."""
    return [Path(place) / name for place, _, files in os.walk(folder) if name in files]


def _lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def _wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("sandbox", [[], ["--no-sandbox"]], ids=["as it is", "without a sandbox"])
def test_a_killed_runner_takes_its_children_with_it(sandbox, start, write_suite, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: train, params: {file: epochs.txt, ends: hang}}]
metrics: [error]
""")
    process = start("run", suite, "--out", "out", *sandbox)
    # From the second line on the child sleeps for ten minutes. It writes where it is: in a sandbox a home of its own.
    _wait_for(lambda: [_lines(file) for file in _called(tmp_path, "epochs.txt")] == [2])
    assert any(_in_a_session_of_its_own(child) for child in _processes_in(tmp_path))
    process.kill()
    process.communicate(timeout=60)
    _wait_for(lambda: not _processes_in(tmp_path), 20)


def _processes_in(folder: Path) -> list[psutil.Process]:
    where = [(process, process.info["cwd"]) for process in psutil.process_iter(["cwd"])]
    return [process for process, cwd in where if cwd and Path(cwd).is_relative_to(folder)]


def _in_a_session_of_its_own(process: psutil.Process) -> bool:
    """Whether a process is a child that works for a run, or was started by one."""
    try:
        return os.getsid(process.pid) != os.getsid(0)
    except ProcessLookupError:
        return False
