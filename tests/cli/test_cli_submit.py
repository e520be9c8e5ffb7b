"""`ctpbench submit`, `verify` of what it packed, and `merge`: what is handed in is whole, sound and unaltered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ctpbench.outcome.card import Card
from ctpbench.outcome.manifest import FILE_NAME, load_manifest
from ctpbench.report.submission import pack, whole_run
from ctpbench.running.store import Store
from tests.outcome.records import TIMINGS, record, rmse
from tests.outcome.runs import finished_run
from tests.stored import change_records

SAID = ("--citation", "unpublished", "--licence", "MIT", "--code", "https://example.org/shrink")
HELD = {**TIMINGS, "sandbox": "full"}


def rows():
    control = record("noiseless", scores={"rmse": rmse([0.0, 0.0])}, timings=HELD)
    return [control, record("shrink", distribution="ctpbench-fakes 0.0.1", timings=HELD)]


@pytest.fixture
def run(tmp_path) -> Store:
    """A finished run of two rows in `run`."""
    return finished_run(tmp_path / "run", rows())


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """The same, handed in."""
    out = tmp_path_factory.mktemp("original") / "packed"
    store = finished_run(tmp_path_factory.mktemp("run"), rows())
    card = Card(
        row="shrink",
        method="shrink",
        version="1",
        distribution="ctpbench-fakes 0.0.1",
        citation="unpublished",
        trained_on="nothing",
        pretrained_data="nothing",
        licence="MIT",
        code="https://example.org/shrink",
    )
    pack(store.folder, whole_run(store.folder)[0], [card], out)
    return out


@pytest.fixture
def packed(run, original, tmp_path) -> Path:
    """The run in `run`, and handed in, in `packed`."""
    return Path(shutil.copytree(original, tmp_path / "packed"))


def refused(ctpbench, *words) -> str:
    """Return the one line that a command is refused with."""
    done = ctpbench(*words)
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("ctpbench: ")


def test_the_work_is_packed_verified_and_joined_from_end_to_end(ctpbench, write_suite, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, params: {test_cases: 2}, noise: [1]}]
denoisers: [noiseless, {name: shrink, label: "a/b *x*", params: {weight: 0.3}}]
metrics: [error]
""")
    assert ctpbench("run", suite, "--out", "out").returncode == 0
    packing = ("submit", "out", "--out", "boards/mine", "--row", "a/b *x*", *SAID, "--contact", "me at example.org")
    assert ctpbench(*packing).returncode == 0
    done = ctpbench("verify", "boards/mine", "--no-secret")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(
        "As packed: 4 files and the seals of 2 cells; the page is theirs\n"
        "Cards: a/b *x*; they say what the results say\n"
    )
    verified = json.loads((tmp_path / "boards/mine/verification.json").read_text())["rows"]
    assert [row["config"] for row in verified] == ["a/b *x*"]
    assert "| verified |" in (tmp_path / "boards/mine/README.md").read_text()
    joined = ctpbench("merge", "out", "boards/mine", "--out", "joined")
    assert joined.returncode == 0, joined.stderr
    assert "a/b *x*: in mine as in out; its cells are there once\n" in joined.stdout
    assert refused(ctpbench, "verify", "joined").startswith("joined: results joined from several runs have no suite")


def test_the_folder_holds_what_a_reviewer_needs(packed):
    assert {path.name for path in packed.iterdir()} == {
        *("README.md", "cards", "croissant.json", "leaderboard.csv", "manifest.json", "provenance.json"),
        *("results.nc", "ro-crate-metadata.json", "suite.yaml"),
    }
    assert (packed / "suite.yaml").read_text() == "name: quick\n"
    assert json.loads((packed / "provenance.json").read_text())["sandbox"] == "full"
    manifest = load_manifest(packed)
    assert manifest.rows == ["shrink"]
    assert set(manifest.seals) == {each.key for each in rows()}
    assert "licence: MIT\n" in (packed / "cards/shrink.yaml").read_text()


def test_claims_and_verification_of_the_run_go_along(run, ctpbench, tmp_path):
    (run.folder / "claims.yaml").write_text("paper: A paper\nclaims: [{says: x, check: no}]\n")
    assert ctpbench("submit", "run", "--out", "packed", *SAID).returncode == 0
    assert (tmp_path / "packed/claims.yaml").exists()
    assert "claims.yaml" in load_manifest(tmp_path / "packed").files


ALTERATIONS = {
    "cards/shrink.yaml: was altered since it was packed": lambda d: (d / "cards/shrink.yaml").write_text("row: x\n"),
    "cards/shrink.yaml: is missing": lambda d: (d / "cards/shrink.yaml").unlink(),
    "cards/other.yaml: is in no manifest": lambda d: (d / "cards/other.yaml").write_text("row: x\n"),
    "claims.yaml: is in no manifest": lambda d: (d / "claims.yaml").write_text("claims: []\n"),
    "results.nc: was altered since it was packed": lambda d: (d / "results.nc").write_bytes(b"no"),
    "README.md: is not the page of these results": lambda d: (d / "README.md").write_text("# The best\n"),
}


@pytest.mark.parametrize("fault", ALTERATIONS)
def test_what_was_altered_since_is_found(packed, ctpbench, fault):
    ALTERATIONS[fault](packed)
    assert refused(ctpbench, "verify", "packed", "--packed").startswith(f"packed: {fault}")


def rewritten(folder: Path, name: str, old: str, new: str) -> None:
    """Change a file and put its new checksum into the manifest, as a forger would."""
    from ctpbench.running.seals import file_checksum

    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    manifest = load_manifest(folder)
    files = {**manifest.files, name: file_checksum(folder / name)}
    (folder / FILE_NAME).write_text(manifest.model_copy(update={"files": files}).model_dump_json())


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        ("suite.yaml", "quick", "easy", "suite.yaml: is not the suite that results.nc comes from"),
        (
            "cards/shrink.yaml",
            "version: '1'",
            "version: '2'",
            "cards/shrink.yaml: version: got '2'; the results have '1'",
        ),
        (
            "cards/shrink.yaml",
            "row: shrink",
            "row: noiseless",
            "cards/shrink.yaml: row: got 'noiseless'; allowed: 'shrink'",
        ),
        ("cards/shrink.yaml", "code: https", "code: ftp", "packed/cards/shrink.yaml:9: code: got 'ftp://"),
    ],
)
def test_files_that_contradict_the_results_are_found(packed, ctpbench, name, old, new, fault):
    rewritten(packed, name, old, new)
    assert fault in refused(ctpbench, "verify", "packed", "--packed")


def test_seals_of_other_records_are_found(packed, ctpbench):
    manifest = load_manifest(packed)
    seals = dict.fromkeys(manifest.seals, "0" * 64)
    (packed / FILE_NAME).write_text(manifest.model_copy(update={"seals": seals}).model_dump_json())
    assert "results.nc: its cells are not those that manifest.json lists" in refused(
        ctpbench, "verify", "packed", "--packed"
    )


def test_a_manifest_that_names_files_elsewhere_or_is_none_is_refused(packed, ctpbench):
    manifest = load_manifest(packed)
    files = {**manifest.files, "../run/cells.json": "0" * 64}
    (packed / FILE_NAME).write_text(manifest.model_copy(update={"files": files}).model_dump_json())
    assert "../run/cells.json: lies outside the folder" in refused(ctpbench, "verify", "packed", "--packed")
    (packed / FILE_NAME).write_text("{}")
    assert refused(ctpbench, "verify", "packed").startswith("packed/manifest.json: unreadable")
    assert refused(ctpbench, "verify", "run", "--packed").startswith("--packed: run was not packed")


def test_half_a_run_is_refused_with_what_it_lacks(run, ctpbench, tmp_path):
    change_records(run.folder, lambda record: None if record["key"] == rows()[1].key else record)
    said = refused(ctpbench, "submit", "run", "--out", "packed", *SAID)
    assert said.startswith("run: 1 of 2 cells are not finished (phantom, noise 2e5: shrink, seed 0); give the run's")
    assert not (tmp_path / "packed").exists()


def test_a_damaged_record_is_refused(run, ctpbench):
    path = run.folder / "records.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1].replace("4.0", "1.0")]))
    assert refused(ctpbench, "submit", "run", "--out", "packed", *SAID).startswith(
        "run: damaged: records.jsonl:2: altered, or of another version; give the run's command again"
    )


def test_failed_cells_are_handed_in_only_when_that_is_said(ctpbench, tmp_path):
    finished_run(tmp_path / "run", [*rows(), record("shrink", 1e6, status="timeout")])
    assert refused(ctpbench, "submit", "run", "--out", "packed", *SAID).startswith(
        "1 of 2 cells of the rows failed, such as shrink: timeout: it failed; run them again with --rerun failed"
    )
    done = ctpbench("submit", "run", "--out", "packed", "--with-failures", *SAID)
    assert done.returncode == 0
    assert "1 cells of the rows failed; reviewers will ask why\n" in done.stdout


def test_rows_that_could_see_the_truth_are_warned_of(ctpbench, tmp_path):
    open_row = record("shrink", distribution="ctpbench-fakes 0.0.1", timings={**TIMINGS, "sandbox": "none"})
    finished_run(tmp_path / "run", [rows()[0], open_row])
    done = ctpbench("submit", "run", "--out", "packed", *SAID)
    assert done.returncode == 0
    assert done.stdout.startswith("shrink: its processes were not held by a full sandbox (none), so they could have")


def test_nothing_of_the_users_is_overwritten(run, ctpbench, tmp_path):
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed/notes.txt").write_text("mine")
    assert (
        refused(ctpbench, "submit", "run", "--out", "packed") == "--out packed: is there already; give a new folder\n"
    )
    assert refused(ctpbench, "merge", "run", "run", "--out", "packed").startswith("--out packed: is there already")
    assert [path.name for path in (tmp_path / "packed").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "card of shrink: citation, licence, code not known; give --citation, --licence, --code, or --card FILE"),
        (["--row", "shrunk"], "--row: the run has no 'shrunk'; it has noiseless, shrink"),
        ([*SAID[:4], "--code", "here"], "card of shrink:9: code: got 'here'; allowed: an address that begins with"),
        (["--card", "card.yaml"], "card.yaml: row: the run has no 'other' to hand in"),
        (["--card", "none.yaml"], "none.yaml: cannot be read: No such file or directory"),
    ],
)
def test_a_bad_call_is_told_in_one_line(run, ctpbench, tmp_path, words, said):
    names = ("row", "method", "version", "citation", "trained_on", "pretrained_data", "licence")
    card = "".join(f"{name}: other\n" for name in names) + "code: https://example.org\n"
    (tmp_path / "card.yaml").write_text(card)
    assert refused(ctpbench, "submit", "run", "--out", "packed", *words).startswith(said)
    assert not (tmp_path / "packed").exists()


def test_a_card_of_a_file_takes_the_place_of_options(packed, ctpbench, tmp_path):
    shutil.copy(packed / "cards/shrink.yaml", tmp_path / "card.yaml")
    done = ctpbench("submit", "run", "--card", "card.yaml", "--out", "again")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again/cards/shrink.yaml").read_text() == (packed / "cards/shrink.yaml").read_text()


def test_what_is_no_finished_run_is_refused(packed, ctpbench, tmp_path):
    assert refused(ctpbench, "submit", "nowhere", "--out", "x").startswith("nowhere: no run here")
    assert refused(ctpbench, "submit", "packed", "--out", "x").startswith("packed: no run here (cells.json missing)")
    finished_run(tmp_path / "controls", rows()[:1])
    assert refused(ctpbench, "submit", "controls", "--out", "x").startswith("controls: has no row but the controls")


def test_joined_results_are_read_by_the_other_commands(run, ctpbench, tmp_path):
    claim = "{says: mine is ahead, check: ahead, rows: [mine], of: [shrink], scores: [rmse_cbf]}"
    (run.folder / "claims.yaml").write_text(f"paper: A paper\nclaims: [{claim}]\n")
    finished_run(tmp_path / "other", [record("mine", scores={"rmse": rmse([1.0, 2.0])}, timings=HELD)])
    joined = ctpbench("merge", "run", "other", "--out", "joined")
    assert joined.returncode == 0, joined.stderr
    assert (tmp_path / "joined/croissant.json").exists()
    assert "| other | mine | quick |" in (tmp_path / "joined/leaderboard.md").read_text()
    for command in ("leaderboard", "compare", "claims"):
        done = ctpbench(command, "joined")
        assert done.returncode == 0, done.stderr
        assert "mine" in done.stdout
    assert refused(ctpbench, "submit", "joined", "--out", "x").startswith("joined: no run here")


def test_merge_says_what_it_was_given(packed, ctpbench, tmp_path):
    assert refused(ctpbench, "merge", "run", "--out", "x") == "merge: got 1 run, run; allowed: two or more\n"
    assert refused(ctpbench, "merge", "packed", "packed/results.nc", "--out", "x").startswith(
        "merge: got packed/results.nc twice"
    )
    assert refused(ctpbench, "merge", "run", "nowhere", "--out", "x").startswith("nowhere: no such file")
    assert not (tmp_path / "x").exists()


def test_runs_of_one_name_are_called_by_more_of_their_paths():
    from ctpbench.cli.merging import run_names

    assert run_names([Path("/a/quick"), Path("/b/quick"), Path("/b/mine/results.nc")]) == [
        "a/quick",
        "b/quick",
        "b/mine",
    ]
