"""The table of mutants in CONTRIBUTING.md keeps up with the code."""

from __future__ import annotations

import ast

import pytest

from tests.mutants import ROOT, Mutant, mutants

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
TABLE = mutants(TEXT)


def test_every_row_is_read_and_none_is_there_twice():
    assert len(TABLE) == sum(line.startswith("| `") and "::" in line for line in TEXT.splitlines()) >= 60
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in TABLE}) == len(TABLE)


@pytest.mark.parametrize("mutant", TABLE, ids=lambda mutant: f"{mutant.file}: {mutant.old}")
def test_a_mutant_is_of_one_line_that_is_there(mutant: Mutant):
    text = (ROOT / mutant.file).read_text()
    assert text.count(mutant.old) == 1
    assert mutant.old != mutant.new
    ast.parse(text.replace(mutant.old, mutant.new))


@pytest.mark.parametrize("test", sorted({mutant.test for mutant in TABLE}))
def test_the_test_that_kills_it_is_there(test: str):
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert not name or name.partition("[")[0] in names
