"""The smaller commands, and mistakes at the command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMANDS = (
    "run", "plan", "status", "leaderboard", "compare", "claims", "clean", "verify", "new", "list", "show", "plugins",
    "schema", "check", "completion",
)  # fmt: skip


def test_help_lists_every_command_and_gives_an_example(ctpbench):
    shown = ctpbench("--help")
    assert shown.returncode == 0
    assert "Example: ctpbench run" in shown.stdout
    for name in COMMANDS:
        assert f"\n  {name}" in shown.stdout
        assert f"Example: ctpbench {name}" in ctpbench(name, "--help").stdout


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["new", "suite", "--help"]])
def test_help_imports_nothing_heavy(words):
    code = (
        "import sys\nfrom ctpbench.cli import main\n"
        f"try:\n    main({words!r}, prog_name='ctpbench')\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy', 'xarray', 'pydantic', 'rich', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["list"], "misbehave"),
        (["show", "shrink"], "weight"),
        (["plugins"], "ctpbench-fakes"),
        (["schema"], '"weight"'),
    ],
)
def test_the_installed_script_has_commands_about_what_is_installed(words, expected, ctpbench_process):
    done = ctpbench_process(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert expected in done.stdout


def test_the_installed_script_takes_a_suite_from_a_run_to_its_claims(ctpbench_process, write_suite, tmp_path):
    suite = write_suite("datasets: [{name: toy, noise: [1]}]\ndenoisers: [leave, shrink]\nmetrics: [error]\n")
    claims = "paper: A\nclaims: [{says: It helps, check: ahead, rows: [shrink], of: [leave], scores: [error_cbf]}]\n"
    write_suite(claims, "claims.yaml")
    for words, expected in (
        (["run", suite, "--out", "out"], "Written to out: results.nc"),
        (["plan", suite, "--out", "out"], "2 cells: 2 finished, 0 to run"),  # keys are the same in any process
        (["status", "out"], "2 of 2 cells finished"),
        (["leaderboard", "out", "--by", "error_mtt"], "shrink"),
        (["compare", "out"], "No test: 2 patients"),
        (["claims", "out"], "of 1 claims hold"),
    ):
        done = ctpbench_process(*words)
        assert (done.returncode, done.stderr) == (0, ""), words
        assert expected in done.stdout
    assert (tmp_path / "out/claims.yaml").read_text() == claims


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "missing.yaml"], "missing.yaml"),
        (["plan", "missing.yaml"], "missing.yaml"),
        (["status", "nowhere"], "no run here"),
        (["leaderboard", "nowhere"], "no run here"),
        (["leaderboard", "nowhere.nc"], "no such file"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words, expected, ctpbench):
    done = ctpbench(*words)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_several_faults_are_reported_at_once_with_lines_and_suggestions(ctpbench, write_suite):
    suite = write_suite("""name: wrong
datasets:
  - {name: toy, params: {sise: 4}, noise: [1, -2]}
denoisers:
  - {name: shrnk}
  - {name: shrink, params: {weight: 3}}
metrics: [error]
resorces: {threads: 1}
""")
    done = ctpbench("run", suite)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line.split(":")[1] for line in lines] == ["3", "3", "5", "6", "8"]
    for hint in ("did you mean size", "did you mean shrink", "did you mean resources"):
        assert hint in done.stderr


@pytest.mark.parametrize("label", ["status", "map", "denoise_s", "trials"])
def test_a_metric_called_like_a_part_of_the_results_is_refused_before_anything_runs(label, ctpbench, write_suite):
    suite = write_suite(f"datasets: [toy]\ndenoisers: [leave]\nmetrics: [{{name: error, label: {label}}}]\n")
    done = ctpbench("run", suite)
    assert done.returncode == 2
    assert f"something else {label!r}" in done.stderr


def test_a_device_that_is_not_there_is_named(ctpbench, write_suite):
    suite = write_suite("""
datasets: [toy]
denoisers: [leave]
metrics: [error]
resources: {device: mps}
""")
    done = ctpbench("run", suite)
    assert done.returncode == 2
    assert "'mps'" in done.stderr


def test_what_takes_more_memory_than_there_is_is_one_line(ctpbench, monkeypatch, write_suite):
    from ctpbench.running import runner

    def greedy(*arguments):
        import numpy as np

        np.empty((10**9, 10**9))

    monkeypatch.setattr(runner.Runner, "run", greedy)
    suite = write_suite("datasets: [toy]\ndenoisers: [leave]\nmetrics: [error]\n")
    done = ctpbench("run", suite, "--out", "out")
    assert done.returncode == 2
    assert done.stderr.startswith("ctpbench: not enough memory (Unable to allocate ")
    assert len(done.stderr.splitlines()) == 1


def test_a_full_disk_is_one_line_and_nothing_is_lost(ctpbench, monkeypatch, write_suite):
    import errno

    from ctpbench.running import runner

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runner.Runner, "run", full)
    suite = write_suite("datasets: [toy]\ndenoisers: [leave]\nmetrics: [error]\n")
    done = ctpbench("run", suite, "--out", "out")
    assert done.returncode == 2
    assert "no space left on the disk" in done.stderr
    assert len(done.stderr.splitlines()) == 1
