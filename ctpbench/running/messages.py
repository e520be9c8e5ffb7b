"""What processes say to each other: lines of JSON with a checked schema.

The runner sends a batch to a worker, the worker errands to its guest; both hear how it goes. A line that is none of
these is the sender's fault, and ends the piece of work that it was at.
"""

from __future__ import annotations

import math
import os
import select
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from ctpbench.running.record import Plain
from ctpbench.running.sandbox.enclosure import Reach
from ctpbench.running.work import Assignment, ErrandTask, Outcome
from ctpbench.text import plain_text

LONGEST_LINE = 2**26
"""Bytes. A record's largest part, scores over time of hundreds of cases, is far below."""
LONGEST_TEXT = 200
_READ = 2**16
O = TypeVar("O", bound=Plain)  # noqa: E741


class Batch(Plain):
    """What a worker shall do, one after the other.

    Attributes
    ----------
    assignments : list of Assignment
    reach : Reach or None
        What the components' process may reach; None where nothing is kept from it.
    environment : mapping
        Environment variables for it beside those that every process gets.
    """

    assignments: list[Assignment]
    reach: Reach | None = None
    environment: dict[str, str] = Field(default_factory=dict)


class Errand(Plain):
    """What a guest shall do, with the places that it reads from and writes to."""

    key: str
    task: ErrandTask
    inputs: dict[str, Path]
    out: Path
    scratch: Path
    checkpoints: Path


class Invitation(Plain):
    """What a guest is told first: what it may reach, its home, and what it computes with.

    Attributes
    ----------
    reach : Reach or None
        What its process may reach; None where nothing is kept from it.
    environment : mapping
        Environment variables beside those that every process gets.
    home : Path or None
        The scratch folder that is its home; None where it stays where it is.
    device : str
    threads : int
    """

    reach: Reach | None
    environment: dict[str, str]
    home: Path | None
    device: str
    threads: int


class Ready(Plain):
    """A guest is there, held by so much: see `ctpbench.running.sandbox.enclosure.Hold`."""

    event: Literal["ready"] = "ready"
    landlock: int
    namespaces: bool


class Idle(Plain):
    """A worker is done with its batch, and does the next one once it has cleared up."""

    event: Literal["idle"] = "idle"


class Started(Plain):
    """Work on an item begins."""

    event: Literal["started"] = "started"
    key: str


class Progressed(Plain):
    """How far it is, from 0 to 1, and what it says of that."""

    event: Literal["progressed"] = "progressed"
    key: str
    fraction: float = Field(allow_inf_nan=False)
    text: str = Field(max_length=LONGEST_TEXT)


class Done(Plain):
    """How it ended."""

    event: Literal["done"] = "done"
    key: str
    outcome: Outcome


Message = Annotated[Ready | Idle | Started | Progressed | Done, Field(discriminator="event")]
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)


class Malformed(Exception):
    """A line that is no message."""


def send(to: int, *together: Message) -> None:
    """Write messages to a file descriptor, at once: who hears the first one hears them all."""
    _write(to, "\n".join(message.model_dump_json() for message in together).encode("utf-8", "replace"))


def send_progress(to: int, key: str, fraction: float, text: str) -> None:
    """Write how far a piece of work is, whatever its author calls a number and a text."""
    done, words = float(fraction), plain_text(str(text), LONGEST_TEXT)
    if math.isfinite(done):
        send(to, Progressed(key=key, fraction=done, text=words))


def send_order(to: int, order: Batch | Invitation | Errand) -> None:
    """Write what a process shall do to a file descriptor."""
    _write(to, order.model_dump_json().encode("utf-8", "replace"))


class Orders:
    """What a process is told, as it waits for it at a file descriptor."""

    def __init__(self, source: int) -> None:
        self._source, self._rest = source, bytearray()

    def next(self, kind: type[O]) -> O | None:
        """Wait for the next thing that it is told, which is of some kind; None where there is no more."""
        while b"\n" not in self._rest:
            read = os.read(self._source, _READ)
            if not read:
                return None
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\n")
        return kind.model_validate_json(line)


class Mailbox:
    """Messages as they arrive at a file descriptor that does not block."""

    def __init__(self, source: int) -> None:
        self._source, self._rest = source, bytearray()
        self.closed = False
        """Whether the other end is closed, and nothing more will come."""
        os.set_blocking(source, False)

    def messages(self) -> Iterator[Message]:
        """Yield what has arrived whole.

        Raises
        ------
        Malformed
            Where a line is no message, or longer than `LONGEST_LINE`.
        """
        with suppress(BlockingIOError):
            while read := self._read():
                self._rest += read
                if b"\n" in read:
                    *lines, self._rest = self._rest.split(b"\n")
                    yield from map(_parsed, lines)
                if len(self._rest) > LONGEST_LINE:
                    raise Malformed(f"a line of more than {LONGEST_LINE} bytes")

    def _read(self) -> bytes:
        try:
            read = os.read(self._source, _READ)
        except ConnectionResetError:
            read = b""
        self.closed = not read
        return read


def _parsed(line: bytearray) -> Message:
    try:
        return _MESSAGE.validate_json(line)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise Malformed(f"{bytes(line[:60])!r}: {where}: {fault['msg']}") from None


def _write(to: int, line: bytes) -> None:
    rest = memoryview(line + b"\n")
    while rest:
        try:
            rest = rest[os.write(to, rest) :]
        except BlockingIOError:
            select.select([], [to], [])
