"""Break what matters, one line at a time, and see whether a test sees it: the table of mutants in CONTRIBUTING.md.

``python tests/mutants.py`` works on a copy of the tree: it first runs the tests as they are, then each mutant's tests
on the mutant. A mutant whose tests still pass has survived, and is named. Words choose mutants: those whose row holds
one of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_ROW = re.compile(
    r"^\| `(?P<file>[^`]+)` \| `(?P<old>[^`]+)` \| `(?P<new>[^`]+)` \| `(?P<test>[^`]+)` \|$", re.MULTILINE
)
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "runs", "__pycache__", ".*_cache", ".benchmarks", ".hypothesis")
_TIMEOUT_S = 300


@dataclass(frozen=True)
class Mutant:
    """Where `old` stands in a file, once, and `new` in its place must make a test fail."""

    file: str
    old: str
    new: str
    test: str


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
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.returncode == 0


def survives(mutant: Mutant, tree: Path) -> bool:
    """Whether a mutant's tests pass on it; the copy is as before afterwards."""
    path = tree / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise RuntimeError(f"{mutant.file}: `{mutant.old}` stands there {text.count(mutant.old)} times; allowed: once")
    try:
        path.write_text(text.replace(mutant.old, mutant.new))
        return passes(tree, mutant.test)
    finally:
        path.write_text(text)


def main(words: list[str]) -> int:
    """Run the mutants whose row holds one of the words, all where there is none; return how many survived."""
    table = mutants((ROOT / "CONTRIBUTING.md").read_text())
    chosen = [m for m in table if not words or any(word in " ".join(vars(m).values()) for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=_LEFT_OUT)
        if not passes(tree, *sorted({mutant.test for mutant in chosen})):
            raise RuntimeError("the tests fail without any mutant; mend them first")
        survivors = 0
        for number, mutant in enumerate(chosen, 1):
            alive = survives(mutant, tree)
            survivors += alive
            what = f"{mutant.file}: {mutant.old}  ->  {mutant.new}"
            print(f"{number}/{len(chosen)} {'SURVIVED' if alive else 'killed'}: {what}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants were killed.")
    return survivors


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
