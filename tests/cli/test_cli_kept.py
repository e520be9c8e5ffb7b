"""What `ctpbench list` keeps of what is installed, and when it looks again."""

from __future__ import annotations

import json
import os
import sys
import time
from types import ModuleType

import pytest

from ctpbench.cli import kept


@pytest.fixture
def looks(monkeypatch, tmp_path):
    """A plugin that is installed, in a folder of its own; a list with an entry for each look at what it offers."""
    from ctpbench import plugins
    from ctpbench.report import listing

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    site = tmp_path / "site"
    (site / "acme-1.dist-info").mkdir(parents=True)
    (site / "acme-1.dist-info" / "entry_points.txt").write_text("[ctpbench]\nacme = acme\n")
    (site / "acme.py").write_text("")
    module = ModuleType("acme")
    module.__file__ = str(site / "acme.py")
    monkeypatch.setitem(sys.modules, "acme", module)
    monkeypatch.syspath_prepend(str(site))
    age(site)
    for name, each in list(sys.modules.items()):  # what other tests imported, and is gone
        if (file := getattr(each, "__file__", None)) and not os.path.exists(file):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(kept, "_FRESH_S", -1e9)  # other tests write files, too
    seen: list[list[str]] = []
    monkeypatch.setattr(plugins, "load_catalogue", lambda: seen)

    def looked(catalogue):
        seen.append([])
        return listing.Listing([["quick", "A suite."]], {"denoiser": [["tips", "A filter.", "acme"]]}, looked.failures)

    looked.failures = []
    monkeypatch.setattr(listing, "listing_of", looked)
    return seen, site, looked


def age(site):
    """Let files look an hour old."""
    for path in (*site.rglob("*"), site):
        os.utime(path, (time.time() - 3600, time.time() - 3600))


def test_what_is_installed_is_looked_at_once(looks):
    seen, _, _ = looks
    first, second = kept.listing(), kept.listing()
    assert len(seen) == 1
    assert json.loads(json.dumps(vars(first))) == vars(second) | {"failures": []}


@pytest.mark.parametrize(
    "change",
    [
        lambda site: (site / "acme.py").write_text("x = 1\n"),
        lambda site: (site / "acme.py").unlink(),
        lambda site: (site / "acme-1.dist-info").rename(site / "acme-2.dist-info"),
        lambda site: (site / "acme-1.dist-info/entry_points.txt").write_text("[ctpbench]\n"),
        lambda site: (site / "zeta-1.dist-info").mkdir(),
        lambda site: (site / "zeta.pth").touch(),
    ],
)
def test_it_is_looked_at_again_where_something_changed(change, looks):
    seen, site, _ = looks
    kept.listing()
    change(site)
    kept.listing()
    assert len(seen) == 2


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"stamp": 1, "files": 2, "suites": [], "components": {}}', "\xff"]
)
def test_what_cannot_be_read_counts_as_nothing(text, looks, tmp_path):
    seen, _, _ = looks
    kept.listing()
    (tmp_path / "cache/ctpbench/catalogue.json").write_text(text)
    kept.listing()
    assert len(seen) == 2


def test_nothing_is_kept_where_a_plugin_did_not_load_or_a_file_is_new(looks, monkeypatch, tmp_path):
    seen, _, looked = looks
    looked.failures = ["acme: ImportError"]
    assert kept.listing().failures == ["acme: ImportError"]
    looked.failures = []
    monkeypatch.setattr(kept, "_FRESH_S", 1e9)
    kept.listing()
    assert len(seen) == 2
    assert not (tmp_path / "cache/ctpbench/catalogue.json").exists()


def test_a_cache_that_cannot_be_written_is_done_without(looks, monkeypatch, tmp_path):
    seen, _, _ = looks
    (tmp_path / "cache").write_text("a file")
    assert kept.listing() == kept.listing()
    assert len(seen) == 2
