"""What a call asks for: which suite is run, where, and how."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ctpbench.contract.components import Component
from ctpbench.running.executors.choice import HERE, Choice
from ctpbench.running.options import Options
from ctpbench.suite.entries import Suite

Sandboxing = Literal["none", "wanted", "required"]


@dataclass(frozen=True)
class Drive:
    """How a suite is driven.

    Attributes
    ----------
    suite : Suite
    folder : Path
    only : sequence of str
        Methods, row labels or datasets; all where it is empty.
    options : Options
    sandbox : {"none", "wanted", "required"}
    into : bool
        Whether the folder may hold other things, or another suite's run.
    claims : str or None
        The text of the claims that go with the suite.
    here : mapping
        Classes of components whose work is done in this process, by qualified name. Nothing of it is kept once the run
        is finished, nor shared.
    cache : str, path or None
        Where the shared cache lies, ``"none"`` for none; see `ctpbench.running.shared.location`.
    executor : Choice
        Where the work is done.
    """

    suite: Suite
    folder: Path
    only: Sequence[str] = ()
    options: Options = field(default_factory=Options)
    sandbox: Sandboxing = "wanted"
    into: bool = False
    claims: str | None = None
    here: Mapping[str, type[Component]] = field(default_factory=dict)
    cache: str | os.PathLike[str] | None = None
    executor: Choice = HERE
