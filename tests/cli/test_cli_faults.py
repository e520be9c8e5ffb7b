"""What goes wrong around a run, made for real: full and read-only disks, an edited suite, a clock that goes back."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import pytest

from tests.conftest import environment
from tests.stored import stored_records

SUITE = """
datasets: [{name: toy, params: {size: 100, test_cases: 3}, noise: [1]}]
denoisers: [leave, {name: shrink, params: {weight: 0.3}}]
metrics: [error]
"""
RUN = f"{sys.executable} -c 'from ctpbench.cli import main; main(prog_name=\"ctpbench\")' run suite.yaml --out out"


@pytest.fixture
def shell(tmp_path):
    """Return a function that runs a script in a mount namespace of its own, in the test's folder."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        pytest.skip("no namespaces")
    enter = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*enter, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel lets no user make a mount namespace")

    def run(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*enter, "sh", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )

    (tmp_path / "suite.yaml").write_text(SUITE)
    (tmp_path / "out").mkdir()
    return run


def test_a_full_disk_is_one_line_and_with_room_the_same_command_goes_on(shell):
    done = shell(f"""
        mount -t tmpfs -o size=3m disk out
        {RUN} > first.txt 2> wrong.txt; echo code $?
        ls out/cache/data | wc -l
        mount -o remount,size=64m out
        {RUN} > second.txt; echo code $?
        cp -r out kept
    """)
    assert done.stdout.split() == ["code", "2", *done.stdout.split()[2:3], "code", "0"], done.stdout + done.stderr
    assert int(done.stdout.split()[2]) >= 1


def test_a_full_disk_says_what_to_do(shell, tmp_path):
    shell(f"mount -t tmpfs -o size=2m disk out; {RUN} > first.txt 2> wrong.txt")
    wrong = (tmp_path / "wrong.txt").read_text()
    assert wrong.startswith("ctpbench: no space left on the disk; free some and give the same command again")
    assert wrong.count("\n") == 1
    assert "Traceback" not in (tmp_path / "first.txt").read_text()


def test_a_read_only_folder_is_one_line(shell):
    done = shell(f"mount -t tmpfs -o ro disk out; {RUN}")
    assert done.returncode == 2
    assert done.stderr == "--out out: cannot be written to (Read-only file system); give another folder\n"


def test_a_suite_that_is_edited_during_its_run_changes_the_next_run(start, write_suite, ctpbench, tmp_path):
    text = """
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: leave, params: {wait_s: 1}}]
metrics: [error]
"""
    suite = write_suite(text)
    process = start("run", suite, "--out", "out")
    while not (tmp_path / "out/cells.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    suite.write_text(text.replace("noise: [1]", "noise: [1, 2]"))
    shown, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, wrong
    assert shown.count(": ok") == 1
    again = ctpbench("run", suite, "--out", "out")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("(cached)") == 1
    assert again.stdout.count(": ok") == 2


def test_nothing_of_the_environment_is_written(start, write_suite, monkeypatch, tmp_path):
    monkeypatch.setenv("ACCESS_TOKEN", "s3cr3t-and-l0ng")
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers: [leave, {name: misbehave, params: {how: raise}}]
metrics: [error]
""")
    process = start("run", suite, "--out", "out")
    process.communicate(timeout=60)
    assert process.returncode == 3
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) > 10
    assert not [path for path in written if b"s3cr3t" in path.read_bytes() or b"ACCESS_TOKEN" in path.read_bytes()]


BACKWARDS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
/* The time of day runs backwards, a hundred times as fast; what only ever rises is left alone. */
int clock_gettime(clockid_t which, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    static long long began;
    if (!real) real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int wrong = real(which, now);
    if (which != CLOCK_REALTIME) return wrong;
    long long ns = now->tv_sec * 1000000000LL + now->tv_nsec;
    if (!began) began = ns;
    ns = began - 100 * (ns - began);
    now->tv_sec = ns / 1000000000;
    now->tv_nsec = ns % 1000000000;
    return wrong;
}
"""


def test_a_clock_that_goes_back_changes_no_result(start, ctpbench, write_suite, monkeypatch, tmp_path):
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("no compiler for a clock that goes back")
    (tmp_path / "backwards.c").write_text(BACKWARDS)
    library = tmp_path / "backwards.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "backwards.c", "-ldl"], check=True)
    suite = write_suite(SUITE)
    with monkeypatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        process = start("run", suite, "--out", "out")
        shown, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, shown + wrong
    records = stored_records(tmp_path / "out")
    assert any(record["finished"] < record["started"] for record in records)  # it did go back
    assert all(seconds > 0 for record in records for seconds in record["timings"]["denoise_s"])
    assert "2 of 2 cells finished" in ctpbench("status", "out").stdout
    again = ctpbench("run", suite, "--out", "out")
    assert again.stdout.count("(cached)") == 2
