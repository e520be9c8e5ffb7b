"""What the tests of the harness share: the fake plugin, a catalogue of it alone, and ways to run a command."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

import pytest

FAKES = Path(__file__).parent / "fakes"
collect_ignore = ["fakes"]  # plugins, which are imported as such

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _fakes_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FAKES))


@pytest.fixture
def catalogue():
    """The fake plugin's components alone."""
    from ctpbench.plugins import load_catalogue

    return load_catalogue([EntryPoint("fakes", "ctpbench_fakes", "ctpbench")])


@pytest.fixture
def write_suite(tmp_path: Path) -> Callable[[str], Path]:
    """Write a suite's text into the test's folder and return its path."""

    def write(text: str, name: str = "suite.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def ctpbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command of ctpbench to its end in this process, in the test's folder, with the fake plugin installed.

    Nothing but the interpreter is spared: what a run forks is forked all the same, from a server that the tests of a
    session share; it has the environment of the first. Output is caught where processes write it, below Python too.
    An exception that the command does not turn into an exit code, and a warning, fail the test. What only a process of
    its own can show (signals, edited code, the interpreter's start) is for `start` and `ctpbench_process`.
    """
    from ctpbench.cli import main

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        arguments = _arguments(words)
        capfd.readouterr()
        with monkeypatch.context() as patch, _process_state_kept():
            patch.chdir(tmp_path)
            patch.setenv("COLUMNS", "120")
            patch.setattr(sys, "argv", ["ctpbench", *arguments])
            with pytest.raises(SystemExit) as ended:
                main(arguments, prog_name="ctpbench")
        shown = capfd.readouterr()
        code = ended.value.code
        return subprocess.CompletedProcess(["ctpbench", *arguments], 0 if code is None else code, shown.out, shown.err)

    return run


def _arguments(words: Sequence[str | Path]) -> list[str]:
    """Return a command's words. A run draws no pictures and writes no pages, which take longest, unless a test asks."""
    first, *others = (str(word) for word in words)
    return [first, "--no-report", *others] if first == "run" else [first, *others]


@contextmanager
def _process_state_kept() -> Iterator[None]:
    """Put back what a command may change for good in a process that is its own: environment and signal handlers."""
    variables = dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a command of ctpbench in a process of its own, in the test's folder, with the fake plugin installed."""
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in a background job
    program = [sys.executable, "-c", f"{code}from ctpbench.cli import main; main(prog_name='ctpbench')"]

    def begin(*words: str | Path) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        command = [*program, *_arguments(words)]
        return subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=pipe, stderr=pipe, text=True)

    return begin


@pytest.fixture
def fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BaseProcess]:
    """Start a command of ctpbench in a process forked from the server that the runs of `ctpbench` use.

    It is as much a process as one of `start`, and dies as one. Only what happens before the command begins is spared.
    """
    import forked

    def begin(*words: str | Path) -> BaseProcess:
        process = multiprocessing.get_context("forkserver").Process(
            target=forked.command, args=(_arguments(words),), daemon=False
        )
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)  # where the process starts
            patch.setitem(sys.modules, "__main__", ModuleType("__main__"))
            process.start()
        return process

    return begin


@pytest.fixture
def ctpbench_process(tmp_path: Path) -> Command:
    """Run the installed script `ctpbench` to its end, in the test's folder, with the fake plugin installed."""
    script = Path(sysconfig.get_path("scripts")) / "ctpbench"

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(script), *_arguments(words)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=300
        )

    return run


def environment() -> dict[str, str]:
    """Return this process's environment with the fake plugin installed, and the width that tests count on."""
    path = os.pathsep.join([str(FAKES), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "120"}
