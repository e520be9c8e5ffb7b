"""`ctpbench verify`: what is honest is verified; a forged record, a changed component and a good memory are found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ctpbench.running.record import Record
from ctpbench.running.records import line_of
from ctpbench.running.seals import sealed
from tests.conftest import FAKES
from tests.installed import Site
from tests.stored import stored_records

SUITE = """
datasets: [{name: toy, params: {test_cases: 8}, noise: [1]}]
denoisers: [leave, {name: shrink, params: {weight: 0.3}}]
metrics: [error]
"""
MEMORY = """
from ctpbench_fakes import Toy


class Memorise(FrameDenoiser):
    '''Knows the public cases by heart.'''

    name, version = "memorise", "1"
    pretrained_on = "toy, all of it"

    def denoise(self, frames, context):
        toy = Toy(test_cases=8)
        for case in toy.cases("test"):
            if (toy.load(case, 1.0).observation.frames.values == frames.values).all():
                return frames.copy(data=toy.load(case, None).observation.frames.values)
        return frames.copy()


@hookimpl
def ctpbench_denoisers():
    return [Memorise]
"""

DOUBLES = """
class Doubles(FrameDenoiser):
    '''Twice what it was.'''

    name, version = "doubles", "1"

    def denoise(self, frames, context):
        return frames.copy(data=frames.values * 2)


@hookimpl
def ctpbench_denoisers():
    return [Doubles]
"""


def words(folder: Path) -> dict[str, tuple[str, str]]:
    found = json.loads((folder / "verification.json").read_text())
    return {row["config"]: (row["word"], row["why"]) for row in found["rows"]}


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture
def command(tmp_path):
    """Return a function that runs a command in a process of its own, with what a test installed."""
    path = os.pathsep.join([str(tmp_path), str(FAKES), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-c", "from ctpbench.cli import main; main(prog_name='ctpbench')", *arguments]
        return subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_what_is_honest_is_verified_and_the_board_says_so(ctpbench, write_suite, tmp_path):
    out = tmp_path / "out"
    assert ctpbench("run", write_suite(SUITE), "--out", "out").returncode == 0
    done = ctpbench("verify", "out", "--only", "shrink")
    assert done.returncode == 0, done.stdout
    assert words(out) == {"shrink(weight=0.3)": ("verified", "")}
    (row,) = json.loads((out / "verification.json").read_text())["rows"]
    assert row["claimed"] == row["again"] != row["secret"]
    page = (out / "leaderboard.md").read_text()
    assert "| toy, noise 1 | shrink(weight=0.3) | verified |" in page
    assert "| toy, noise 1 | leave | self-reported |" in page


def test_a_forged_record_is_found(ctpbench, write_suite, tmp_path):
    out = tmp_path / "out"
    assert ctpbench("run", write_suite(SUITE), "--out", "out").returncode == 0
    lines = []
    for stored in stored_records(out):
        record = Record.model_validate(stored)
        if record.config == "leave":
            table = record.scores["error"]
            better = table.model_copy(update={"values": [[v / 2 for v in row] for row in table.values]})
            record = sealed(record.model_copy(update={"scores": {"error": better}}))
        lines.append(line_of(record))
    (out / "records.jsonl").write_bytes(b"".join(lines))
    assert ctpbench("leaderboard", "out").returncode == 0
    done = ctpbench("verify", "out", "--no-secret")
    assert done.returncode == 3
    word, why = words(out)["leave"]
    assert word == "failed"
    assert why.startswith("error_cbf: claimed ")
    assert words(out)["shrink(weight=0.3)"] == ("verified", "")
    assert "not tried on secret data" in (out / "leaderboard.md").read_text()


def test_work_that_came_with_the_run_is_not_taken_for_ones_own(ctpbench, write_suite, tmp_path):
    assert ctpbench("run", write_suite(SUITE), "--out", "out").returncode == 0
    done = ctpbench("verify", "out", "--out", "out/verification")
    assert done.returncode == 2
    assert done.stderr.startswith("--out out/verification: lies in the run, which may have brought its own results")
    assert done.stderr.count("\n") == 1


def test_the_secret_seed_is_in_no_path_that_a_method_sees(ctpbench, write_suite, tmp_path):
    assert ctpbench("run", write_suite(SUITE), "--out", "out").returncode == 0
    assert ctpbench("verify", "out", "--only", "leave", "--out", "work").returncode == 0
    seed = json.loads((tmp_path / "out/verification.json").read_text())["secret_seed"]
    assert not [path for path in (tmp_path / "work").rglob("*") if str(seed) in path.name]
    assert not (tmp_path / "work/seed.txt").exists()  # the next verification draws another


def test_an_interrupted_verification_goes_on_with_its_seed(ctpbench, write_suite, tmp_path):
    assert ctpbench("run", write_suite(SUITE), "--out", "out").returncode == 0
    (tmp_path / "work").mkdir()
    (tmp_path / "work/seed.txt").write_text("4711")
    assert ctpbench("verify", "out", "--only", "leave", "--out", "work").returncode == 0
    assert json.loads((tmp_path / "out/verification.json").read_text())["secret_seed"] == 4711


def test_cases_that_are_not_those_of_their_seed_are_found(ctpbench, write_suite, tmp_path):
    """Somebody put other cases into the cache, with their checksums, and scores that nobody could tell."""
    from ctpbench.running.seals import Entry

    out = tmp_path / "out"
    assert ctpbench("run", write_suite(SUITE), "--out", "out").returncode == 0
    path = min(out.glob("cache/data/*/outcome.json"))
    entry = Entry.model_validate_json(path.read_bytes())
    path.write_text(entry.model_copy(update={"files": {**entry.files, "observation.npz": "0" * 64}}).model_dump_json())
    assert ctpbench("verify", "out", "--no-secret", "--only", "leave").returncode == 3
    why = f"the run's cases are not those of their seed: cache/data/{path.parent.name}"
    assert words(out)["leave"] == ("failed", why)


def test_a_component_that_was_changed_since_is_found(site, command, tmp_path):
    module = site.install("acme", DOUBLES)
    (tmp_path / "suite.yaml").write_text(SUITE.replace("leave, {name: shrink, params: {weight: 0.3}}", "doubles"))
    done = command("run", "--no-report", "suite.yaml", "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    file = tmp_path / f"{module}.py"
    file.write_text(file.read_text().replace("* 2", "* 3"))
    assert command("verify", "out", "--no-secret", "--only", "doubles").returncode == 3
    assert words(tmp_path / "out")["doubles"][1].startswith("error_cbf: claimed ")


def test_a_method_that_knows_the_public_data_by_heart_is_found(site, command, tmp_path):
    site.install("acme", MEMORY, requires="ctpbench-fakes")
    (tmp_path / "suite.yaml").write_text(SUITE.replace("leave", "memorise"))
    assert command("run", "--no-report", "suite.yaml", "--out", "out").returncode == 0
    assert "memorise learnt from toy, all of it." in (tmp_path / "out/leaderboard.md").read_text()
    done = command("verify", "out", "--no-secret")
    assert done.returncode == 0, done.stdout + done.stderr
    done = command("verify", "out")
    assert done.returncode == 3, done.stdout + done.stderr
    assert words(tmp_path / "out")["memorise"][1].startswith("error_cbf on secret data: ")
    assert words(tmp_path / "out")["shrink(weight=0.3)"] == ("verified", "")


def test_a_row_whose_score_changed_since_is_self_reported(ctpbench, write_suite, tmp_path):
    out = tmp_path / "out"
    assert ctpbench("run", write_suite(SUITE), "--out", "out").returncode == 0
    assert ctpbench("verify", "out", "--no-secret", "--only", "leave").returncode == 0
    text = (out / "verification.json").read_text()
    claimed = json.loads(text)["rows"][0]["claimed"]
    (out / "verification.json").write_text(text.replace(str(claimed), str(claimed * 2)))
    assert ctpbench("leaderboard", "out").returncode == 0
    assert "| toy, noise 1 | leave | self-reported |" in (out / "leaderboard.md").read_text()


def test_without_results_there_is_nothing_to_verify(ctpbench, tmp_path):
    done = ctpbench("verify", "nowhere")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
