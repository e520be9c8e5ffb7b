"""The commands about what is installed: list, show, plugins, schema, check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ctpbench.cli import main
from tests.conftest import FAKES
from tests.installed import Site, offering
from tests.stored import stored_records

BROKEN = "import no_such_module"
WHY = "did not load: kit-broken 1.0, entry point 'main': ModuleNotFoundError: No module named 'no_such_module'"


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return Site(tmp_path)


def ctpbench(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="ctpbench")


def test_listing_imports_neither_torch_nor_numba():
    code = (
        "import sys\nfrom ctpbench.cli import main\n"
        "try:\n    main(['list'], prog_name='ctpbench')\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'numba', 'skimage', 'matplotlib', 'optuna') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_list_names_components_of_every_kind():
    shown = ctpbench("list").stdout
    for name in ("toy", "shrink", "error", "phantom", "gaussian", "tips", "ttv", "rmse", "ssim"):
        assert name in shown
    assert "did not load" not in shown


def test_list_and_plugins_name_what_did_not_load_and_why(site):
    site.install("kit-broken", BROKEN)
    site.install("kit-sound", offering("kit-median"))
    for command in ("list", "plugins"):
        done = ctpbench(command)
        assert done.exit_code == 0
        assert WHY in done.stdout.splitlines()
        assert "kit-median" in done.stdout


def test_show_prints_parameters_units_and_source():
    shown = ctpbench("show", "tips").stdout
    for words in ("sigma_t_hu", "in HU", "window_px", "Mendrik", "version 1"):
        assert words in shown
    assert shown == ctpbench("show", "ctpbench-filters:tips").stdout.replace("ctpbench-filters:tips", "tips", 1)
    wrong = ctpbench("show", "tps")
    assert wrong.exit_code == 2
    assert "did you mean tips" in wrong.stderr


def test_show_of_a_name_that_two_offer_says_so_and_shows_both(site):
    for owner in ("acme", "zeta"):
        site.install(owner, offering("kit-median"))
    line = "denoiser 'kit-median' is offered by 2 distributions; allowed: acme:kit-median or zeta:kit-median"
    done = ctpbench("show", "kit-median")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == line
    assert "\nacme:kit-median, version 1, denoiser of acme 1.0\n" in done.stdout
    assert "\nzeta:kit-median, version 1, denoiser of zeta 1.0\n" in done.stdout
    one = ctpbench("show", "zeta:kit-median").stdout
    assert one.startswith("zeta:kit-median, version 1, denoiser of zeta 1.0\n")
    assert "acme" not in one
    assert any(line in text for text in ctpbench("plugins").stdout.splitlines())
    assert "did not load" not in ctpbench("plugins").stdout
    listed = ctpbench("list").stdout
    assert "acme:kit-median" in listed
    assert "zeta:kit-median" in listed


def test_plugins_names_what_loaded():
    shown = ctpbench("plugins").stdout
    assert "ctpbench-filters" in shown
    assert "ctpbench-fakes" in shown


def test_schema_is_json_and_knows_the_plugins_parameters():
    schema = json.loads(ctpbench("schema").stdout)
    assert "sigma_t_hu" in schema["$defs"]["denoiser.tips"]["properties"]


BAD = """
from ctpbench import FrameDenoiser, hookimpl

class Bad(FrameDenoiser):
    name, version = "kit-bad", "1"

    def denoise(self, observation, context):
        return None

@hookimpl
def ctpbench_denoisers():
    return [Bad]
"""


def test_check_passes_good_components_and_fails_bad_ones(site):
    good = ctpbench("check", "ctpbench-metrics")
    assert good.exit_code == 0
    assert "failed" not in good.stdout
    site.install("kit-bad", BAD)
    bad = ctpbench("check", "kit-bad")
    assert bad.exit_code == 3
    assert "failed kit-bad: " in bad.stdout
    unknown = ctpbench("check", "nothing")
    assert unknown.exit_code == 2


def test_check_of_a_package_with_a_broken_entry_point_checks_the_rest(site):
    site.install("kit-half", offering("kit-median"), others={"extra": BROKEN})
    done = ctpbench("check", "kit-half")
    assert done.exit_code == 3
    first, *others, last = done.stdout.splitlines()
    assert first == "failed entry point 'extra': loads: ModuleNotFoundError: No module named 'no_such_module'"
    assert all(line.startswith("passed kit-median: ") for line in others)
    assert last == f"{len(others)} of {len(others) + 1} checks passed."


# -- a run with two components of one name ---

TWIN = """
from ctpbench_fakes import Error, Shrink, Toy


class Box(Toy):
    name = "box"


class Pull(Shrink):
    name = "pull"


class Miss(Error):
    name = "miss"


@hookimpl
def ctpbench_datasets():
    return [Box]


@hookimpl
def ctpbench_denoisers():
    return [Pull]


@hookimpl
def ctpbench_metrics():
    return [Miss]
"""
SUITE = """
datasets: [acme:box, {name: zeta:box, params: {seed: 1}, noise: [2, 4]}]
denoisers: [acme:pull, {name: zeta:pull, tune: {parameters: {weight: [0, 1]}, metric: "zeta:miss"}}]
metrics: [acme:miss, zeta:miss]
"""


def in_another_process(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(FAKES), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    program = [sys.executable, "-c", "from ctpbench.cli import main; main(prog_name='ctpbench')", *words]
    return subprocess.run(
        program, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


def test_a_run_tells_components_of_one_name_apart_down_to_its_files(site, ctpbench):
    from ctpbench.outcome.results import open_results

    for owner in ("acme", "zeta"):
        site.install(owner, TWIN, requires="ctpbench-fakes")
    (site.folder / "suite.yaml").write_text(SUITE)
    done = in_another_process(site.folder, "run", "suite.yaml", "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    out = site.folder / "out"
    tree = open_results(out / "results.nc")
    assert list(tree.children) == ["acme:box", "zeta:box"]
    for node in tree.children.values():
        assert node["config"].values.tolist() == ["acme:pull", "zeta:pull"]
        assert node["distribution"].values.tolist() == ["acme 1.0", "zeta 1.0"]
        assert (node["status"].values == "ok").all()
        assert {"acme:miss", "zeta:miss"} <= set(node.data_vars)
        assert node["acme:miss"].notnull().all()
    page = (out / "leaderboard.md").read_text()
    assert "acme:box" in page
    assert "zeta:pull" in page
    names = {path.name for path in (out / "panels").iterdir()}
    assert {"acme%3Abox.png", "zeta%3Abox-2.png", "zeta%3Abox-4.png"} <= names
    assert any("zeta%3Abox" in path.name for path in (out / "curves").iterdir())
    assert not [path for path in out.rglob("*") if ":" in path.name]
    records = stored_records(out)
    again = ctpbench("run", "out/suite.lock.yaml", "--out", "out")
    assert again.returncode == 0, again.stdout + again.stderr
    assert stored_records(out) == records
    plan = ctpbench("plan", "suite.yaml", "--out", "out").stdout
    assert "6 cells: 6 finished, 0 to run." in plan
