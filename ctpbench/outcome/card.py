"""The card of a row that is handed in: the method, who wrote of it, what it learnt from, where its code lies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from ctpbench.contract.components import Denoiser, Trainable
from ctpbench.distributions import address_of, distribution_of, licence_of
from ctpbench.settings import Settings
from ctpbench.suite.sections import Label
from ctpbench.text import cut, plain_text
from ctpbench.written.document import dump, read
from ctpbench.written.faults import Faults

FOLDER = "cards"
"""Where the cards lie, in a folder that was handed in."""
_LONGEST = 1000


def _plain(text: str) -> str:
    if len(text) > _LONGEST or plain_text(text, _LONGEST) != text:
        raise ValueError(f"allowed: plain text of at most {_LONGEST} characters")
    return text


def _address(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\.\S+", text):
        raise ValueError("allowed: an address that begins with https://")
    return text


Line = Annotated[Label, AfterValidator(_plain)]


class Card(Settings):
    """What a card says; what nothing is true of says so, as in ``trained_on: nothing``."""

    row: Line = Field(description="The row's label in the results.")
    method: Line = Field(description="The method's name.")
    version: Line = Field(description="Its version.")
    distribution: Line | None = Field(None, description="The package that holds it, with its version.")
    citation: Line = Field(description="Where it was published, or 'unpublished'.")
    trained_on: Line = Field(description="What it learnt from in the run, or 'nothing'.")
    pretrained_data: Line = Field(description="What its weights were made from before the run, or 'nothing'.")
    licence: Line = Field(description="The licence of its code.")
    code: Annotated[Line, AfterValidator(_address)] = Field(description="Where its code is to be had.")
    contact: Line | None = Field(None, description="Whom to ask.")


ASKED = ("citation", "trained_on", "pretrained_data", "licence", "code", "contact")
"""What a person says; the rest is the run's."""


def load_card(path: Path) -> Card:
    """Read a card.

    Raises
    ------
    InputError
        With every fault found, one line each, as in ``card.yaml:4: code: got 'nowhere'; allowed: ...``.
    """
    document = read(path)
    faults = Faults(document)
    card: Card | None = faults.take(Card, document.data, (), None)
    faults.raise_if_any()
    assert card is not None
    return card


def card_text(card: Card) -> str:
    """Return a card as YAML."""
    return dump(card.model_dump(exclude_none=True))


def drafted(component: type[Denoiser] | None, row: Mapping[str, str], data: str) -> dict[str, str]:
    """Return what can be known of a card without asking.

    Parameters
    ----------
    component : type of Denoiser or None
        The method's class, None where it is not installed here.
    row : mapping
        What the results say of the row: config, method, version, distribution, trained_on.
    data : str
        The data sets that the row was run on.
    """
    draft = {name: row[name] for name in ("method", "version", "distribution")}
    draft |= {"row": row["config"], "trained_on": row.get("trained_on", "")}
    if component is not None:
        name, _ = distribution_of(component)
        learns = f"the training split of {data}" if issubclass(component, Trainable) else "nothing"
        draft |= {
            "citation": cited(component.__doc__ or ""),
            "trained_on": draft["trained_on"] or learns,
            "pretrained_data": component.pretrained_on or "nothing",
            "licence": licence_of(name),
            "code": address_of(name),
        }
    return {name: text for name, given in draft.items() if (text := cut(plain_text(given, _LONGEST), _LONGEST))}


def cited(docstring: str) -> str:
    """Return the last paragraph of a docstring that cites something; nothing where none does.

    >>> cited("A filter.\\n\\n    Mendrik et al. 2011,\\n    Phys Med Biol 56:3857.\\n    ")
    'Mendrik et al. 2011, Phys Med Biol 56:3857.'
    """
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", docstring)]
    cites = re.compile(r"\b(19|20)\d\d\b|\bet al\b|\beqs?\b|\bdoi\b|arXiv", re.IGNORECASE)
    return next((part for part in reversed(paragraphs) if cites.search(part)), "")
