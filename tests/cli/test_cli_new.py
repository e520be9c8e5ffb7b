"""The command new: what it prints, what it asks, and what it refuses."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ctpbench.cli import main
from ctpbench.scaffolds.package import SCAFFOLDS

new = importlib.import_module("ctpbench.cli.new")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ctpbench(*words: str, answers: str = "") -> Result:
    return CliRunner().invoke(main, words, prog_name="ctpbench", input=answers)


def test_every_kind_has_a_command():
    shown = ctpbench("new", "--help").stdout
    for kind in (*SCAFFOLDS, "suite"):
        assert f"\n  {kind} " in shown


def test_a_package_is_written_and_what_to_type_next_is_said(here):
    done = ctpbench("new", "dataset", "OwnHeads", "--out", "a folder")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "Written to a folder: .gitignore, README.md, own_heads.py, pyproject.toml, suite.yaml, tests/test_own_heads.py"
    )
    assert [line.strip() for line in lines[-5:]] == [
        "cd 'a folder'",
        "pip install -e .",
        "ctpbench check own-heads --noise 5",
        "pytest",
        "ctpbench run suite.yaml",
    ]
    again = ctpbench("new", "metric", "own-score", "--out", "a folder")
    assert again.exit_code == 2
    assert again.stderr == "new: a folder is there already, and nothing is written over; give another --out, or name\n"


def test_a_suite_is_written_from_flags(here):
    words = ["--dataset", "phantom", "--noise", "2e5", "--method", "tips", "--metric", "rmse"]
    done = ctpbench("new", "suite", "mine.yaml", *words)
    assert done.stdout.splitlines() == [
        "Written to mine.yaml. Its rows: none, noiseless, tips. Next:",
        "  ctpbench plan mine.yaml",
        "  ctpbench run mine.yaml",
    ]
    assert (here / "mine.yaml").is_file()
    assert "name: mine\n" in (here / "mine.yaml").read_text()


def test_what_is_missing_is_asked_for_on_a_terminal_until_it_is_there(here, monkeypatch):
    monkeypatch.setattr(new, "_on_terminal", lambda: True)
    answers = ["mine", "phantm", "phantom", "-1", "1e5, 2e5", "tips, gaussian", "rmse"]
    done = ctpbench("new", "suite", answers="\n".join(answers) + "\n")
    assert done.exit_code == 0, done.output
    assert "did you mean phantom?" in done.output
    assert "got -1; allowed: numbers above 0" in done.output
    written = (here / "mine.yaml").read_text()
    assert "  - {name: phantom, noise: [1e5, 2e5]}\n" in written
    assert "  - tips\n  - gaussian\n" in written
    assert "metrics:\n  - rmse\n" in written


def test_what_is_given_is_not_asked_for(here, monkeypatch):
    monkeypatch.setattr(new, "_on_terminal", lambda: True)
    done = ctpbench("new", "suite", "mine", "--dataset", "phantom", "--method", "tips", answers="")
    assert done.exit_code == 0, done.output
    assert "metrics" not in (here / "mine.yaml").read_text()


def test_elsewhere_what_is_missing_is_named(here):
    done = ctpbench("new", "suite", "mine", "--dataset", "phantom")
    assert done.exit_code == 2
    assert done.stderr == "new suite: needs NAME, --dataset and --method; give them, or ask for it on a terminal\n"
    assert not list(here.iterdir())
