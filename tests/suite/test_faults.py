"""Each fault of a suite is one line: where, what was got, what is allowed, and the nearest name."""

from __future__ import annotations

import pytest

from ctpbench.plugins import Failure
from tests.suite.components import (
    DENOISERS,
    HEAD,
    Phantom,
    Plain,
    Rmse,
    Tips,
    catalogue_of,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "seeds: [0]",
            [
                "1: 'datasets' is missing; allowed: a list of one dataset or more",
                "1: 'denoisers' is missing; allowed: a list of one denoiser or more",
            ],
        ),
        (
            "datasets: []\ndenoisers:",
            ["1: datasets: got []; allowed: at least 1 entry", "2: denoisers: got null; allowed: a list"],
        ),
        (
            HEAD + "metrcs: [rmse]",
            [
                "3: unknown key 'metrcs' (did you mean metrics?); allowed: name, description, "
                "datasets, denoisers, metrics, maps, seeds, replicates, exclude, resources"
            ],
        ),
        (HEAD + "name: a/b", ["3: name: got 'a/b'; allowed: text without /"]),
        (HEAD + "name: 5", ["3: name: got 5; allowed: text"]),
        (
            HEAD + "seeds: [0, -1, 1.5, 0]",
            ["3: seeds[1]: got -1; allowed: 0 or more", "3: seeds[2]: got 1.5; allowed: a whole number"],
        ),
        (HEAD + "seeds: [3,\n  3]", ["4: seeds[1]: 3 is in the list already"]),
        (HEAD + "seeds: 3", ["3: seeds: got 3; allowed: a list"]),
        (
            HEAD + "maps: {lamda_rel: 1}",
            [
                "3: maps: unknown key 'lamda_rel' (did you mean lambda_rel?); allowed: "
                "deconvolution, lambda_rel, lambda_rel_min, lambda_rel_max, threshold_rel, oscillation_index, "
                "prior_mtt_s, prior_delay_s, model_error, peak_lags, baseline_frames, kappa, rho, scaling"
            ],
        ),
        (
            HEAD + "maps: {lambda_rel_min: 2}",
            ["3: maps: lambda_rel_min: got 2; allowed: below lambda_rel_max, 1"],
        ),
        (
            HEAD + "maps:\n  lambda_rel: -0.5\n  deconvolution: tiknov\n  baseline_frames: 2.5\n  rho: yes",
            [
                "4: maps.lambda_rel: got -0.5; allowed: 0 or more",
                "5: maps.deconvolution: got 'tiknov'; allowed: 'tikhonov', 'gcv', 'lcurve', 'tsvd', 'osvd' or "
                "'bayesian' (did you mean tikhonov?)",
                "6: maps.baseline_frames: got 2.5; allowed: a whole number",
                "7: maps.rho: got 'yes'; allowed: a number",
            ],
        ),
        (HEAD + "maps: none", ["3: maps: got 'none'; allowed: a mapping"]),
        (
            HEAD + "resources: {device: gpu, threads: 0, memory_gib: '4', timeout_s: .inf, repeats: true}",
            [
                "3: resources.device: got 'gpu'; allowed: 'auto', 'cpu', 'cuda' or 'mps' (did you mean cpu?)",
                "3: resources.threads: got 0; allowed: 1 or more",
                "3: resources.memory_gib: got '4'; allowed: a number",
                "3: resources.timeout_s: got inf; allowed: a finite number",
                "3: resources.repeats: got true; allowed: a whole number",
            ],
        ),
        (HEAD + "metrics: []", ["3: metrics: got []; allowed: at least 1 entry"]),
        (
            HEAD + "metrics: [rmse, rms, 5]",
            [
                "3: metrics[1]: no metric 'rms' (did you mean rmse?); installed: overlap, rmse, ssim",
                "3: metrics[2]: got 5; allowed: a name, or a mapping with name, label, params",
            ],
        ),
        (
            HEAD + "metrics: [rmse,\n rmse]",
            ["4: metrics[1]: the label 'rmse' is taken by metrics[0]; give one of them another label"],
        ),
        (
            HEAD + "metrics: [{name: rmse, params: {aginst: truth}}]",
            ["3: metrics[0]: 'rmse' has no parameter 'aginst'; it takes against (did you mean against?)"],
        ),
        (HEAD + "metrics: [overlap]", ["3: metrics[0].params: 'threshold' is missing"]),
        (HEAD + "metrics: [{name: rmse, label: a/b}]", ["3: metrics[0].label: got 'a/b'; allowed: text without /"]),
        (
            "datasets: [phantm, {params: {}}, {name: 5}, phantom, phantom]\ndenoisers: [none]",
            [
                "1: datasets[0]: no dataset 'phantm' (did you mean phantom?); installed: phantom, scans",
                "1: datasets[1]: 'name' is missing",
                "1: datasets[2].name: got 5; allowed: text",
                "1: datasets[4]: the label 'phantom' is taken by datasets[3]; give one of them another label",
            ],
        ),
        (
            "datasets:\n  - name: phantom\n    nois: [1]\n    noise: [-1, x, .nan]\n    params:\n      size_px: 3\n"
            "      spacing_mm: [1, a, .inf]\n      rooot: x\ndenoisers: [none]",
            [
                "3: datasets[0]: unknown key 'nois' (did you mean noise?); "
                "allowed: name, label, params, noise, train_only",
                "4: datasets[0].noise[0]: got -1; allowed: above 0",
                "4: datasets[0].noise[1]: got 'x'; allowed: a number",
                "4: datasets[0].noise[2]: got nan; allowed: a finite number",
                "6: datasets[0].params.size_px: got 3; allowed: 16 or more",
                "7: datasets[0].params.spacing_mm[1]: got 'a'; allowed: a number",
                "7: datasets[0].params.spacing_mm[2]: got inf; allowed: a finite number",
                "8: datasets[0]: 'phantom' has no parameter 'rooot'; it takes size_px, root, spacing_mm "
                "(did you mean root?)",
            ],
        ),
        (
            "datasets: [{name: phantom, noise: [1e5, 100000]}, {name: phantom, label: b, noise: []}]\n"
            "denoisers: [none]",
            [
                "1: datasets[0].noise[1]: 100000 is in the list already",
                "1: datasets[1].noise: got []; allowed: at least 1 entry",
            ],
        ),
        (
            "datasets: [{name: phantom, noise: [0.1234561, 0.1234562]}]\ndenoisers: [none]",
            ["1: datasets[0].noise[1]: 0.1234562 is written as 0.123456, like one before it"],
        ),
        ("datasets: [scans]\ndenoisers: [none]", ["1: datasets[0].params: 'root' is missing"]),
        (
            "datasets: [{name: scans, params: {root: /gone}}]\ndenoisers: [none]",
            ["1: datasets[0].params: root: /gone does not exist; set ISLES2018_ROOT"],
        ),
        (
            "datasets: [{name: phantom, params: {spacing_mm: [1]}}]\ndenoisers: [none]",
            ["1: datasets[0].params.spacing_mm: entry 2, entry 3 is missing"],
        ),
    ],
)
def test_faults_of_sections(faults, text, expected):
    assert faults(text) == expected


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


def test_default_metrics_need_a_metric(faults):
    assert faults(HEAD, catalogue=catalogue_of(Phantom, Plain)) == [
        "1: 'metrics' is left out and none is installed; install a plugin that offers one (the README lists some)"
    ]


def test_tuning_goes_by_a_metric_of_the_suite_whatever_is_installed(faults):
    text = DENOISERS + "- {name: tips, tune: {parameters: {sigma_t_hu: [1]}, metric: rmse}}\nmetrics: [ssim]\n"
    assert faults(text) == ["3: denoisers[0].tune.metric: the suite has no metric 'rmse'; it has 'ssim'"]


def test_a_faulty_metric_is_no_reason_to_doubt_what_tuning_goes_by(faults):
    text = (
        DENOISERS
        + "- {name: tips, tune: {parameters: {sigma_t_hu: [1]}, metric: x}}\nmetrics: [{name: ssin, label: x}]"
    )
    (fault,) = faults(text)
    assert fault.startswith("4: metrics[0].name: no metric 'ssin' (did you mean ssim?)")


class Volume(Rmse):
    name, better, units = "volume", "none", "mL"


def test_what_ranks_nothing_tunes_nothing(faults):
    catalogue = catalogue_of(Phantom, Tips, Rmse, Volume)
    tune = "- {name: tips, tune: {parameters: {sigma_t_hu: [1]}, metric: volume}}"
    assert faults(DENOISERS + f"{tune}\nmetrics: [volume, rmse]", catalogue=catalogue) == [
        "3: denoisers[0].tune.metric: 'volume' ranks nothing; allowed: 'rmse'"
    ]
    unsaid = tune.replace(", metric: volume", "")
    assert faults(DENOISERS + f"{unsaid}\nmetrics: [volume]", catalogue=catalogue) == [
        "3: denoisers[0].tune: 'volume' ranks nothing; allowed: a metric that does"
    ]


def test_tuning_goes_by_the_first_metric_that_ranks(load):
    text = DENOISERS + "- {name: tips, tune: {parameters: {sigma_t_hu: [1]}}}\nmetrics: [volume, rmse]"
    suite = load(text, catalogue=catalogue_of(Phantom, Tips, Rmse, Volume))
    assert suite.denoisers[0].tune.metric == "rmse"
