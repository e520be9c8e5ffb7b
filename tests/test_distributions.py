"""What a distribution's metadata say of its licence and of where its code lies."""

from __future__ import annotations

import pytest

from ctpbench.distributions import address_of, licence_of


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Return a function that installs a distribution with given lines of metadata, and its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, *lines: str) -> str:
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", f"Name: {name}", "Version: 1", *lines, ""]))
        return name

    return write


def test_the_licence_is_the_expression_else_the_line_else_the_classifier(written):
    classifier = "Classifier: License :: OSI Approved :: MIT License"
    assert (
        licence_of(written("alpha", "License-Expression: BSD-3-Clause", "License: other", classifier)) == "BSD-3-Clause"
    )
    assert licence_of(written("beta", "License: BSD", classifier)) == "BSD"
    assert licence_of(written("gamma", "License: UNKNOWN", classifier)) == "MIT License"
    assert licence_of(written("delta")) == ""
    assert licence_of("no-such-distribution") == licence_of("") == ""


def test_the_address_is_that_of_the_code_before_any_other(written):
    docs, code = "Project-URL: Docs, https://example.org/docs", "Project-URL: Source, https://example.org/code"
    assert address_of(written("epsilon", docs, code, "Home-page: https://example.org")) == "https://example.org/code"
    assert address_of(written("zeta", docs, "Home-page: https://example.org")) == "https://example.org"
    assert address_of(written("eta", docs)) == "https://example.org/docs"
    assert address_of(written("theta")) == address_of("no-such-distribution") == ""
