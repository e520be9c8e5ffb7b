"""Files on their way to workers that share no disk with the runner, and back: in pieces, which fill no memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ctpbench.running.executors import dask_worker
from ctpbench.running.executors.answer import SEEN_WITHIN_S, all_seen, place_of
from ctpbench.running.executors.dask_worker import Piece
from ctpbench.running.executors.placing import Load, Post, units
from ctpbench.running.log import Log
from ctpbench.running.work import Assignment, Input

_PIECE = 2**22
"""Bytes that travel at once."""
_AT_ONCE = 8
"""Pieces that are on their way at the same time, to all workers together."""
_MOST_UNITS, _MOST_BYTES = 1024, 2**34
"""What a worker is left of what it was sent, however much comes later."""
_LOOK_S = 0.1


class HereFault(Exception):
    """What came from a worker cannot be written on this machine: its disk is full, say."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Carriage:
    """Carries files between this machine and workers.

    Parameters
    ----------
    client : distributed.Client
        An asynchronous one.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def send(self, post: Post, load: Load) -> None:
        """Send what a batch reads and the worker has not been sent, and the checkpoints that it goes on from."""
        sending = [
            self._unit(post, given, assignment.inputs[role])
            for assignment in load.assignments
            for role, given in assignment.item.inputs.items()
        ]
        await asyncio.gather(*(asyncio.shield(task) for task in sending))
        for number, assignment in enumerate(load.assignments):
            if assignment.item.stage == "model":
                await self._send_path(post, assignment.checkpoints, f"work/{load.name}/{number}/checkpoints")

    async def fetch(self, post: Post, load: Load, files: Sequence[tuple[str, int]]) -> None:
        """Fetch what a batch left on a worker to where its assignments say, and remove it there.

        Raises
        ------
        HereFault
            Where it cannot be written here.
        OSError
            Where it cannot be had.
        """
        folder = str(post.folder / "work" / load.name)
        for name, size in files:
            if size == 0:
                await asyncio.to_thread(_put, load.assignments, name, 0, b"")
        for pieces in _packed(files):
            async with self._free:
                content = await self._call(post, dask_worker.read, folder, pieces)
            if len(content) != sum(size for _, _, size in pieces):
                raise OSError("files of a batch changed while they were fetched")
            start = 0
            for name, offset, size in pieces:
                await asyncio.to_thread(_put, load.assignments, name, offset, content[start : start + size])
                start += size
        await self._call(post, dask_worker.discard, folder)

    async def make_room(self, post: Post) -> None:
        """Remove what a worker was sent longest ago and does not read now, where it holds more than it is left."""
        read = {name for load in post.loads for name in units(load.assignments)}
        held = {name: task.result() for name, task in post.sent.items() if _is_sent(task)}
        more, bytes_more = len(held) - _MOST_UNITS, sum(held.values()) - _MOST_BYTES
        for name in [name for name in held if name not in read]:
            if more <= 0 and bytes_more <= 0:
                return
            more, bytes_more = more - 1, bytes_more - held[name]
            del post.sent[name]
            place = str(post.folder / "inputs" / name)
            post.leaving[name] = leaving = asyncio.create_task(self._call(post, dask_worker.discard, place))
            await asyncio.wait({leaving})  # that it could not be removed is no one's loss
            del post.leaving[name]

    async def await_files(self, load: Load, files: Sequence[tuple[str, int]]) -> None:
        """Wait until files that a worker wrote on a shared disk are seen here.

        Raises
        ------
        OSError
            Where they do not come.
        """
        for _ in range(int(SEEN_WITHIN_S / _LOOK_S)):
            if all_seen(load.assignments, files):
                return
            await asyncio.sleep(_LOOK_S)
        raise OSError(f"what it wrote on the shared disk is not seen here after {SEEN_WITHIN_S:g} s")

    def _unit(self, post: Post, given: Input, source: Path) -> asyncio.Task[int]:
        """Return what sends a file or a folder of the cache to a worker, once."""
        name = f"{given.stage}/{given.key}/{given.file}"
        known = post.sent.pop(name, None)
        if known is None or (known.done() and not _is_sent(known)):
            known = asyncio.create_task(self._send_unit(post, source, name))
            known.add_done_callback(lambda task: task.cancelled() or task.exception())  # whoever waited may be gone
        post.sent[name] = known  # what is read again comes last
        return known

    async def _send_unit(self, post: Post, source: Path, name: str) -> int:
        if (leaving := post.leaving.get(name)) is not None:
            await asyncio.wait({leaving})
        return await self._send_path(post, source, f"inputs/{name}".rstrip("/"))

    async def _send_path(self, post: Post, source: Path, name: str) -> int:
        """Send a file or a folder; return its bytes."""
        files = [(name, source)] if source.is_file() else []
        if source.is_dir():
            inside = sorted(path for path in source.rglob("*") if path.is_file())
            files = [(f"{name}/{path.relative_to(source).as_posix()}", path) for path in inside]
        sizes = {target: path.stat().st_size for target, path in files}
        paths = dict(files)
        empty = [(target, 0, 0) for target, size in sizes.items() if size == 0]
        for pieces in [*([empty] if empty else []), *_packed(list(sizes.items()))]:
            async with self._free:
                content = [(target, offset, _read(paths[target], offset, size)) for target, offset, size in pieces]
                await self._call(post, dask_worker.write, str(post.folder), content)
        return sum(sizes.values())

    async def _call(self, post: Post, function: Any, *arguments: Any) -> Any:
        answers = await self._client.run(function, *arguments, workers=[post.address])
        return answers[post.address]


def _is_sent(task: asyncio.Task[int]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def local_assignment(given: Assignment, post: Post, load: Load, number: int) -> Assignment:
    """Return an assignment with the places that it has on a worker's own disk."""
    inputs = post.folder / "inputs"
    paths = {role: inputs / each.stage / each.key / each.file for role, each in given.item.inputs.items()}
    own = post.folder / "work" / load.name / str(number)
    places = {name: own / name for name in ("out", "scratch", "checkpoints", "log")}
    return given.model_copy(update={"inputs": paths, **places})


def _packed(files: Sequence[tuple[str, int]]) -> Iterator[list[Piece]]:
    """Yield pieces of files, large ones cut and small ones together, of about `_PIECE` bytes each time.

    >>> list(_packed([("a", 2), ("b", 0), ("c", 2**22)]))
    [[('a', 0, 2), ('c', 0, 4194302)], [('c', 4194302, 2)]]
    """
    pieces: list[Piece] = []
    room = _PIECE
    for name, size in files:
        offset = 0
        while offset < size:
            part = min(size - offset, room)
            pieces.append((name, offset, part))
            offset, room = offset + part, room - part
            if room == 0:
                yield pieces
                pieces, room = [], _PIECE
    if pieces:
        yield pieces


def _put(assignments: Sequence[Assignment], name: str, offset: int, content: bytes) -> None:
    """Write a piece of what a batch left to where it belongs."""
    path = place_of(assignments, name)
    if path == assignments[int(name.partition("/")[0])].log:
        with Log(path) as log:
            log.write(content)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(content)
    except OSError as error:
        raise HereFault(error) from error


def _read(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)
