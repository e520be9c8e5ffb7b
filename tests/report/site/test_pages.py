"""The report in a real browser: sorted, filtered, copied, browsed, by mouse and by keyboard, large and small."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect
from scipy import stats

from ctpbench.outcome.comparison import comparisons
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.report.folder import results_of
from tests.report.site.made import CASES, HOSTILE, example, maps_of

PAGES = ("index", "compare", "browser", "claims", "qc", "provenance")
PICTURED, WARD = "paper (pictured)", "paper (ward)"


def data(site: Path, name: str) -> dict:
    text = (site / "data" / f"{name}.js").read_text()
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


def keys(site: Path, run: str, label: str) -> list[str]:
    board = data(site, "board")
    return [
        row["key"] for row in board["rows"] if row["label"] == label and board["levels"][row["level"]]["run"] == run
    ]


def column(page, place: int) -> list[str]:
    return page.locator(f"#board tbody tr td:nth-child({place})").all_inner_texts()


def heading(page, title: str):
    return page.locator("#board thead th").filter(has_text=title).first


def position(page, title: str) -> int:
    titles = page.locator("#board thead th").all_inner_texts()
    return next(i for i, text in enumerate(titles, 1) if text.split("\n")[0] == title)


def scores(page, title: str = "RMSE CBF") -> list[float]:
    texts = [text.split(",")[0].split("\n")[0] for text in column(page, position(page, title))]
    return [float(text) for text in texts if text]


def test_the_board_sorts_filters_and_keeps_both_in_the_address(opened, site):
    page = opened("index.html")
    assert page.locator("#count").inner_text() == f"{len(data(site, 'board')['rows'])} rows"
    heading(page, "RMSE CBF").click()
    rising = scores(page)
    assert rising == sorted(rising)
    assert len(rising) > 10
    heading(page, "RMSE CBF").click()
    assert scores(page) == rising[::-1]
    missing = column(page, position(page, "RMSE CBF"))[len(rising) :]
    assert missing == [""] * 2  # the crashed rows stay last, whichever way
    page.get_by_role("combobox", name="Run").select_option(WARD)
    page.get_by_role("combobox", name="Noise").select_option("1e5")
    page.get_by_label("Find").fill("TIP sigma")
    assert column(page, position(page, "Row")) == ["tips\nsigma_px=2"]
    assert page.locator("#count").inner_text().startswith("1 of ")
    page.get_by_label("Find").fill("")
    again = opened(page.url.rpartition("/")[2])
    assert again.get_by_role("combobox", name="Noise").input_value() == "1e5"
    assert scores(again) == scores(page)
    assert scores(again) == sorted(scores(again), reverse=True)


def test_kinds_training_and_status_are_filtered(opened):
    page = opened(f"index.html#run={WARD.replace(' ', '+')}")
    page.get_by_role("combobox", name="Trained").select_option("trained")
    assert set(column(page, position(page, "Row"))) == {"n2n"}
    page.get_by_role("combobox", name="Trained").select_option("")
    page.get_by_role("combobox", name="Kind").select_option("control")
    assert set(column(page, position(page, "Row"))) == {"none", "noiseless"}
    page.get_by_role("combobox", name="Kind").select_option("")
    page.get_by_role("combobox", name="Status").select_option("crashed")
    assert [text.split("\n")[0] for text in column(page, position(page, "Row"))] == ["ttv", "ttv"]


def test_the_board_shows_ranks_ties_and_intervals_as_the_leaderboard_has_them(opened, runs):
    page = opened(f"index.html#run={WARD.replace(' ', '+')}&noise=1e5")
    frame = leaderboard(results_of(runs[1])[0])
    row = frame[(frame["config"] == "n2n") & (frame["noise"] == 1e5)].iloc[0]
    shown = page.locator("#board tbody tr").filter(has_text="n2n")
    assert row["equals_leader"]
    assert shown.locator(f"td:nth-child({position(page, 'Rank')})").inner_text() == "1–2 ="
    cell = shown.locator(f"td:nth-child({position(page, 'RMSE CBF')})")
    text = f"{row['rmse_cbf']:.2f}, 95% interval {row['rmse_cbf_low']:.2f} to {row['rmse_cbf_high']:.2f}"
    assert cell.inner_text().replace("\n", "") == text
    bar = cell.locator(".strip i").bounding_box()
    strip = cell.locator(".strip").bounding_box()
    assert 0 < bar["width"] < strip["width"]
    assert page.locator("#board tbody tr").filter(has_text="none").first.locator(".strip em").first.inner_text() == "›"


def test_columns_are_chosen_and_what_is_shown_is_copied(opened):
    page = opened(f"index.html#run={WARD.replace(' ', '+')}&noise=1e5&cols=row,rank,rmse_cbf&sort=rmse_cbf")
    page.get_by_role("button", name="Markdown").click()
    expect(page.locator("#count")).to_contain_text("copied")
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert lines[:2] == ["| Rank | Row | RMSE CBF (mL/100 g/min) |", "| :--- | :--- | ---: |"]
    assert lines[2].startswith("|  | noiseless |")
    assert len(lines) == 2 + 10
    assert r"\<script>globalThis.hacked = 1\</script>" in "\n".join(lines)
    page.get_by_role("button", name="LaTeX").click()
    expect(page.locator("#count")).to_contain_text("LaTeX")
    tex = page.evaluate("navigator.clipboard.readText()")
    assert r"\begin{tabular}{llr}" in tex
    assert r"\{\{7*7\}\} \$\{7*7\} =HYPERLINK(1)" in tex
    page.get_by_role("button", name="CSV").click()
    expect(page.locator("#count")).to_contain_text("CSV")
    csv = page.evaluate("navigator.clipboard.readText()")
    assert csv.startswith("Rank,Row,RMSE CBF (mL/100 g/min),RMSE CBF (mL/100 g/min) low,")
    assert '"""></bdi></script><b>bold</b>"' in csv
    page.locator("#columns summary").click()
    page.get_by_role("checkbox", name="RMSE CBF").uncheck()
    page.get_by_role("checkbox", name="Kind").check()
    assert page.locator("#board thead th").all_inner_texts() == ["Rank", "Row", "Kind"]
    assert "cols=rank%2Crow%2Ckind" in page.url


def test_hostile_names_are_text_on_every_page(opened, site):
    for name in ("claims", "qc", "provenance"):
        assert opened(f"{name}.html").evaluate("globalThis.hacked") is None
    page = opened(f"index.html#run={WARD.replace(' ', '+')}&noise=1e5")
    shown = page.locator("#board tbody td.name bdi").all_text_contents()
    for label in HOSTILE:
        assert label in shown
    assert page.locator("#board img, #board b:not(.strip b), #board script").count() == 0
    page.locator("#notes summary").click()
    for label in HOSTILE[:1]:
        row = opened(f"row.html#key={keys(site, WARD, label)[0]}")
        row.locator(".plot .main-svg").first.wait_for()
        assert row.locator("h1 bdi").text_content() == label
        assert row.evaluate("globalThis.hacked") is None
    first, second = (keys(site, WARD, label)[0] for label in HOSTILE[:2])
    level = data(site, "board")["levels"][1]["key"]
    compared = opened(f"compare.html#level={level}&a={first}&b={second}")
    compared.locator(".plot .xtitle").wait_for()
    assert compared.locator(".plot .xtitle").text_content().startswith(HOSTILE[0])
    assert compared.evaluate("globalThis.hacked") is None


def test_a_row_shows_parameters_tuning_scores_by_patient_and_its_log(opened, site):
    page = opened(f"row.html#key={keys(site, WARD, 'tips')[0]}")
    page.locator("h1").wait_for()
    text = page.locator("#row").inner_text()
    assert "sigma_px: validation RMSE CBF (mL/100 g/min); what was chosen is ringed" in text
    assert page.locator("details", has_text="All 4 trials").locator("tbody tr").count() == 4
    page.locator("summary", has_text="The numbers as a table").first.click()
    patients = page.locator(".figure").first.locator("tbody tr")
    assert patients.count() == 8
    values = data(site, f"rows/{keys(site, WARD, 'tips')[0]}")["scores"]["rmse_cbf"]
    assert [float(cell) for cell in patients.locator("td").all_inner_texts()] == pytest.approx(values, rel=1e-3)
    page.locator("summary", has_text="Log").click()
    assert page.locator("pre.long").inner_text().startswith("what tips printed")
    learnt = opened(f"row.html#key={keys(site, WARD, 'n2n')[0]}")
    learnt.get_by_text("loss as training logged it").first.wait_for()
    failed = opened(f"row.html#key={keys(site, WARD, 'ttv')[0]}")
    failed.locator(".fault").wait_for()
    assert "signal 11 </script>" in failed.locator(".fault").inner_text()


def test_curves_of_several_seeds_are_one_line_with_a_band(opened, site):
    page = opened(f"row.html#key={keys(site, WARD, 'n2n')[1]}")
    page.locator(".plot .legend").wait_for()
    assert page.locator(".plot .legendtext").all_text_contents() == ["median of 2 seeds", "their range"]
    page.locator("summary", has_text="The numbers as a table").last.click()
    learnt = page.locator(".figure", has_text="loss as training logged it").locator("tbody tr")
    assert [row.split() for row in learnt.all_inner_texts()] == [
        ["1", "4.000", "3.000", "5.000"],
        ["2", "2.500", "2.000", "3.000"],
        ["3", "1.500", "1.000", "2.000"],
    ]
    page = opened(f"row.html#key={keys(site, WARD, 'tips')[1]}")
    page.locator(".plot .legend").wait_for()
    buttons = page.locator(".modebar-btn")
    assert "Reset axes" in buttons.evaluate_all("all => all.map((one) => one.dataset.title)")
    assert buttons.locator("[data-title*=hare]").count() == 0  # a plot is given to nobody
    assert set(page.locator(".plot .legendtext").all_text_contents()) == {"median of 2 seeds", "their range", "chosen"}
    page.locator("summary", has_text="The numbers as a table").last.click()
    tried = page.locator(".figure", has_text="what was chosen is ringed").locator("tbody tr")
    assert [row.split() for row in tried.all_inner_texts()] == [
        ["1", "7.5000", "7.0000", "8.0000"],
        ["2", "4.5000", "4.0000", "5.0000"],
        ["4", "6.0000", "6.0000", "6.0000"],
    ]


def test_two_rows_are_compared_by_patient(opened, site, runs):
    level = next(one for one in data(site, "board")["levels"] if one["run"] == WARD and one["noise"] == 1e5)
    a, b = keys(site, WARD, "tips")[0], keys(site, WARD, "n2n")[0]
    page = opened(f"compare.html#level={level['key']}&a={a}&b={b}")
    page.locator(".verdict").wait_for()
    compared = comparisons(results_of(runs[1])[0])["phantom", 1e5]
    pair = compared.pair(compared.place("tips"), compared.place("n2n"))
    mean, low, high = compared_numbers(page)
    ends = pair.difference.interval
    assert (mean, low, high) == pytest.approx((pair.difference.value, ends.low, ends.high), abs=1e-3)
    verdict = page.locator(".verdict").inner_text()
    assert verdict.startswith("tips is better than n2n by ")
    assert "the mean over 8 patients; it is better in " in verdict
    assert "They are not told apart" in verdict
    page.get_by_role("button", name="Swap").click()
    expect(page.locator(".verdict")).to_contain_text("n2n is worse than tips")
    assert compared_numbers(page) == pytest.approx((mean, -high, -low))
    page.locator("summary", has_text="table").click()
    assert page.locator("tbody tr").count() == 8
    page.get_by_role("combobox", name="First row").select_option(label="none")
    expect(page.locator(".verdict")).to_contain_text("No interval: ")  # for all differences are one number
    assert "a=" + keys(site, WARD, "none")[0] in page.url


def test_scores_that_do_not_rank_have_students_interval_over_patients(opened, site):
    level = next(one for one in data(site, "board")["levels"] if one["run"] == WARD and one["noise"] == 1e5)
    a, b = keys(site, WARD, "tips")[0], keys(site, WARD, "n2n")[0]
    page = opened(f"compare.html#level={level['key']}&a={a}&b={b}&score=rmse_cbv")
    page.locator(".verdict").wait_for()
    first, second = (np.array(data(site, f"rows/{key}")["scores"]["rmse_cbv"]) for key in (a, b))
    expected = stats.ttest_1samp(second - first, 0.0).confidence_interval(0.95)
    mean, low, high = compared_numbers(page)
    assert (mean, low, high) == pytest.approx(((second - first).mean(), *expected), abs=1e-4)
    assert "(Student's t over patients)." in page.locator(".verdict").inner_text()
    assert "--by rmse_cbv" in page.locator("code").inner_text()
    page.get_by_role("combobox", name="Second row").select_option(label="none")
    expect(page.locator(".verdict")).to_contain_text("No interval: all 8 patients have the same difference.")
    page.get_by_role("combobox", name="Score").select_option("rmse_cbf")
    page.get_by_role("combobox", name="First row").select_option(label="noiseless")
    page.get_by_role("combobox", name="Second row").select_option(label="n2n")
    expect(page.locator(".verdict")).to_contain_text("Student's t")  # for the control is nobody's rival


def test_too_few_patients_have_no_interval_in_a_score_that_does_not_rank(opened, site):
    a, b = (keys(site, PICTURED, label)[0] for label in ("blur", "none"))
    level = data(site, "images")["levels"][0]["key"]
    page = opened(f"compare.html#level={level}&a={a}&b={b}&score=rmse_cbv")
    expect(page.locator(".verdict")).to_contain_text("No interval: 3 patients; an interval needs 6.")


def compared_numbers(page) -> tuple[float, float, float]:
    text = page.locator(".verdict").inner_text()
    found = re.search(r" by (\S+) mL.* lead: (\S+) to (\S+?)(\.( |$)| \()", text)
    assert found, text
    return float(found[1]), float(found[2]), float(found[3])


def browse(opened, *more: str):
    page = opened("#".join(["browser.html", "&".join(["case=two", *more])]))
    page.locator("canvas[tabindex]").first.wait_for()
    expect(page.locator(".view output").first).not_to_be_empty()
    return page


def test_images_are_the_numbers_of_the_maps(opened, site):
    page = browse(opened)
    level = data(site, "images")["levels"][0]
    assert [case["case"] for case in level["cases"]] == ["two", "three", "one"]
    case = next(case for case in level["cases"] if case["case"] == "two")
    base = data(site, case["file"])
    rows, columns = (slice(start, start + size) for start, size in zip(base["corner"], base["shape"][1:], strict=True))
    observation = example(1).observation
    brain = observation.frames["brain"].values[base["slices"]][:, rows, columns]
    for label in ("blur", "none"):
        file = next(row["file"] for row in case["rows"] if row["label"] == label)
        for name in ("cbf", "mtt"):
            code = (
                "async ([file, map]) => Array.from(await ctpbench.pixels.values((await ctpbench.load(file)).maps[map]))"
            )
            shown = np.array([np.nan if v is None else v for v in page.evaluate(code, [file, name])], dtype=float)
            tile = data(site, file)["maps"][name]
            expected = maps_of(1, label).sel(map=name).values[base["slices"]][:, rows, columns]
            assert np.array_equal(np.isnan(shown).reshape(brain.shape), ~brain)
            errors = np.abs(shown.reshape(brain.shape) - expected)[brain]
            assert errors.max() <= tile["step"] * 0.51


def pixels(page, place: int = 0) -> list[int]:
    """The sum of a view's pixels, and a number that changes with any of them."""
    code = """(place) => { const canvas = document.querySelectorAll('.view canvas')[place]; let sum = 0, mixed = 0;
      for (const value of canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data) {
        sum += value; mixed = (mixed * 31 + value) | 0; }
      return [sum, mixed]; }"""
    return page.evaluate(code, place)


def test_the_browser_windows_zooms_differs_swipes_and_turns_slices(opened):
    page = browse(opened, "outline=0")
    assert page.locator(".view").count() == 4
    before = pixels(page, 2)
    page.get_by_label("to", exact=True).fill("500")
    page.get_by_label("to", exact=True).press("Enter")
    expect(page.locator(".ticks span").last).to_have_text("500")
    darker = pixels(page, 2)
    assert darker[0] < before[0]
    assert "high=500" in page.url
    page.get_by_role("button", name="Reset").click()
    expect(page.locator(".ticks span").last).not_to_have_text("500")
    assert pixels(page, 2) == before
    page.get_by_role("button", name="Zoom in").click()
    assert pixels(page, 2) != before
    assert pixels(page, 0) != pixels(page, 2)
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("combobox", name="Show").select_option("noiseless")
    expect(page.locator(".bars figure")).to_have_count(2)
    value = float(page.locator(".view output").nth(2).inner_text())
    assert abs(value) < 100
    page.get_by_role("combobox", name="Show").select_option("map")
    page.get_by_role("slider", name="Slice").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[role=status]")).to_contain_text("slice 2")
    page.get_by_role("button", name="Film").click()
    expect(page.locator("[role=status]")).to_contain_text("slice 1")
    page.get_by_role("button", name="Stop").click()
    page.get_by_label("Swipe between two").check()
    expect(page.locator(".view")).to_have_count(1)
    half = pixels(page)
    page.get_by_role("slider", name="Where the left image ends").fill("90")
    assert pixels(page) != half


def test_values_and_curves_stand_under_the_cursor(opened):
    page = browse(opened)
    canvas = page.locator("canvas[tabindex]").first
    canvas.focus()
    start = page.locator("[role=status]").inner_text()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    told = page.locator("[role=status]").inner_text()
    assert told != start
    x, y, z = (int(part.split()[1]) for part in told.split(", "))
    expected = maps_of(1, "blur").sel(map="cbf").values[z - 1, y, x]
    label = page.locator(".view figcaption bdi").all_text_contents().index("blur")
    assert float(page.locator(".view output").nth(label).inner_text()) == pytest.approx(expected, rel=0.01, abs=0.02)
    page.locator("summary", has_text="The numbers as a table").click()
    expect(page.locator(".figure tbody tr")).to_have_count(8)
    heads = page.locator(".figure thead th").all_inner_texts()
    assert heads[:3] == ["Time (s)", "noisy", "noiseless"]
    page.wait_for_timeout(200)
    cells = page.locator(f".figure tbody tr td:nth-child({heads.index('noiseless') + 1})").all_inner_texts()
    truth = example(1).truth.frames.values[:, z - 1, y, x]
    assert [float(text) for text in cells] == pytest.approx(list(truth - truth[:2].mean()), abs=0.06)


def test_a_level_chosen_by_its_row_and_a_case_nobody_has(opened, site):
    page = browse(opened, f"row={keys(site, PICTURED, 'blur')[0]}", "case=nobody")
    assert page.locator(".view figcaption bdi").all_text_contents()[-1] == "blur"
    assert page.get_by_role("combobox", name="Case").input_value() in CASES


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_a_phone_and_follow_the_readers_light(opened, name):
    page = opened(f"{name}.html", width=375, scheme="dark")
    page.wait_for_timeout(150)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert page.evaluate("document.documentElement.className") == "dark"
    page.get_by_role("button", name="Light").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 248)"
    page.evaluate("localStorage.clear()")


def test_a_dark_page_is_printed_light_whole_and_without_what_is_pressed(opened, site):
    address = f"row.html#key={keys(site, WARD, 'tips')[0]}"
    page = opened(address, scheme="dark")
    page.locator(".plot .main-svg").first.wait_for()
    dark = page.locator(".plot .main-svg").first.evaluate("one => [one.style.background, one.clientWidth]")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 900})
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    printed = page.locator(".plot .main-svg").first.evaluate("one => [one.style.background, one.clientWidth]")
    assert dark[0] == "rgb(23, 27, 31)"
    assert printed == ["rgb(255, 255, 255)", 660]
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    assert page.locator("nav, button, summary").filter(visible=True).count() == 0
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.pdf()  # which ends with the browser's own word that it has printed
    assert page.evaluate("document.documentElement.className") == "dark"
    expect(page.locator(".plot .main-svg").first).to_have_css("background-color", dark[0])


@pytest.mark.parametrize("name", PAGES)
def test_a_printed_page_is_no_wider_than_paper(opened, name):
    page = opened(f"{name}.html", width=718 if name != "index" else 1040)
    page.wait_for_timeout(100)
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_words_in_tables_are_not_broken_on_a_phone(opened, site):
    page = opened(f"row.html#key={keys(site, WARD, 'tips')[0]}", width=375)
    cell = page.locator("#row td bdi", has_text="mL/100 g/min").first
    cell.wait_for()
    assert cell.evaluate("one => one.getClientRects()[0].height / parseFloat(getComputedStyle(one).lineHeight)") <= 2.1


FOCUSED = """(() => { const one = document.activeElement;
  const name = one.ariaLabel ?? one.labels?.[0]?.innerText ?? one.innerText;
  return one.role ? `${one.role} ${name}` : name; })()"""


def test_the_board_is_worked_by_keyboard(opened):
    page = opened("index.html")
    page.locator("tbody tr").first.wait_for()  # the table that takes its place would lose the focus
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none" or seen[-1] == "BODY"
    assert seen[0] == "Skip to the content"
    assert {"LaTeX", "CSV", "Columns", "Find", "Noise", "Status", "region Board"} <= set(seen)
    heading(page, "RMSE CBF").get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert scores(page) == sorted(scores(page))
