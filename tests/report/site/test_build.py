"""The site's folder without a browser: whose files it touches, what it holds, and that nothing escapes from data."""

from __future__ import annotations

import json
import re
import shutil
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from ctpbench.cli import main
from ctpbench.errors import InputError, ResultError
from ctpbench.outcome.merge import merge
from ctpbench.outcome.results import save
from ctpbench.plugins import CONTROL, load_catalogue
from ctpbench.report.folder import results_of
from ctpbench.report.site import build
from ctpbench.report.site.board import board
from ctpbench.report.site.build import build_site, classic
from ctpbench.report.site.choice import chosen_cases
from ctpbench.report.site.folder import MARKER, SiteFolder
from ctpbench.report.site.kinds import kinds_of
from ctpbench.report.site.matches import student
from ctpbench.report.site.pictured import data_key
from ctpbench.report.site.script import script
from ctpbench.report.site.sources import sources_of
from ctpbench.report.site.tiles import tile
from ctpbench.running.files import save_observation, save_truth
from ctpbench.running.quality import gathered, quality_of
from ctpbench.running.record import Entries
from ctpbench.running.store import Store
from ctpbench.running.work import Outcome
from ctpbench.testing import example_case
from tests.outcome.records import changed, record, rmse
from tests.outcome.runs import tree
from tests.report.site.made import HOSTILE, ward_run


def read(path: Path) -> dict:
    text = path.read_text()
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the scripts out, of which all but these tests' pages are made."""
    monkeypatch.setattr(build, "_write_assets", lambda folder: None)


def test_nothing_in_data_ends_a_script_and_all_of_it_comes_back():
    hostile = {
        "label": [*HOSTILE, "half \udcff of a letter", "\u2029<!--", "&amp;"],
        "n": [np.float32(0.1), np.nan, np.inf, np.int64(3)],
    }
    text = script("rows/a1", hostile)
    assert text.isascii()
    assert not re.search("[<>&]", text)
    found = json.loads(text[text.index(",") + 1 : text.rindex(")")])
    assert found["label"] == hostile["label"]
    assert found["n"] == [pytest.approx(0.1), None, None, 3]
    with pytest.raises(ValueError, match="allowed"):
        script("../x", {})


def test_pages_escape_what_suites_and_records_say(site):
    for path in site.glob("*.html"):
        text = path.read_text()
        assert "<script>globalThis" not in text
        assert "default-src 'none'" in text
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert "&lt;script&gt;globalThis.hacked = 3" in (site / "provenance.html").read_text()


def test_joined_results_say_what_can_be_repeated_and_offer_nothing_that_cannot(tmp_path):
    trees = {name: tree([record("none", scores={"rmse": rmse([9.0, 9.0])}), record(name)]) for name in ("a", "<b>")}
    save(merge(trees, "both").tree, tmp_path / "both" / "results.nc")
    build_site(sources_of([tmp_path / "both"]), tmp_path / "site", {})
    text = (tmp_path / "site/provenance.html").read_text()
    assert "ctpbench verify" not in text
    assert all(f'<th scope="row"><bdi>{name}</bdi></th>' in text for name in ("a", "&lt;b&gt;"))


def test_scripts_of_packages_are_shipped_as_a_page_from_disk_can_load_them(site):
    assert (site / "assets/plotly.js").stat().st_size > 10**6
    tables = (site / "assets/datatables.js").read_text()
    assert "globalThis.DataTable=" in tables
    assert not re.search(r"\bexport\s*\{", tables)
    assert (
        classic("var a=1;export{a as default,b as c};")
        == '(()=>{"use strict";\nvar a=1;globalThis.DataTable=a;\n})();\n'
    )
    with pytest.raises(ValueError, match="itables"):
        classic("var a=1;")


def test_runs_of_one_suite_have_names_of_their_own(runs, tmp_path):
    twin = tmp_path / "pictured"
    shutil.copytree(runs[0], twin)
    named = [source.name for source in sources_of([*runs, twin])]
    assert named == ["paper (pictured)", "paper (ward)", "paper (pictured) 2"]
    with pytest.raises(InputError, match="named twice"):
        sources_of([runs[0], runs[0]])


def test_half_a_run_says_how_far_it_is(runs, tmp_path, light):
    half = tmp_path / "half"
    shutil.copytree(runs[0], half)
    lines = (half / "records.jsonl").read_text().splitlines(keepends=True)
    (half / "records.jsonl").write_text("".join(lines[1:]))
    build_site(sources_of([half]), tmp_path / "site", {})
    assert "2 of 3 cells are finished" in (tmp_path / "site/index.html").read_text()
    (half / "records.jsonl").unlink()
    build_site(sources_of([half]), tmp_path / "site", {})
    assert "0 of 3 cells are finished" in (tmp_path / "site/index.html").read_text()
    assert read(tmp_path / "site/data/board.js")["rows"] == []


def test_results_alone_have_pages_but_no_images(runs, tmp_path, light):
    save(results_of(runs[1])[0], tmp_path / "results.nc")
    built = build_site(sources_of([tmp_path / "results.nc"]), tmp_path / "site", {})
    assert (built.rows, built.cases) == (20, 0)
    assert read(tmp_path / "site/data/images.js")["without"] == ["paper"]


def test_quantiles_of_student_reach_as_far_as_there_are_patients(runs):
    found = student(sources_of(runs))
    assert found["least"] == 6
    assert list(found["quantiles"][:3]) == pytest.approx(stats.t.ppf(0.975, [5, 6, 7]))  # of up to the eight of a ward
    assert student(sources_of(runs[:1]))["quantiles"].size == 0


def test_results_of_another_format_are_refused_in_a_line(runs, tmp_path):
    tree = results_of(runs[1])[0]
    tree.attrs["format"] = 99
    save(tree, tmp_path / "results.nc")
    with pytest.raises(ResultError, match="got results of format 99"):
        sources_of([tmp_path / "results.nc"])


def test_only_its_own_files_are_replaced(runs, tmp_path, light):
    out = tmp_path / "site"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something that is no report"):
        build_site(sources_of(runs), out, {})
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
    (out / "thesis.txt").unlink()
    build_site(sources_of(runs), out, {})
    (out / "thesis.txt").write_text("mine")
    names = {path.relative_to(out) for path in out.rglob("*.js")}
    build_site(sources_of(runs[1:]), out, {})
    left = {path.relative_to(out) for path in out.rglob("*.js")}
    assert any("images" in name.parts for name in names)
    assert not any("images" in name.parts for name in left)
    assert len([name for name in left if "rows" in name.parts]) == 20
    assert (out / "thesis.txt").read_text() == "mine"
    (out / MARKER).write_text("{}")
    with pytest.raises(InputError, match="unreadable"):
        build_site(sources_of(runs), out, {})


def test_a_strangers_file_of_a_pages_name_is_left_alone_and_an_interrupted_build_goes_on(tmp_path):
    folder = SiteFolder(tmp_path / "site")
    folder.write("a.html", "a")
    SiteFolder(tmp_path / "site").write("a.html", "again")  # the first never finished
    done = SiteFolder(tmp_path / "site")
    done.write("b.html", "b")
    done.finish()
    (tmp_path / "site/c.html").write_text("mine")
    with pytest.raises(InputError, match=r"c\.html is not the report's"):
        SiteFolder(tmp_path / "site").write("c.html", "c")
    assert (tmp_path / "site/c.html").read_text() == "mine"


def test_a_marker_that_names_files_elsewhere_removes_none(tmp_path):
    (tmp_path / "keep.txt").write_text("mine")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / MARKER).write_text('{"format": 1, "complete": true, "files": ["../keep.txt"]}')
    SiteFolder(tmp_path / "site").finish()
    assert (tmp_path / "keep.txt").exists()


def test_images_are_made_once(runs, tmp_path, light, monkeypatch):
    build_site(sources_of(runs[:1]), tmp_path / "site", {})
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "site/data/images").iterdir()}
    assert len(before) == 3 * (1 + 3)
    monkeypatch.setattr("ctpbench.report.site.images.Scene", None)
    built = build_site(sources_of(runs[:1]), tmp_path / "site", {})
    assert built.cases == 3
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "site/data/images").iterdir()} == before


def test_cases_that_differ_in_their_noise_alone_are_told_apart(tmp_path):
    store, ok = Store(tmp_path / "run"), Outcome(status="ok")
    (store.folder / "tmp").mkdir(parents=True)
    cases = [
        example_case(slices=1, rows=32, columns=32, frames=24, seed=seed, noise_hu=5.0 + seed) for seed in range(3)
    ]
    for place, case in enumerate(cases):
        entry = store.cache.workspace() / "entry"
        entry.mkdir()
        save_observation(case.observation, entry / "observation.npz")
        save_truth(case.truth, entry / "truth.npz")
        store.cache.commit("data", f"key-{place}", entry, ok)
    entry = store.cache.workspace() / "entry"
    entry.mkdir()
    store.cache.commit("reference", "reference", entry, ok, [("data", f"key-{place}") for place in (2, 0, 1)])
    names = ["one", "two", "three"]
    quality = gathered([quality_of(case.observation, case.truth) for case in cases])
    entries = Entries(observation="key-0", reference="reference", prediction="none")
    made = record(
        "a", cases=names, quality=quality, entries=entries, scores={"rmse": rmse([1.0, 2.0, 3.0])}, timings={}
    )
    assert [data_key(store, made, name) for name in names] == ["key-0", "key-1", "key-2"]
    unknown = changed(made, quality={})
    assert [data_key(store, unknown, name) for name in names] == ["key-0", None, None]


def test_a_row_whose_maps_are_computed_in_another_way_brings_its_own_noiseless_maps(runs, tmp_path, light):
    run = tmp_path / "run"
    shutil.copytree(runs[0], run)
    other = run / "cache/reference/other"
    shutil.copytree(run / "cache/reference/reference", other)
    store = Store(run)
    made = next(each for each in store.finished() if each.config == "none")
    store.write_record(changed(made, seal="", entries={**made.entries.model_dump(), "reference": "other"}))
    build_site(sources_of([run]), tmp_path / "site", {})
    case = read(tmp_path / "site/data/images.js")["levels"][0]["cases"][0]
    shown = {row["label"]: read(tmp_path / f"site/data/{row['file']}.js") for row in case["rows"]}
    assert case["ways"]
    assert shown["none"]["noiseless"] == shown["noiseless"]["maps"]
    assert "noiseless" not in shown["blur"]


def test_images_beyond_the_room_are_left_out_and_counted(runs, tmp_path, light):
    built = build_site(sources_of(runs[:1]), tmp_path / "site", {}, image_mib=0.01)
    found = read(tmp_path / "site/data/images.js")
    files = sum(len(case["rows"]) + 1 for level in found["levels"] for case in level["cases"])
    assert built.left_out == found["left_out"] > 0
    assert 0 < files < 12


def test_cases_are_the_worst_the_median_and_the_best_of_the_row_in_the_middle(runs):
    tree, frame = (source := sources_of(runs[:1])[0]).tree, source.frame
    chosen = chosen_cases(tree, frame, "phantom", 2e5, ("one", "two", "three"), 3)
    assert [one.case for one in chosen] == ["two", "three", "one"]
    assert chosen[0].why == "the worst of 3 by RMSE CBF of blur"
    assert [one.case for one in chosen_cases(tree, frame, "phantom", 2e5, ("one", "two", "three"), 1)] == ["three"]


@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 7, 2), (40, 300, 3)])
def test_a_tile_is_off_by_half_a_step_at_most(shape):
    import base64
    from io import BytesIO

    from matplotlib.image import imread

    values = np.random.default_rng(0).normal(50, 30, shape)
    values[0, 0, 0], values[-1, -1, -1] = np.nan, 2000.0
    made = tile(values, 0.02, "s")
    sheet = np.rint(imread(BytesIO(base64.b64decode(made["png"]))) * 255).astype(int)
    z, y, x = shape
    assert sheet.shape[0] <= 8192
    found = np.empty(shape)
    for k in range(z):
        left, top = k // made["column"] * 2 * x, k % made["column"] * y
        raw = sheet[top : top + y, left : left + x] * 256 + sheet[top : top + y, left + x : left + 2 * x]
        found[k] = np.where(raw > 0, made["offset"] + made["step"] * (raw - 1), np.nan)
    assert np.array_equal(np.isnan(found), np.isnan(values))
    assert np.nanmax(np.abs(found - values)) <= made["step"] * 0.501


def test_a_board_of_thousands_stays_small(runs):
    source = sources_of(runs[1:])[0]
    one = len(script("board", board([source], {})))
    rows = len(source.frame)
    assert one / rows < 1500  # bytes a row: 3 MB of 2,000 rows


def test_kinds_are_those_of_the_installed_methods():
    kinds = kinds_of(load_catalogue([EntryPoint("fakes", "ctpbench_fakes", "ctpbench"), CONTROL]))
    assert kinds["noiseless"] == "control"
    assert kinds["shrink"] == "frames"
    assert kinds["unfold"] == "deconvolution"
    assert kinds["concentrate"] == "concentration"
    assert kinds["learn"].startswith("learns from ")


def test_the_command_says_where_the_report_is_and_refuses_in_a_line(tmp_path):
    run = ward_run(tmp_path / "run")
    done = CliRunner().invoke(main, ["report", str(run), "--out", str(tmp_path / "site"), "--cases", "0"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"Report: {tmp_path}/site/index.html (20 rows, no images, ")
    refused = CliRunner().invoke(main, ["report", str(run), "--out", str(tmp_path)])
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"--out {tmp_path}: holds something that is no report")
    assert refused.stderr.count("\n") == 1
    nothing = CliRunner().invoke(main, ["report", str(tmp_path / "nowhere"), "--out", str(tmp_path / "other")])
    assert nothing.exit_code == 2
    assert nothing.stderr.count("\n") == 1
    assert not (tmp_path / "other").exists()


def test_a_run_ends_with_its_pages_unless_told_not_to(ctpbench, write_suite, tmp_path):
    suite = write_suite("datasets: [{name: toy, noise: [1]}]\ndenoisers: [leave, unfold]\nmetrics: [error]\n")
    assert "Report:" not in ctpbench("run", suite, "--out", "out").stdout
    assert not (tmp_path / "out/report").exists()
    done = ctpbench("run", suite, "--out", "out", "--report")
    assert done.returncode == 0, done.stderr
    assert "Report: out/report/index.html (2 rows, 2 cases with images, " in done.stdout
    levels = read(tmp_path / "out/report/data/images.js")["levels"]
    assert [[row["label"] for row in case["rows"]] for case in levels[0]["cases"]] == [["leave", "unfold"]] * 2
    (tmp_path / "out/report" / MARKER).unlink()
    again = ctpbench("run", suite, "--out", "out", "--report")
    assert again.returncode == 0, again.stderr
    assert "no report: out/report: holds something that is no report; " in again.stdout
