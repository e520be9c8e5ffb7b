"""Build the six distributions, install them where nothing of this repository is, and try what a newcomer would.

``make wheels`` runs it. Wheels are made from the sdists, so both must hold everything. The environment is a new one in
a folder of its own: what is ours comes from the wheels alone, third parties from the environment that runs this.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import yaml

ROOT = Path(__file__).parents[1]
PROJECTS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
_SDIST = "import sys; from flit_core.buildapi import build_sdist; build_sdist(sys.argv[1])"
_ORIGINS = """
import importlib, json, pkgutil, sys
from importlib import metadata
ours = sorted({m for m, names in metadata.packages_distributions().items() if m.startswith("ctpbench")})
for name in ours:
    importlib.import_module(name)
import ctpbench
for info in pkgutil.walk_packages(ctpbench.__path__, "ctpbench."):
    importlib.import_module(info.name)
files = {name: module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] in ours}
print(json.dumps({"packages": ours, "files": files}))
"""
OWN = """
datasets:
  - name: own_heads
    params: {size_px: 40, frames: 30, test_patients: 1, validation_patients: 0, train_patients: 1}
    noise: [5]
denoisers: [noiseless, own_denoiser]
metrics: [rmse]
exclude: [{dataset: phantom, denoiser: own_denoiser}, {dataset: own_heads, denoiser: [gaussian, tips, ttv]}]
"""


def main() -> None:
    """Do all of it, and say what was done."""
    with tempfile.TemporaryDirectory(prefix="ctpbench-wheels-") as folder:
        place = Path(folder).resolve()
        wheels = built(place)
        for project, wheel in zip(PROJECTS, wheels, strict=True):
            check_contents(project, wheel)
        print(f"built and complete: {', '.join(wheel.name for wheel in wheels)}")
        home = Environment(place / "venv")
        home.install(*wheels)
        origins = json.loads(home.python("-c", _ORIGINS))
        strangers = {
            name: file for name, file in origins["files"].items() if not Path(file).is_relative_to(home.folder)
        }
        expected = {module_of(project) for project in PROJECTS}
        demand(
            set(origins["packages"]) == expected, f"installed: got {origins['packages']}; allowed: {sorted(expected)}"
        )
        demand(not strangers, f"imported from elsewhere: {strangers}")
        print(f"{len(origins['files'])} modules import, all of them from {home.folder.name}/")
        newcomer(home)


def built(place: Path) -> list[Path]:
    """Return the wheels, in the order of `PROJECTS`, made from sdists."""
    for project in PROJECTS:
        run([sys.executable, "-c", _SDIST, str(place / "sdists")], project)
    sdists = [path_of(place / "sdists", project, ".tar.gz") for project in PROJECTS]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(place / "wheels")]
    run([sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", *options, *map(str, sdists)], place)
    return [path_of(place / "wheels", project, ".whl") for project in PROJECTS]


def check_contents(project: Path, wheel: Path) -> None:
    """Demand that a wheel holds each file that the repository has of its package, no other, and the licence."""
    module = module_of(project)
    tracked = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", module], project).splitlines()
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = {Path(name).name: archive.read(name) for name in names if name.partition("/")[0].endswith(".dist-info")}
    held = {name for name in names if not name.partition("/")[0].endswith(".dist-info")}
    demand(held == set(tracked), f"{wheel.name}: differs from {module}/ in {sorted(held ^ set(tracked))}")
    demand(b"License-Expression: Apache-2.0" in info["METADATA"], f"{wheel.name}: names no licence")
    licence = (ROOT / "LICENSE").read_bytes()
    demand(info.get("LICENSE") == licence, f"{wheel.name}: holds no LICENSE, or another than the repository's")


class Environment:
    """A virtual environment without anything of ours; third parties are those of the one that runs this."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True)
        self.bin = folder / "bin"
        site = Path(self.python("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        others = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
        (site / "third-parties.pth").write_text("".join(f"{path}\n" for path in others))
        self.work = folder.with_name("work")
        self.work.mkdir()

    def install(self, *what: Path) -> None:
        """Install wheels or projects, and nothing that they require."""
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(self.bin / "python")]
        options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--force-reinstall"]
        run([*pip, "install", *options, *map(str, what)], self.work)

    def python(self, *words: str) -> str:
        """Run its Python and return what that prints."""
        return run([str(self.bin / "python"), *words], self.folder)

    def ctpbench(self, *words: str, folder: str = ".") -> str:
        """Run its ctpbench in a folder of the work and return what that prints."""
        return run([str(self.bin / "ctpbench"), *words], self.work / folder)


def newcomer(home: Environment) -> None:
    """Try what someone does who has no checkout."""
    demand("Commands:" in home.ctpbench("--help"), "--help names no commands")
    listed = home.ctpbench("list")
    for name in ("quick", "phantom", "isles2018", "tips", "n2n", "noiseless", "rmse"):
        demand(f"\n {name} " in listed, f"list: does not show {name}")
    demand("did not load" not in listed, listed)
    demand("21 cells: 0 finished" in home.ctpbench("plan", "quick"), "plan quick: not the 21 cells of the suite")
    for kind, name in (("denoiser", "own-denoiser"), ("dataset", "own-heads")):
        home.ctpbench("new", kind, name)
        home.install(home.work / name)
    print(home.ctpbench("check", "own-denoiser").splitlines()[-1])
    (home.work / "suite.yaml").write_text(yaml.safe_dump(main_job()))
    job = ("run", "suite.yaml", "-j", "2", "--cache", "none")
    print("\n".join(home.ctpbench(*job).splitlines()[:12]))
    demand("Nothing has changed since" in home.ctpbench(*job), "the same run again: not taken from its cache")


def main_job() -> dict[str, Any]:
    """Return the suite of ``make smoke`` with components of the newcomer's own."""
    suite: dict[str, Any] = yaml.safe_load((ROOT / "tests/smoke.yaml").read_text())
    for name, value in yaml.safe_load(OWN).items():
        suite[name] = [*suite.get(name, []), *value]
    return suite


def module_of(project: Path) -> str:
    """Return the name of a distribution's one package."""
    return str(tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"]).replace("-", "_")


def path_of(folder: Path, project: Path, suffix: str) -> Path:
    """Return the one file of a distribution in a folder."""
    (path,) = folder.glob(f"{module_of(project)}-*{suffix}")
    return path


def run(command: Sequence[str], folder: Path) -> str:
    """Run a command in a folder, with nothing of this repository on its path, and return what it prints."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)
    demand(
        done.returncode == 0,
        f"{' '.join(map(str, command[-4:]))}: exit code {done.returncode}\n{done.stdout}{done.stderr}",
    )
    return done.stdout


def demand(holds: bool, text: str) -> None:
    """End with a text unless something holds."""
    if not holds:
        sys.exit(f"wheels: {text}")


if __name__ == "__main__":
    main()
