"""A stranger joins: the template plugin under another name, and what `new` writes, installed and run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ctpbench.plugins import load_catalogue
from ctpbench.scaffolds.package import new_package
from tests.stored import stored_records

ROOT = Path(__file__).parents[1]


def install(project: Path, site: Path) -> None:
    """Install a distribution into a folder of its own, as pip would into an environment."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(site), str(project)], check=True, capture_output=True, text=True)


def run(suite: Path, site: Path) -> subprocess.CompletedProcess[str]:
    already = filter(None, [os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT / "tests/fakes"), *already])}
    program = [sys.executable, "-c", "from ctpbench.cli import main; main(prog_name='ctpbench')"]
    command = [*program, "run", "--no-report", str(suite), "--out", str(suite.parent / "out")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def statuses(folder: Path) -> dict[str, str]:
    found = stored_records(folder)
    return {record["method"]: record["status"] for record in found}


@pytest.fixture
def renamed(tmp_path: Path) -> Path:
    """The template plugin, copied as its README says: another distribution, package and other names."""
    copy = tmp_path / "stranger-filters"
    shutil.copytree(ROOT / "plugins/ctpbench-filters", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "ctpbench_filters").rename(copy / "stranger_filters")
    for path in [copy / "pyproject.toml", *copy.rglob("*.py")]:
        text = (
            path.read_text()
            .replace("ctpbench_filters", "stranger_filters")
            .replace("ctpbench-filters", "stranger-filters")
        )
        text = re.sub(r"^filters = ", "stranger = ", text, flags=re.M)
        path.write_text(re.sub(r'name, version = "', 'name, version = "stranger-', text))
    return copy


def test_a_renamed_copy_of_the_template_runs_and_conforms(renamed, tmp_path):
    install(renamed, tmp_path / "site")
    suite = tmp_path / "suite.yaml"
    suite.write_text("""
datasets: [{name: toy, params: {size: 12}, noise: [2]}]
denoisers: [stranger-none, {name: stranger-gaussian, params: {sigma_px: 1}}, none]
metrics: [error]
""")
    done = run(suite, tmp_path / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    assert statuses(tmp_path / "out") == {"stranger-none": "ok", "stranger-gaussian": "ok", "none": "ok"}


def test_the_readme_example_is_what_new_writes_and_it_is_short_installs_and_runs(tmp_path):
    _, project = new_package("denoiser", "my-denoiser", load_catalogue(), tmp_path / "my-denoiser")
    code = (project / "my_denoiser.py").read_text()
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert code in blocks
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    install(project, tmp_path / "site")
    suite = tmp_path / "suite.yaml"
    suite.write_text("""
datasets: [{name: toy, noise: [2]}]
denoisers: [{name: my_denoiser, params: {width: 3}}]
metrics: [error]
""")
    done = run(suite, tmp_path / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    assert statuses(tmp_path / "out") == {"my_denoiser": "ok"}
