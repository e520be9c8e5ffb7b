"""Plugins are written to a temporary folder as distributions with metadata, as pip would leave them."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path
from textwrap import dedent

import pytest

import ctpbench
from ctpbench.contract.components import Dataset
from ctpbench.errors import PluginError
from ctpbench.plugins import check_component, code_hash, distribution_of, load_catalogue
from ctpbench.text import did_you_mean

HEAD = """
from typing import ClassVar
import ctpbench
from ctpbench import FrameDenoiser, Metric, hookimpl
"""
DENOISER = """
class {cls}(FrameDenoiser):
    name, version = "{name}", "1"
    def denoise(self, frames, context):
        return frames
"""
_unique = itertools.count()


class Site:
    """A folder on the import path that distributions are written to."""

    def __init__(self, folder: Path):
        self.folder = folder

    def install(self, distribution: str, code: str, *, version: str = "1.0", package: bool = False) -> str:
        """Write a module with an entry point and return the module's name, new in this process."""
        module = f"{distribution.replace('-', '_')}_{next(_unique)}"
        source = HEAD + dedent(code)
        if package:
            (self.folder / module).mkdir()
            (self.folder / module / "__init__.py").write_text(source)
        else:
            (self.folder / f"{module}.py").write_text(source)
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[ctpbench]\nmain = {module}\n")
        return module

    def catalogue(self):
        found = [e for d in metadata.distributions(path=[str(self.folder)]) for e in d.entry_points]
        return load_catalogue(found)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return Site(tmp_path)


def offering(*names: str) -> str:
    classes = "".join(DENOISER.format(cls=f"C{i}", name=name) for i, name in enumerate(names))
    hook = "@hookimpl\ndef ctpbench_denoisers():\n    return ["
    return classes + hook + ", ".join(f"C{i}" for i in range(len(names))) + "]\n"


def test_loads_what_a_distribution_offers(site):
    site.install("acme", offering("median", "mean"), version="2.1")
    catalogue = site.catalogue()
    (loaded,) = catalogue.loaded
    assert (loaded.entry_point, loaded.distribution, loaded.version) == ("main", "acme", "2.1")
    assert loaded.components == ("median", "mean")
    assert list(catalogue.denoisers) == ["mean", "median"]
    assert catalogue.find("denoiser", "mean").name == "mean"
    assert not catalogue.failures
    assert not catalogue.datasets
    assert not catalogue.metrics


def test_an_unknown_name_is_answered_with_the_nearest_and_with_all(site):
    site.install("acme", offering("median", "mean"))
    with pytest.raises(PluginError) as caught:
        site.catalogue().find("denoiser", "medain")
    assert str(caught.value) == "no denoiser 'medain' (did you mean median?); installed: mean, median"
    with pytest.raises(PluginError, match="no metric 'rmse'; installed: none; install a plugin that offers one"):
        site.catalogue().find("metric", "rmse")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('first\\n  second')", "RuntimeError: first second"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (
            "@hookimpl\ndef ctpbench_denoiser():\n    return []",
            "unknown hook 'ctpbench_denoiser' (did you mean ctpbench_denoisers?); allowed: ctpbench_datasets",
        ),
        ("def ctpbench_denoisers():\n    return []", "implements no hook"),
        ("@hookimpl\ndef ctpbench_denoisers(frames):\n    return []", "PluginValidationError"),
        ("@hookimpl\ndef ctpbench_denoisers():\n    return 1 / 0", "ZeroDivisionError: division by zero"),
        ("@hookimpl\ndef ctpbench_denoisers():\n    return 7", "TypeError: 'int' object is not iterable"),
        ("@hookimpl\ndef ctpbench_denoisers():\n    return [int]", "allowed: subclasses of Denoiser"),
        (offering("same", "same"), "denoiser 'same' is offered twice"),
        (offering("no good"), "got name 'no good'"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason_and_the_others_load(site, code, reason):
    site.install("broken", code)
    site.install("sound", offering("median"))
    catalogue = site.catalogue()
    (failure,) = catalogue.failures
    assert failure.distribution == "broken"
    assert reason in failure.reason
    assert "\n" not in failure.reason
    assert list(catalogue.denoisers) == ["median"]
    assert [plugin.distribution for plugin in catalogue.loaded] == ["sound"]
    assert len(catalogue.manager.get_plugins()) == 1  # the broken one hears of no cell
    with pytest.raises(PluginError, match=r"plugins that failed to load: broken 1\.0, entry point 'main': ."):
        catalogue.find("denoiser", "secret")


def test_a_plugin_that_only_listens_offers_no_component_and_is_loaded(site):
    site.install("logger", "@hookimpl\ndef ctpbench_cell_finished(record):\n    record['heard'] = True")
    catalogue = site.catalogue()
    assert catalogue.loaded[0].components == ()
    record: dict[str, bool] = {}
    catalogue.manager.hook.ctpbench_cell_finished(record=record)
    assert record == {"heard": True}


def test_one_name_from_two_plugins_is_an_error_that_names_both_and_spares_the_rest(site):
    site.install("acme", offering("median", "mean"))
    site.install("zeta", offering("median", "mode"), version="3")
    catalogue = site.catalogue()
    assert list(catalogue.denoisers) == ["mean", "mode"]
    text = "denoiser 'median' is offered by acme 1.0 and zeta 3; uninstall all but one"
    with pytest.raises(PluginError) as caught:
        catalogue.find("denoiser", "median")
    assert str(caught.value) == text
    assert [failure.reason for failure in catalogue.failures] == [text]
    assert len(catalogue.loaded) == 2


def test_three_claims_on_one_name_leave_it_a_clash(site):
    for name in ("a", "b", "c"):
        site.install(name, offering("median"))
    with pytest.raises(PluginError, match=r"a 1\.0 and b 1\.0 and c 1\.0"):
        site.catalogue().find("denoiser", "median")


def test_one_name_may_serve_two_kinds(site):
    site.install("acme", offering("mean"))
    site.install(
        "zeta",
        """
        class Mean(Metric):
            name, version, better, units = "mean", "1", "lower", "map"
            def score(self, case): ...
        @hookimpl
        def ctpbench_metrics():
            return [Mean]
        """,
    )
    catalogue = site.catalogue()
    assert not catalogue.failures
    assert catalogue.find("metric", "mean") is not catalogue.find("denoiser", "mean")


BODY = {"denoise": lambda self, frames, context: frames, "__module__": __name__}


def component(base: type, **namespace: object) -> type:
    return type(base)("Made", (base,), {**BODY, **namespace})


@pytest.mark.parametrize(
    ("kind", "base", "namespace", "reason"),
    [
        ("denoiser", "FrameDenoiser", {"denoise": None, "name": "a", "version": "1"}, None),
        ("denoiser", "FrameDenoiser", {"version": "1"}, "got name None"),
        ("denoiser", "FrameDenoiser", {"name": "a"}, "got version None"),
        ("denoiser", "FrameDenoiser", {"name": "a", "version": ""}, "got version ''"),
        ("denoiser", "Deconvolver", {"name": "a", "version": "1"}, "does not implement deconvolve"),
        ("denoiser", "Metric", {"name": "a", "version": "1"}, "allowed: subclasses of Denoiser"),
        (
            "denoiser",
            "Trainable",
            {"name": "a", "version": "1", "fit": 0, "save": 0, "load": 0},
            "got learns_from None; allowed: noisy or clean",
        ),
        ("metric", "Metric", {"name": "a", "version": "1", "score": 0, "units": "s"}, "got better None"),
        ("metric", "Metric", {"name": "a", "version": "1", "score": 0, "better": "lower"}, "units missing"),
    ],
)
def test_component_checks(kind, base, namespace, reason):
    methods = {name: (lambda self: None) if value in (None, 0) else value for name, value in namespace.items()}
    cls = component(getattr(ctpbench, base), **methods)
    if reason is None:
        check_component(kind, cls)
        return
    with pytest.raises(PluginError) as caught:
        check_component(kind, cls)
    assert reason in str(caught.value)


def test_a_denoiser_must_be_of_one_of_the_kinds():
    from ctpbench.contract.components import Denoiser

    with pytest.raises(PluginError, match="allowed: a subclass of FrameDenoiser, ConcentrationDenoiser"):
        check_component("denoiser", component(Denoiser, name="a", version="1"))


def test_an_annotated_name_is_a_parameter_and_no_class_attribute(site):
    body = DENOISER.format(cls="C", name="a").replace('name, version = "a", "1"', 'name: str = "a"; version = "1"')
    site.install("acme", body + "@hookimpl\ndef ctpbench_denoisers():\n    return [C]")
    (failure,) = site.catalogue().failures
    assert "name" in failure.reason


def test_a_parameter_of_a_missing_type_fails_the_plugin(site):
    body = DENOISER.format(cls="C", name="a").replace("    def", "    sigma: 'Missing' = 1\n    def")
    site.install("acme", body + "@hookimpl\ndef ctpbench_denoisers():\n    return [C]")
    (failure,) = site.catalogue().failures
    assert "Missing" in failure.reason


@pytest.mark.parametrize(
    ("name", "options", "answer"),
    [
        ("sigma", ["window_px", "sigma_t_hu", "sigma_s_px"], " (did you mean sigma_t_hu?)"),
        ("RMSE", ["rmse", "ssim"], " (did you mean rmse?)"),
        ("rms", ["ssim", "rmse"], " (did you mean rmse?)"),
        ("gau", ["tips", "gaussian"], " (did you mean gaussian?)"),
        ("zzz", ["rmse", "ssim"], ""),
        ("x", [], ""),
    ],
)
def test_did_you_mean(name, options, answer):
    assert did_you_mean(name, options) == answer


def test_distribution_of_the_core_a_plugin_a_library_and_a_loose_module(site, monkeypatch):
    module = site.install("acme-ct", offering("median"), version="4.2")
    assert distribution_of(import_module(module).C0) == ("acme-ct", "4.2")
    assert distribution_of(Dataset) == ("ctpbench", metadata.version("ctpbench"))
    assert distribution_of(pytest.MonkeyPatch) == ("pytest", metadata.version("pytest"))
    (site.folder / "loose_module_here.py").write_text("class Loose: ...")
    assert distribution_of(import_module("loose_module_here").Loose) == ("", "")


def hash_in_a_new_process(folder: Path, module: str) -> str:
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import {module} as m\n"
    code += "from ctpbench.plugins import code_hash; print(code_hash(m))"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_code_hash_covers_the_whole_package_and_nothing_else(site):
    module = site.install("acme", offering("median"), package=True)
    folder = site.folder / module
    (folder / "kernels").mkdir()
    (folder / "kernels" / "inner.py").write_text("x = 1\n")
    first = hash_in_a_new_process(site.folder, module)
    assert first == code_hash(import_module(module).C0) == code_hash(import_module(module))
    (folder / "notes.txt").write_text("no code")
    assert hash_in_a_new_process(site.folder, module) == first
    (folder / "kernels" / "inner.py").write_text("x = 2\n")
    assert hash_in_a_new_process(site.folder, module) != first
    assert code_hash(import_module(module)) == first  # what this process has loaded is what it had read


def test_code_hash_of_a_package_within_a_package_is_its_own():
    import ctpbench.perfusion

    files = sorted(Path(ctpbench.perfusion.__file__).parent.rglob("*.py"))
    expected = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        expected.update(f"{file.name}\0{len(content)}\0".encode() + content)
    assert code_hash(ctpbench.perfusion) == expected.hexdigest() != code_hash(Dataset)


def test_code_hash_of_one_module(site):
    module = site.install("acme", offering("median"))
    content = (site.folder / f"{module}.py").read_bytes()
    expected = hashlib.sha256(f"{module}.py\0{len(content)}\0".encode() + content).hexdigest()
    assert code_hash(import_module(module)) == expected


def test_code_hash_refuses_what_no_file_holds():
    cls = type("Nowhere", (), {"__module__": "module_without_file"})
    with pytest.raises(PluginError, match="was read from no file"):
        code_hash(cls)


def test_loading_real_entry_points_imports_neither_numba_nor_torch():
    code = "import sys; from ctpbench.plugins import load_catalogue; load_catalogue()\n"
    code += "print([m for m in ('torch', 'numba', 'skimage', 'matplotlib', 'optuna') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"
