"""What ``ctpbench new KIND NAME`` writes: a package that installs, conforms, passes its own tests and runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ctpbench.errors import InputError
from ctpbench.plugins import load_catalogue
from ctpbench.scaffolds.package import SCAFFOLDS, Names, new_package, rendered
from ctpbench.suite.load import load_suite
from ctpbench.testing import check_package
from tests.stored import stored_records


def install(project: Path, site: Path) -> None:
    """Do to a folder on the path what an installer would: the module, and metadata with the entry point."""
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    info = site / f"{declared['name'].replace('-', '_')}-{declared['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {declared['name']}\nVersion: {declared['version']}\n"
    (info / "METADATA").write_text(head + "".join(f"Requires-Dist: {name}\n" for name in declared["dependencies"]))
    points = declared["entry-points"]["ctpbench"].items()
    (info / "entry_points.txt").write_text("[ctpbench]\n" + "".join(f"{name} = {module}\n" for name, module in points))
    for _, module in points:
        (site / f"{module}.py").write_text((project / f"{module}.py").read_text())


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A package of each kind, by kind, called ``own-KIND``."""
    folder, catalogue = tmp_path_factory.mktemp("packages"), load_catalogue()
    return {kind: new_package(kind, f"own-{kind}", catalogue, folder / f"own-{kind}")[1] for kind in SCAFFOLDS}


@pytest.fixture(scope="module")
def site(packages, tmp_path_factory):
    """All of them installed, in a folder on the path."""
    folder = tmp_path_factory.mktemp("site")
    for package in packages.values():
        install(package, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder
    for kind in SCAFFOLDS:
        sys.modules.pop(f"own_{kind}", None)


@pytest.mark.parametrize("kind", SCAFFOLDS)
def test_a_package_passes_the_kit_as_it_is(kind, site):
    noise = (5.0,) if "--noise 5" in SCAFFOLDS[kind].check_options else (None,)
    results = check_package(f"own-{kind}", noise=noise)
    assert len(results) > 10
    assert not [result for result in results if not result.passed]


def test_their_own_tests_pass(packages, site):
    """All five in one process. The kit itself has just been run: what is left is what each package says of its own."""
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    folders = [str(package) for package in packages.values()]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "error"]
    done = subprocess.run(
        [*command, "-k", "not conforms", "--rootdir", str(site), *folders],
        cwd=site,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deselected" in done.stdout


@pytest.mark.parametrize("kind", SCAFFOLDS)
def test_its_suite_loads_and_holds_it_beside_the_controls(kind, packages, site):
    suite = load_suite(packages[kind] / "suite.yaml", load_catalogue())
    assert suite.name == f"own-{kind}"
    rows = {row.name for row in suite.denoisers}
    assert {"none", "noiseless"} < rows
    named = rows | {dataset.name for dataset in suite.datasets} | {metric.name for metric in suite.metrics}
    assert f"own_{kind}" in named


def test_all_of_them_run_in_one_suite(ctpbench, site, write_suite, tmp_path):
    suite = write_suite("""
datasets:
  - {name: own_dataset, params: {size_px: 16, test_patients: 2, validation_patients: 1, train_patients: 2}, noise: [5]}
denoisers: [none, noiseless, own_denoiser, own_learner, own_deconvolver]
metrics: [own_metric]
""")
    done = ctpbench("run", suite, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    records = stored_records(tmp_path / "out")
    assert {record["method"]: record["status"] for record in records} == dict.fromkeys(
        ["none", "noiseless", "own_denoiser", "own_learner", "own_deconvolver"], "ok"
    )


def test_what_is_written_is_formatted_and_says_its_name(packages):
    for kind, package in packages.items():
        done = subprocess.run(
            [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "--check", "."],
            cwd=package,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        for name in ("README.md", "suite.yaml", f"own_{kind}.py", f"tests/test_own_{kind}.py"):
            assert f"own_{kind}" in (package / name).read_text()
        assert "{{" not in (package / "README.md").read_text()


def test_a_scaffold_requires_what_its_module_imports():
    for kind, scaffold in SCAFFOLDS.items():
        code = rendered(kind, Names.of("own"))["own.py"]
        lines = [line.split() for line in code.splitlines() if line.startswith(("import ", "from "))]
        tops = {words[1].split(".")[0] for words in lines} - sys.stdlib_module_names
        assert tops == set(scaffold.requires)


@pytest.mark.parametrize(
    ("written", "distribution", "module", "cls"),
    [
        ("my-denoiser", "my-denoiser", "my_denoiser", "MyDenoiser"),
        ("my_denoiser", "my-denoiser", "my_denoiser", "MyDenoiser"),
        ("MyDenoiser", "my-denoiser", "my_denoiser", "MyDenoiser"),
        ("ttv2", "ttv2", "ttv2", "Ttv2"),
        ("A--b", "a-b", "a_b", "AB"),
    ],
)
def test_a_name_is_spelled_as_each_place_needs_it(written, distribution, module, cls):
    assert Names.of(written) == Names(distribution, module, cls)


@pytest.mark.parametrize(
    "written", ["", "../x", "a/b", "1x", "x-", "-x", "x y", "x.y", "é", "x" * 61, "x\n", "class", "match", "json"]
)
def test_what_is_no_name_is_refused_in_one_line(written, tmp_path):
    with pytest.raises(InputError, match=r"^new: .*(allowed|give another name)") as told:
        new_package("denoiser", written, load_catalogue([]), tmp_path / "out")
    assert "\n" not in str(told.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "written", "why"),
    [
        ("denoiser", "tips", "'tips' is a denoiser of ctpbench-filters"),
        ("metric", "tips", "'tips' is a denoiser of ctpbench-filters"),
        ("metric", "status", "the results call something else 'status'"),
        ("denoiser", "numpy", "a distribution 'numpy' is installed"),
        ("denoiser", "ctpbench-unet", "a distribution 'ctpbench-unet' is installed"),
        ("denoiser", "yaml", "Python imports something else as 'yaml'"),
        ("dataset", "truth", "the class would be called Truth, which the dataset imports"),
    ],
)
def test_a_name_that_is_taken_is_refused(kind, written, why, tmp_path):
    with pytest.raises(InputError, match=why):
        new_package(kind, written, load_catalogue(), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_nothing_that_is_there_is_written_over(tmp_path, monkeypatch):
    catalogue = load_catalogue([])
    full, empty, file = tmp_path / "full", tmp_path / "empty", tmp_path / "file"
    full.mkdir()
    (full / "thesis.tex").write_text("mine")
    empty.mkdir()
    file.write_text("mine")
    (tmp_path / "link").symlink_to(empty)
    for taken in (full, file, tmp_path / "link"):
        with pytest.raises(InputError, match="is there already, and nothing is written over"):
            new_package("denoiser", "own", catalogue, taken)
    assert [path.name for path in full.iterdir()] == ["thesis.tex"]
    assert file.read_text() == "mine"
    with pytest.raises(InputError, match="lies in, a file"):
        new_package("denoiser", "own", catalogue, file / "deep")
    new_package("denoiser", "own", catalogue, empty)
    assert (empty / "own.py").is_file()
    new_package("denoiser", "own", catalogue, tmp_path / "a/b")
    assert (tmp_path / "a/b/own.py").is_file()
    (tmp_path / "a/c").mkdir()
    monkeypatch.chdir(tmp_path / "a/c")
    new_package("denoiser", "own", catalogue, Path("."))
    assert Path("own.py").is_file()
    hidden = {path.name for path in tmp_path.rglob(".*")}
    assert hidden == {".gitignore"}
