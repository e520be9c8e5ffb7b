"""Chambers: namespaces in which nothing runs yet, held open by a first process of their own.

They are made by a process that has imported next to nothing: to fork it takes a twentieth of what it takes to fork one
that can denoise, whose pages must all be noted anew. What is to run in a chamber is forked into it later.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ctpbench.running.sandbox import namespaces

_CLOSED, _OPEN, _END = b"c", b"o", b"e"
"""What is asked for: a chamber without network, one with it, the end of one."""
_ASKED = struct.Struct("cI")
"""What is asked for, and of which chamber, counted from 0."""
_SETTLED, _UNSETTLED, _NONE, _READY, _EMPTY = b"s", b"u", b"n", b"r", b"e"
"""What is answered: a chamber, with a descriptor of its first process (pidfd), or none; that nobody is in one any more;
at first, what is possible."""
_PROGRAM = "import sys; sys.path.insert(0, {root!r}); from ctpbench.running.sandbox.chambers import serve; serve()"
_ROOT = str(Path(__file__).parents[3])


@dataclass(frozen=True)
class Chamber:
    """A chamber: which one, a descriptor of its first process (pidfd), and whether ``/proc`` in it is its own."""

    number: int
    first: int
    settled: bool


class Chambers:
    """The process that makes chambers and ends them; it ends with the process that started it.

    Attributes
    ----------
    process : Popen
        Started by whoever makes this object; any process may ask for chambers that has the channel.
    """

    def __init__(self, python: str) -> None:
        self._channel, theirs = socket.socketpair()
        self._made = 0
        with theirs:
            command = [python, "-I", "-S", "-B", "-c", _PROGRAM.format(root=_ROOT)]
            libraries = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
            self.process = subprocess.Popen(command, stdin=theirs.fileno(), env=libraries)

    @property
    def channel(self) -> int:
        """The file descriptor by which it is asked."""
        return self._channel.fileno()

    def possible(self) -> bool:
        """Whether the system lets users make chambers; to be called once, before all else."""
        return self._channel.recv(1) == _READY

    def make(self, *, network: bool) -> Chamber | None:
        """Return a new chamber, in which the network is the system's or none; None where it cannot be made."""
        number, self._made = self._made, self._made + 1
        self._channel.sendall(_ASKED.pack(_OPEN if network else _CLOSED, number))
        reply, files, _, _ = socket.recv_fds(self._channel, 1, 1)
        return Chamber(number, files[0], reply == _SETTLED) if files else None

    def end(self, chamber: Chamber) -> None:
        """Have all killed that runs in a chamber; who has forked something into it must wait for that, then `wait`."""
        self._channel.sendall(_ASKED.pack(_END, chamber.number))

    def wait(self) -> None:
        """Wait until nobody is in the chamber any more that was to end."""
        self._channel.recv(len(_EMPTY))

    def close(self) -> None:
        """End the process, and its chambers with it."""
        self._channel.close()
        self.process.kill()
        self.process.wait()


def serve() -> None:
    """Make chambers as they are asked for by the standard input, a socket. The whole program of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    namespaces.die_with_parent()
    channel = socket.socket(fileno=sys.stdin.fileno())
    try:
        namespaces.enter()
        maker = namespaces.fork_first()
    except OSError:
        channel.sendall(_NONE)
        return
    if maker:
        os.waitpid(maker, 0)
        return
    namespaces.die_with_parent()
    with suppress(ConnectionError):  # who asks may be gone with an answer that it has not read
        channel.sendall(_READY)
        _answer(channel)


def _answer(channel: socket.socket) -> None:
    """Do what is asked for until nothing is any more."""
    made: dict[int, int] = {}  # the first process of each
    while message := channel.recv(_ASKED.size, socket.MSG_WAITALL):
        asked, number = _ASKED.unpack(message)
        if asked == _END:
            first = made.pop(number)
            os.kill(first, signal.SIGKILL)  # the first process of a namespace takes all others with it
            os.waitpid(first, 0)
            channel.sendall(_EMPTY)
            continue
        first, settled = _made(network=asked == _OPEN)
        if settled:
            made[number] = first
            handle = os.pidfd_open(first)
            socket.send_fds(channel, [settled], [handle])
            os.close(handle)
        else:
            channel.sendall(_NONE)


def _made(*, network: bool) -> tuple[int, bytes]:
    """Make a chamber; return its first process and whether it has settled, nothing where there is none."""
    told, tell = os.pipe()
    try:
        first = namespaces.fork_first()
    except OSError:
        first = -1
    if first == 0:
        _hold(tell, network=network)
    os.close(tell)
    settled = os.read(told, 1)
    os.close(told)
    if first > 0 and not settled:
        os.waitpid(first, 0)
    return first, settled


def _hold(tell: int, *, network: bool) -> NoReturn:
    """Be the first process of a chamber: settle in it, say so, and wait for those that lose their parents."""
    try:
        namespaces.die_with_parent()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        namespaces.leave(network=not network)
        os.write(tell, _SETTLED if namespaces.settle() else _UNSETTLED)
        os.closerange(0, 2**16)
        while True:  # with all its powers: who has none, as those that it waits for, cannot look into it
            signal.sigwait({signal.SIGCHLD})
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    finally:
        os._exit(1)
