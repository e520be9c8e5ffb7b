"""A run's folder that disks and hands have damaged: what is wrong is named and computed again, and nothing is lost."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
import xarray as xr

from ctpbench.outcome.manifest import seals_of
from tests.stored import change_records, stored_records

SUITE = """
name: damaged
datasets: [{name: toy, params: {test_cases: 2}, noise: [1]}]
denoisers: [leave, learn]
metrics: [error, frame-error]
"""


def only(folder: Path, pattern: str) -> Path:
    """Return the first of the files that a pattern finds, which should be one at least."""
    return min(folder.glob(pattern))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def with_a_better_score(path: Path) -> None:
    def better(record: dict) -> dict:
        record = copy.deepcopy(record)
        record["scores"]["error"]["values"][0][0] /= 2
        return record

    change_records(path.parent, better)


def another_end(path: Path) -> None:
    path.write_text(path.read_text().replace('"status":"ok"', '"status":"timeout"', 1))


def the_last_cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def the_first_gone_to_nothing(path: Path) -> None:
    first, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(b"\0" * len(first) + b"\n" + rest)


def an_empty_list(path: Path) -> None:
    path.write_text("[]")


DAMAGE = {
    "a truth is gone": ("cache/data/*/truth.npz", Path.unlink, "truth.npz is missing"),
    "an observation is cut short": ("cache/data/*/observation.npz", truncated, "altered or cut short"),
    "a bit of a prediction": ("cache/prediction/*/*.npz", flipped, "altered or cut short"),
    "a bit of a reference": ("cache/reference/*/*.npz", flipped, "altered or cut short"),
    "where a model comes from": ("cache/model/*/training.json", flipped, "altered or cut short"),
    "a file too many": (
        "cache/reference/*",
        lambda path: (path / "more.npz").touch(),
        "more.npz does not belong there",
    ),
    "how a prediction ended": ("cache/prediction/*/outcome.json", an_empty_list, "cut short, or of another version"),
    "records that are a list": ("records.jsonl", an_empty_list, "cut short, or of another version"),
    "records that are cut short": ("records.jsonl", truncated, "cut short, or of another version"),
    "a record that is cut short": ("records.jsonl", the_last_cut_short, "cut short, or of another version"),
    "a record that is gone": ("records.jsonl", the_first_gone_to_nothing, "cut short, or of another version"),
    "a bit of a record": ("records.jsonl", flipped, "altered, or of another version"),
    "a better score": ("records.jsonl", with_a_better_score, "altered, or of another version"),
    "another end": ("records.jsonl", another_end, "altered, or of another version"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Where the finished run lies, once there is one."""
    return tmp_path_factory.mktemp("damage") / "out"


@pytest.fixture
def suite(ctpbench, write_suite, whole, tmp_path) -> Path:
    """A suite with its finished run in the test's folder."""
    suite = write_suite(SUITE)
    if not whole.exists():
        done = ctpbench("run", suite, "--out", "out")
        assert done.returncode == 0, done.stdout
        (tmp_path / "out").rename(whole)
    shutil.copytree(whole, tmp_path / "out")
    return suite


@pytest.fixture
def scores(tmp_path):
    """Return a function that reads what a run measured, but for times and memory."""

    def read() -> xr.Dataset:
        with xr.open_datatree(tmp_path / "out/results.nc") as tree:
            toy = tree["toy"].to_dataset().load()
        return toy[["error", "frame-error", "status"]]

    return read


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_named_and_computed_again(damage, ctpbench, suite, scores, tmp_path):
    pattern, harm, why = DAMAGE[damage]
    before, path = scores(), only(tmp_path / "out", pattern)
    harm(path)
    if pattern.startswith("records"):
        shown = ctpbench("status", "out").stdout
        assert "damaged records.jsonl:" in shown
        assert f": {why}; give the same command" in shown
    again = ctpbench("run", suite, "--out", "out")
    assert again.returncode == 0, again.stdout
    assert f"damaged: {path.relative_to(tmp_path / 'out').as_posix()[:20]}" in again.stdout
    assert f"{why}; computed again" in again.stdout
    xr.testing.assert_identical(scores(), before)
    calm = ctpbench("run", suite, "--out", "out")
    assert "damaged" not in calm.stdout
    assert calm.stdout.count("(cached)") == 2


def test_what_stands_on_what_was_altered_and_sealed_anew_is_computed_again(ctpbench, suite, tmp_path):
    """Somebody made up an observation and its seal: the prediction was made from another."""
    from ctpbench.running.seals import Entry, checksums

    place = only(tmp_path / "out", "cache/data/*/truth.npz").parent
    flipped(place / "observation.npz")
    entry = Entry.model_validate_json((place / "outcome.json").read_bytes())
    (place / "outcome.json").write_text(entry.model_copy(update={"files": checksums(place)}).model_dump_json())
    again = ctpbench("run", suite, "--out", "out")
    assert f"made from another data/{place.name}" in again.stdout


def test_records_that_are_gone_are_made_again_from_what_is_cached(ctpbench, suite, scores, tmp_path):
    before = scores()
    (tmp_path / "out/records.jsonl").unlink()
    assert ctpbench("run", suite, "--out", "out").returncode == 0
    xr.testing.assert_identical(scores(), before)


def test_results_name_the_seals_of_the_records_that_they_are_made_of(suite, tmp_path):
    with xr.open_datatree(tmp_path / "out/results.nc") as tree:
        seals = seals_of(tree)
    assert seals == {record["key"]: record["seal"] for record in stored_records(tmp_path / "out")}
