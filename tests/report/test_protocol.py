"""The page says how scores were taken."""

from __future__ import annotations

import numpy as np

from ctpbench.outcome.results import build
from ctpbench.report.protocol import protocol_markdown
from tests.outcome.records import record, score


def test_each_metric_is_shown_with_its_parameters_and_the_maps_with_theirs() -> None:
    values = score([1.0, 2.0], ["case"])
    told = values.model_copy(update={"parameters": {"region": "parenchyma", "mtt_range_s": [0.0, 10.0]}})
    text = protocol_markdown(build([record("a", scores={"rmse": told, "plain": values})], {}))
    assert "- RMSE: A score. (region=parenchyma, mtt_range_s=[0, 10])" in text.splitlines()
    assert "Maps: tikhonov 0.3." in text
    assert "plain" not in text


def test_results_that_do_not_say_have_no_section() -> None:
    assert protocol_markdown(build([record("a", scores={"m": score(np.array([1.0, 2.0]), ["case"])})], {})) == ""
