"""Colours of maps: ASIST's table row by row where it was published, and what every table must be."""

import numpy as np
import pytest

from ctpbench.contract.case import MAP_UNITS
from ctpbench.report.colours import ASIST, DIFFERENCE, colour_map, colours_of, lookup

# Rows of https://asist.umin.jp/data/alut.csv: index, red, green, blue. Those at and beside every bend, and between.
PUBLISHED = """
0 0 0 0; 1 4 0 0; 2 8 0 3; 10 40 0 27; 19 76 0 54; 20 80 0 57; 21 79 0 60; 44 56 0 129; 45 55 0 132; 46 54 3 135
64 36 57 189; 85 15 120 252; 86 14 123 255; 87 13 126 250; 99 1 162 190; 100 0 165 185; 101 0 168 180; 127 0 246 50
128 0 249 45; 129 4 252 40; 130 8 255 35; 136 32 255 5; 137 36 255 0; 138 40 255 0; 160 128 255 0; 190 248 255 0
191 252 255 0; 192 255 252 0; 193 255 248 0; 224 255 124 0; 254 255 4 0; 255 255 0 0
"""


def test_the_clinics_table_is_the_published_one() -> None:
    rows = np.array([row.split() for row in PUBLISHED.replace("\n", ";").split(";") if row.strip()], dtype=int)
    np.testing.assert_array_equal(lookup(ASIST)[rows[:, 0]], rows[:, 1:])


@pytest.mark.parametrize("name", [ASIST, DIFFERENCE, "inferno", "viridis", "gray", "twilight"])
def test_a_table_has_256_colours_and_matplotlib_shows_the_same(name: str) -> None:
    table = lookup(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    np.testing.assert_array_equal(colour_map(name)(np.arange(256), bytes=True)[:, :3], table)


def test_differences_are_palest_at_zero_and_cold_below_it() -> None:
    table = lookup(DIFFERENCE).astype(int)
    assert table[127:129].min() > 240
    assert table[0, 2] > table[0, 0]
    assert table[-1, 0] > table[-1, 2]


@pytest.mark.parametrize("name", MAP_UNITS)
def test_perceptual_colours_grow_brighter_and_the_clinics_do_not(name: str) -> None:
    luma = lookup(colours_of(name)) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luma) > -0.5).all()
    assert colours_of(name, "clinic") == ASIST
    assert (np.diff(lookup(ASIST) @ np.array([0.2126, 0.7152, 0.0722])) < -0.5).any()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no colours are called 'rainbow 2'; there is 'asist'"):
        lookup("rainbow 2")
