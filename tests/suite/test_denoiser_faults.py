"""Faults of rows and of the values of their parameters."""

from __future__ import annotations

import pytest

from tests.suite.components import (
    DENOISERS,
    Bounded,
    Phantom,
    Rmse,
    catalogue_of,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- tipps", ["3: denoisers[0]: no denoiser 'tipps' (did you mean tips?); installed: none, sharp, tips"]),
        (
            "- label: x\n  name: tipps",
            ["4: denoisers[0].name: no denoiser 'tipps' (did you mean tips?); installed: none, sharp, tips"],
        ),
        (
            "- {name: tips, parms: {}}",
            [
                "3: denoisers[0]: unknown key 'parms' (did you mean params?); "
                "allowed: name, label, params, grid, tune, maps, train"
            ],
        ),
        (
            "- name: tips\n  params:\n    sigma_s: 3",
            [
                "5: denoisers[0]: 'tips' has no parameter 'sigma_s'; it takes "
                "window_px, sigma_t_hu, sigma_s_px (did you mean sigma_s_px?)"
            ],
        ),
        ("- {name: none, params: {a: 1}}", ["3: denoisers[0]: 'none' has no parameter 'a'; it takes none"]),
        (
            "- name: tips\n  params:\n    window_px: two\n    sigma_t_hu: 0\n    sigma_s_px: true",
            [
                "5: denoisers[0].params.window_px: got 'two'; allowed: a whole number",
                "6: denoisers[0].params.sigma_t_hu: got 0; allowed: above 0",
                "7: denoisers[0].params.sigma_s_px: got true; allowed: a number",
            ],
        ),
        ("- {name: tips, params: {window_px: 4}}", ["3: denoisers[0].params.window_px: got 4; allowed: an odd number"]),
        (
            "- name: tips\n  params: {window_px: 3}\n  grid:\n    sigma_s_px: [2, 4, 5]",
            [
                "4: denoisers[0].params: sigma_s_px is above window_px; make the window wider (with sigma_s_px=4)",
                "4: denoisers[0].params: sigma_s_px is above window_px; make the window wider (with sigma_s_px=5)",
            ],
        ),
        (
            "- name: tips\n  tune:\n    parameters: {sigma_s_px: [2, 4], window_px: [5, 3]}",
            ["3: denoisers[0]: sigma_s_px is above window_px; make the window wider (with sigma_s_px=4, window_px=3)"],
        ),
        (
            "- name: tips\n  grid:\n    sigma_t_hu:\n      - 5\n      - -1\n      - 5.0\n      - x",
            [
                "7: denoisers[0].grid.sigma_t_hu[1]: got -1; allowed: above 0",
                "8: denoisers[0].grid.sigma_t_hu[2]: 5 is in the list already",
                "9: denoisers[0].grid.sigma_t_hu[3]: got 'x'; allowed: a number",
            ],
        ),
        (
            "- {name: tips, grid: {sigma_t_hu: []}}",
            ["3: denoisers[0].grid.sigma_t_hu: got []; allowed: at least 1 entry"],
        ),
        ("- {name: tips, grid: {sigma_t_hu: 5}}", ["3: denoisers[0].grid.sigma_t_hu: got 5; allowed: a list"]),
        (
            "- {name: tips, grid: {sigma: [5]}}",
            [
                "3: denoisers[0]: 'tips' has no parameter 'sigma'; it takes window_px, "
                "sigma_t_hu, sigma_s_px (did you mean sigma_t_hu?)"
            ],
        ),
        (
            "- name: tips\n  params: {window_px: 5}\n  grid: {window_px: [5]}\n  tune: {parameters: {window_px: [1]}}",
            [
                "5: denoisers[0].grid.window_px: 'window_px' is given in params too; "
                "allowed: one of params, grid and tune",
                "6: denoisers[0].tune.parameters.window_px: 'window_px' is given in params too; "
                "allowed: one of params, grid and tune",
            ],
        ),
        ("- sharp", ["3: denoisers[0]: 'sharp' needs 'strength', in params, grid or tune"]),
        (
            "- {name: sharp, params: {strength: 1, mode: reflct, flip: yes, rates: 3, label_text: 5, window: {shap: 1, "
            "cutoff: 2}}}",
            [
                "3: denoisers[0].params.mode: got 'reflct'; allowed: 'reflect' or 'nearest' (did you mean reflect?)",
                "3: denoisers[0].params.flip: got 'yes'; allowed: true or false",
                "3: denoisers[0].params.rates: got 3; allowed: a list or 'auto'",
                "3: denoisers[0].params.label_text: got 5; allowed: text",
                "3: denoisers[0].params.window: unknown key 'shap' (did you mean shape?); allowed: shape, cutoff",
                "3: denoisers[0].params.window.cutoff: got 2; allowed: 1 or less",
            ],
        ),
        ("- none\n- none", ["4: denoisers[1]: the row 'none' is in denoisers[0] already; leave one out"]),
        (
            "- tips\n- {name: tips, label: b, params: {sigma_t_hu: 7.5}}",
            ["4: denoisers[1]: the row 'b' is in denoisers[0] already; leave one out"],
        ),
        (
            "- {name: tips, label: a}\n- {name: none, label: a}",
            ["4: denoisers[1]: the label 'a' is taken by denoisers[0]; give one of them another label"],
        ),
        (
            "- {name: tips, label: ' a'}",
            ["3: denoisers[0].label: got ' a'; allowed: one line of text, with no blanks at its ends"],
        ),
        ("- {name: tips, tune: {}}", ["3: denoisers[0].tune: got {}; allowed: parameters to choose, or maps: true"]),
        (
            "- {name: tips, tune: {parameters: {}}}",
            ['3: denoisers[0].tune: got {"parameters": {}}; allowed: parameters to choose, or maps: true'],
        ),
        (
            "- {name: tips, tune: {parameters: {sigma: [1]}}}",
            [
                "3: denoisers[0]: 'tips' has no parameter 'sigma'; it takes window_px, sigma_t_hu, sigma_s_px "
                "(did you mean sigma_t_hu?)"
            ],
        ),
        (
            "- name: tips\n  tune:\n    parameters: {sigma_t_hu: [1, -2], window_px: [3, 4]}\n    metric: rmsee\n"
            "    map: cbff\n    serch: tpe",
            [
                "5: denoisers[0].tune.parameters.sigma_t_hu[1]: got -2; allowed: above 0",
                "5: denoisers[0].tune.parameters.window_px[1]: got 4; allowed: an odd number",
                "6: denoisers[0].tune.metric: the suite has no metric 'rmsee' (did you mean rmse?); "
                "it has 'rmse', 'ssim'",
                "7: denoisers[0].tune.map: got 'cbff'; allowed: 'cbf', 'cbv', 'mtt', 'ttp' or 'tmax' "
                "(did you mean cbf?)",
                "8: denoisers[0].tune: unknown key 'serch' (did you mean search?); "
                "allowed: parameters, maps, search, trials, metric, map, seed, stop_early",
            ],
        ),
        (
            "- {name: tips, tune: {parameters: {sigma_t_hu: [1, 2]}, search: tpe}}",
            ["3: denoisers[0].tune.search: tpe needs trials, as in 'trials: 30'"],
        ),
        (
            "- {name: tips, tune: {parameters: {sigma_t_hu: [1, 2]}, trials: 5}}",
            ["3: denoisers[0].tune.trials: only search: tpe takes trials; leave it out"],
        ),
        (
            "- {name: tips, tune: {parameters: {sigma_t_hu: [1, 2]}, trials: 0, search: tpe}}",
            ["3: denoisers[0].tune.trials: got 0; allowed: 1 or more"],
        ),
        (
            "- {name: tips, tune: {parameters: {sigma_t_hu: {low: 1, high: 2}}}}",
            ["3: denoisers[0].tune.parameters.sigma_t_hu: got a range; allowed: a list of values, or search: tpe"],
        ),
        (
            "- {name: tips, tune: {search: tpe, trials: 1, parameters: {sigma_t_hu: {low: 2, high: 1}, "
            "sigma_s_px: {low: 0, high: 1, log: true}, window_px: {low: 1}}}}",
            [
                '3: denoisers[0].tune.parameters.sigma_t_hu: got {"low": 2, "high": 1}; allowed: low below high',
                '3: denoisers[0].tune.parameters.sigma_s_px: got {"low": 0, "high": 1, "log": true}; '
                "allowed with log: low above 0",
                "3: denoisers[0].tune.parameters.window_px: 'high' is missing",
            ],
        ),
        (
            "- {name: tips, tune: {search: tpe, trials: 1, parameters: {sigma_t_hu: {low: -2, high: 1}}}}",
            ["3: denoisers[0].tune.parameters.sigma_t_hu.low: got -2; allowed: above 0"],
        ),
        (
            "- {name: tips, tune: {search: tpe, trials: 1, parameters: {window_px: {low: 3, high: 5}}}}",
            ["3: denoisers[0].tune.parameters.window_px: got 4; allowed: an odd number"],
        ),
        (
            "- {name: tips, tune: {search: tpe, trials: 1, parameters: {window_px: {low: 1.5, high: 5}}}}",
            ["3: denoisers[0].tune.parameters.window_px.low: got 1.5; allowed: a whole number"],
        ),
    ],
)
def test_faults_of_denoisers(faults, text, expected):
    assert faults(DENOISERS + text) == expected


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
        (
            "many: " + str(list(range(40))),
            "many: got [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16...; allowed: at most 1 entry",
        ),
    ],
)
def test_what_is_allowed_is_said_in_words(faults, written, fault):
    text = f"datasets: [phantom]\ndenoisers:\n- name: bounded\n  params:\n    {written}\n"
    assert faults(text, catalogue=catalogue_of(Phantom, Bounded, Rmse)) == [f"5: denoisers[0].params.{fault}"]
