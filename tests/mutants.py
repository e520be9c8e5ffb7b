"""Break what matters, one line at a time, and see whether a test sees it: the table of mutants in CONTRIBUTING.md.

``python tests/mutants.py`` works on copies of the tree, two at a time: it first runs the tests as they are, then each
mutant's test on the mutant. A mutant whose test still passes has survived, and is named. Words choose mutants: those
whose row holds one of them. ``--list`` shows them and runs nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parents[1]
_ROW = re.compile(
    r"^\| `(?P<file>[^`|\n]+)` \| `(?P<old>[^`|\n]+)` \| `(?P<new>[^`|\n]+)` \| `(?P<test>[^`|\n]+)` \|$",
    re.MULTILINE,
)
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "runs", "__pycache__", ".*_cache", ".benchmarks", ".hypothesis")
_AT_ONCE = 2
_TEST_TIMEOUT_S, _TIMEOUT_S = 120, 900  # of one test, and of all that one call of pytest runs


@dataclass(frozen=True)
class Mutant:
    """Where `old` stands in a file, once, and `new` in its place must make a test fail."""

    file: str
    old: str
    new: str
    test: str

    def __str__(self) -> str:
        return f"{self.file}: {self.old}  ->  {self.new}"


def mutants(text: str) -> list[Mutant]:
    """Return the rows of the table in CONTRIBUTING.md."""
    return [Mutant(**row.groupdict()) for row in _ROW.finditer(text)]


def passes(tree: Path, *tests: str) -> bool:
    """Whether tests of a copy of the tree pass, none of it from any other place and no kernel from any cache.

    Raises
    ------
    RuntimeError
        Where they could not be run at all.
    """
    with tempfile.TemporaryDirectory() as kernels:
        paths = os.pathsep.join(map(str, [tree, *sorted((tree / "plugins").iterdir())]))
        environment = {**os.environ, "PYTHONPATH": paths, "NUMBA_CACHE_DIR": kernels, "PYTHONDONTWRITEBYTECODE": "1"}
        options = ["-x", "-q", "-p", "no:cacheprovider", f"--timeout={_TEST_TIMEOUT_S}"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.returncode == 0


def survives(mutant: Mutant, tree: Path) -> bool:
    """Whether a mutant's test passes on it; the copy is as before afterwards."""
    path = tree / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise RuntimeError(f"{mutant.file}: `{mutant.old}` stands there {text.count(mutant.old)} times; allowed: once")
    try:
        path.write_text(text.replace(mutant.old, mutant.new))
        return passes(tree, mutant.test)
    finally:
        path.write_text(text)


def survivors(chosen: Sequence[Mutant], folder: Path) -> int:
    """Return how many mutants survive, each tried in one of a few copies of the tree; prints them one by one."""
    trees: SimpleQueue[Path] = SimpleQueue()
    for number in range(_AT_ONCE):
        trees.put(shutil.copytree(ROOT, folder / str(number), ignore=_LEFT_OUT))

    def tried(mutant: Mutant) -> tuple[bool, float]:
        tree, started = trees.get(), time.monotonic()
        try:
            return survives(mutant, tree), time.monotonic() - started
        finally:
            trees.put(tree)

    if not passes(folder / "0", "-n", str(_AT_ONCE), *sorted({mutant.test for mutant in chosen})):
        raise RuntimeError("the tests fail without any mutant; mend them first")
    count, pool = 0, ThreadPoolExecutor(_AT_ONCE)
    try:
        for number, (mutant, (alive, seconds)) in enumerate(zip(chosen, pool.map(tried, chosen), strict=True), 1):
            count += alive
            verdict = "SURVIVED" if alive else "killed"
            print(f"{number}/{len(chosen)} {verdict} in {seconds:.0f} s: {mutant}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    return count


def main(words: list[str]) -> int:
    """Run the mutants whose row holds one of the words, all where there is none; return how many survived."""
    wanted = [word for word in words if word != "--list"]
    table = mutants((ROOT / "CONTRIBUTING.md").read_text())
    chosen = [m for m in table if not wanted or any(word in " ".join(vars(m).values()) for word in wanted)]
    if "--list" in words or not chosen:
        print(*(f"{mutant}  ({mutant.test})" for mutant in chosen), f"{len(chosen)} of {len(table)} mutants", sep="\n")
        return 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        alive = survivors(chosen, Path(folder))
    print(f"{len(chosen) - alive} of {len(chosen)} mutants were killed, in {time.monotonic() - started:.0f} s.")
    return alive


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
