"""Who makes chambers ends quietly with who asks for them, whatever is under way."""

from __future__ import annotations

import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from ctpbench.running.sandbox.chambers import Chambers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")


@contextmanager
def made() -> Iterator[Chambers]:
    chambers = Chambers(sys.executable)
    try:
        if not chambers.possible():
            pytest.skip("this system lets nobody make namespaces")
        yield chambers
    finally:
        chambers.close()


def test_each_is_ended_by_itself_whichever_was_made_first():
    with made() as chambers:
        each = [chambers.make(network=False) for _ in range(3)]
        (maker,) = psutil.Process(chambers.process.pid).children()
        firsts = sorted(maker.children(), key=lambda process: process.pid)
        for left, ended in ((2, 1), (1, 0), (0, 2)):
            chambers.end(each[ended])
            chambers.wait()
            assert not firsts[ended].is_running()
            assert len(maker.children()) == left


def test_it_ends_without_a_word_where_an_answer_is_not_read(capfd):
    with made() as chambers:
        chambers.end(chambers.make(network=False))
        select.select([chambers.channel], [], [], 30)
        chambers._channel.close()
        assert chambers.process.wait(timeout=30) == 0
    assert capfd.readouterr().err == ""
