"""A run's folder that disks and hands have damaged: what is wrong is named and computed again, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import xarray as xr

SUITE = """
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
    record = json.loads(path.read_text())
    record["scores"]["error"]["values"][0][0] /= 2
    path.write_text(json.dumps(record))


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
    "a record that is a list": ("records/*.json", an_empty_list, "cut short, or of another version"),
    "a record that is cut short": ("records/*.json", truncated, "cut short, or of another version"),
    "a better score": ("records/*.json", with_a_better_score, "altered, or of another version"),
}


@pytest.fixture
def scores(tmp_path):
    """Return a function that reads what a run measured, but for times and memory."""

    def read() -> xr.Dataset:
        with xr.open_datatree(tmp_path / "out/results.nc") as tree:
            toy = tree["toy"].to_dataset().load()
        return toy[["error", "frame-error", "status"]]

    return read


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_named_and_computed_again(damage, ctpbench, write_suite, scores, tmp_path):
    pattern, harm, why = DAMAGE[damage]
    suite = write_suite(SUITE)
    assert ctpbench("run", suite, "--out", "out").returncode == 0
    before, path = scores(), only(tmp_path / "out", pattern)
    harm(path)
    if pattern.startswith("records"):
        assert f"damaged {path.relative_to(tmp_path / 'out')}: {why}" in ctpbench("status", "out").stdout
    again = ctpbench("run", suite, "--out", "out")
    assert again.returncode == 0, again.stdout
    assert f"damaged: {path.relative_to(tmp_path / 'out').as_posix()[:20]}" in again.stdout
    assert f"{why}; computed again" in again.stdout
    xr.testing.assert_identical(scores(), before)
    calm = ctpbench("run", suite, "--out", "out")
    assert "damaged" not in calm.stdout
    assert calm.stdout.count("(cached)") == 2


def test_what_stands_on_what_was_altered_and_sealed_anew_is_computed_again(ctpbench, write_suite, scores, tmp_path):
    """Somebody made up an observation and its seal: the prediction was made from another."""
    from ctpbench.running.seals import Entry, checksums

    suite = write_suite(SUITE)
    assert ctpbench("run", suite, "--out", "out").returncode == 0
    place = only(tmp_path / "out", "cache/data/*/truth.npz").parent
    flipped(place / "observation.npz")
    entry = Entry.model_validate_json((place / "outcome.json").read_bytes())
    (place / "outcome.json").write_text(entry.model_copy(update={"files": checksums(place)}).model_dump_json())
    again = ctpbench("run", suite, "--out", "out")
    assert f"made from another data/{place.name}" in again.stdout


def test_records_that_are_gone_are_made_again_from_what_is_cached(ctpbench, write_suite, scores, tmp_path):
    suite = write_suite(SUITE)
    assert ctpbench("run", suite, "--out", "out").returncode == 0
    before = scores()
    for path in (tmp_path / "out/records").iterdir():
        path.unlink()
    assert ctpbench("run", suite, "--out", "out").returncode == 0
    xr.testing.assert_identical(scores(), before)


def test_results_name_the_seals_of_the_records_that_they_are_made_of(ctpbench, write_suite, tmp_path):
    assert ctpbench("run", write_suite(SUITE), "--out", "out").returncode == 0
    with xr.open_datatree(tmp_path / "out/results.nc") as tree:
        manifest = json.loads(tree.attrs["manifest"])
    records = [json.loads(path.read_text()) for path in (tmp_path / "out/records").iterdir()]
    assert manifest == {record["key"]: record["seal"] for record in records}
