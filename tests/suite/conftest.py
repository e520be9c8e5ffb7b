"""A suite's text, loaded, or the faults that it is refused for."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from ctpbench.errors import InputError
from ctpbench.suite.load import load_suite
from tests.suite.components import CATALOGUE


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(text, name="quick.yaml", catalogue=CATALOGUE):
        Path(name).write_text(dedent(text), encoding="utf-8")
        return load_suite(Path(name), catalogue)

    return load


@pytest.fixture
def faults(load):
    def faults(text, **kwargs):
        with pytest.raises(InputError) as caught:
            load(text, **kwargs)
        return [line.removeprefix("quick.yaml:") for line in str(caught.value).splitlines()]

    return faults
