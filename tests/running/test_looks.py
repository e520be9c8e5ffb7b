"""What was found sound is not read again while its files look the same; what anybody changed is found."""

from __future__ import annotations

import os

import pytest

from ctpbench.running import cache as cache_module
from ctpbench.running.cache import Cache
from ctpbench.running.work import DataInfo, Outcome

LONG_AGO_S = 1_600_000_000


class Opened:
    """A cache as another process opens it: how many entries it read whole, and what it found damaged."""

    def __init__(self, folder, monkeypatch):
        self.read, self.damaged = 0, []
        known = cache_module.difference

        def counted(*given):
            self.read += 1
            return known(*given)

        monkeypatch.setattr(cache_module, "difference", counted)
        self.cache = Cache(folder, folder / "tmp", lambda path, what: self.damaged.append(what))

    def is_sound(self):
        return self.cache.is_sound("data", "key")


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Return a function that opens a cache of one entry, made long ago."""
    first = Cache(tmp_path, tmp_path / "tmp", lambda path, what: None)
    made = first.workspace()
    (made / "inner").mkdir()
    (made / "inner" / "a.npz").write_bytes(b"voxels")
    first.commit("data", "key", made, Outcome(status="ok", info=DataInfo()))
    for path in (file(tmp_path), tmp_path / "data" / "key" / "outcome.json"):
        os.utime(path, (LONG_AGO_S, LONG_AGO_S))

    return lambda: Opened(tmp_path, monkeypatch)


def file(folder):
    return folder / "data" / "key" / "inner" / "a.npz"


def seen(opened):
    """Look at the entry and keep what was found."""
    first = opened()
    assert first.is_sound()
    first.cache.looks.save()
    assert first.read == 1


def test_what_was_found_sound_is_not_read_again(opened):
    seen(opened)
    again = opened()
    assert again.is_sound()
    assert (again.read, again.damaged) == (0, [])


def written_into(path):
    path.write_bytes(b"VOXELS")


def cut_short(path):
    path.write_bytes(b"vox")
    os.utime(path, (LONG_AGO_S, LONG_AGO_S))


def put_in_its_place(path):
    other = path.with_name("other")
    other.write_bytes(b"VOXELS")
    os.utime(other, (LONG_AGO_S, LONG_AGO_S))
    other.replace(path)


def taken_away(path):
    path.unlink()


def joined_by_another(path):
    path.with_name("b.npz").write_bytes(b"more")


@pytest.mark.parametrize("change", [written_into, cut_short, put_in_its_place, taken_away, joined_by_another])
def test_what_was_changed_since_is_found(opened, tmp_path, change):
    seen(opened)
    change(file(tmp_path))
    again = opened()
    assert not again.is_sound()
    assert len(again.damaged) == 1
    again.cache.looks.save()
    assert not opened().is_sound()


def test_what_changed_a_moment_ago_is_read_again(opened, tmp_path):
    os.utime(file(tmp_path))
    seen(opened)
    again = opened()
    assert again.is_sound()
    assert again.read == 1


def test_what_is_forgotten_or_unreadable_is_read_again(opened, tmp_path):
    seen(opened)
    distrusting = opened()
    distrusting.cache.looks.forget_all()
    assert distrusting.is_sound()
    assert distrusting.read == 1
    for text in ("{", "[]", '{"data/key": 3}', '{"data/key": "x"}'):
        (tmp_path / "looked.json").write_text(text)
        again = opened()
        assert again.is_sound()
        assert again.read == 1
