"""The page beside the maps: it holds everything, asks for nothing, and says what it must."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from ctpbench import QUANTITIES, Context, inspect_series
from ctpbench.report.summary import write_summary
from ctpbench.scans.lesions import Lesions
from ctpbench.scans.processing import process
from ctpbench.scans.sidecars import history
from ctpbench.settings import MapsSettings
from tests.fakes.ctpbench_fakes import Shrink, ToySeries, head, save_scan

SETTINGS = MapsSettings(scaling="none", kappa=0.73, rho=1.05)
EVERY_S = np.repeat(np.arange(45)[:, np.newaxis] * 1.0, 3, axis=1)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """An inspection with a warning that looks like markup, what was made of the scan, and how."""
    folder = tmp_path_factory.mktemp("summary")
    inspection = inspect_series(ToySeries(save_scan(folder / "scan.toy.npz", "Doe^Jane", **head(EVERY_S))))
    inspection = replace(inspection, warnings=("motion: <b>much</b>",))
    denoiser = Shrink(weight=0.25)
    out = folder / "out"
    out.mkdir()
    made = process(inspection, denoiser, SETTINGS, Context("cpu", 1, np.random.default_rng(0), folder, folder), out)
    return inspection, made, history(denoiser, SETTINGS, made, "")


def test_the_page_holds_its_pictures_and_says_what_it_must(parts, tmp_path):
    inspection, made, past = parts
    files = write_summary(tmp_path, inspection, made, past, "shrink")
    names = {"overview.png", "lesions.png", "inspection.png", "inspection.json", "summary.html"}
    assert {path.name for path in files} == {path.name for path in tmp_path.iterdir()} == names
    page = (tmp_path / "summary.html").read_text()
    assert page.count('src="data:image/png;base64,') == 3
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "For research only" in page
    assert "motion: &lt;b&gt;much&lt;/b&gt;" in page
    assert f"{made.lesions.volumes_ml['core']:.1f} mL" in page
    assert f"{made.lesions.volumes_ml['mismatch']:.1f} mL" in page
    assert "CBF below 30% of the other side" in page
    assert "kappa 0.73, rho 1.05 g/mL" in page
    assert "shrink, version 1: weight=0.25" in page
    assert "Q.CD1.010 Time to peak" in page
    text = re.sub('data:image[^"]*', "", page)  # which holds any three letters by chance
    assert not [word for word in ("Doe", "Jane", "toy", str(tmp_path)) if word in text]


def test_without_a_lesion_that_could_be_drawn_the_page_says_so(parts, tmp_path):
    inspection, made, past = parts
    write_summary(tmp_path, inspection, replace(made, lesions=Lesions({}, 0.045)), past, None)
    assert not (tmp_path / "lesions.png").exists()
    page = (tmp_path / "summary.html").read_text()
    assert "No threshold could be applied" in page
    assert page.count("<img") == 2


def test_lesions_are_drawn_in_their_colours_where_they_are(parts, tmp_path):
    from matplotlib.image import imread

    from ctpbench.report.lesions import draw_lesions

    _, made, _ = parts
    masks = {name: np.zeros_like(mask) for name, mask in made.lesions.masks.items()}
    pictures = []
    for name in ("none", "penumbra", "core"):
        if name in masks:
            masks[name][:, 30:34, 30:34] = True
        draw_lesions(replace(made, lesions=Lesions(dict(masks), 0.045)), tmp_path / f"{name}.png")
        pictures.append(imread(tmp_path / f"{name}.png")[:-60, :, :3])  # above the legend
    plain, late, dead = pictures
    assert (plain.max(axis=-1) - plain.min(axis=-1)).max() < 0.1  # grey
    changed = late - plain
    assert changed[..., 1].max() > 0.2
    assert np.ptp(late, axis=-1).max() > 0.3
    both = dead[np.ptp(dead, axis=-1) > 0.3]
    assert (both[:, 0] > both[:, 1]).all()  # the core lies over the penumbra


def test_every_kind_of_file_has_a_row(parts, tmp_path):
    inspection, made, past = parts
    write_summary(tmp_path, inspection, made, past, "shrink")
    rows = re.findall(r"<tr><th scope=\"row\">(\w+)</th><td>", (tmp_path / "summary.html").read_text())
    assert set(rows) >= {*QUANTITIES}


def test_the_page_asks_for_nothing_and_fits_a_narrow_window(parts, tmp_path, chromium):
    inspection, made, past = parts
    write_summary(tmp_path, inspection, made, past, "shrink")
    page = chromium.new_page(viewport={"width": 400, "height": 800})
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "summary.html").as_uri())
    loaded = page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 100)")
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert [url for url in asked if not url.startswith("data:")] == [(tmp_path / "summary.html").as_uri()]
    assert said == []
    assert loaded == [True] * 3
    assert wide <= 400
