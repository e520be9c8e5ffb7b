"""Peers that are not part of the environment: a contest takes place without those that are missing.

README.md says how to have them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import io

PCT = "pct (Octave)"
_TOOLBOX = "CTPBENCH_PCT"
_END = "-- done --"


@cache
def missing(peer: str) -> str:
    """Return why a peer can't be had; nothing where it can."""
    if peer == PCT:
        if shutil.which("octave-cli") is None:
            return "octave-cli: not installed"
        return (
            "" if (Path(os.environ.get(_TOOLBOX, "")) / "pct_tikh.m").is_file() else f"{_TOOLBOX}: names no pct_tikh.m"
        )
    try:
        import_module(peer)
    except (ImportError, OSError) as error:
        return f"{peer}: cannot be imported ({error})"
    return ""


def optional(peer: str) -> Any:
    """Return a parameter that is skipped where the peer is missing."""
    return pytest.param(peer, marks=pytest.mark.skipif(bool(missing(peer)), reason=missing(peer) or "is there"))


class Octave:
    """An Octave that stays open, with the pct toolbox on its path."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["octave-cli", "--quiet", "--no-init-file"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.run(f"addpath('{os.environ[_TOOLBOX]}');")

    def run(self, code: str) -> None:
        """Run code and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{code}\ndisp('{_END}'); fflush(stdout);\n")
        self._process.stdin.flush()
        printed: list[str] = []
        while (line := self._process.stdout.readline()) != f"{_END}\n":
            printed.append(line)
            assert line, f"Octave ended: {''.join(printed)}"  # as it does at an error

    def put(self, **arrays: np.ndarray) -> None:
        """Make arrays known under their names."""
        with tempfile.NamedTemporaryFile(suffix=".mat") as file:
            io.savemat(file.name, arrays)
            self.run(f"load('{file.name}');")

    def get(self, name: str) -> np.ndarray:
        """Return an array."""
        with tempfile.NamedTemporaryFile(suffix=".mat") as file:
            self.run(f"save('-v6', '{file.name}', '{name}');")
            return np.asarray(io.loadmat(file.name)[name])


@cache
def octave() -> Octave:
    """Return the one Octave of this process; it ends with it."""
    return Octave()
