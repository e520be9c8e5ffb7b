from __future__ import annotations

from enum import Enum
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Literal, get_args

import pluggy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator, model_validator

from ctpbench.contract.case import MAPS
from ctpbench.contract.components import Dataset, FrameDenoiser, Metric
from ctpbench.errors import DataError, InputError
from ctpbench.plugins import Catalogue, Failure
from ctpbench.suite.entries import Exclusion
from ctpbench.suite.load import load_suite, resolved
from ctpbench.suite.sections import Range, TuneSettings
from ctpbench.written.document import dump


class Phantom(Dataset):
    name, version = "phantom", "1"
    size_px: Annotated[int, Field(ge=16)] = 256
    root: Path | None = None
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def cases(self, split):
        return [f"{split}-1"]

    def load(self, case_id, noise):
        raise NotImplementedError


class Scans(Phantom):
    name = "scans"
    root: Path

    @model_validator(mode="after")
    def _check_root(self):
        if self.root.name == "gone":
            raise DataError(f"root: {self.root} does not exist; set ISLES2018_ROOT")
        return self


class Plain(FrameDenoiser):
    name, version = "none", "1"

    def denoise(self, frames, context):
        return frames


class Window(BaseModel, extra="forbid"):
    shape: Literal["hann", "ramp"] = "hann"
    cutoff: Annotated[float, Field(gt=0, le=1)] = 1.0


class Tips(Plain):
    name = "tips"
    window_px: Annotated[int, Field(ge=1)] = 11
    sigma_t_hu: Annotated[float, Field(gt=0)] = 7.5
    sigma_s_px: Annotated[float, Field(gt=0)] = 2.0

    @field_validator("window_px")
    @classmethod
    def _odd(cls, value):
        if value % 2 == 0:
            raise ValueError("allowed: an odd number")
        return value

    @model_validator(mode="after")
    def _fits(self):
        if self.sigma_s_px > self.window_px:
            raise ValueError("sigma_s_px is above window_px; make the window wider")
        return self


class Sharp(Plain):
    """Takes parameters of many types, one of them required."""

    name = "sharp"
    strength: Annotated[float, Field(gt=0)]
    mode: Literal["reflect", "nearest"] | None = None
    flip: bool = False
    rates: tuple[float, ...] | Literal["auto"] = "auto"
    window: Window = Window()
    label_text: str = "a"


class Rmse(Metric):
    name, version, better, units = "rmse", "1", "lower", "map"
    against: Literal["noiseless", "truth"] = "noiseless"

    def score(self, case):
        raise NotImplementedError


class Ssim(Rmse):
    name, better = "ssim", "higher"
    data_range: float = 100.0


class Overlap(Rmse):
    name = "overlap"
    threshold: float


def catalogue_of(*classes, **more):
    tables = {"datasets": {}, "denoisers": {}, "metrics": {}, "loaded": (), "failures": ()}
    for cls in classes:
        kind = next(
            k for k, base in (("datasets", Dataset), ("metrics", Metric), ("denoisers", Plain)) if issubclass(cls, base)
        )
        tables[kind][cls.name] = cls
    return Catalogue(**{**tables, "manager": pluggy.PluginManager("test"), **more})


CATALOGUE = catalogue_of(Phantom, Scans, Plain, Tips, Sharp, Rmse, Ssim, Overlap)


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(text, name="quick.yaml", catalogue=CATALOGUE):
        Path(name).write_text(dedent(text), encoding="utf-8")
        return load_suite(Path(name), catalogue)

    return load


@pytest.fixture
def faults(load):
    def faults(text, **kwargs):
        with pytest.raises(InputError) as caught:
            load(text, **kwargs)
        return [line.removeprefix("quick.yaml:") for line in str(caught.value).splitlines()]

    return faults


EXAMPLE = """\
name: quick
datasets:
  - phantom
  - name: phantom
    label: head
    params: {size_px: 128, root: /data}
    noise: [1e5, 2e5, 1e6]
denoisers:
  - none
  - name: tips
    label: my tips
    params: {sigma_t_hu: 5}
  - name: tips
    params: {window_px: 9}
    grid: {sigma_t_hu: [5, 10], sigma_s_px: [2, 3.5]}
  - name: tips
    tune:
      parameters:
        sigma_t_hu: [1, 3, 10]
      map: mtt
  - name: sharp
    params: {flip: true}
    tune:
      parameters:
        strength: {low: 1, high: 100, log: true}
        mode: [null, reflect]
      search: tpe
      trials: 30
      metric: rmse_truth
      seed: 4
metrics: [rmse, ssim, {name: rmse, params: {against: truth}}, {name: ssim, label: ssim0, params: {data_range: 50}}]
maps: {deconvolution: osvd, kappa: 0.73}
seeds: [0, 7]
exclude:
  - {denoiser: tips, noise: 1e5}
  - {dataset: phantom, seed: 7}
resources: {device: cpu, threads: 2, memory_gib: 4, timeout_s: 600, repeats: 3}
"""


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
    assert (suite.maps.deconvolution, suite.maps.kappa, suite.maps.lambda_rel) == ("osvd", 0.73, 0.3)
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
        "repeats": 1,
    }
    assert suite.maps.model_dump() == {
        "deconvolution": "tikhonov",
        "lambda_rel": 0.3,
        "threshold_rel": 0.15,
        "oscillation_index": 0.095,
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


def test_resolved_is_plain_and_complete(load):
    data = resolved(load(EXAMPLE))
    assert data["datasets"][1]["params"] == {"size_px": 128, "root": "/data", "spacing_mm": [1.0, 1.0, 1.0]}
    assert data["denoisers"][2] == {
        "name": "tips",
        "label": "tips(window_px=9, sigma_t_hu=5, sigma_s_px=2)",
        "params": {"window_px": 9, "sigma_t_hu": 5.0, "sigma_s_px": 2.0},
    }
    assert data["denoisers"][7]["tune"]["parameters"] == {
        "strength": {"low": 1.0, "high": 100.0, "log": True},
        "mode": [None, "reflect"],
    }
    assert data["exclude"] == [{"denoiser": "tips", "noise": 1e5}, {"dataset": "phantom", "seed": 7}]
    assert data["resources"]["repeats"] == 3
    assert data["metrics"][3] == {
        "name": "ssim",
        "label": "ssim0",
        "params": {"against": "noiseless", "data_range": 50.0},
    }


def test_round_trip_of_the_example(load):
    suite = load(EXAMPLE)
    again = load(dump(resolved(suite)), name="suite.lock.yaml")
    assert again == suite
    assert resolved(again) == resolved(suite)
    assert repr([row.tune for row in again.denoisers]) == repr([row.tune for row in suite.denoisers])


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6)
POSITIVE = st.floats(1e-6, 1e6)
SHARP = {
    "mode": st.sampled_from(["reflect", "nearest", None]),
    "flip": st.booleans(),
    "rates": st.just("auto") | st.lists(POSITIVE, max_size=3),
    "window": st.fixed_dictionaries({}, optional={"shape": st.just("ramp"), "cutoff": st.floats(0.1, 1)}),
    "label_text": st.sampled_from(["no", "1e5", "10:30", "~", "${X}", "a: b", " ", ""]) | TEXT,
}
STRENGTHS = st.lists(POSITIVE, min_size=1, max_size=3, unique=True)
SPREADS = st.one_of(
    st.fixed_dictionaries({"grid": st.fixed_dictionaries({"strength": STRENGTHS})}),
    st.fixed_dictionaries(
        {"tune": st.fixed_dictionaries({"parameters": st.fixed_dictionaries({"strength": STRENGTHS})})}
    ),
)
ENTRIES = st.builds(
    lambda entry, spread: {**entry, **spread},
    st.fixed_dictionaries(
        {"name": st.just("sharp"), "params": st.fixed_dictionaries({}, optional=SHARP)}, optional={"label": TEXT}
    ),
    SPREADS,
)
SUITES = st.fixed_dictionaries(
    {
        "name": TEXT.filter(lambda text: "/" not in text and "." not in text),
        "datasets": st.just(["phantom"]),
        "denoisers": ENTRIES.map(lambda entry: ["none", entry]),
    },
    optional={"seeds": st.lists(st.integers(0, 2**40), min_size=1, max_size=3, unique=True)},
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SUITES)
def test_round_trip_of_any_suite(load, written):
    suite = load(dump(written))
    assert suite.name == written["name"]
    assert load(dump(resolved(suite)), name="again.yaml") == suite


HEAD = "datasets: [phantom]\ndenoisers: [none]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seeds: [0]", ["1: 'datasets' is missing; allowed: a list of one dataset or more",
                        "1: 'denoisers' is missing; allowed: a list of one denoiser or more"]),
        ("datasets: []\ndenoisers:", ["1: datasets: got []; allowed: at least 1 entry",
                                      "2: denoisers: got null; allowed: a list"]),
        (HEAD + "metrcs: [rmse]", ["3: unknown key 'metrcs' (did you mean metrics?); allowed: name, description, "
                                   "datasets, denoisers, metrics, maps, seeds, exclude, resources"]),
        (HEAD + "name: a/b", ["3: name: got 'a/b'; allowed: text without /"]),
        (HEAD + "name: 5", ["3: name: got 5; allowed: text"]),
        (HEAD + "seeds: [0, -1, 1.5, 0]", ["3: seeds[1]: got -1; allowed: 0 or more",
                                           "3: seeds[2]: got 1.5; allowed: a whole number"]),
        (HEAD + "seeds: [3,\n  3]", ["4: seeds[1]: 3 is in the list already"]),
        (HEAD + "seeds: 3", ["3: seeds: got 3; allowed: a list"]),
        (HEAD + "maps: {lamda_rel: 1}", ["3: maps: unknown key 'lamda_rel' (did you mean lambda_rel?); allowed: "
                                         "deconvolution, lambda_rel, threshold_rel, oscillation_index, "
                                         "baseline_frames, kappa, rho, scaling"]),
        (HEAD + "maps:\n  lambda_rel: -0.5\n  deconvolution: tiknov\n  baseline_frames: 2.5\n  rho: yes",
         ["4: maps.lambda_rel: got -0.5; allowed: 0 or more",
          "5: maps.deconvolution: got 'tiknov'; allowed: 'tikhonov', 'tsvd' or 'osvd' (did you mean tikhonov?)",
          "6: maps.baseline_frames: got 2.5; allowed: a whole number",
          "7: maps.rho: got 'yes'; allowed: a number"]),
        (HEAD + "maps: none", ["3: maps: got 'none'; allowed: a mapping"]),
        (HEAD + "resources: {device: gpu, threads: 0, memory_gib: '4', timeout_s: .inf, repeats: true}",
         ["3: resources.device: got 'gpu'; allowed: 'auto', 'cpu', 'cuda' or 'mps' (did you mean cpu?)",
          "3: resources.threads: got 0; allowed: 1 or more",
          "3: resources.memory_gib: got '4'; allowed: a number",
          "3: resources.timeout_s: got inf; allowed: a finite number",
          "3: resources.repeats: got true; allowed: a whole number"]),
        (HEAD + "metrics: []", ["3: metrics: got []; allowed: at least 1 entry"]),
        (HEAD + "metrics: [rmse, rms, 5]", [
            "3: metrics[1]: no metric 'rms' (did you mean rmse?); installed: overlap, rmse, ssim",
            "3: metrics[2]: got 5; allowed: a name, or a mapping with name, label, params"]),
        (HEAD + "metrics: [rmse,\n rmse]", ["4: metrics[1]: the label 'rmse' is taken by metrics[0]; "
                                             "give one of them another label"]),
        (HEAD + "metrics: [{name: rmse, params: {aginst: truth}}]", [
            "3: metrics[0]: 'rmse' has no parameter 'aginst'; it takes against (did you mean against?)"]),
        (HEAD + "metrics: [overlap]", ["3: metrics[0].params: 'threshold' is missing"]),
        (HEAD + "metrics: [{name: rmse, label: a/b}]", ["3: metrics[0].label: got 'a/b'; allowed: text without /"]),
        ("datasets: [phantm, {params: {}}, {name: 5}, phantom, phantom]\ndenoisers: [none]", [
            "1: datasets[0]: no dataset 'phantm' (did you mean phantom?); installed: phantom, scans",
            "1: datasets[1]: 'name' is missing",
            "1: datasets[2].name: got 5; allowed: text",
            "1: datasets[4]: the label 'phantom' is taken by datasets[3]; give one of them another label"]),
        ("datasets:\n  - name: phantom\n    nois: [1]\n    noise: [-1, x, .nan]\n    params:\n      size_px: 3\n"
         "      spacing_mm: [1, a, .inf]\n      rooot: x\ndenoisers: [none]", [
            "3: datasets[0]: unknown key 'nois' (did you mean noise?); allowed: name, label, params, noise, train_only",
            "4: datasets[0].noise[0]: got -1; allowed: above 0",
            "4: datasets[0].noise[1]: got 'x'; allowed: a number",
            "4: datasets[0].noise[2]: got nan; allowed: a finite number",
            "6: datasets[0].params.size_px: got 3; allowed: 16 or more",
            "7: datasets[0].params.spacing_mm[1]: got 'a'; allowed: a number",
            "7: datasets[0].params.spacing_mm[2]: got inf; allowed: a finite number",
            "8: datasets[0]: 'phantom' has no parameter 'rooot'; it takes size_px, root, spacing_mm "
            "(did you mean root?)"]),
        ("datasets: [{name: phantom, noise: [1e5, 100000]}, {name: phantom, label: b, noise: []}]\ndenoisers: [none]", [
            "1: datasets[0].noise[1]: 100000 is in the list already",
            "1: datasets[1].noise: got []; allowed: at least 1 entry"]),
        ("datasets: [scans]\ndenoisers: [none]", ["1: datasets[0].params: 'root' is missing"]),
        ("datasets: [{name: scans, params: {root: /gone}}]\ndenoisers: [none]", [
            "1: datasets[0].params: root: /gone does not exist; set ISLES2018_ROOT"]),
        ("datasets: [{name: phantom, params: {spacing_mm: [1]}}]\ndenoisers: [none]", [
            "1: datasets[0].params.spacing_mm: entry 2, entry 3 is missing"]),
    ],
)  # fmt: skip
def test_faults_of_sections(faults, text, expected):
    assert faults(text) == expected


DENOISERS = "datasets: [phantom]\ndenoisers:\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- tipps", ["3: denoisers[0]: no denoiser 'tipps' (did you mean tips?); installed: none, sharp, tips"]),
        ("- label: x\n  name: tipps", ["4: denoisers[0].name: no denoiser 'tipps' (did you mean tips?); "
                                       "installed: none, sharp, tips"]),
        ("- {name: tips, parms: {}}", ["3: denoisers[0]: unknown key 'parms' (did you mean params?); "
                                       "allowed: name, label, params, grid, tune, train"]),
        ("- name: tips\n  params:\n    sigma_s: 3", ["5: denoisers[0]: 'tips' has no parameter 'sigma_s'; it takes "
                                                     "window_px, sigma_t_hu, sigma_s_px (did you mean sigma_s_px?)"]),
        ("- {name: none, params: {a: 1}}", ["3: denoisers[0]: 'none' has no parameter 'a'; it takes none"]),
        ("- name: tips\n  params:\n    window_px: two\n    sigma_t_hu: 0\n    sigma_s_px: true", [
            "5: denoisers[0].params.window_px: got 'two'; allowed: a whole number",
            "6: denoisers[0].params.sigma_t_hu: got 0; allowed: above 0",
            "7: denoisers[0].params.sigma_s_px: got true; allowed: a number"]),
        ("- {name: tips, params: {window_px: 4}}", [
            "3: denoisers[0].params.window_px: got 4; allowed: an odd number"]),
        ("- name: tips\n  params: {window_px: 3}\n  grid:\n    sigma_s_px: [2, 4, 5]", [
            "4: denoisers[0].params: sigma_s_px is above window_px; make the window wider (with sigma_s_px=4)",
            "4: denoisers[0].params: sigma_s_px is above window_px; make the window wider (with sigma_s_px=5)"]),
        ("- name: tips\n  tune:\n    parameters: {sigma_s_px: [2, 4], window_px: [5, 3]}", [
            "3: denoisers[0]: sigma_s_px is above window_px; make the window wider (with sigma_s_px=4, window_px=3)"]),
        ("- name: tips\n  grid:\n    sigma_t_hu:\n      - 5\n      - -1\n      - 5.0\n      - x", [
            "7: denoisers[0].grid.sigma_t_hu[1]: got -1; allowed: above 0",
            "8: denoisers[0].grid.sigma_t_hu[2]: 5 is in the list already",
            "9: denoisers[0].grid.sigma_t_hu[3]: got 'x'; allowed: a number"]),
        ("- {name: tips, grid: {sigma_t_hu: []}}", [
            "3: denoisers[0].grid.sigma_t_hu: got []; allowed: at least 1 entry"]),
        ("- {name: tips, grid: {sigma_t_hu: 5}}", ["3: denoisers[0].grid.sigma_t_hu: got 5; allowed: a list"]),
        ("- {name: tips, grid: {sigma: [5]}}", ["3: denoisers[0]: 'tips' has no parameter 'sigma'; it takes window_px, "
                                                "sigma_t_hu, sigma_s_px (did you mean sigma_t_hu?)"]),
        ("- name: tips\n  params: {window_px: 5}\n  grid: {window_px: [5]}\n  tune: {parameters: {window_px: [1]}}", [
            "5: denoisers[0].grid.window_px: 'window_px' is given in params too; allowed: one of params, grid and tune",
            "6: denoisers[0].tune.parameters.window_px: 'window_px' is given in params too; "
            "allowed: one of params, grid and tune"]),
        ("- sharp", ["3: denoisers[0]: 'sharp' needs 'strength', in params, grid or tune"]),
        ("- {name: sharp, params: {strength: 1, mode: reflct, flip: yes, rates: 3, label_text: 5, window: {shap: 1, "
         "cutoff: 2}}}", [
            "3: denoisers[0].params.mode: got 'reflct'; allowed: 'reflect' or 'nearest' (did you mean reflect?)",
            "3: denoisers[0].params.flip: got 'yes'; allowed: true or false",
            "3: denoisers[0].params.rates: got 3; allowed: a list or 'auto'",
            "3: denoisers[0].params.label_text: got 5; allowed: text",
            "3: denoisers[0].params.window: unknown key 'shap' (did you mean shape?); allowed: shape, cutoff",
            "3: denoisers[0].params.window.cutoff: got 2; allowed: 1 or less"]),
        ("- none\n- none", ["4: denoisers[1]: the row 'none' is in denoisers[0] already; leave one out"]),
        ("- tips\n- {name: tips, label: b, params: {sigma_t_hu: 7.5}}", [
            "4: denoisers[1]: the row 'b' is in denoisers[0] already; leave one out"]),
        ("- {name: tips, label: a}\n- {name: none, label: a}", [
            "4: denoisers[1]: the label 'a' is taken by denoisers[0]; give one of them another label"]),
        ("- {name: tips, label: ' a'}", [
            "3: denoisers[0].label: got ' a'; allowed: one line of text, with no blanks at its ends"]),
        ("- {name: tips, tune: {}}", ["3: denoisers[0].tune: 'parameters' is missing"]),
        ("- {name: tips, tune: {parameters: {}}}", [
            "3: denoisers[0].tune.parameters: got {}; allowed: at least 1 entry"]),
        ("- {name: tips, tune: {parameters: {sigma: [1]}}}", [
            "3: denoisers[0]: 'tips' has no parameter 'sigma'; it takes window_px, sigma_t_hu, sigma_s_px "
            "(did you mean sigma_t_hu?)"]),
        ("- name: tips\n  tune:\n    parameters: {sigma_t_hu: [1, -2], window_px: [3, 4]}\n    metric: rmsee\n"
         "    map: cbff\n    serch: tpe", [
            "5: denoisers[0].tune.parameters.sigma_t_hu[1]: got -2; allowed: above 0",
            "5: denoisers[0].tune.parameters.window_px[1]: got 4; allowed: an odd number",
            "6: denoisers[0].tune.metric: the suite has no metric 'rmsee' (did you mean rmse?); it has 'rmse', 'ssim'",
            "7: denoisers[0].tune.map: got 'cbff'; allowed: 'cbf', 'cbv', 'mtt', 'ttp' or 'tmax' (did you mean cbf?)",
            "8: denoisers[0].tune: unknown key 'serch' (did you mean search?); "
            "allowed: parameters, search, trials, metric, map, seed"]),
        ("- {name: tips, tune: {parameters: {sigma_t_hu: [1, 2]}, search: tpe}}", [
            "3: denoisers[0].tune.search: tpe needs trials, as in 'trials: 30'"]),
        ("- {name: tips, tune: {parameters: {sigma_t_hu: [1, 2]}, trials: 5}}", [
            "3: denoisers[0].tune.trials: only search: tpe takes trials; leave it out"]),
        ("- {name: tips, tune: {parameters: {sigma_t_hu: [1, 2]}, trials: 0, search: tpe}}", [
            "3: denoisers[0].tune.trials: got 0; allowed: 1 or more"]),
        ("- {name: tips, tune: {parameters: {sigma_t_hu: {low: 1, high: 2}}}}", [
            "3: denoisers[0].tune.parameters.sigma_t_hu: got a range; allowed: a list of values, or search: tpe"]),
        ("- {name: tips, tune: {search: tpe, trials: 1, parameters: {sigma_t_hu: {low: 2, high: 1}, "
         "sigma_s_px: {low: 0, high: 1, log: true}, window_px: {low: 1}}}}", [
            '3: denoisers[0].tune.parameters.sigma_t_hu: got {"low": 2, "high": 1}; allowed: low below high',
            '3: denoisers[0].tune.parameters.sigma_s_px: got {"low": 0, "high": 1, "log": true}; '
            "allowed with log: low above 0",
            "3: denoisers[0].tune.parameters.window_px: 'high' is missing"]),
        ("- {name: tips, tune: {search: tpe, trials: 1, parameters: {sigma_t_hu: {low: -2, high: 1}}}}", [
            "3: denoisers[0].tune.parameters.sigma_t_hu.low: got -2; allowed: above 0"]),
        ("- {name: tips, tune: {search: tpe, trials: 1, parameters: {window_px: {low: 3, high: 5}}}}", [
            "3: denoisers[0].tune.parameters.window_px: got 4; allowed: an odd number"]),
        ("- {name: tips, tune: {search: tpe, trials: 1, parameters: {window_px: {low: 1.5, high: 5}}}}", [
            "3: denoisers[0].tune.parameters.window_px.low: got 1.5; allowed: a whole number"]),
    ],
)  # fmt: skip
def test_faults_of_denoisers(faults, text, expected):
    assert faults(DENOISERS + text) == expected


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        ("{}", ["4: exclude[0]: allowed: at least one of dataset, denoiser, noise, seed"]),
        ("denoiser: tips", None),
        ("denoiser: tips(sigma_t_hu=1)", None),
        ("{denoiser: tips, dataset: b, noise: 1e5, seed: 1}", None),
        ("denoizer: tips", ["4: exclude[0]: unknown key 'denoizer' (did you mean denoiser?); "
                            "allowed: dataset, denoiser, noise, seed"]),
        ("denoiser: tipps", ["4: exclude[0].denoiser: the suite has no denoiser 'tipps' (did you mean tips?); "
                             "it has 'none', 'tips(sigma_t_hu=1)', 'tips', 'tips(sigma_t_hu=2)'"]),
        ("dataset: c", ["4: exclude[0].dataset: the suite has no dataset 'c'; it has 'phantom', 'b'"]),
        ("noise: 2e5", ["4: exclude[0].noise: the suite has no noise 200000; it has 100000"]),
        ("noise: -1", ["4: exclude[0].noise: got -1; allowed: above 0"]),
        ("seed: 5", ["4: exclude[0].seed: the suite has no seed 5; it has 0, 1"]),
        ("{dataset: phantom, noise: 1e5}", ["4: exclude[0]: matches no cell: no dataset of the suite has "
                                             "that combination"]),
        ("{seed: 0}\n- {seed: 1}", ["3: exclude: leaves no cell to run"]),
        ("5", ["4: exclude[0]: got 5; allowed: a mapping"]),
    ],
)  # fmt: skip
def test_exclude(load, faults, exclude, expected):
    text = (
        "datasets: [phantom, {name: phantom, label: b, noise: [1e5]}]\n"
        "denoisers: [none, {name: tips, grid: {sigma_t_hu: [1, 2]}}]\n"
        f"exclude:\n- {exclude}\nseeds: [0, 1]\n"
    )
    if expected is None:
        (exclusion,) = load(text).exclude
        assert isinstance(exclusion, Exclusion)
    else:
        assert faults(text) == expected


def test_what_an_exclusion_matches(load):
    none, my_tips, *_ = load(EXAMPLE).denoisers
    by_name = Exclusion(denoiser="tips", noise=1e5)
    assert by_name.matches("head", my_tips, 1e5, 0)
    assert not by_name.matches("head", none, 1e5, 0)
    assert not by_name.matches("head", my_tips, 2e5, 0)
    assert not by_name.matches("head", my_tips, None, 0)
    assert Exclusion(denoiser="my tips").matches("any", my_tips, None, 3)
    assert Exclusion(dataset="head", seed=3).matches("head", none, None, 3)
    assert not Exclusion(dataset="head", seed=3).matches("phantom", none, None, 3)
    assert Exclusion(seed=0).matches("head", none, None, 0)
    assert not Exclusion(seed=0).matches("head", none, None, 1)


def test_all_faults_at_once_in_the_order_of_lines(faults):
    found = faults(
        """\
        nme: x
        name: a/b
        name: b
        datasets: [phantm]
        denoisers:
          - {name: tips, label: 5, params: {sigma: 1, window_px: 4}}
          - none
          - name: tips
            tune: {parameters: {sigma_t_hu: [0], foo: [1]}, map: x, metric: psnr}
        metrics: [rmse]
        seeds: []
        exclude: [{denoiser: nobody}]
        """
    )
    assert [int(line.partition(":")[0]) for line in found] == [1, 2, 3, 4, 6, 6, 6, 9, 9, 9, 9, 11]
    assert found[2].endswith("the key 'name' is here again; it is on line 2 already")


def test_a_plugin_that_failed_is_named_where_its_component_is_missed(faults):
    failure = Failure("main", "acme", "1.0", "ImportError: no torch")
    catalogue = catalogue_of(Phantom, Plain, Rmse, failures=(failure,))
    assert faults(DENOISERS + "- n2n", catalogue=catalogue) == [
        "3: denoisers[0]: no denoiser 'n2n'; installed: none; "
        "plugins that failed to load: acme 1.0, entry point 'main': ImportError: no torch"
    ]


def test_default_metrics_need_metrics_of_one_owner(faults):
    assert faults(HEAD, catalogue=catalogue_of(Phantom, Plain)) == [
        "1: 'metrics' is left out and none is installed; install ctpbench-metrics"
    ]
    clashes = {("metric", "rmse"): "metric 'rmse' is offered by a 1 and b 2; uninstall all but one"}
    (fault,) = faults(HEAD, catalogue=catalogue_of(Phantom, Plain, Ssim, clashes=clashes))
    assert fault.endswith("but metric 'rmse' is offered by a 1 and b 2; uninstall all but one")


def test_tuning_goes_by_a_metric_of_the_suite_whatever_is_installed(faults):
    text = DENOISERS + "- {name: tips, tune: {parameters: {sigma_t_hu: [1]}}}\nmetrics: [ssim]\n"
    assert faults(text) == ["3: denoisers[0].tune.metric: the suite has no metric 'rmse'; it has 'ssim'"]


def test_a_faulty_metric_is_no_reason_to_doubt_what_tuning_goes_by(faults):
    text = (
        DENOISERS
        + "- {name: tips, tune: {parameters: {sigma_t_hu: [1]}, metric: x}}\nmetrics: [{name: ssin, label: x}]"
    )
    (fault,) = faults(text)
    assert fault.startswith("4: metrics[0].name: no metric 'ssin' (did you mean ssim?)")


class Colour(Enum):
    GRAY = "gray"
    RAINBOW = "rainbow"


class Bounded(Plain):
    name = "bounded"
    step: Annotated[int, Field(multiple_of=4)] = 4
    share: Annotated[float, Field(lt=1)] = 0.5
    code: Annotated[str, Field(pattern="^[a-z]+$", min_length=2, max_length=4)] = "ab"
    pair: tuple[int, int] = (1, 2)
    colour: Colour = Colour.GRAY
    path: Path = Path("a")
    nothing: None = None
    many: Annotated[tuple[int, ...], Field(max_length=1)] = ()
    loose: Annotated[int, Field(strict=False)] = 1
    choice: Annotated[int, Field(ge=3)] | Literal["auto"] = "auto"


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("step: 6", "step: got 6; allowed: a multiple of 4"),
        ("share: 1", "share: got 1; allowed: below 1"),
        ("code: A1", "code: got 'A1'; allowed: text that matches ^[a-z]+$"),
        ("code: a", "code: got 'a'; allowed: text of at least 2 characters"),
        ("code: abcde", "code: got 'abcde'; allowed: text of at most 4 characters"),
        ("pair: [1, 2, 3]", "pair: got [1, 2, 3]; allowed: at most 2 entries"),
        ("colour: rainbw", "colour: got 'rainbw'; allowed: 'gray' or 'rainbow' (did you mean rainbow?)"),
        ("path: 5", "path: got 5; allowed: text"),
        ("loose: x", "loose: got 'x'; allowed: a whole number"),
        ("loose: 1.5", "loose: got 1.5; allowed: a whole number"),
        ("nothing: 1e-7", "nothing: got 1e-07; allowed: null"),
        ("many: [1, 2]", "many: got [1, 2]; allowed: at most 1 entry"),
        ("choice: 2", "choice: got 2; allowed: 3 or more or 'auto'"),
        ("step: null", "step: got null; allowed: a whole number"),
        ("many: " + str(list(range(40))), "many: got [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16...; "
         "allowed: at most 1 entry"),
    ],
)  # fmt: skip
def test_what_is_allowed_is_said_in_words(faults, written, fault):
    text = f"datasets: [phantom]\ndenoisers:\n- name: bounded\n  params:\n    {written}\n"
    assert faults(text, catalogue=catalogue_of(Phantom, Bounded, Rmse)) == [f"5: denoisers[0].params.{fault}"]


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
