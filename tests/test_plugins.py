"""Plugins that load, that do not, and that offer one name."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, metadata

import pytest

from ctpbench.contract.components import Dataset
from ctpbench.contract.series import Stated
from ctpbench.distributions import distribution_of
from ctpbench.errors import PluginError
from ctpbench.plugins import load_catalogue
from ctpbench.probe import harmful
from ctpbench.text import did_you_mean
from tests.installed import DENOISER, Site, offering


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return Site(tmp_path)


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
    catalogue.cell_finished(record)
    assert record == {"heard": True}


def test_one_name_from_two_distributions_leaves_both_by_their_qualified_names(site):
    site.install("zeta", offering("median", "mode"), version="3")
    site.install("acme", offering("median", "mean"))
    catalogue = site.catalogue()
    assert list(catalogue.denoisers) == ["acme:median", "mean", "mode", "zeta:median"]
    ours, theirs = (catalogue.find("denoiser", f"{owner}:median") for owner in ("acme", "zeta"))
    assert ours.__module__.startswith("acme")
    assert theirs.__module__.startswith("zeta")
    assert (catalogue.denoisers["acme:median"], catalogue.denoisers["zeta:median"]) == (ours, theirs)
    text = "denoiser 'median' is offered by 2 distributions; allowed: acme:median or zeta:median"
    with pytest.raises(PluginError) as caught:
        catalogue.find("denoiser", "median")
    assert str(caught.value) == text
    assert catalogue.clashes("denoiser") == {"median": text}
    assert catalogue.clashes("metric") == {}
    assert not catalogue.failures
    assert len(catalogue.loaded) == 2


def test_a_qualified_name_is_good_without_a_clash_as_well(site):
    site.install("acme", offering("median", "mean"))
    catalogue = site.catalogue()
    assert catalogue.find("denoiser", "acme:median") is catalogue.find("denoiser", "median")
    assert list(catalogue.denoisers) == ["mean", "median"]
    assert not catalogue.clashes("denoiser")
    with pytest.raises(PluginError) as caught:
        catalogue.find("denoiser", "acme:medain")
    assert str(caught.value) == "no denoiser 'acme:medain' (did you mean acme:median?); installed: mean, median"
    with pytest.raises(PluginError, match=r"no metric 'acme:median'; installed: none"):
        catalogue.find("metric", "acme:median")


def test_three_claims_on_one_name_are_named_together(site):
    for name in ("a", "b", "c"):
        site.install(name, offering("median"))
    with pytest.raises(PluginError, match=r"by 3 distributions; allowed: a:median or b:median or c:median$"):
        site.catalogue().find("denoiser", "median")


def test_a_loose_module_is_qualified_by_its_name(site):
    module = site.install("acme", offering("median"))
    site.install("zeta", offering("median"))
    loose = metadata.EntryPoint("loose", module, "ctpbench")
    theirs = [e for d in metadata.distributions(path=[str(site.folder)]) for e in d.entry_points if "zeta" in e.value]
    catalogue = load_catalogue([loose, *theirs])
    assert list(catalogue.denoisers) == [f"{module}:median", "zeta:median"]


def test_one_name_by_two_entry_points_of_one_distribution_is_that_distributions_error(site):
    listener = "@hookimpl\ndef ctpbench_cell_finished(record):\n    record.append(1)\n"
    site.install("acme", offering("median", "mean") + listener, others={"extra": offering("median"), "more": listener})
    site.install("zeta", offering("median"))
    catalogue = site.catalogue()
    reason = "denoiser 'median' is offered by this distribution's entry points 'extra' and 'main'; "
    assert [(f.distribution, f.entry_point, f.reason) for f in catalogue.failures] == [
        ("acme", point, reason + "allowed: one class a name") for point in ("extra", "main")
    ]
    assert list(catalogue.denoisers) == ["median"]
    assert catalogue.find("denoiser", "median").__module__.startswith("zeta")
    assert [(plugin.distribution, plugin.entry_point) for plugin in catalogue.loaded] == [
        ("acme", "more"),
        ("zeta", "main"),
    ]
    heard: list[int] = []
    catalogue.cell_finished(heard)
    assert heard == [1]  # 'main' was let go


def test_what_opens_a_scan_is_asked_in_turn(site, tmp_path):
    opener = """
    @hookimpl
    def ctpbench_open_series(path, stated):
        return (path.name, stated) if path.suffix == ".{suffix}" else None
    """
    assert site.catalogue().open_series(tmp_path / "scan.nii", Stated()) is None
    for suffix in ("nii", "dcm"):
        site.install(suffix, opener.format(suffix=suffix))
    catalogue, stated = site.catalogue(), Stated(frame_interval_s=1.5)
    assert catalogue.open_series(tmp_path / "scan.nii", stated) == ("scan.nii", stated)
    assert catalogue.open_series(tmp_path / "scan.dcm", Stated()) == ("scan.dcm", Stated())
    assert catalogue.open_series(tmp_path / "scan.mha", Stated()) is None


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


def test_loading_real_entry_points_imports_neither_numba_nor_torch():
    code = "import sys; from ctpbench.plugins import load_catalogue; load_catalogue()\n"
    code += "print([m for m in ('torch', 'numba', 'skimage', 'matplotlib', 'optuna') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os._exit(0)", "its import ends the process with code 0"),
        ("import os; os.abort()", "its import ends the process by SIGABRT"),
        ("raise KeyboardInterrupt", "its import raises KeyboardInterrupt"),
        ("while True: pass", "its import takes longer than 2 s"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()", None),
        ("raise SystemExit(0)", None),
    ],
    ids=["exits", "aborts", "interrupts", "loops", "leaves a thread", "exits politely"],
)
def test_a_module_that_would_end_or_hold_the_process_is_found_in_another(code, reason, site, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("ctpbench.probe.LONGEST_S", 2.0)
    module = site.install("rude", code)
    assert harmful([module]) == ({} if reason is None else {module: reason})


def test_a_module_is_tried_again_once_it_changed(site, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    module = site.install("acme", offering("median"))
    assert not harmful([module])
    monkeypatch.setattr("ctpbench.probe._begin", lambda module: pytest.fail("tried twice"))
    assert not harmful([module])
    (site.folder / f"{module}.py").write_text("import os; os._exit(0)\n")
    with pytest.raises(pytest.fail.Exception, match="tried twice"):
        harmful([module])


def test_an_installed_module_that_exits_is_named_and_the_others_load(site, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    module = site.install("rude", "import os; os._exit(1)")
    catalogue = load_catalogue()
    assert [str(failure) for failure in catalogue.failures if failure.distribution == "rude"] == [
        "rude 1.0, entry point 'main': its import ends the process with code 1"
    ]
    assert "tips" in catalogue.denoisers
    assert module not in sys.modules
