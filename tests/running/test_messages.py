"""Lines of JSON between a process and its runner: what goes in comes out, and nothing else does."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctpbench.running import messages
from ctpbench.running.messages import Done, Mailbox, Malformed, Progressed, Started, send
from ctpbench.running.record import ScoreTable
from ctpbench.running.work import Outcome, ScoresInfo


@pytest.fixture
def pipe():
    source, to = os.pipe()
    yield source, to
    for end in (source, to):
        os.close(end)


def outcome(values: list[object]) -> Outcome:
    table = ScoreTable(dims=("case",), coords={}, values=values, units="HU", better="lower", description="é")
    return Outcome(status="ok", info=ScoresInfo(scores={"rmse": table}, faults={"ssim": "ZeroDivisionError"}))


@pytest.mark.parametrize(
    "message",
    [
        Started(key="k"),
        Progressed(key="k", fraction=0.5, text="step 1\nof 2"),
        Done(key="k", outcome=Outcome(status="crashed", message="killed")),
        Done(key="k", outcome=outcome([1.5, None, 1e-300])),
    ],
)
def test_a_message_arrives_as_it_was_sent(message, pipe):
    send(pipe[1], message)
    assert list(Mailbox(pipe[0]).messages()) == [message]


def test_messages_come_in_order_and_halves_wait(pipe):
    mailbox = Mailbox(pipe[0])
    assert list(mailbox.messages()) == []
    line = Started(key="a").model_dump_json().encode() + b"\n"
    os.write(pipe[1], line + line[:9])
    assert list(mailbox.messages()) == [Started(key="a")]
    os.write(pipe[1], line[9:] + line)
    assert list(mailbox.messages()) == [Started(key="a"), Started(key="a")]


def test_a_message_longer_than_a_pipe_is_read_in_pieces(pipe):
    sent = Done(key="k", outcome=outcome([float(n) for n in range(200_000)]))
    writer = threading.Thread(target=send, args=(pipe[1], sent))
    writer.start()
    mailbox, got = Mailbox(pipe[0]), []
    while writer.is_alive() or not got:
        got += mailbox.messages()
    writer.join()
    assert got == [sent]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"event": "over", "key": "k"}',
        b'{"event": "started"}',
        b'{"event": "started", "key": "k", "more": 1}',
        b'{"event": "progressed", "key": "k", "fraction": NaN, "text": ""}',
        b'{"event": "progressed", "key": "k", "fraction": 0, "text": "' + b"x" * 201 + b'"}',
        b'{"event": "done", "key": "k", "outcome": {"status": "well"}}',
        b'{"event": "done", "key": "k", "outcome": {"status": "ok", "info": {"stage": "data", "other": 1}}}',
        b"\xff\xfe",
        b"\x80\x04\x95",
    ],
)
def test_what_is_no_message_is_malformed(line, pipe):
    os.write(pipe[1], line + b"\n")
    with pytest.raises(Malformed):
        list(Mailbox(pipe[0]).messages())


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_say_so(content):
    source, to = os.pipe()
    try:
        os.write(to, content + b"\n")
        with pytest.raises(Malformed):
            list(Mailbox(source).messages())
    finally:
        os.close(source)
        os.close(to)


def test_a_line_without_end_is_given_up(pipe, monkeypatch):
    monkeypatch.setattr(messages, "LONGEST_LINE", 1000)
    os.write(pipe[1], b"x" * 1001)
    with pytest.raises(Malformed, match="a line of more than 1000 bytes"):
        list(Mailbox(pipe[0]).messages())
