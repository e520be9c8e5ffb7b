"""The Makefile as a newcomer meets it: what it says there is, and that it needs a Python that is new enough."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-f", str(MAKEFILE), *words]
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(command, cwd=folder, env=alone, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def checkout(tmp_path):
    """What the Makefile needs of a checkout to begin the set-up."""
    for name in ("constraints.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def python_of(tmp_path):
    """Write an interpreter that says it is of another version, and makes no virtual environment but a note."""

    def write(*version: int) -> Path:
        path = tmp_path / "python"
        said = f"import sys; sys.version_info = {(*version, 'final', 0)}; exec(sys.argv[1])"
        path.write_text(
            f"""#!/bin/sh
if [ "$1" = -c ]; then exec {sys.executable} -c "{said}" "$2"; fi
echo "$@" > {tmp_path}/asked; exit 1
"""
        )
        path.chmod(0o755)
        return path

    return write


def test_help_shows_each_target_with_the_whole_of_its_text(tmp_path):
    lines = make(tmp_path, "help").stdout.splitlines()
    described = [line for line in MAKEFILE.read_text().splitlines() if " ## " in line and not line.startswith("\t")]
    assert [line.split(maxsplit=1) for line in lines] == [
        [line.partition(":")[0], line.partition(" ## ")[2]] for line in described
    ]
    assert any(":" in line for line in lines), "no text with a colon is left to tell"


@pytest.mark.parametrize(("version", "got"), [((3, 10, 14), "3.10"), ((3, 9, 0), "3.9"), ((2, 7, 18), "2.7")])
def test_an_older_python_is_told_in_one_line_what_is_needed(version, got, checkout, python_of):
    done = make(checkout, "demo", f"PYTHON={python_of(*version)}")
    assert done.returncode
    said = [line for line in done.stderr.splitlines() if not line.startswith("make:")]
    assert said == [f"needs Python 3.11 or newer, got {got}; set PYTHON=python3.11"]
    assert not (checkout / "asked").exists()


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 1), (4, 0, 0)])
def test_a_python_that_is_new_enough_makes_the_environment(version, checkout, python_of):
    done = make(checkout, "demo", f"PYTHON={python_of(*version)}")
    assert "needs Python" not in done.stderr
    assert (checkout / "asked").read_text() == f"-m venv .venv{os.linesep}"
