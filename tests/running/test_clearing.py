"""How much is counted of what can be freed, and what is taken for a leftover."""

from __future__ import annotations

import os

import pytest

from ctpbench.errors import ResultError
from ctpbench.running.clearing import KINDS, Share, clearing
from ctpbench.running.index import Index
from ctpbench.running.store import Store


@pytest.fixture
def store(tmp_path):
    """A run with nothing in it but its plan."""
    made = Store(tmp_path / "run")
    made.write_plan(Index(suite="toy", provenance={}, cells=[]), "name: toy\n")
    return made


def written(store, path, size):
    file = store.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    return file


def test_files_of_several_links_count_once_and_not_where_one_lies_elsewhere(store, tmp_path):
    inside = written(store, "cache/data/a/x.npz", 1000)
    (store.folder / "cache/prediction/b").mkdir(parents=True)
    os.link(inside, store.folder / "cache/prediction/b/x.npz")
    elsewhere = written(store, "cache/data/c/y.npz", 500)
    os.link(elsewhere, tmp_path / "shared.npz")
    found = clearing(store, KINDS)
    assert found.shares["data"] == Share(2, 1000)
    assert found.shares["predictions"] == Share(1, 0)
    assert found.size == 1000
    assert clearing(store, ["predictions"]).size == 0
    kept = sum(path.stat().st_size for path in store.folder.glob("*") if path.is_file())
    assert found.stays == kept + 500


def test_links_to_elsewhere_are_removed_and_not_followed(store, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.npz").write_bytes(bytes(10_000))
    (store.folder / "cache/data").mkdir(parents=True)
    (store.folder / "cache/data/a").symlink_to(outside)
    found = clearing(store, KINDS)
    assert found.size < 1000
    found.clear()
    assert not (store.folder / "cache/data/a").is_symlink()
    assert (outside / "precious.npz").exists()


def test_leftovers_are_what_killed_runs_left_and_no_file_of_the_user(store):
    left = ["tmp/abc/x", ".cells.json.ab12_xyz.json", "records/.k.json.00000000.json", "panels/.a b.png.abcdefgh.png"]
    mine = [".gitignore", ".notes.txt.old", "records/.k.json.00000000.txt", "cache/.k.json.00000000.json", "other/x"]
    for path in left + mine:
        written(store, path, 10)
    found = clearing(store, ["leftovers"])
    assert found.shares == {"leftovers": Share(4, 40)}
    found.clear()
    assert [path for path in left if (store.folder / path).exists()] == []
    assert [path for path in mine if not (store.folder / path).exists()] == []


def test_a_model_and_what_was_made_from_it_go_last_first(store, monkeypatch):
    from tests.running.test_store import outcome

    with store.locked():
        store.cache.commit("model", "m", store.cache.workspace(), outcome(1.0))
        store.cache.commit("prediction", "p", store.cache.workspace(), outcome(1.0), [("model", "m")])
        store.cache.commit("prediction", "q", store.cache.workspace(), outcome(1.0))
        store.cache.commit("scores", "s", store.cache.workspace(), outcome(1.0), [("prediction", "p")])
        store.cache.commit("scores", "t", store.cache.workspace(), outcome(1.0), [("prediction", "gone")])
    found = clearing(store, ["models"])
    gone = [path.name for kind in reversed(KINDS) for path in found.places.get(kind, ())]
    assert gone == ["s", "p", "m"]
    found.clear()
    assert store.cache.holds("prediction", "q")
    assert store.cache.holds("scores", "t")
    assert not any(
        store.cache.holds(stage, key) for stage, key in (("scores", "s"), ("prediction", "p"), ("model", "m"))
    )


def test_what_cannot_be_removed_is_named(store, monkeypatch):
    place = written(store, "cache/data/a/x", 10).parent
    found = clearing(store, ["data"])

    def refused(self, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(place), "rename", refused)
    with pytest.raises(ResultError, match=r"data/a: cannot be removed \(Permission denied\); whose is it\?"):
        found.clear()
