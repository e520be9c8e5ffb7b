"""A room serves one guest after the other, unless one has left in it what the next would feel."""

from __future__ import annotations

import os

import pytest

from ctpbench.running.room import Room


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path)


def everything(room):
    return sorted(path.relative_to(room.path).as_posix() for path in room.path.rglob("*"))


def test_what_a_guest_leaves_is_gone_for_the_next(room):
    (room.path / "home" / "folder").mkdir()
    for name in ("given/a", "made/output", "home/b", "home/folder/c"):
        (room.path / name).write_text("x")
    (room.path / "made" / "link").symlink_to(room.path / "home")
    assert room.is_as_made()
    assert everything(room) == ["given", "home", "made"]


def test_a_link_is_removed_and_not_what_it_leads_to(room, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (room.path / "home" / "link").symlink_to(tmp_path / "kept")
    assert room.is_as_made()
    assert (tmp_path / "kept" / "file").exists()


def test_what_a_link_in_the_place_of_a_folder_leads_to_stays(room, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (room.path / "home").rmdir()
    (room.path / "home").symlink_to(tmp_path / "kept")
    with pytest.raises(NotADirectoryError):
        room.clear()
    assert not room.is_as_made()
    assert (tmp_path / "kept" / "file").exists()


def test_a_room_whose_rights_were_changed_is_not_used_again(room):
    (room.path / "home").chmod(0o500)
    assert not room.is_as_made()


def test_a_room_with_attributes_is_not_used_again(room):
    try:
        os.setxattr(room.path / "home", "user.told", b"what was seen")
    except (AttributeError, OSError):
        pytest.skip("the file system knows no attributes")
    assert not room.is_as_made()


@pytest.mark.parametrize("other", ["folder", "link", "nothing"])
def test_a_room_in_which_a_folder_was_replaced_is_not_used_again(other, room):
    (room.path / "home").rename(room.path / "old")
    if other == "folder":
        (room.path / "home").mkdir()
    elif other == "link":
        (room.path / "home").symlink_to(room.path / "old")
    assert not room.is_as_made()


def test_a_room_that_was_removed_is_not_used_again(room):
    room.remove()
    assert not room.is_as_made()
