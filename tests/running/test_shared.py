"""The folder that runs share: its locks, its links, whole entries or none, what goes first when it is full."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import stat

import pytest

from ctpbench.errors import InputError, ResultError
from ctpbench.running.cache import Cache
from ctpbench.running.links import place_tree
from ctpbench.running.locks import take
from ctpbench.running.shared import GIB, SharedCache, limit_bytes, location
from ctpbench.running.work import DataInfo, Outcome

DONE = Outcome(status="ok", info=DataInfo())


@pytest.fixture
def shared(tmp_path):
    made = SharedCache(tmp_path / "shared")
    made.prepare()
    return made


@pytest.fixture
def entry(tmp_path):
    """Return a function that makes a run's entry with some bytes, and returns its folder."""
    cache = Cache(tmp_path / "run", tmp_path / "tmp", lambda path, what: None)

    def make(key: str, content: bytes = b"voxels"):
        made = cache.workspace()
        (made / "part").mkdir()
        (made / "part" / "a.npz").write_bytes(content)
        cache.commit("data", key, made, DONE)
        return cache.path("data", key)

    return make


# -- locks and links --------------------------------------------------------------------------------------------


def _hold(path, ready):
    take(path)
    ready.set()
    signal.pause()


def test_a_lock_is_held_by_one_and_freed_with_its_process(tmp_path):
    path, ready = tmp_path / "lock", multiprocessing.get_context("fork").Event()
    holder = multiprocessing.get_context("fork").Process(target=_hold, args=(path, ready))
    holder.start()
    assert ready.wait(20)
    assert take(path) is None
    holder.kill()
    holder.join()
    lock = take(path)
    assert lock is not None
    assert take(path) is None, "nor is there a second one in this process"
    lock.release()
    assert not path.exists()


def test_a_lock_on_a_file_that_was_removed_meanwhile_holds_nothing(tmp_path, monkeypatch):
    """Who opens a lock's file before its holder removes it, and locks it after, has locked what nobody else finds."""
    path, flock, first = tmp_path / "lock", fcntl.flock, take(tmp_path / "lock")
    released = []

    def late(file, how):
        if not released:
            released.append(first.release())
        flock(file, how)

    monkeypatch.setattr("ctpbench.running.locks.fcntl.flock", late)
    second = take(path)
    assert os.path.samestat(os.stat(path), os.stat(second.file))
    assert take(path) is None


def test_files_are_linked_and_cannot_be_written_to_any_more(tmp_path):
    (tmp_path / "from" / "deep").mkdir(parents=True)
    (tmp_path / "from" / "deep" / "a").write_bytes(b"12345")
    assert place_tree(tmp_path / "from", tmp_path / "to") == 5
    assert os.path.samefile(tmp_path / "from" / "deep" / "a", tmp_path / "to" / "deep" / "a")
    assert stat.S_IMODE((tmp_path / "from" / "deep" / "a").stat().st_mode) & 0o222 == 0


@pytest.mark.parametrize("reflinks", [True, False])
def test_on_another_file_system_files_are_copied(tmp_path, monkeypatch, reflinks):
    def refuse(*_args, **_options):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    if not reflinks:
        monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)
    content = os.urandom(3 * 2**20 + 17)
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a").write_bytes(content)
    (tmp_path / "from" / "empty").touch()
    assert place_tree(tmp_path / "from", tmp_path / "to") == len(content)
    assert (tmp_path / "to" / "a").read_bytes() == content
    assert (tmp_path / "to" / "empty").read_bytes() == b""
    assert not os.path.samefile(tmp_path / "from" / "a", tmp_path / "to" / "a")
    assert os.stat(tmp_path / "from" / "a").st_mode & 0o222, "a copy leaves the other as it was"


def test_a_link_to_elsewhere_is_no_file_of_an_entry(tmp_path, shared, entry):
    (tmp_path / "secret").write_text("secret")
    (entry("k") / "leak.npz").symlink_to(tmp_path / "secret")
    shared.put("data", "k", entry("k"), 1.0)
    assert shared.wrong("data", "k") == ""
    (shared.folder / "data" / "k" / "entry" / "leak.npz").symlink_to(tmp_path / "secret")
    (tmp_path / "into").mkdir()
    assert shared.place("data", "k", tmp_path / "into") == ""
    assert sorted(path.name for path in (tmp_path / "into").iterdir()) == ["outcome.json", "part"]


# -- entries ----------------------------------------------------------------------------------------------------


def test_an_entry_is_placed_as_it_was_put(tmp_path, shared, entry):
    made = entry("k")
    size = shared.put("data", "k", made, 2.5)
    assert size == sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    (tmp_path / "into").mkdir()
    assert shared.place("data", "k", tmp_path / "into") == ""
    assert (tmp_path / "into" / "part" / "a.npz").read_bytes() == b"voxels"
    first = shared.note_use("data", "k")
    assert (first.uses, first.seconds, first.size) == (1, 2.5, size)
    assert shared.note_use("data", "k").uses == 2
    shared.put("data", "k", entry("k", b"others"), 1.0)
    assert [kept.about.uses for kept in shared.kept()] == [0]
    shared.discard("data", "k")
    assert not list(shared.kept())
    assert shared.look("data", "k") is None


@pytest.mark.parametrize("part", ["part/a.npz", "outcome.json"])
@pytest.mark.parametrize("how", ["altered", "cut short", "removed", "added"])
def test_what_is_wrong_with_an_entry_is_found(tmp_path, shared, entry, part, how):
    shared.put("data", "k", entry("k"), 1.0)
    file = shared.folder / "data" / "k" / "entry" / part
    text = file.read_bytes()
    file.unlink()
    if how == "added":
        file.write_bytes(text)
        (file.parent / "more").touch()
    elif how != "removed":
        file.write_bytes(text[:-1] if how == "cut short" else text.replace(b"o", b"0"))
    assert shared.wrong("data", "k")
    (tmp_path / "into").mkdir()
    assert shared.place("data", "k", tmp_path / "into")


def test_an_entry_without_what_is_known_of_it_counts_as_damaged(shared, entry):
    shared.put("data", "k", entry("k"), 1.0)
    for text in ("", "{}", "[1]", '{"seal": 3}', "\0"):
        (shared.folder / "data" / "k" / "about.json").write_text(text)
        assert shared.wrong("data", "k") == "outcome.json was altered"
        assert shared.note_use("data", "k") is None
        assert [kept.size for kept in shared.kept()] == [0]


@pytest.fixture
def aged(shared, entry):
    """Four entries of 1000 bytes and more: a was used last, then b, c, d, each a day apart."""
    for days, key in enumerate("abcd"):
        shared.put("data", key, entry(key, bytes(1000)), 1.0)
        place = shared.folder / "data" / key / "about.json"
        about = shared.note_use("data", key)
        place.write_text(about.model_copy(update={"used": about.used - 86400.0 * days}).model_dump_json())
    return shared


def names(shared) -> str:
    return "".join(kept.name for kept in shared.kept())


def test_what_was_not_used_for_longest_goes_first(aged):
    size = next(aged.kept()).size
    assert not aged.prune(4 * size)
    assert [kept.name for kept in aged.prune(3 * size - 1)] == ["d", "c"]
    assert [kept.name for kept in aged.prune(None, older_s=86000.0)] == ["b"]
    assert not aged.prune(0, stages=["model"])
    assert [kept.name for kept in aged.prune(None, stages=["data"])] == ["a"]


def test_what_a_runner_uses_stays(aged):
    lock = aged.lock("data", "d")
    assert [kept.name for kept in aged.prune(0)] == ["c", "b", "a"]
    assert names(aged) == "d"
    lock.release()
    assert [kept.name for kept in aged.prune(0)] == ["d"]
    assert os.listdir(aged.folder / "locks") == []


def test_what_killed_runners_left_is_removed_unless_somebody_is_at_it(aged):
    for half in ("x.new", "y.old"):
        (aged.folder / "data" / half / "entry").mkdir(parents=True)
    (aged.folder / "locks" / "data-z").touch()
    assert names(aged) == "abcd"
    lock = aged.lock("data", "y")
    aged.prune(4 * GIB)
    assert sorted(os.listdir(aged.folder / "data")) == [*"abcd", "y.old"]
    lock.release()
    aged.prune(4 * GIB)
    assert sorted(os.listdir(aged.folder / "data")) == [*"abcd"]
    assert os.listdir(aged.folder / "locks") == []


def test_a_put_that_fails_leaves_what_was_there(shared, entry, monkeypatch):
    shared.put("data", "k", entry("k"), 1.0)
    other = entry("k", b"others")

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ctpbench.running.shared.place_tree", full)
    with pytest.raises(OSError, match="No space"):
        shared.put("data", "k", other, 1.0)
    assert shared.wrong("data", "k") == ""
    assert os.listdir(shared.folder / "data") == ["k"]


def test_only_bytes_that_no_run_links_to_are_here_alone(shared, entry):
    made = entry("k", bytes(5000))
    shared.put("data", "k", made, 1.0)
    assert shared.bytes_here_alone() == 0
    (made / "part" / "a.npz").unlink()
    assert shared.bytes_here_alone() == 5000


# -- where it lies ----------------------------------------------------------------------------------------------


def test_where_it_lies_is_what_the_call_says_then_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CTPBENCH_CACHE", str(tmp_path / "mine"))
    assert (location(tmp_path / "given").folder, location("given").said_by) == (tmp_path / "given", "--cache")
    assert location("none").folder is None
    assert (location().folder, location().said_by) == (tmp_path / "mine", "CTPBENCH_CACHE")
    monkeypatch.setenv("CTPBENCH_CACHE", "none")
    assert location().folder is None
    for nothing in (lambda: monkeypatch.setenv("CTPBENCH_CACHE", ""), lambda: monkeypatch.delenv("CTPBENCH_CACHE")):
        nothing()
        assert location().folder == tmp_path / "xdg" / "ctpbench" / "cache"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert (location().folder, location().said_by) == (tmp_path / "home/.cache/ctpbench/cache", "the default")


def test_its_size_is_20_gib_or_what_the_environment_says(monkeypatch):
    monkeypatch.delenv("CTPBENCH_CACHE_GIB", raising=False)
    assert limit_bytes() == 20 * GIB
    monkeypatch.setenv("CTPBENCH_CACHE_GIB", "0.5")
    assert limit_bytes() == GIB // 2
    for wrong in ("much", "-1", "nan", "inf", "20 GiB"):
        monkeypatch.setenv("CTPBENCH_CACHE_GIB", wrong)
        with pytest.raises(InputError, match="CTPBENCH_CACHE_GIB: got"):
            limit_bytes()


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    (tmp_path / "file").touch()
    for folder, why in {"photos": "holds other things, such as cat.png", "file": "cannot", "file/in": "cannot"}.items():
        with pytest.raises(ResultError, match=why):
            SharedCache(tmp_path / folder).prepare()
    assert os.listdir(tmp_path / "photos") == ["cat.png"]
    assert not SharedCache(tmp_path / "photos").is_there()


def test_a_cache_that_another_run_begins_just_now_is_ours(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / ".CACHEDIR.TAG.123").touch()
    SharedCache(folder).prepare()
    assert SharedCache(folder).is_there()


def test_what_is_made_is_for_its_owner_alone_and_left_out_of_backups(shared):
    assert stat.S_IMODE(shared.folder.stat().st_mode) == 0o700
    assert (shared.folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    shared.prepare()
    assert shared.is_there()


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def refuse(*_args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("ctpbench.running.locks.fcntl.flock", refuse)
    with pytest.raises(ResultError, match="No locks available"):
        SharedCache(tmp_path / "shared").prepare()
