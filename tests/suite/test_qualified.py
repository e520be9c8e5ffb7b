"""Components of one name by two distributions: distinguished by qualified names, refused only where that is needed."""

from __future__ import annotations

import pytest

from ctpbench.plugins import Catalogue
from ctpbench.suite.resolved import resolved
from ctpbench.written.document import dump
from tests.suite.components import Phantom, Plain, Rmse, Ssim, Tips, catalogue_of


class OtherPhantom(Phantom):
    pass


class OtherTips(Plain):
    name = "tips"
    weight: float = 1.0


class OtherRmse(Rmse):
    power: float = 2.0


ACME = catalogue_of(Phantom, Plain, Tips, Rmse, Ssim, distribution="acme")
ZETA = catalogue_of(OtherPhantom, OtherTips, OtherRmse, distribution="zeta-ct")
BOTH = Catalogue((*ACME.offers, *ZETA.offers), (), (), ACME.manager)

BOTH_OF_EACH = """\
datasets: [acme:phantom, {name: zeta-ct:phantom, noise: [1, 2]}]
denoisers:
- none
- acme:tips
- {name: acme:tips, params: {window_px: 9}, grid: {sigma_t_hu: [1, 2]}}
- {name: zeta-ct:tips, tune: {parameters: {weight: [1, 3]}, metric: "zeta-ct:rmse"}}
- {name: zeta-ct:tips, label: theirs, params: {weight: 2}}
metrics: [acme:rmse, ssim, zeta-ct:rmse, {name: zeta-ct:rmse, params: {power: 1}}]
exclude: [{denoiser: acme:tips, noise: 1}, {dataset: zeta-ct:phantom, denoiser: none}]
"""


def test_two_of_one_name_in_one_suite_are_told_apart_by_their_labels(load):
    suite = load(BOTH_OF_EACH, catalogue=BOTH)
    assert [(e.label, type(e.component)) for e in suite.datasets] == [
        ("acme:phantom", Phantom),
        ("zeta-ct:phantom", OtherPhantom),
    ]
    assert [(row.label, row.cls) for row in suite.denoisers] == [
        ("none", Plain),
        ("acme:tips", Tips),
        ("acme:tips(window_px=9, sigma_t_hu=1)", Tips),
        ("acme:tips(window_px=9, sigma_t_hu=2)", Tips),
        ("zeta-ct:tips", OtherTips),
        ("theirs", OtherTips),
    ]
    assert [(e.label, type(e.component)) for e in suite.metrics] == [
        ("acme:rmse", Rmse),
        ("ssim", Ssim),
        ("zeta-ct:rmse", OtherRmse),
        ("zeta-ct:rmse_1", OtherRmse),
    ]


@pytest.mark.parametrize("catalogue", [ACME, BOTH])
def test_labels_are_the_bare_names_where_a_suite_has_one_of_two(load, catalogue):
    text = """\
        datasets: [acme:phantom]
        denoisers: [acme:tips, {name: acme:tips, grid: {sigma_t_hu: [1, 2]}}]
        metrics: [acme:rmse, {name: acme:rmse, params: {against: truth}}]
        """
    suite = load(text, catalogue=catalogue)
    assert [entry.label for entry in suite.datasets] == ["phantom"]
    assert [row.label for row in suite.denoisers] == ["tips", "tips(sigma_t_hu=1)", "tips(sigma_t_hu=2)"]
    assert [entry.label for entry in suite.metrics] == ["rmse", "rmse_truth"]
    assert load(dump(resolved(suite)), name="suite.lock.yaml", catalogue=catalogue) == suite


def test_a_suite_with_qualified_names_written_back_loads_as_an_equal_one(load):
    suite = load(BOTH_OF_EACH, catalogue=BOTH)
    data = resolved(suite)
    assert [entry["name"] for entry in data["datasets"]] == ["acme:phantom", "zeta-ct:phantom"]
    assert [entry["name"] for entry in data["denoisers"]] == ["none", *["acme:tips"] * 3, *["zeta-ct:tips"] * 2]
    assert [entry["name"] for entry in data["metrics"]] == ["acme:rmse", "ssim", "zeta-ct:rmse", "zeta-ct:rmse"]
    again = load(dump(data), name="suite.lock.yaml", catalogue=BOTH)
    assert again == suite
    assert resolved(again) == data


def test_a_bare_name_is_refused_where_it_is_used_and_both_are_named(faults):
    text = "datasets: [acme:phantom]\ndenoisers:\n- tips\n- {name: tips, params: {weight: x}}\nmetrics: [rmse, ssim]\n"
    assert faults(text, catalogue=BOTH) == [
        "3: denoisers[0]: denoiser 'tips' is offered by 2 distributions; allowed: acme:tips or zeta-ct:tips",
        "4: denoisers[1].name: denoiser 'tips' is offered by 2 distributions; allowed: acme:tips or zeta-ct:tips",
        "5: metrics[0]: metric 'rmse' is offered by 2 distributions; allowed: acme:rmse or zeta-ct:rmse",
    ]


def test_a_clash_that_a_suite_does_not_touch_is_none_of_its_business(load):
    text = "datasets: [acme:phantom]\ndenoisers: [none]\nmetrics: [ssim]\n"
    assert [row.label for row in load(text, catalogue=BOTH).denoisers] == ["none"]


def test_metrics_left_out_stand_for_all_of_which_two_have_one_name(faults):
    assert faults("datasets: [acme:phantom]\ndenoisers: [none]\n", catalogue=BOTH) == [
        "1: 'metrics' is left out, which stands for all that are installed, but metric 'rmse' is offered by 2 "
        "distributions; allowed: acme:rmse or zeta-ct:rmse"
    ]


def test_one_row_written_by_both_its_names_is_there_twice(faults):
    assert faults("datasets: [phantom]\ndenoisers: [tips, acme:tips]\n", catalogue=ACME) == [
        "2: denoisers[1]: the row 'tips' is in denoisers[0] already; leave one out"
    ]


def test_an_exclusion_names_a_denoiser_as_the_suite_does(load, faults):
    suite = load(BOTH_OF_EACH, catalogue=BOTH)
    ours = suite.exclude[0]
    left_out = [row.label for row in suite.denoisers if ours.matches("zeta-ct:phantom", row, 1.0, 0)]
    assert left_out == [row.label for row in suite.denoisers if row.cls is Tips]
    bare = BOTH_OF_EACH.replace("{denoiser: acme:tips,", "{denoiser: tips,")
    (fault,) = faults(bare, catalogue=BOTH)
    assert fault.startswith("9: exclude[0].denoiser: the suite has no denoiser 'tips'")
    assert "'acme:tips'" in fault
    assert "'zeta-ct:tips'" in fault


def test_tuning_names_a_metric_by_its_label(faults):
    text = BOTH_OF_EACH.replace('"zeta-ct:rmse"}', "rmse}")
    (fault,) = faults(text, catalogue=BOTH)
    assert "the suite has no metric 'rmse'" in fault
    assert fault.endswith("it has 'acme:rmse', 'ssim', 'zeta-ct:rmse', 'zeta-ct:rmse_1'")
