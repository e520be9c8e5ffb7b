"""A dataset whose process writes what it likes to the pipe that its harness listens to, and takes what it likes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Literal

import numpy as np

from ctpbench import Case, Dataset, Split
from ctpbench_fakes import Toy

_LONG_S = 10.0


class Trap:
    """Makes a file where it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


class Rogue(Dataset):
    """The toy's cases, and beside them what `how` says."""

    name, version = "rogue", "1"
    how: Literal[
        "well",
        "garbage",
        "object",
        "early",
        "doubled",
        "other",
        "wrong",
        "huge",
        "exit",
        "sleep",
        "burn",
        "eat",
        "fork",
    ] = "well"
    file: Path = Path("trap")

    def cases(self, split: Split) -> Sequence[str]:
        return Toy().cases(split)

    def load(self, case_id: str, noise: float | None) -> Case:
        for line in self._lines():
            _write_to_sockets(line)
        match self.how:
            case "exit":
                os._exit(3)
            case "sleep":
                time.sleep(_LONG_S)
            case "burn":  # in a process of its own, as a method's workers do
                subprocess.run([sys.executable, "-c", "while True: pass"], timeout=_LONG_S, check=False)
            case "eat":
                eaten = np.ones(2**26)  # 0.5 GiB
                time.sleep(_LONG_S)
                del eaten
            case "fork":
                if (child := os.fork()) != 0:
                    self.file.write_text(str(child))
                time.sleep(_LONG_S)
        return Toy().load(case_id, noise)

    def _lines(self) -> list[bytes]:
        key = b"rogue-" + self.how.encode() + b" 1"
        done = b'{"event": "done", "key": "%s", "outcome": {"status": "error", "message": "mine"}}\n'
        wrong = (
            b'{"event": "done", "key": "%s", "outcome": {"status": "ok", "info": {"stage": "scores", "scores": {}}}}\n'
        )
        return {
            "garbage": [b"hello\n"],
            "object": [bytes(ForkingPickler.dumps(Trap(self.file))) + b"\n"],
            "early": [b'{"event": "started", "key": "%s"}\n' % key],
            "doubled": [done % key],
            "other": [done % b"another"],
            "wrong": [wrong % key],
            "huge": [b"x" * 2**20] * 80,
        }.get(self.how, [])


def _write_to_sockets(line: bytes) -> None:
    for fd in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                rest = line
                while rest:
                    rest = rest[os.write(fd, rest) :]
