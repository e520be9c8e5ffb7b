"""Bias and noise over draws of the noise, in numbers and as a picture."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.image import imread

from ctpbench.report.draws import Draws, draws_panels

SUITE = """
datasets: [{name: toy, params: {test_cases: 2}, noise: [2]}]
denoisers: [leave, noiseless, {name: shrink, params: {weight: 1.0}}]
metrics: [error]
replicates: DRAWS
"""


def test_bias_and_deviation_are_those_of_the_draws():
    rng = np.random.default_rng(0)
    noiseless = np.full((20, 30), 50.0, np.float32)
    draws = Draws("a", (noiseless + 3 + 2 * rng.standard_normal((400, 20, 30))).astype(np.float32))
    assert draws.bias(noiseless).mean() == pytest.approx(3, abs=0.02)
    assert draws.deviation.mean() == pytest.approx(2, abs=0.02)


def test_a_picture_has_a_column_for_each_method(tmp_path):
    rng = np.random.default_rng(1)
    tissue = np.zeros((24, 24), bool)
    tissue[4:20, 4:20] = True
    noiseless = np.full(tissue.shape, 40.0, np.float32)
    columns = [Draws(label, (noiseless + rng.normal(0, 3, (6, 24, 24))).astype(np.float32)) for label in ("a", "$b$")]
    draws_panels(columns, noiseless, tissue, "title", tmp_path / "new" / "draws.png")
    image = imread(tmp_path / "new" / "draws.png")
    assert image.shape[1] > 1.3 * 160 * 2.2
    assert image[..., :3].std() > 0.1


@pytest.mark.parametrize("draws", [2, 5])
def test_a_run_with_enough_draws_shows_them(draws, ctpbench, write_suite, tmp_path):
    assert ctpbench("run", write_suite(SUITE.replace("DRAWS", str(draws))), "--out", "out", "--report").returncode == 0
    found = sorted(path.stem for path in (tmp_path / "out" / "panels").iterdir())
    maps = [
        "toy-2",
        "toy-2-clinic",
        *(["toy-2-draws"] if draws == 5 else []),
        "toy-2-less-noiseless",
        "toy-2-less-truth",
    ]
    assert found == maps
