"""Cards: strict YAML with the line of every fault, and what can be known without asking."""

from __future__ import annotations

import pytest

from ctpbench.contract.control import Noiseless
from ctpbench.errors import InputError
from ctpbench.outcome.card import Card, card_text, cited, drafted, load_card

PLAIN = {
    "row": "mine(a=1)",
    "method": "mine",
    "version": "1",
    "distribution": "acme 1.0",
    "citation": "Nobody et al. 2020: [a title] # and more",
    "trained_on": "nothing",
    "pretrained_data": "nothing",
    "licence": "MIT",
    "code": "https://example.org/mine",
}


def test_a_card_comes_back_as_it_was_written(tmp_path):
    card = Card(**PLAIN)
    (tmp_path / "card.yaml").write_text(card_text(card))
    assert load_card(tmp_path / "card.yaml") == card
    assert "contact" not in card_text(card)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("code: here", "card.yaml:9: code: got 'here'; allowed: an address that begins with https://"),
        ("code: https://example.org/a b", "card.yaml:9: code: got"),
        ("citation: ''", "card.yaml:9: citation: got ''; allowed: one line of text, with no blanks at its ends"),
        (f"licence: {'x' * 1001}", "card.yaml:9: licence: got"),
        ('licence: "a\\eb"', "card.yaml:9: licence: got 'a\\x1bb'; allowed: plain text of at most 1000 characters"),
        ("licence: 3", "card.yaml:9: licence: got 3; allowed: text"),
        ("license: MIT", "card.yaml:9: unknown key 'license' (did you mean licence?); allowed: row, method"),
    ],
)
def test_each_fault_is_told_with_its_line(tmp_path, text, line):
    key = text.partition(":")[0]
    lines = [f"{name}: {value!r}" for name, value in PLAIN.items() if name != key][:8]
    (tmp_path / "card.yaml").write_text("\n".join([*lines, text]))
    with pytest.raises(InputError) as caught:
        load_card(tmp_path / "card.yaml")
    assert any(str(each).startswith(str(tmp_path / line)) for each in str(caught.value).splitlines()), caught.value


def test_all_that_is_missing_is_told_at_once(tmp_path):
    (tmp_path / "card.yaml").write_text("row: mine\nlicence: MIT\n")
    with pytest.raises(InputError, match=r"1: 'method', 'version', 'citation', .* is missing$"):
        load_card(tmp_path / "card.yaml")


@pytest.mark.parametrize(
    ("docstring", "found"),
    [
        ("A filter.\n\n    Smith 2011, A\n    Journal.\n\n    More words.\n", "Smith 2011, A Journal."),
        ("A filter.\n\nWu, Ren, Li, eq. 5.", "Wu, Ren, Li, eq. 5."),
        ("A filter of 2d frames.", ""),
        ("", ""),
    ],
)
def test_a_citation_is_the_last_paragraph_that_has_one(docstring, found):
    assert cited(docstring) == found


ROW = {"config": "x", "method": "noiseless", "version": "1", "distribution": "", "trained_on": ""}


def test_a_draft_knows_what_the_component_and_its_package_say():
    draft = drafted(Noiseless, ROW, "patients")
    assert draft["licence"] == "Apache-2.0"
    assert (draft["trained_on"], draft["pretrained_data"]) == ("nothing", "nothing")
    assert "distribution" not in draft


def test_a_method_that_learns_learnt_from_the_training_split_or_from_what_the_run_says():
    from ctpbench_fakes import Learn

    assert drafted(Learn, ROW, "toy")["trained_on"] == "the training split of toy"
    assert drafted(Learn, {**ROW, "trained_on": "other, noise 2"}, "toy")["trained_on"] == "other, noise 2"


def test_a_method_that_is_not_installed_leaves_what_a_person_must_say():
    assert drafted(None, ROW, "toy") == {"row": "x", "method": "noiseless", "version": "1"}
