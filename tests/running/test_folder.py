"""Where a run may be written: what is said where it may not."""

from __future__ import annotations

import pytest

from ctpbench.errors import InputError
from ctpbench.running.folder import usable_folder
from ctpbench.running.index import Index
from ctpbench.running.store import Store
from ctpbench.suite.load import load_suite

SUITE = "name: {name}\ndatasets: [toy]\ndenoisers: [leave]\nmetrics: [error]\n"


@pytest.fixture
def suite(catalogue, write_suite):
    return lambda name: load_suite(write_suite(SUITE.format(name=name)), catalogue)


def write_run(folder, suite):
    Store(folder).write_plan(Index.of(suite, [], {}), "")


def test_a_new_or_empty_folder_or_what_a_killed_run_left_will_do(suite, tmp_path):
    mine = suite("mine")
    assert usable_folder(tmp_path / "deep/new", mine, into=False).is_dir()
    assert usable_folder(tmp_path / "deep/new", mine, into=False).is_dir()
    (tmp_path / "deep/new/run.lock").touch()
    (tmp_path / "deep/new/tmp").mkdir()
    assert usable_folder(tmp_path / "deep/new", mine, into=False).is_dir()


def test_the_same_suite_goes_on_and_another_needs_the_word(suite, tmp_path):
    folder = tmp_path / "run"
    write_run(folder, suite("mine"))
    assert usable_folder(folder, suite("mine"), into=False) == folder
    with pytest.raises(InputError, match="holds the run of another suite, 'mine'; give a new folder, or --into"):
        usable_folder(folder, suite("yours"), into=False)
    assert usable_folder(folder, suite("yours"), into=True) == folder


def test_a_folder_that_holds_other_things_needs_the_word(suite, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"holds other things, such as \S+; give a new folder, or --into"):
        usable_folder(tmp_path, suite("mine"), into=False)
    assert usable_folder(tmp_path, suite("mine"), into=True) == tmp_path


@pytest.mark.parametrize("name", ["file", "file/inside"])
def test_a_file_is_no_folder(name, suite, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is, or lies in, a file; give a folder"):
        usable_folder(tmp_path / name, suite("mine"), into=True)


def test_a_folder_that_cannot_be_made_is_named(suite, monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    mine = suite("mine")
    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(InputError, match=r"^--out .*new: cannot be written to \(Permission denied\); give another"):
        usable_folder(tmp_path / "new", mine, into=False)


def test_a_run_of_another_version_goes_on_by_its_suites_name(suite, tmp_path):
    (tmp_path / "run").mkdir()
    index = tmp_path / "run/cells.json"
    index.write_text('{"format": 1, "suite": "mine"}')
    assert usable_folder(tmp_path / "run", suite("mine"), into=False)
    for text in ('{"format": 1, "suite": "yours"}', "{", "[]"):
        index.write_text(text)
        with pytest.raises(InputError, match=r"holds (the run of another suite|a run whose cells\.json is unreadable)"):
            usable_folder(tmp_path / "run", suite("mine"), into=False)
