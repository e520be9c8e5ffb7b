"""Chambers: namespaces in which nothing runs yet, held open by a first process of their own.

They are made by a process that has imported next to nothing: to fork it takes a twentieth of what it takes to fork one
that can denoise, whose pages must all be noted anew. What is to run in a chamber is forked into it later.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ctpbench.running.sandbox import namespaces

_CLOSED, _OPEN, _END = b"c", b"o", b"e"
"""What is asked for: a chamber without network, one with it, the end of the one that there is."""
_SETTLED, _UNSETTLED, _NONE, _READY = b"s", b"u", b"n", b"r"
"""What is answered: a chamber, with a descriptor of its first process (pidfd), or none; at first, what is possible."""
_PROGRAM = "import sys; sys.path.insert(0, {root!r}); from ctpbench.running.sandbox.chambers import serve; serve()"
_ROOT = str(Path(__file__).parents[3])


@dataclass(frozen=True)
class Chamber:
    """A chamber: a descriptor of its first process (pidfd), and whether ``/proc`` in it is its own."""

    first: int
    settled: bool


class Chambers:
    """The process that makes chambers, one at a time; it ends with the process that started it.

    Attributes
    ----------
    process : Popen
        Started by whoever makes this object; any process may ask for chambers that has the channel.
    """

    def __init__(self, python: str) -> None:
        self._channel, theirs = socket.socketpair()
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
        """Return a new chamber, in which the network is the system's or none; None where it cannot be made.

        Nothing is left in the one before.
        """
        self._channel.sendall(_OPEN if network else _CLOSED)
        reply, files, _, _ = socket.recv_fds(self._channel, 1, 1)
        return Chamber(files[0], reply == _SETTLED) if files else None

    def end(self) -> None:
        """Have all that runs in the chamber killed; who has forked something into it must wait for that."""
        self._channel.sendall(_END)

    def close(self) -> None:
        """End the process, and its chamber with it."""
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
    channel.sendall(_READY)
    first, spare = _Made(), _Made()
    while asked := channel.recv(1):
        if asked == _END:
            first.end()
            first, spare = _Made(), _made(first.kind)  # while nobody waits for it
            continue
        if spare.kind != asked:
            spare.end()
            spare = _made(asked)
        first, spare = spare, _Made()
        if first.process:
            handle = os.pidfd_open(first.process)
            socket.send_fds(channel, [first.settled], [handle])
            os.close(handle)
        else:
            channel.sendall(_NONE)


@dataclass(frozen=True)
class _Made:
    """The first process of a chamber, 0 where there is none, what was asked for, and whether it has settled."""

    process: int = 0
    kind: bytes = b""
    settled: bytes = _NONE

    def end(self) -> None:
        if self.process:
            os.kill(self.process, signal.SIGKILL)  # the first process of a namespace takes all others with it
            os.waitpid(self.process, 0)


def _made(kind: bytes) -> _Made:
    told, tell = os.pipe()
    try:
        first = namespaces.fork_first()
    except OSError:
        first = -1
    if first == 0:
        _hold(tell, network=kind == _OPEN)
    os.close(tell)
    settled = os.read(told, 1)
    os.close(told)
    if first > 0 and not settled:
        os.waitpid(first, 0)
    return _Made(first, kind, settled) if settled else _Made()


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
