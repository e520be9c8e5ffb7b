"""The suites that ship, and how a name or a path becomes a suite's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctpbench.errors import InputError
from ctpbench.outcome.claims import load_claims
from ctpbench.plugins import load_catalogue
from ctpbench.suite.load import load_suite
from ctpbench.suite.shipped import find_suite, shipped_suites

BOARDS = Path(__file__).parents[2] / "leaderboards"


@pytest.fixture(scope="module")
def installed():
    return load_catalogue()


@pytest.mark.parametrize("name", shipped_suites())
def test_a_shipped_suite_loads_under_its_own_name(name, installed):
    suite = load_suite(find_suite(name), installed)
    assert suite.name == name
    assert suite.description


@pytest.mark.parametrize(
    "claims", [p for p in (s.with_name("claims.yaml") for s in shipped_suites().values()) if p.is_file()]
)
def test_the_claims_beside_a_shipped_suite_load(claims):
    assert load_claims(claims).claims


def test_a_shipped_suite_has_a_board_and_what_lies_there_is_the_same_file():
    for name, path in shipped_suites().items():
        for file in path.parent.iterdir():
            assert (BOARDS / name / file.name).is_symlink()
            assert (BOARDS / name / file.name).samefile(file)


def test_a_bare_word_is_the_shipped_suite_and_a_path_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("quick").write_text("name: another\n")
    Path("mine").write_text("name: mine\n")
    assert find_suite("quick") == shipped_suites()["quick"]
    assert find_suite("./quick") == Path("quick")
    assert find_suite("mine") == Path("mine")
    assert find_suite(tmp_path / "quick") == tmp_path / "quick"
    assert find_suite("quick.yaml") == Path("quick.yaml")


def test_a_word_that_is_neither_suite_nor_file_is_answered_by_the_nearest_and_the_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=r"^no suite 'quik' \(did you mean quick\?\); allowed: .*low-contrast.* as in"
    ) as told:
        find_suite("quik")
    assert "\n" not in str(told.value)


def test_a_shipped_suite_is_planned_by_its_name(ctpbench, tmp_path):
    done = ctpbench("plan", "paper-gpu", "--out", tmp_path / "out", "--only", "none")
    assert done.returncode == 0, done.stderr
    assert "1 cells: 0 finished, 1 to run." in done.stdout
    done = ctpbench("run", "paper_gpu")
    assert done.returncode == 2
    assert done.stderr.startswith("no suite 'paper_gpu' (did you mean paper-gpu?)")


def test_list_shows_them(ctpbench):
    shown = ctpbench("list").stdout
    for name in shipped_suites():
        assert f"\n {name} " in shown
    assert "at a quarter of the pixels of stroke, for a first look." in shown
