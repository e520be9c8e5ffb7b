"""What a suite that is sound becomes."""

from __future__ import annotations

import cProfile
from pathlib import Path
from typing import get_args

import pytest
from pydantic import model_validator

from ctpbench.contract.case import MAPS
from ctpbench.suite.sections import Range, TuneSettings
from tests.suite.components import (
    DENOISERS,
    EXAMPLE,
    Bounded,
    Colour,
    Phantom,
    Plain,
    Rmse,
    Ssim,
    Tips,
    catalogue_of,
)


def test_the_example(load):
    suite = load(EXAMPLE)
    assert suite.name == "quick"
    assert suite.text == EXAMPLE
    assert [(entry.label, entry.noise) for entry in suite.datasets] == [
        ("phantom", (None,)),
        ("head", (1e5, 2e5, 1e6)),
    ]
    assert suite.datasets[1].component == Phantom(size_px=128, root=Path("/data"))
    assert [row.label for row in suite.denoisers] == [
        "none",
        "my tips",
        "tips(window_px=9, sigma_t_hu=5, sigma_s_px=2)",
        "tips(window_px=9, sigma_t_hu=5, sigma_s_px=3.5)",
        "tips(window_px=9, sigma_t_hu=10, sigma_s_px=2)",
        "tips(window_px=9, sigma_t_hu=10, sigma_s_px=3.5)",
        "tips",
        "sharp(flip=true)",
    ]
    assert suite.denoisers[3].component() == Tips(window_px=9, sigma_t_hu=5, sigma_s_px=3.5)
    assert [(metric.label, metric.component) for metric in suite.metrics] == [
        ("rmse", Rmse()),
        ("ssim", Ssim()),
        ("rmse_truth", Rmse(against="truth")),
        ("ssim0", Ssim(data_range=50)),
    ]
    (maps,) = suite.maps
    assert (maps.deconvolution, maps.kappa, maps.lambda_rel) == ("osvd", 0.73, 0.3)
    assert suite.seeds == (0, 7)
    assert suite.resources.timeout_s == 600


def test_tuned_rows(load):
    *_, exhaustive, tpe = load(EXAMPLE).denoisers
    assert exhaustive.params == {"window_px": 11, "sigma_s_px": 2.0}
    assert exhaustive.tune.parameters == {"sigma_t_hu": (1.0, 3.0, 10.0)}
    assert (exhaustive.tune.search, exhaustive.tune.metric, exhaustive.tune.map) == ("exhaustive", "rmse", "mtt")
    assert exhaustive.component(sigma_t_hu=3.0) == Tips(sigma_t_hu=3)
    assert tpe.tune.parameters == {"strength": Range(low=1.0, high=100.0, log=True), "mode": (None, "reflect")}
    assert isinstance(tpe.tune.parameters["strength"].low, float)  # drawn as the parameter is: from floats
    assert (tpe.tune.trials, tpe.tune.seed, tpe.tune.metric) == (30, 4, "rmse_truth")
    assert tpe.component(strength=2.0, mode="nearest").mode == "nearest"


def test_the_first_metric_of_the_suite_decides_where_tuning_names_none(load):
    suite = load(
        """
        datasets: [phantom]
        denoisers:
          - {name: tips, label: a, tune: {parameters: {window_px: [3, 5]}}}
          - {name: tips, label: b, tune: {parameters: {window_px: [3, 5]}, metric: rmse}}
        metrics: [ssim, rmse]
        """
    )
    assert [row.tune.metric for row in suite.denoisers] == ["ssim", "rmse"]


def test_a_range_of_a_whole_number_is_drawn_from_whole_numbers(load):
    suite = load(
        """
        datasets: [phantom]
        denoisers: [{name: tips, tune: {parameters: {window_px: [3, 5.0]}, search: tpe, trials: 1}}]
        """
    )
    values = suite.denoisers[0].tune.parameters["window_px"]
    assert values == (3, 5)
    assert all(type(value) is int for value in values)


def test_defaults(load):
    suite = load("datasets: [phantom]\ndenoisers: [none]\n")
    assert suite.name == "quick"
    assert suite.seeds == (0,)
    assert suite.exclude == ()
    assert [metric.label for metric in suite.metrics] == ["rmse", "ssim"]  # overlap cannot be had by default
    assert suite.resources.model_dump() == {
        "device": "auto",
        "threads": None,
        "memory_gib": None,
        "timeout_s": None,
        "cpu_s": None,
        "repeats": 1,
    }
    assert suite.maps[0].model_dump() == {
        "deconvolution": "tikhonov",
        "lambda_rel": 0.3,
        "lambda_rel_min": 0.003,
        "lambda_rel_max": 1.0,
        "threshold_rel": 0.15,
        "oscillation_index": 0.095,
        "prior_mtt_s": 5.0,
        "prior_delay_s": 2.0,
        "model_error": 0.1,
        "peak_lags": "circle",
        "baseline_frames": 2,
        "kappa": 1.0,
        "rho": 1.0,
        "scaling": "truth",
    }


def test_a_suite_file_is_called_by_its_folder(load):
    Path("leaders").mkdir()
    assert load("datasets: [phantom]\ndenoisers: [none]", name="leaders/suite.yaml").name == "leaders"


def test_environment_variables_in_params(load, faults, monkeypatch):
    monkeypatch.setenv("CT_ROOT", "/data/ct")
    text = """\
        datasets:
          - name: scans
            params:
              root: ${CT_ROOT}/x
              size_px: ${CT_SIZE:-64}
        denoisers: [none]
        """
    scans = load(text).datasets[0].component
    assert (scans.root, scans.size_px) == (Path("/data/ct/x"), 64)
    monkeypatch.delenv("CT_ROOT")
    assert faults(text) == ["4: the environment variable CT_ROOT is not set; set it, or write ${CT_ROOT:-default}"]


def test_labels_with_a_grid(load):
    suite = load(
        """
        datasets: [phantom]
        denoisers:
          - {name: tips, label: a, grid: {sigma_t_hu: [1, 2]}, params: {window_px: 9}}
          - {name: tips, label: b, grid: {sigma_t_hu: [3]}}
        """
    )
    assert [row.label for row in suite.denoisers] == ["a(sigma_t_hu=1)", "a(sigma_t_hu=2)", "b"]


def test_parameters_of_other_types_survive(load):
    text = """
        datasets: [phantom]
        denoisers: [{name: bounded, params: {colour: rainbow, path: x/y, pair: [3, 4], step: 8.0}}]
        """
    (row,) = load(text, catalogue=catalogue_of(Phantom, Bounded, Rmse)).denoisers
    assert row.component() == Bounded(colour=Colour.RAINBOW, path=Path("x/y"), pair=(3, 4), step=8)
    assert row.label == "bounded(colour=rainbow, path=x/y, pair=[3, 4], step=8)"


def test_a_bug_in_a_plugin_keeps_its_traceback(load):
    class Buggy(Plain):
        name = "buggy"

        @model_validator(mode="after")
        def _check(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        load(DENOISERS + "- buggy", catalogue=catalogue_of(Phantom, Buggy, Rmse))


def test_the_maps_to_tune_by_are_the_maps():
    assert get_args(TuneSettings.model_fields["map"].annotation) == MAPS


def test_the_work_of_reading_a_suite_grows_with_its_rows_and_no_faster(load):
    def calls(rows):
        weights = ", ".join(str(1 + index / 8) for index in range(rows))
        text = "datasets: [phantom]\nmetrics: [rmse]\ndenoisers: [{name: tips, params: {window_px: 999}, grid: {%s}}]"
        profile = cProfile.Profile()
        profile.runcall(load, text % f"sigma_s_px: [{weights}]")
        return sum(entry.callcount for entry in profile.getstats())

    assert calls(800) < 9 * calls(100)
