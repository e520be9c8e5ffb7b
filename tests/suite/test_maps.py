"""Several ways to compute maps: an axis of the grid, or a choice of tuning."""

from __future__ import annotations

import pytest

from ctpbench.errors import InputError
from ctpbench.suite.resolved import resolved
from ctpbench.written.document import dump

HEAD = "datasets: [phantom]\nmetrics: [rmse]\nmaps: [{lambda_rel: 0.3}, {lambda_rel: 0.05}, {deconvolution: osvd}]\n"
ROWS = """
denoisers:
  - none
  - {name: tips, label: t, maps: [tikhonov 0.05]}
  - {name: tips, tune: {parameters: {window_px: [3, 5]}, maps: true}}
  - {name: none, label: n, maps: [osvd 0.095, tikhonov 0.3], tune: {maps: true}}
"""
ONE = HEAD.replace(", {lambda_rel: 0.05}, {deconvolution: osvd}", "")


def test_each_row_is_run_with_each_way_unless_it_names_some_or_is_tuned_over_them(load):
    rows = load(HEAD + ROWS).denoisers
    assert [(row.label, [maps.label for maps in row.maps]) for row in rows] == [
        ("none, tikhonov 0.3", ["tikhonov 0.3"]),
        ("none, tikhonov 0.05", ["tikhonov 0.05"]),
        ("none, osvd 0.095", ["osvd 0.095"]),
        ("t", ["tikhonov 0.05"]),
        ("tips", ["tikhonov 0.3", "tikhonov 0.05", "osvd 0.095"]),
        ("n", ["osvd 0.095", "tikhonov 0.3"]),
    ]
    assert rows[4].tune.parameters == {
        "window_px": (3, 5),
        "maps": ("tikhonov 0.3", "tikhonov 0.05", "osvd 0.095"),
    }
    assert rows[4].component(window_px=3, maps="osvd 0.095").window_px == 3
    assert rows[4].maps_by(window_px=3, maps="osvd 0.095").deconvolution == "osvd"
    assert rows[3].maps_by().lambda_rel == 0.05


def test_a_suite_with_several_ways_written_back_loads_as_an_equal_suite(load):
    suite = load(HEAD + ROWS)
    again = load(dump(resolved(suite)), name="suite.lock.yaml")
    assert again == suite
    assert resolved(again) == resolved(suite)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (HEAD.replace("0.05", "0.3") + "denoisers: [none]", "3: maps[1]: 'tikhonov 0.3' is in the list already"),
        (
            "datasets: [phantom]\nmaps: []\ndenoisers: [none]",
            "2: maps: got an empty list; allowed: one way to compute maps, or a list of several",
        ),
        (
            HEAD + "denoisers: [{name: none, maps: [tikhonov 0.5]}]",
            "4: denoisers[0].maps[0]: the suite has no maps 'tikhonov 0.5' (did you mean tikhonov 0.05?); it has",
        ),
        (
            ONE + "denoisers: [{name: none, tune: {maps: true}}]",
            "4: denoisers[0].tune.maps: got 1 to choose from; allowed: two or more of the suite's maps",
        ),
        (HEAD.replace("0.05", "-1") + "denoisers: [none]", "3: maps[1].lambda_rel: got -1; allowed: 0 or more"),
    ],
)
def test_faults(load, text, fault):
    with pytest.raises(InputError) as caught:
        load(text)
    assert fault in str(caught.value)
