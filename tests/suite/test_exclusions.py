"""Cells that a suite leaves out."""

from __future__ import annotations

import pytest

from ctpbench.suite.entries import Exclusion
from tests.suite.components import (
    EXAMPLE,
)


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        ("{}", ["4: exclude[0]: allowed: at least one of dataset, denoiser, noise, seed"]),
        ("denoiser: tips", None),
        ("denoiser: tips(sigma_t_hu=1)", None),
        ("{denoiser: tips, dataset: b, noise: 1e5, seed: 1}", None),
        (
            "denoizer: tips",
            ["4: exclude[0]: unknown key 'denoizer' (did you mean denoiser?); allowed: dataset, denoiser, noise, seed"],
        ),
        (
            "denoiser: tipps",
            [
                "4: exclude[0].denoiser: the suite has no denoiser 'tipps' (did you mean tips?); "
                "it has 'none', 'tips(sigma_t_hu=1)', 'tips', 'tips(sigma_t_hu=2)'"
            ],
        ),
        ("dataset: c", ["4: exclude[0].dataset: the suite has no dataset 'c'; it has 'phantom', 'b'"]),
        ("noise: 2e5", ["4: exclude[0].noise: the suite has no noise 200000; it has 100000"]),
        ("noise: -1", ["4: exclude[0].noise: got -1; allowed: above 0"]),
        ("seed: 5", ["4: exclude[0].seed: the suite has no seed 5; it has 0, 1"]),
        (
            "{dataset: phantom, noise: 1e5}",
            ["4: exclude[0]: matches no cell: no dataset of the suite has that combination"],
        ),
        ("{seed: 0}\n- {seed: 1}", ["3: exclude: leaves no cell to run"]),
        ("{denoiser: [tips, none], dataset: b, noise: [1e5], seed: [1]}", None),
        ("{seed: [0, 1]}", ["3: exclude: leaves no cell to run"]),
        ("seed: [1, 5]", ["4: exclude[0].seed: the suite has no seed 5; it has 0, 1"]),
        (
            "denoiser: [none, tipps]",
            [
                "4: exclude[0].denoiser: the suite has no denoiser 'tipps' (did you mean tips?); "
                "it has 'none', 'tips(sigma_t_hu=1)', 'tips', 'tips(sigma_t_hu=2)'"
            ],
        ),
        ("noise: [1e5, -1]", ["4: exclude[0].noise[1]: got -1; allowed: above 0"]),
        ("seed: []", ["4: exclude[0].seed: got []; allowed: at least 1 entry"]),
        ("5", ["4: exclude[0]: got 5; allowed: a mapping"]),
    ],
)
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


def test_an_exclusion_of_several_matches_each_of_them(load):
    none, my_tips, *_ = load(EXAMPLE).denoisers
    several = Exclusion(denoiser=["tips", "none"], noise=[1e5, 2e5], seed=[1, 2])
    assert all(several.matches("head", row, n, s) for row in (none, my_tips) for n in (1e5, 2e5) for s in (1, 2))
    assert not several.matches("head", none, 1e6, 1)
    assert not several.matches("head", none, 1e5, 0)
    assert not Exclusion(denoiser=["tips", "gaussian"]).matches("head", none, 1e5, 0)
