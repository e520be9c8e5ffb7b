"""Which cases a cell's method learns from: those of its noise level, or of all."""

from __future__ import annotations

import json

import pytest

from ctpbench.plan import plan
from ctpbench.suite import load_suite

SUITE = """
datasets: [{{name: toy, noise: {noise}}}]
denoisers: [learn, {{name: learn-clean, label: all, params: {{levels: all}}}}]
metrics: [error]
"""


@pytest.fixture
def cells(catalogue, write_suite):
    def planned(noise):
        made = plan(load_suite(write_suite(SUITE.format(noise=noise)), catalogue))
        return {(cell.row.label, cell.noise): cell for cell in made}

    return planned


def model(cell):
    return cell.model(cell.row.component())


def test_one_network_for_all_levels_is_one_piece_of_work(cells):
    both = cells([1, 2])
    assert model(both["all", 1.0]).key == model(both["all", 2.0]).key
    assert model(both["learn", 1.0]).key != model(both["learn", 2.0]).key


def test_it_is_given_every_case_at_every_level_and_the_truth_where_it_may(cells):
    both = cells([1, 2])
    item = model(both["all", 1.0])
    assert len(item.task["cases"]) == len(set(item.task["cases"])) == 4
    keys = {key for case_set in both["all", 1.0].train for key in case_set.keys}
    assert {(key, name) for _, key, name in item.inputs.values()} == {
        (key, name) for key in keys for name in ("observation.npz", "truth.npz")
    }
    own = model(both["learn", 2.0])
    assert own.task["cases"] == ("train/0", "train/1")
    assert {name for _, _, name in own.inputs.values()} == {"observation.npz"}


def test_another_level_is_new_data_for_a_network_of_all_levels_alone(cells):
    one, both = cells([1]), cells([1, 2])
    assert model(one["learn", 1.0]).key == model(both["learn", 1.0]).key
    assert one["learn", 1.0].key == both["learn", 1.0].key
    assert model(one["all", 1.0]).key != model(both["all", 1.0]).key
    assert one["all", 1.0].key != both["all", 1.0].key


def test_it_is_trained_once_in_a_run(ctpbench, write_suite, tmp_path):
    path = write_suite(SUITE.format(noise="[1, 2]"))
    done = ctpbench("run", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout + done.stderr
    models = list((tmp_path / "out/cache/model").iterdir())
    origins = [json.loads((folder / "training.json").read_text()) for folder in models]
    assert sorted(len(origin["cases"]) for origin in origins) == [2, 2, 4]
