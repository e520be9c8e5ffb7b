"""What a process that works sends to the one that runs it: lines of JSON with a checked schema.

A line that is none of these is the sender's fault, and ends the piece of work that it was at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from ctpbench.running.record import Plain
from ctpbench.running.work import Assignment, Outcome

LONGEST_LINE = 2**26
"""Bytes. A record's largest part, scores over time of hundreds of cases, is far below."""
LONGEST_TEXT = 200
_READ = 2**16


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


Message = Annotated[Started | Progressed | Done, Field(discriminator="event")]
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)
_BATCH: TypeAdapter[list[Assignment]] = TypeAdapter(list[Assignment])


class Malformed(Exception):
    """A line that is no message."""


def send(to: int, message: Message) -> None:
    """Write a message to a file descriptor."""
    _write(to, message.model_dump_json().encode("utf-8", "replace"))


def send_batch(to: int, batch: list[Assignment]) -> None:
    """Write what a process shall work on to a file descriptor."""
    _write(to, _BATCH.dump_json(batch))


def receive_batch(source: int) -> list[Assignment]:
    """Wait for what `send_batch` wrote."""
    line = b""
    while not line.endswith(b"\n"):
        read = os.read(source, _READ)
        if not read:
            raise EOFError("the runner ended before it said what to do")
        line += read
    return _BATCH.validate_json(line)


class Mailbox:
    """Messages as they arrive at a file descriptor that does not block."""

    def __init__(self, source: int) -> None:
        self._source, self._rest = source, bytearray()
        os.set_blocking(source, False)

    def messages(self) -> Iterator[Message]:
        """Yield what has arrived whole.

        Raises
        ------
        Malformed
            Where a line is no message, or longer than `LONGEST_LINE`.
        """
        with suppress(BlockingIOError, ConnectionResetError):
            while read := os.read(self._source, _READ):
                self._rest += read
                if b"\n" in read:
                    *lines, self._rest = self._rest.split(b"\n")
                    yield from map(_parsed, lines)
                if len(self._rest) > LONGEST_LINE:
                    raise Malformed(f"a line of more than {LONGEST_LINE} bytes")


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
        rest = rest[os.write(to, rest) :]
