"""The docstrings of the science. Their examples themselves are run where pytest collects the package."""

from __future__ import annotations

import doctest
import inspect

import pytest

import ctpbench.perfusion

FUNCTIONS = dict(inspect.getmembers(ctpbench.perfusion, inspect.isfunction))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_shows_an_example(name):
    (docstring,) = doctest.DocTestFinder(recurse=False).find(FUNCTIONS[name])
    assert docstring.examples
