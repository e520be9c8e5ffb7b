"""A guest's first steps, taken once while nobody waits for it.

A forked process shares its memory with the one that it was forked from until it writes to it; then each page is copied,
which takes a short piece of work half of its time. Here it writes to what any piece of work does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np

from ctpbench.contract.components import Context, FrameDenoiser
from ctpbench.running.estimation import answer_of
from ctpbench.running.files import load_observation, save_observation
from ctpbench.running.messages import Errand, Invitation, Ready
from ctpbench.running.sandbox.enclosure import Reach
from ctpbench.running.tiny import CASE, Unchanged, observation, spec_of
from ctpbench.running.work import AnswerTask
from ctpbench.settings import MapsSettings

_NOWHERE = Path("/")


def warm_up() -> None:
    """Be told, define a component, read a case and denoise it, on no disk; what fails here fails at work, too."""
    with suppress(Exception):
        _listen()

        class Another(Unchanged):
            """A component, as a method's module defines one."""

        _denoise(Another())


def _listen() -> None:
    told = Invitation(reach=Reach(("/",), ("/",), ("/",)), environment={}, home=_NOWHERE, device="cpu", threads=1)
    Invitation.model_validate_json(told.model_dump_json())
    Ready(landlock=0, namespaces=True).model_dump_json()
    task = AnswerTask(denoiser=spec_of(Unchanged()), case=CASE, seed=0, maps=MapsSettings())
    errand = Errand(key="", task=task, inputs={}, out=_NOWHERE, scratch=_NOWHERE, checkpoints=_NOWHERE)
    Errand.model_validate_json(errand.model_dump_json())


def _denoise(method: FrameDenoiser) -> None:
    with _in_memory() as path:
        path.write_bytes(_case())
        read = load_observation(path)
    context = Context("cpu", 1, np.random.default_rng([0]), _NOWHERE, _NOWHERE, lambda fraction, text: None)
    answer_of(method, read, MapsSettings(), context)


@cache
def _case() -> bytes:
    """Return a case as a file holds it, made once for all guests: it is the reading that each does."""
    with _in_memory() as path:
        save_observation(observation(), path)
        return path.read_bytes()


@contextmanager
def _in_memory() -> Iterator[Path]:
    """Yield the path of a file on no disk."""
    with os.fdopen(os.memfd_create("case")) as file:
        yield Path(f"/proc/self/fd/{file.fileno()}")
