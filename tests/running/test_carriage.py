"""Files on their way to workers: each once, in pieces, and back to where they belong and nowhere else."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from ctpbench.running.executors import carriage as carriages
from ctpbench.running.executors import dask_worker
from ctpbench.running.executors.carriage import Carriage, HereFault, local_assignment
from ctpbench.running.executors.placing import Load, Post
from ctpbench.running.work import Assignment, ComponentSpec, DataTask, Input, Item, ModelTask
from tests.loops import finished

SPEC = ComponentSpec(module="m", qualname="Q", name="toy", version="1", params={}, code="c", libraries={})
INPUTS = {
    "observation/a": Input(stage="data", key="k", file="observation.npz"),
    "truth/a": Input(stage="data", key="k", file="truth.npz"),
    "model": Input(stage="model", key="m", file=""),
}


class Client:
    """Calls what is meant for a worker here, and counts the pieces that travelled."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.calls = 0

    async def run(self, function, *arguments, workers):
        self.calls += 1
        if function is dask_worker.write:
            self.written += [name for name, _, _ in arguments[1]]
        return {workers[0]: await function(*arguments)}


@pytest.fixture
def cache(tmp_path) -> Path:
    """Entries of a cache: a case without truth, and a model."""
    folder = tmp_path / "cache"
    for name, content in {
        "data/k/observation.npz": bytes(range(256)),
        "model/m/w": b"weights",
        "model/m/e": b"",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def post(tmp_path) -> Post:
    folder = tmp_path / "worker"
    folder.mkdir()
    return Post("tcp://w", "host", "a CPU", folder, shared=False, places=2, threads=1)


def load(name: str, folder: Path, cache: Path) -> Load:
    task = ModelTask(denoiser=SPEC, cases=(), seed=0, data="d", learns_from="noisy")
    paths = {role: cache / each.stage / each.key / each.file for role, each in INPUTS.items()}
    places = {part: folder / name / part for part in ("out", "scratch", "checkpoints")}
    for place in places.values():
        place.mkdir(parents=True)
    item = Item(key="i", task=task, inputs=INPUTS)
    return Load(name, [Assignment(item=item, inputs=paths, log=folder / name / "log", **places)])


def test_inputs_travel_once_to_a_worker_however_many_batches_read_them(tmp_path, cache, post, monkeypatch):
    monkeypatch.setattr(carriages, "_PIECE", 100)
    client = Client()

    async def story() -> None:
        carriage = Carriage(client)
        first, second = (load(name, tmp_path, cache) for name in ("a", "b"))
        (second.assignments[0].checkpoints / "epoch").write_text("3")
        await asyncio.gather(carriage.send(post, first), carriage.send(post, second))
        await carriage.send(post, first)
        given = local_assignment(second.assignments[0], post, second, 0)
        assert given.inputs["observation/a"].read_bytes() == bytes(range(256))
        assert not given.inputs["truth/a"].exists()
        assert {path.name: path.read_bytes() for path in given.inputs["model"].iterdir()} == {"w": b"weights", "e": b""}
        assert (given.checkpoints / "epoch").read_text() == "3"

    finished(story())
    assert sorted(client.written) == [
        "inputs/data/k/observation.npz",
        "inputs/data/k/observation.npz",
        "inputs/data/k/observation.npz",
        "inputs/model/m/e",
        "inputs/model/m/w",
        "work/b/0/checkpoints/epoch",
    ]


def test_what_could_not_be_sent_is_sent_again(tmp_path, cache, post):
    client = Client()
    observation = cache / "data/k/observation.npz"

    async def story() -> None:
        carriage, batch = Carriage(client), load("a", tmp_path, cache)
        (post.folder / "inputs").touch()  # where a folder should be
        with pytest.raises(OSError, match="inputs"):
            await carriage.send(post, batch)
        await asyncio.wait(post.sent.values())  # others of it may be on their way still
        (post.folder / "inputs").unlink()
        await carriage.send(post, batch)
        assert (post.folder / "inputs/data/k/observation.npz").read_bytes() == observation.read_bytes()

    finished(story())


def test_what_a_batch_left_comes_back_to_its_places_and_is_removed_there(tmp_path, cache, post, monkeypatch):
    monkeypatch.setattr(carriages, "_PIECE", 7)
    files = {"0/out/maps.npz": b"0123456789abcdef", "0/out/sub/e": b"", "0/log": b"printed", "0/checkpoints/c": b"9"}
    for name, content in files.items():
        path = post.folder / "work/a" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    batch = load("a", tmp_path, cache)
    batch.assignments[0].log.write_bytes(b"before: ")
    finished(Carriage(Client()).fetch(post, batch, [(name, len(content)) for name, content in files.items()]))
    own = batch.assignments[0]
    assert {
        path.relative_to(own.out).as_posix(): path.read_bytes() for path in own.out.rglob("*") if path.is_file()
    } == {
        "maps.npz": b"0123456789abcdef",
        "sub/e": b"",
    }
    assert own.log.read_bytes() == b"before: printed"
    assert (own.checkpoints / "c").read_bytes() == b"9"
    assert not (post.folder / "work/a").exists()


@pytest.mark.parametrize("name", ["0/out/../../x", "0/elsewhere/x", "0/log/x", "0/out", "/etc/passwd", "x/out/y"])
def test_a_worker_cannot_have_files_written_elsewhere(name, tmp_path, cache, post):
    with pytest.raises((OSError, ValueError)):
        finished(Carriage(Client()).fetch(post, load("a", tmp_path, cache), [(name, 0)]))
    assert not (tmp_path / "x").exists()


def test_a_disk_that_is_full_here_is_told_from_one_that_is_full_there(tmp_path, cache, post, monkeypatch):
    batch = load("a", tmp_path, cache)
    left = post.folder / "work/a/0/out/maps.npz"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"123")
    opened = Path.open

    def full(path, *words, **options):
        if path.is_relative_to(batch.assignments[0].out):
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, *words, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(HereFault) as fault:
        finished(Carriage(Client()).fetch(post, batch, [("0/out/maps.npz", 3)]))
    assert fault.value.error.errno == errno.ENOSPC


def test_files_on_a_shared_disk_are_waited_for(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(carriages, "_LOOK_S", 0.01)
    monkeypatch.setattr(carriages, "SEEN_WITHIN_S", 1.0)
    batch = load("a", tmp_path, cache)

    async def story() -> None:
        carriage = Carriage(Client())
        waiting = asyncio.create_task(carriage.await_files(batch, [("0/out/maps.npz", 3)]))
        await asyncio.sleep(0.03)
        assert not waiting.done()
        (batch.assignments[0].out / "maps.npz").write_bytes(b"123")
        await waiting
        monkeypatch.setattr(carriages, "SEEN_WITHIN_S", 0.05)
        with pytest.raises(OSError, match="not seen here"):
            await carriage.await_files(batch, [("0/out/maps.npz", 4)])

    finished(story())


@pytest.mark.parametrize("limits", [(2, 10**9), (10**9, 300)], ids=["units", "bytes"])
def test_a_worker_keeps_no_more_of_what_it_was_sent_than_it_is_left(limits, tmp_path, cache, post, monkeypatch):
    """What was read longest ago goes, but for what is read now, and comes anew where it is asked for again."""
    for name, most in zip(("_MOST_UNITS", "_MOST_BYTES"), limits, strict=True):
        monkeypatch.setattr(carriages, name, most)
    kept = post.folder / "inputs/data"

    async def story() -> None:
        carriage = Carriage(Client())
        for number in range(4):
            batch = _reading(f"d{number}", tmp_path, cache)
            post.loads[:] = [batch]
            await carriage.send(post, batch)
            await carriage.make_room(post)
            assert (kept / f"d{number}/observation.npz").stat().st_size == 150
        assert sorted(path.name for path in kept.iterdir() if any(path.iterdir())) == ["d2", "d3"]
        assert len(post.sent) == 2
        post.loads.append(again := _reading("d0", tmp_path, cache))
        await carriage.send(post, again)
        await carriage.make_room(post)  # d2 goes, for the others are read
        assert sorted(path.name for path in kept.iterdir() if any(path.iterdir())) == ["d0", "d3"]

    finished(story())


def _reading(key: str, folder: Path, cache: Path) -> Load:
    """Return a batch that reads one file of 150 bytes."""
    source = cache / "data" / key / "observation.npz"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(bytes(150))
    item = Item(
        key=key,
        task=DataTask(dataset=SPEC, case="a", noise=None),
        inputs={"observation/a": Input(stage="data", key=key, file="observation.npz")},
    )
    places = {part: folder / key / part for part in ("out", "scratch", "checkpoints", "log")}
    return Load(key, [Assignment(item=item, inputs={"observation/a": source}, **places)])
