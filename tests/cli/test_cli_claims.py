"""Claims go with a suite into its run, onto its page, and are checked from the command line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ctpbench.cli import main
from ctpbench.outcome.leaderboard import leaderboard, to_csv, to_json
from ctpbench.outcome.results import build, open_results, save
from ctpbench.report.folder import page, render, results_of
from ctpbench.report.tables import to_markdown
from ctpbench.running.store import Store
from tests.outcome.records import index_of
from tests.outcome.test_claims import cell
from tests.stored import change_records

CLAIMS = """paper: A | paper
claims:
  - says: n2n is ahead of the others
    check: ahead
    rows: [n2n]
    of: [none, ttv]
    scores: [rmse_cbf, rmse_mtt]
  - says: n2n needs beta
    check: sweep_worst
    row: n2n
    parameter: beta
    at: 0
  - {says: ttv takes its time, check: time, row: ttv, quantity: training, at_most_s: 60}
"""
SECTION = """
## Claims

A \\| paper. 1 of 3 claims hold, all without an interval. A claim holds where the 95% intervals over patients lie where it says, fails where one lies wholly elsewhere, and is undecided where one covers both or something is missing. No interval: the verdict goes by values alone and says nothing of other patients; an interval needs 6 patients and results that say whose each case is, and trials and times have none.

1. **n2n is ahead of the others:** fails

   Paper: n2n ahead of none, ttv

   - 1e5: holds (no interval: 2 patients); 4 of 4 comparisons hold; closest rmse_cbf: n2n 4.00 vs ttv 5.00
   - 1e6: fails (no interval: 2 patients); 2 of 4 comparisons hold; not rmse_cbf: n2n 4.00 vs ttv 3.00, rmse_mtt: n2n 0.400 vs ttv 0.300

2. **n2n needs beta:** holds

   Paper: worst at beta=0

   - 1e5: holds (no interval: one score a trial); rmse_cbf on validation: 7.00, elsewhere 4.00
   - 1e6: holds (no interval: one score a trial); rmse_cbf on validation: 7.00, elsewhere 4.00

3. **ttv takes its time:** undecided

   Paper: 60 s

   - 1e5: undecided; ttv: no fit_s
   - 1e6: undecided; ttv: no fit_s
"""  # noqa: E501


def records():
    return [
        cell(config, cbf, noise, tried={0: 7.0, 25: 4.0} if config == "n2n" else {})
        for noise, ttv in ((1e5, 5.0), (1e6, 3.0))
        for config, cbf in (("none", 20.0), ("ttv", ttv), ("n2n", 4.0))
    ]


@pytest.fixture
def run(tmp_path):
    """A run's folder with six finished cells and claims."""
    store = Store(tmp_path / "run")
    store.write_plan(index_of(records()), "")
    for record in records():
        store.write_record(record)
    (store.folder / "claims.yaml").write_text(CLAIMS)
    return store


def invoked(*words):
    done = CliRunner().invoke(main, ["claims", *map(str, words)])
    return done.exit_code, done.stdout, done.stderr


def test_the_page_ends_with_the_claims(run):
    tree = build(records(), {})
    frame = leaderboard(tree)
    assert page(frame, tree, run.folder) == to_markdown(frame) + SECTION
    (run.folder / "claims.yaml").unlink()
    assert page(frame, tree, run.folder) == to_markdown(frame)


def test_a_comment_explains_a_verdict_below_it_and_in_the_terminal(run):
    last = "at_most_s: 60}"
    text = CLAIMS.replace(
        last, last.replace("}", ", comment: 'It *learns*\\nlong.\\n\\n- nothing\\n- all'}").replace("'", '"')
    )
    (run.folder / "claims.yaml").write_text(text)
    tree = build(records(), {})
    shown = page(leaderboard(tree), tree, run.folder)
    assert shown.endswith(f"{SECTION[-40:]}\n   It *learns*\n   long.\n\n   - nothing\n   - all\n")
    _, shown, _ = invoked(run.folder)
    assert "It *learns* long.\n\n- nothing\n- all\n" in shown


@pytest.mark.parametrize("width", [50, 80, 120])
def test_claims_are_whole_at_any_width(run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    _, shown, _ = invoked(run.folder)
    assert max(map(len, shown.splitlines())) <= width
    words = shown.split()
    assert [words.count(word) for word in ("undecided", "fails", "0.300")] == [3, 2, 1]
    assert "N0" not in words
    assert {"4", "comparisons", "closest", "rmse_cbf:", "n2n", "4.00", "vs", "ttv", "5.00"} <= set(words)


def test_a_page_is_not_lost_to_faulty_claims(run):
    (run.folder / "claims.yaml").write_text(CLAIMS.replace("none, ttv", "nine, ttv").replace("beta", "bta"))
    tree = build(records(), {})
    frame = leaderboard(tree)
    assert page(frame, tree, run.folder) == to_markdown(frame) + (
        "\n## Claims\n\n"
        "- claims.yaml:6: claims\\[0].of\\[0]: the results have no row 'nine' (did you mean none?); "
        "they have n2n, ttv, none\n"
        "- claims.yaml:11: claims\\[1].parameter: the results have no tuned parameter 'bta' (did you mean beta?); "
        "they have beta\n"
    )


def test_rendering_writes_what_people_and_programs_read(run):
    frame = render(run)
    tree = open_results(run.folder / "results.nc")
    texts = {ending: (run.folder / f"leaderboard.{ending}").read_text() for ending in ("md", "csv", "json")}
    assert texts == {"md": page(frame, tree, run.folder), "csv": to_csv(frame), "json": to_json(frame)}


def test_the_command_prints_each_claim_from_a_run_a_folder_or_a_file(run, tmp_path):
    code, shown, _ = invoked(run.folder)
    assert code == 0
    assert shown.splitlines()[-1] == "1 of 3 claims hold, all without an interval."
    for expected in (
        "A | paper",
        "1. n2n is ahead of the others",
        "Paper: worst at beta=0",
        "2 of 4",
        "undecided",
        "(no interval: 2",
    ):
        assert expected in shown
    board = tmp_path / "board"
    save(build(records(), {}), board / "results.nc")
    (board / "claims.yaml").write_text(CLAIMS)
    assert invoked(board) == invoked(board / "results.nc") == (0, shown, "")
    (board / "claims.yaml").rename(tmp_path / "mine.yaml")
    assert invoked(board, "--claims", tmp_path / "mine.yaml") == (0, shown, "")


def test_what_a_run_has_not_finished_is_undecided_where_it_would_else_be_unknown(run):
    change_records(run.folder, lambda record: None if record["config"] == "n2n" else record)
    code, shown, _ = invoked(run.folder)
    assert code == 0
    assert "n2n: no result" in shown
    assert shown.splitlines()[-1] == "0 of 3 claims hold."
    tree, cells = results_of(run.folder)
    assert len(cells) == 6
    save(tree, run.folder / "alone" / "results.nc")
    code, _, errors = invoked(run.folder / "alone", "--claims", run.folder / "claims.yaml")
    assert code == 2
    assert "claims[0].rows[0]: the results have no row 'n2n'" in errors


@pytest.mark.parametrize(
    ("change", "words", "expected"),
    [
        (lambda run: None, ["nowhere"], "nowhere: no such file; name the results.nc that"),
        (lambda run: (run / "claims.yaml").unlink(), [], "claims.yaml: no such file; write one, or name another with"),
        (lambda run: None, ["--claims", "other.yaml"], "other.yaml: no such file"),
        (
            lambda run: (run / "claims.yaml").write_text(CLAIMS.replace("check: ahead", "check: ahaed")),
            [],
            "claims.yaml:4: claims[0].check: got 'ahaed'; allowed: ahead, gap, limit, sweep_worst, sweep_flat, peak, "
            "time (did you mean ahead?)",
        ),
        (
            lambda run: (run / "claims.yaml").write_text(CLAIMS.replace("rmse_mtt", "rmse_mt")),
            [],
            "claims.yaml:7: claims[0].scores[1]: the results have no score 'rmse_mt' (did you mean rmse_mtt?)",
        ),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(change, words, expected, run):
    change(run.folder)
    code, shown, errors = invoked(*([] if words == ["nowhere"] else [run.folder]), *words)
    assert (code, shown, errors.count("\n")) == (2, "", 1)
    assert expected in errors


def test_help_gives_an_example():
    assert "Example: ctpbench claims runs/" in CliRunner().invoke(main, ["claims", "--help"]).stdout


SUITE = """
datasets: [{name: toy, params: {size: 6}, noise: [3]}]
denoisers: [leave, {name: shrink, label: shrunk, tune: {metric: error, parameters: {weight: [0, 0.4]}}}]
metrics: [error, frame-error]
"""
TOY_CLAIMS = """paper: A paper
claims:
  - {says: Shrinking helps, check: ahead, rows: [shrunk], of: [leave], scores: [error_cbf]}
  - {says: A little does, check: sweep_worst, row: shrunk, parameter: weight, at: 0, score: error_cbf}
"""


def test_a_run_takes_the_claims_beside_its_suite_with_it(ctpbench, write_suite, tmp_path):
    suite = write_suite(SUITE)
    write_suite(TOY_CLAIMS.replace("ahead", "ahed"), "claims.yaml")
    wrong = ctpbench("run", suite, "--out", "out")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "claims.yaml:3: claims[0].check: got 'ahed'" in wrong.stderr
    assert not (tmp_path / "out").exists()
    write_suite(TOY_CLAIMS, "claims.yaml")
    done = ctpbench("run", suite, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/claims.yaml").read_text() == TOY_CLAIMS
    assert "2 of 2 claims hold, all without an interval." in (tmp_path / "out/leaderboard.md").read_text()
    shown = ctpbench("claims", "out")
    assert (shown.returncode, shown.stdout.splitlines()[-1]) == (0, "2 of 2 claims hold, all without an interval.")
