"""Start-up in a fresh process, beside what it cannot be faster than: the interpreter and what it must import."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import pytest

from .contest import Peer

PROGRAM = "import sys; sys.argv[0] = 'ctpbench'; from ctpbench.cli import main; main()"


def python(code: str, *words: str) -> str:
    return subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True).stdout


FLOORS = {"python -c pass": "pass", "import click": "import click", "import xarray": "import xarray"}


def output_of(code: str, *words: str) -> str:
    """Run, and see that something sensible was said."""
    said = python(code, *words)
    assert "gaussian" in said or "Usage: ctpbench" in said
    return said


TASKS = {
    "ctpbench --help": (partial(output_of, PROGRAM, "--help"), ["python -c pass", "import click"]),
    "ctpbench list": (partial(output_of, PROGRAM, "list"), ["python -c pass", "import xarray"]),
    "import ctpbench": (partial(python, "import ctpbench"), ["python -c pass"]),
    "import ctpbench.Case": (partial(python, "from ctpbench import Case"), ["python -c pass", "import xarray"]),
}


@pytest.mark.parametrize(
    ("task", "who"), [(task, who) for task, (_, floors) in TASKS.items() for who in ("ours", *floors)]
)
def test_startup(contest, task, who):
    ours, floors = TASKS[task]
    peers = {floor: Peer(partial(python, FLOORS[floor])) for floor in floors}
    contest(who, task=task, size="process", ours=ours, peers=peers)
