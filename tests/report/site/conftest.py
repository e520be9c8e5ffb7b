"""One site of two runs, and one browser, for all tests of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ctpbench.report.site.build import build_site
from ctpbench.report.site.sources import sources_of
from tests.report.site.made import pictured_run, ward_run

KINDS = {"tips": "frames", "n2n": "learns from noisy series"}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return pictured_run(folder / "pictured"), ward_run(folder / "ward")


@pytest.fixture(scope="session")
def site(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "site"
    build_site(sources_of(runs), out, KINDS)
    return out


@pytest.fixture(scope="session")
def contexts(chromium) -> dict:
    return {}


@pytest.fixture
def opened(chromium, contexts, site) -> Iterator[Callable]:
    """Open a page of the site; no page may log an error, nor ask anything of another address."""
    faults: list[str] = []
    pages = []

    def open_page(address: str, *, width: int = 1280, scheme: str = "light", folder: Path = site):
        if (width, scheme) not in contexts:
            size = {"width": width, "height": 900}
            allowed = ["clipboard-read", "clipboard-write"]
            contexts[width, scheme] = chromium.new_context(viewport=size, color_scheme=scheme, permissions=allowed)
        page = contexts[width, scheme].new_page()
        pages.append(page)
        page.set_default_timeout(20_000)
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(("file:", "data:", "blob:")) or faults.append(asked.url))
        page.goto(f"{(folder / 'x').as_uri()[:-1]}{address}")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert faults == []
