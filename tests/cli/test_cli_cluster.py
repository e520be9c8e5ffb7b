"""`ctpbench run` on clusters, as a user meets it: the same results as on this machine, and what is refused."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from tests import slurm

SUITE = """
datasets: [{name: toy, params: {test_cases: 2, validation_cases: 1}, noise: [1]}]
denoisers:
  - leave
  - {name: learn, params: {factor: 0.5}}
  - {name: misbehave, params: {how: signal}}
  - {name: shrink, tune: {parameters: {weight: [0.1, 0.2]}, metric: error}}
metrics: [error]
"""
SMALL = """
datasets: [{name: toy, params: {test_cases: 1}, noise: [1]}]
denoisers: [{name: learn, params: {factor: 0.5}}]
metrics: [error]
resources: {threads: 1}
"""
LOCAL = {"cluster": "local", "options": {"threads_per_worker": 1}}


def scores(folder: Path) -> xr.Dataset:
    with xr.open_datatree(folder / "results.nc") as tree:
        return tree["toy"].to_dataset().load()


@pytest.fixture
def there(start):
    """Run a suite on a cluster, in a process of its own; return exit code, output and errors."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        process = start("run", *words)
        out, err = process.communicate(timeout=400)
        return process.returncode, out, err

    return run


def test_a_cluster_gives_the_results_that_this_machine_gives(there, ctpbench, write_suite, tmp_path):
    """Files travel to its workers and back, and nothing of the run's folder is seen there."""
    suite = write_suite(SUITE)
    (tmp_path / "cluster.yaml").write_text(json.dumps({**LOCAL, "shared_disk": False}))
    code, out, err = there(suite, "--out", "there", "--cluster", "cluster.yaml")
    assert code == 3, err
    assert err == ""
    assert "1 worker on " in out
    assert "misbehave(how=signal): crashed killed by SIGSEGV" in out
    assert "tuned to weight=" in out
    here = ctpbench("run", suite, "--out", "here")
    assert here.returncode == 3
    np.testing.assert_array_equal(scores(tmp_path / "there")["error"], scores(tmp_path / "here")["error"])
    with (
        xr.open_datatree(tmp_path / "there/results.nc") as tree,
        xr.open_datatree(tmp_path / "here/results.nc") as same,
    ):
        assert tree.attrs["cpu"] == same.attrs["cpu"]
        assert tree.attrs["workers"] == 1
    logs = "".join(path.read_text() for path in (tmp_path / "there/logs").iterdir())
    assert "learnt a mean of " in logs
    assert "Segmentation fault" in logs
    assert ctpbench("run", suite, "--out", "there").stdout.count("(cached)") == 4  # on a cluster or not is in no key


def test_processes_of_dask_on_this_machine(there, write_suite, tmp_path):
    code, out, err = there(write_suite(SMALL), "--out", "out", "--executor", "dask", "--serial-timing")
    assert (code, err) == (0, "")
    assert "1 thread each, 1 at a time" in out
    assert "1/1 toy, noise 1: learn(factor=0.5): ok" in out
    assert not scores(tmp_path / "out")["contended"].any()


def test_a_strangers_executor_is_listed_and_gives_the_results_that_this_machine_gives(
    there, ctpbench, write_suite, tmp_path, monkeypatch
):
    """Its parameters come by flags, or by a file."""
    monkeypatch.setenv("CTPBENCH_CACHE", "none")
    suite = write_suite(SUITE)
    code, out, err = there(suite, "--out", "there", "--executor", "processes", "--param", "count=1")
    assert (code, err) == (3, "")
    assert f"on processes, which reaches {os.uname().nodename}: " in out
    assert "1 at a time" in out
    assert "misbehave(how=signal): crashed killed by SIGSEGV" in out
    assert ctpbench("run", suite, "--out", "here").returncode == 3
    np.testing.assert_array_equal(scores(tmp_path / "there")["error"], scores(tmp_path / "here")["error"])
    (tmp_path / "tickets.yaml").write_text("executor: tickets\ncounters: 2\n")
    again = ctpbench("run", suite, "--out", "there", "--cluster", "tickets.yaml")
    assert again.stdout.startswith("4 cells finished before\n")  # so nobody is asked
    assert "A queue of jobs, each a process." in ctpbench("list").stdout


def test_a_finished_run_starts_no_cluster_and_says_where_it_was(ctpbench, write_suite, tmp_path, monkeypatch):
    suite = write_suite(SMALL)
    assert ctpbench("run", suite, "--out", "out").returncode == 0
    with xr.open_datatree(tmp_path / "out/results.nc") as tree:
        before = {name: tree.attrs[name] for name in ("cpu", "memory_gib", "threads", "jobs", "sandbox")}
    nowhere = ("--scheduler", "tcp://127.0.0.1:1")
    done = ctpbench("run", suite, "--out", "out", *nowhere)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 cells finished before\n")
    with xr.open_datatree(tmp_path / "out/results.nc") as tree:
        assert {name: tree.attrs[name] for name in before} == before
    (tmp_path / "out/cells.json").unlink()  # nobody says where it was
    monkeypatch.setattr("ctpbench.running.executors.dask._CONNECTS_WITHIN_S", 0.5)
    assert ctpbench("run", suite, "--out", "out", "--into", *nowhere).returncode == 2


@pytest.mark.skipif(bool(slurm.lacking()), reason=f"no SLURM: {slurm.lacking()}")
def test_a_suite_runs_on_slurm(there, write_suite, tmp_path, monkeypatch):
    cluster = {
        "cluster": "slurm",
        "options": {
            "cores": 1,
            "memory": "1GB",
            "walltime": "00:10:00",
            "interface": "lo",
            "job_directives_skip": ["--mem"],
            "job_extra_directives": ["--mem=0"],
            "worker_extra_args": ["--lifetime", "8m"],
            "log_directory": str(tmp_path / "jobs"),
        },
    }
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(cluster))
    with slurm.slurm() as environment:
        monkeypatch.setenv("SLURM_CONF", environment["SLURM_CONF"])
        code, out, err = there(write_suite(SMALL), "--out", "out", "--cluster", "cluster.yaml")
        jobs = list((tmp_path / "jobs").iterdir())
    assert (code, err) == (0, "")
    assert f"1 worker on {os.uname().nodename}" in out
    assert "1/1 toy, noise 1: learn(factor=0.5): ok" in out
    assert jobs


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--scheduler", "tcp://x:1", "--cluster", "c.yaml"],
            "--scheduler and --cluster: got both; allowed: one of them",
        ),
        (
            ["--scheduler", "tcp://x:1", "--executor", "local"],
            "--executor local: got --scheduler too; allowed with it: dask",
        ),
        (["--param", "workers=2", "--cluster", "c.yaml"], "--param and --cluster: got both; allowed: one of them"),
        (["--param", "workers=2"], "--param: got no --executor; allowed: with the one whose parameters they are"),
        (["--executor", "dusk"], "--executor: no executor 'dusk' (did you mean dask?); installed: dask, local"),
        (
            ["--executor", "dask", "--param", "worker=2"],
            "--param: 'dask' has no parameter 'worker'; it takes scheduler,",
        ),
        (["--cluster", "none.yaml"], "--cluster none.yaml: no such file; write one, as docs/howto/cluster.md shows"),
        (["--scheduler", "nowhere"], "--scheduler nowhere: no scheduler answers at nowhere ("),
    ],
    ids=["both", "local", "file and parameter", "no name", "name", "parameter", "no file", "no address"],
)
def test_options_that_make_no_sense_are_refused_in_one_line(words, said, ctpbench, write_suite):
    done = ctpbench("run", write_suite(SMALL), "--out", "out", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_without_dask_it_is_said_how_it_is_installed(ctpbench, write_suite, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    for name in ("dask", "dask_worker", "carriage", "dispatch", "roster"):
        monkeypatch.delitem(sys.modules, f"ctpbench.running.executors.{name}", raising=False)
    done = ctpbench("run", write_suite(SMALL), "--out", "out", "--executor", "dask")
    assert done.returncode == 2
    assert done.stderr.startswith("--executor dask: lacks a package (")
    assert done.stderr.endswith("install it with: pip install 'ctpbench[dask]'\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("executor: dusk", "cluster.yaml:1: executor: no executor 'dusk' (did you mean dask?); installed: dask, local"),
        ("executor: local\nworkers: 2", "cluster.yaml:2: 'local' has no parameter 'workers'; it takes none"),
        (
            "cluster: slrum",
            "cluster.yaml:1: cluster: got 'slrum'; allowed: local, htcondor, lsf, oar, pbs, sge, slurm, or",
        ),
        ("cluster: local\nworkers: 0", "cluster.yaml:2: workers"),
        ("cluster: local\nworkers: {minimum: 3, maximum: 2}", "cluster.yaml:2: workers"),
        ("cluster: local\nqueue: all", "cluster.yaml:2: 'dask' has no parameter 'queue'; it takes "),
        ("cluster: 'nowhere:Cluster'", "--cluster cluster.yaml: cannot import nowhere (No module named 'nowhere')"),
        ("cluster: 'json:Cluster'", "--cluster cluster.yaml: json has no class 'Cluster'"),
        ("cluster: 'json:dumps'", "--cluster cluster.yaml: json:dumps: TypeError: dumps() missing 1 required"),
        ("cluster: 'collections:OrderedDict'", "--cluster cluster.yaml: collections:OrderedDict: AttributeError: "),
    ],
)
def test_what_is_wrong_with_a_cluster_file_is_said(text, said, ctpbench, write_suite):
    write_suite(text, "cluster.yaml")
    done = ctpbench("run", write_suite(SMALL), "--out", "out", "--cluster", "cluster.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith(said), done.stderr
