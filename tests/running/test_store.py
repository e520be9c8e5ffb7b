"""The run's folder: whole entries or none, one runner at a time."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import xarray as xr

from ctpbench.atomic import write_text
from ctpbench.errors import ResultError
from ctpbench.running.files import (
    load_arrays,
    load_observation,
    load_truth,
    save_arrays,
    save_observation,
    save_truth,
)
from ctpbench.running.store import Store
from ctpbench.running.work import Outcome, ReferenceInfo


def outcome(factor: float) -> Outcome:
    return Outcome(status="ok", info=ReferenceInfo(scale={"cbf": factor, "cbv": 1.0}))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "run")


@pytest.fixture
def case(catalogue):
    return catalogue.datasets["toy"]().load("test/0", 2.0)


def test_an_entry_is_found_once_committed(store):
    with store.locked():
        made = store.cache.workspace()
        (made / "a.txt").write_text("a")
        assert store.cache.outcome("data", "k") is None
        store.cache.commit("data", "k", made, outcome(1.5))
        assert store.cache.outcome("data", "k") == outcome(1.5)
        assert (store.cache.path("data", "k") / "a.txt").read_text() == "a"
        store.cache.discard("data", "k")
        assert store.cache.outcome("data", "k") is None


def test_an_entry_cut_short_counts_as_none(store):
    with store.locked():
        store.cache.path("data", "k").mkdir(parents=True)
        assert store.cache.outcome("data", "k") is None
        for text in ('{"status": "o', '{"status": "well"}', '{"status": "ok", "info": {"n": 1}}'):
            store.cache.path("data", "k").mkdir(parents=True, exist_ok=True)
            (store.cache.path("data", "k") / "outcome.json").write_text(text)
            assert store.cache.outcome("data", "k") is None


def test_a_commit_replaces_what_was_there(store):
    with store.locked():
        for factor in (1.0, 2.0):
            store.cache.commit("scores", "k", store.cache.workspace(), outcome(factor))
        assert store.cache.outcome("scores", "k") == outcome(2.0)


def test_the_folder_has_one_holder(store):
    assert store.holder() is None
    with store.locked():
        assert store.holder() == str(os.getpid())
        with pytest.raises(ResultError, match="another run"), Store(store.folder).locked():
            pass
    assert store.holder() is None


def test_what_a_killed_run_left_is_cleared(store):
    with store.locked():
        left = store.cache.workspace()
    left.mkdir(parents=True)
    with store.locked():
        assert not left.exists()


def test_checkpoints_outlive_the_run_that_made_them(store):
    with store.locked():
        (store.checkpoints("k") / "epoch.txt").write_text("2")
    with store.locked():
        assert (store.checkpoints("k") / "epoch.txt").read_text() == "2"
        assert not any(store.checkpoints("other").iterdir())


def test_a_text_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_text(path, "old")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_without_a_run_is_named(store):
    with pytest.raises(ResultError, match=r"no run here .*name a folder"):
        store.index()
    store.folder.mkdir()
    (store.folder / "cells.json").write_text("{")
    with pytest.raises(ResultError, match="unreadable"):
        store.index()


def test_observations_and_truths_survive_the_disk(case, tmp_path):
    save_observation(case.observation, tmp_path / "o.npz")
    read = load_observation(tmp_path / "o.npz")
    xr.testing.assert_identical(read.frames, case.observation.frames)
    assert read.frames["brain"].dtype == bool
    save_truth(case.truth, tmp_path / "t.npz")
    truth = load_truth(tmp_path / "t.npz")
    np.testing.assert_array_equal(truth.frames.values, case.truth.frames.values)
    np.testing.assert_array_equal(truth.maps.values, case.truth.maps.values)
    assert list(truth.maps["map"].values) == list(case.truth.maps["map"].values)
    assert truth.labels is None


def test_a_loaded_observation_cannot_be_changed(case, tmp_path):
    save_observation(case.observation, tmp_path / "o.npz")
    frames = load_observation(tmp_path / "o.npz").frames
    with pytest.raises(ValueError, match="read-only"):
        frames.values[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        frames["brain"].values[0] = False


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "o.npz").write_bytes(b"nothing")
    with pytest.raises(ResultError, match=r"o\.npz: unreadable"):
        load_arrays(tmp_path / "o.npz")


def test_arrays_keep_their_dimensions_and_drop_what_the_observation_holds(case, tmp_path):
    save_arrays(tmp_path / "a.npz", concentration=case.observation.frames, maps=None)
    read = load_arrays(tmp_path / "a.npz")
    assert list(read.data_vars) == ["concentration"]
    assert "brain" not in read.coords
    assert read["concentration"].dims == ("time", "z", "y", "x")
