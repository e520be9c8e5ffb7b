"""What ``ctpbench new suite`` writes: a suite that loads, from flags or from answers."""

from __future__ import annotations

import pytest

from ctpbench.errors import InputError
from ctpbench.plugins import load_catalogue
from ctpbench.scaffolds.suite import Answers, new_suite
from ctpbench.suite.load import load_suite


@pytest.fixture(scope="module")
def installed():
    return load_catalogue()


def test_names_and_levels_become_a_suite_with_its_controls(installed, tmp_path):
    answers = Answers("mine", ["phantom"], ["tips"], ["rmse"], noise=["1e5", "2e5"])
    suite, path = new_suite(answers, installed, tmp_path / "x.yaml")
    assert load_suite(path, installed) == suite
    assert suite.name == "mine"
    assert [(dataset.name, dataset.noise) for dataset in suite.datasets] == [("phantom", (1e5, 2e5))]
    assert [row.name for row in suite.denoisers] == ["none", "noiseless", "tips"]
    assert [metric.name for metric in suite.metrics] == ["rmse"]


def test_without_levels_nothing_is_known_to_be_noiseless(installed, tmp_path):
    for controls, rows in ((True, ["none", "tips"]), (False, ["tips"])):
        answers = Answers("mine", ["phantom"], ["tips"], ["rmse"], controls=controls)
        suite, _ = new_suite(answers, installed, tmp_path / f"{controls}.yaml")
        assert [row.name for row in suite.denoisers] == rows


def test_an_item_may_be_all_that_a_suite_takes_in_its_place(installed, tmp_path):
    answers = Answers(
        "mine",
        ["{name: phantom, label: head, noise: [3e5]}", "real_like"],
        ["none", "{name: gaussian, grid: {sigma_px: [1, 2]}}"],
        ["{name: rmse, params: {against: truth}}"],
        noise=["2e5"],
    )
    suite, _ = new_suite(answers, installed, tmp_path / "x.yaml")
    assert [(dataset.label, dataset.noise) for dataset in suite.datasets] == [("head", (3e5,)), ("real_like", (2e5,))]
    labels = [row.label for row in suite.denoisers]
    assert labels == ["noiseless", "none", "gaussian(sigma_px=1)", "gaussian(sigma_px=2)"]
    assert [metric.label for metric in suite.metrics] == ["rmse_truth"]


@pytest.mark.parametrize("name", ["a: b", "1e5", "no", "${HOME}", "# x", "'"])
def test_whatever_a_name_holds_it_is_that_name(name, installed, tmp_path):
    suite, _ = new_suite(Answers(name, ["phantom"], ["tips"], ["rmse"]), installed, tmp_path / "x.yaml")
    assert suite.name == name


def test_faults_are_told_all_at_once_and_leave_no_file(installed, tmp_path):
    path = tmp_path / "x.yaml"
    answers = Answers("mine", ["phantm"], ["tps", "{name: gaussian, params: {sigma: 2}}"], ["rmse"], noise=["2e5"])
    with pytest.raises(InputError) as told:
        new_suite(answers, installed, path)
    lines = str(told.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{path}:") for line in lines)
    assert "did you mean phantom?" in lines[0]
    for wrong in ("x\nname: other", "{name: phantom", "[a]", ""):
        with pytest.raises(InputError):
            new_suite(Answers("mine", [wrong], ["tips"], noise=["2e5"]), installed, path)
    assert not list(tmp_path.iterdir())


def test_nothing_that_is_there_is_written_over_and_a_name_with_a_folder_is_refused(installed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answers = Answers("mine", ["phantom"], ["tips"], ["rmse"])
    _, path = new_suite(answers, installed)
    before = (tmp_path / "mine.yaml").read_bytes()
    assert path.name == "mine.yaml"
    with pytest.raises(InputError, match=r"mine\.yaml is there already, and nothing is written over"):
        new_suite(answers, installed)
    with pytest.raises(InputError, match=r"got the name '\.\./x'"):
        new_suite(Answers("../x", ["phantom"], ["tips"]), installed)
    assert (tmp_path / "mine.yaml").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]
