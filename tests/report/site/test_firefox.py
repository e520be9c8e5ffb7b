"""The pages in Firefox, opened from disk: what they are for is there, nothing is logged, nothing asked of elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.report.site.firefox import listening, visit
from tests.report.site.test_pages import WARD, data, keys

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")


@pytest.mark.skipif(FIREFOX is None, reason="no Firefox: neither firefox-esr nor firefox is on PATH")
def test_the_pages_work_in_firefox(site: Path, tmp_path: Path) -> None:
    levels = data(site, "board")["levels"]
    ward = next(one["key"] for one in levels if one["run"] == WARD and one["noise"] == 1e5)
    pictured = next(one["key"] for one in levels if one["run"] != WARD)
    tips, n2n = (keys(site, WARD, label)[0] for label in ("tips", "n2n"))
    pages = {
        "index.html": "document.querySelectorAll('#board tbody tr').length",
        f"row.html#key={tips}": "document.querySelectorAll('.plot .main-svg').length >= 2 && document.title",
        f"compare.html#level={ward}&a={tips}&b={n2n}": (
            "document.querySelector('.plot .xtitle') && document.querySelector('.verdict').textContent"
        ),
        f"browser.html#level={pictured}": (
            "document.querySelector('.view output').textContent && document.querySelectorAll('.stage canvas').length"
        ),
    }
    folder = (site / "x").as_uri()[:-1]
    with listening(str(FIREFOX), tmp_path / "profile") as address:
        seen = visit(address, [(folder + page, expression) for page, expression in pages.items()], (1280, 900))
    assert [one.faults for one in seen] == [()] * len(pages)
    board, row, compared, browser = (one.value for one in seen)
    assert board == len(data(site, "board")["rows"])
    assert row.startswith("tips, ")
    assert compared.startswith("tips is better than n2n by ")
    assert browser == 4
    assert all(one.png.startswith(b"\x89PNG") for one in seen)
