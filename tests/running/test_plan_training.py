"""Which cases a cell's method learns from: those of its noise level, or of all."""

from __future__ import annotations

import json

import pytest

from ctpbench.errors import InputError
from ctpbench.outcome.results import open_results
from ctpbench.running.plan import plan
from ctpbench.suite.load import load_suite

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
    assert len(item.task.cases) == len(set(item.task.cases)) == 4
    keys = {key for case_set in both["all", 1.0].train for key in case_set.keys}
    assert {(given.key, given.file) for given in item.inputs.values()} == {
        (key, name) for key in keys for name in ("observation.npz", "truth.npz")
    }
    own = model(both["learn", 2.0])
    assert own.task.cases == ("train/0", "train/1")
    assert {given.file for given in own.inputs.values()} == {"observation.npz"}


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


ELSEWHERE = """
datasets:
  - {name: toy, label: patients, noise: [1, 2]}
  - {name: toy, label: simulation, noise: [3, 4], train_only: true, params: {seed: 1, test_cases: 0}}
denoisers:
  - {name: learn-clean, label: simulated, train: {dataset: simulation, noise: 4}}
  - {name: learn-clean, label: all, params: {levels: all}, train: {dataset: simulation, noise: 4}}
  - learn
metrics: [error]
"""


def test_a_row_may_learn_elsewhere_once_for_all_that_it_is_scored_on(catalogue, write_suite):
    cells = {(c.row.label, c.dataset, c.noise): c for c in plan(load_suite(write_suite(ELSEWHERE), catalogue))}
    assert {dataset for _, dataset, _ in cells} == {"patients"}
    first, second = (cells["simulated", "patients", noise] for noise in (1.0, 2.0))
    assert model(first).key == model(second).key
    assert [case_set.label for case_set in first.train] == ["simulation", "simulation"]
    simulated = next(case_set for case_set in first.train if case_set.noise == 4)
    assert model(first).task.cases == simulated.cases
    assert {given.key for given in model(first).inputs.values()} == set(simulated.keys)
    assert len(model(cells["all", "patients", 1.0]).task.cases) == 4
    assert {c.label for c in cells["learn", "patients", 1.0].train} == {"patients"}


def test_where_it_learnt_is_in_the_record_and_on_the_page(ctpbench, write_suite, tmp_path):
    done = ctpbench("run", str(write_suite(ELSEWHERE)), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "simulated learnt from simulation, noise 4." in (tmp_path / "out/leaderboard.md").read_text()
    tree = open_results(tmp_path / "out/results.nc")
    assert list(tree.children) == ["patients"]
    assert tree["patients/trained_on"].sel(config="simulated", noise=1, seed=0) == "simulation, noise 4"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("{name: leave, train: {dataset: patients}}", "6: denoisers[0].train: 'leave' does not learn; leave it out"),
        (
            "{name: learn, train: {dataset: simulatoin, noise: 4}}",
            "6: denoisers[0].train.dataset: the suite has no dataset 'simulatoin' (did you mean simulation?); "
            "it has 'patients', 'simulation'",
        ),
        (
            "{name: learn, train: {dataset: simulation}}",
            "6: denoisers[0].train.noise: got no noise level; allowed: one that 'simulation' has in the suite, 3, 4",
        ),
        (
            "{name: learn, train: {dataset: simulation, noise: 5}}",
            "6: denoisers[0].train.noise: got 5; allowed: one that 'simulation' has in the suite, 3, 4",
        ),
    ],
)
def test_faults_of_where_a_row_learns(row, fault, catalogue, write_suite):
    text = ELSEWHERE[: ELSEWHERE.index("denoisers")]
    path = write_suite(f"{text}denoisers:\n  - {row}\nmetrics: [error]\n")
    with pytest.raises(InputError) as error:
        load_suite(path, catalogue)
    assert str(error.value).removeprefix(f"{path}:") == fault


def test_a_suite_must_score_on_something(catalogue, write_suite):
    path = write_suite("datasets: [{name: toy, train_only: true}]\ndenoisers: [leave]\nmetrics: [error]\n")
    with pytest.raises(
        InputError, match=r"datasets: all are train_only; allowed: at least one that rows are scored on"
    ):
        load_suite(path, catalogue)
