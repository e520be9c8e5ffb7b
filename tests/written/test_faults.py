"""Faults of a document, gathered and raised together."""

from __future__ import annotations

import pytest

from ctpbench.errors import InputError
from ctpbench.written.document import parse
from ctpbench.written.faults import Faults, listed, spelled

TEXT = """\
seeds: [1, x, 2.5]
name: quick
empty:
"""


@pytest.fixture
def faults():
    return Faults(parse(TEXT, "claims.yaml", {}))


def test_a_section_is_taken_as_the_given_type_or_replaced(faults):
    assert faults.section("name", str, "default") == "quick"
    assert faults.section("absent", str, "default") == "default"
    assert not faults.found
    assert faults.section("seeds", list[int], [0]) == [0]
    assert faults.section("empty", str, "default") == "default"
    with pytest.raises(InputError) as caught:
        faults.raise_if_any()
    assert str(caught.value).splitlines() == [
        "claims.yaml:1: seeds[1]: got 'x'; allowed: a whole number",
        "claims.yaml:1: seeds[2]: got 2.5; allowed: a whole number",
        "claims.yaml:3: empty: got null; allowed: text",
    ]


def test_faults_are_raised_once_each_in_the_order_of_their_lines(faults):
    faults.add(("name",), "second")
    faults.add((), "first, of all", at=("seeds", 0))
    faults.add(("name",), "second")
    with pytest.raises(InputError) as caught:
        faults.raise_if_any()
    assert str(caught.value) == "claims.yaml:1: first, of all\nclaims.yaml:2: name: second"


def test_nothing_is_raised_where_nothing_was_found(faults):
    faults.raise_if_any()


def test_how_places_and_choices_are_written():
    assert spelled(("denoisers", 1, "params", "sigma_px")) == "denoisers[1].params.sigma_px"
    assert spelled(()) == ""
    assert listed(["rmse", 1e5, None]) == "'rmse', 100000, null"
    assert listed([]) == "no such"
