"""A file of claims: YAML beside a suite, checked as far as it can be without results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ctpbench.errors import InputError
from ctpbench.outcome.claims.checks import CHECKS
from ctpbench.outcome.claims.claim import Claim
from ctpbench.settings import Settings
from ctpbench.suite.sections import Label
from ctpbench.text import did_you_mean, shown
from ctpbench.written.document import Document, Place, read
from ctpbench.written.faults import Faults

FILE_NAME = "claims.yaml"


@dataclass(frozen=True)
class Claims:
    """A file of claims, sound in itself; whether what it names exists only results can tell."""

    paper: str
    data: str
    """What they are checked on, where that is not what the paper used."""
    claims: tuple[Claim, ...]
    document: Document

    @property
    def title(self) -> str:
        """Whose claims these are and, where it is not the paper's own, on what data they are checked."""
        return f"{self.paper}. CHECKED ON {self.data}" if self.data else self.paper


class _File(Settings):
    """The top of a file of claims."""

    paper: Label
    data: Label | None = None
    claims: Annotated[list[Any], Field(min_length=1)]


def load_claims(path: Path) -> Claims:
    """Read a file of claims.

    Raises
    ------
    InputError
        With every fault found, one line each, as in ``claims.yaml:14: claims[1]: unknown key 'row'; ...``.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; write one, or name another with --claims")
    document = read(path)
    faults = Faults(document)
    file: _File | None = faults.take(_File, document.data, (), None)
    items = document.data.get("claims")
    claims = [_claim(item, ("claims", i), faults) for i, item in enumerate(items if isinstance(items, list) else [])]
    faults.raise_if_any()
    assert file is not None
    return Claims(file.paper, file.data or "", tuple(claim for claim in claims if claim is not None), document)


def _claim(item: Any, place: Place, faults: Faults) -> Claim | None:
    """Return a claim as written, None after noting what is wrong with it."""
    allowed = ", ".join(CHECKS)
    if not isinstance(item, dict):
        faults.add(place, f"got {shown(item)}; allowed: a mapping with says, check and what the check needs")
    elif "check" not in item:
        faults.add(place, f"'check' is missing; allowed: {allowed}")
    elif item["check"] not in list(CHECKS):
        got = item["check"]
        near = did_you_mean(got, CHECKS) if isinstance(got, str) else ""
        faults.add((*place, "check"), f"got {shown(got)}; allowed: {allowed}{near}")
    else:
        claim: Claim | None = faults.take(CHECKS[item["check"]], item, place, None)
        return claim
    return None
