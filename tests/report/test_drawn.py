"""Pictures that are there and would be the same are not drawn again."""

from __future__ import annotations

import pytest

from ctpbench.report import drawn
from ctpbench.report.drawn import Drawn


@pytest.fixture
def asked(tmp_path):
    """Ask for a set of two pictures of some data; return what it is said to be, and whether it was drawn."""

    def asked(*parts):
        calls = []

        def draw():
            calls.append(parts)
            for name in ("a.png", "b.png"):
                (tmp_path / name).write_text(str(parts))
            return [tmp_path / "a.png", tmp_path / "b.png"]

        found = Drawn(tmp_path).once("pair", parts, draw)
        assert found == [tmp_path / "a.png", tmp_path / "b.png"]
        return bool(calls)

    return asked


def test_other_data_another_code_or_a_missing_file_are_drawn(asked, tmp_path, monkeypatch):
    assert asked(1, "x")
    assert not asked(1, "x")
    assert asked(1, "y")
    assert asked(1, "x"), "what it was before counts no more"
    (tmp_path / "b.png").unlink()
    assert asked(1, "x")
    monkeypatch.setattr(drawn, "core_hash", lambda *modules: "other")
    assert asked(1, "x")
    assert not asked(1, "x")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pair": 3}', '{"pair": {"key": 1, "files": [1]}}', "\xff"])
def test_a_note_that_cannot_be_read_counts_as_none(text, asked, tmp_path):
    (tmp_path / "drawn.json").write_text(text)
    assert asked(1)
    assert not asked(1)
