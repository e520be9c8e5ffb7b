"""What the smaller commands print about components and plugins."""

from __future__ import annotations

from io import StringIO
from typing import Annotated, Literal

import pluggy
import pytest
from pydantic import Field
from rich.console import Console

from ctpbench.contract.components import FrameDenoiser, Metric
from ctpbench.errors import PluginError
from ctpbench.plugins import Catalogue, Failure, Loaded, Offer
from ctpbench.report.listing import listing_of, print_listing
from ctpbench.report.terminal import print_check, print_component, print_plugins
from ctpbench.testing import CheckResult


class Median(FrameDenoiser):
    """Sliding median [of frames]
    over time.

    After Nobody et al.
    2026.
    """

    name, version = "median", "7"
    width: Annotated[int, Field(ge=3, lt=12, description="frames [all]")] = 5
    share: Annotated[float, Field(gt=0, le=1)]
    edge: Literal["reflect", "nearest"] = "reflect"
    limit: float | None = None
    only: Literal["one"] = "one"

    def denoise(self, frames, context):
        return frames


class Bare(Metric):
    """Nothing to set."""

    name, version, better, units = "bare", "1", "zero", "HU"

    def score(self, case):
        raise NotImplementedError


OFFERS = (Offer("denoiser", Median, "acme", "2.1"), Offer("metric", Bare, "loose"))
LOADED = (Loaded("main", "acme", "2.1", ("median",)), Loaded("extra", "quiet", "0.1", ()))
FAILURE = Failure("main", "broken", "1.0", "KeyError: '[red]x[/red]' " + "long " * 40 + "end")


def catalogue(*offers: Offer, failures=()) -> Catalogue:
    return Catalogue(offers, LOADED, failures, pluggy.PluginManager("test"))


def printed(show, *arguments) -> str:
    file = StringIO()
    show(*arguments, Console(file=file, width=100))
    return file.getvalue()


def cells(text: str, first: str) -> list[str]:
    """Return the columns of the table's row that begins with a word."""
    (row,) = [line for line in text.splitlines() if line.split()[:1] == [first]]
    return [part.strip() for part in row.split("  ") if part.strip()]


def test_a_component_with_all_that_may_be_set():
    text = printed(print_component, catalogue(*OFFERS), "median")
    assert text.startswith("median, version 7, denoiser of acme 2.1\n\nSliding median [of frames] over time.\n")
    assert "\nAfter Nobody et al. 2026.\n" in text
    assert cells(text, "width") == ["width", "5", "integer from 3 below 12", "frames [all]"]
    assert cells(text, "share") == ["share", "required", "number above 0 to 1"]
    assert cells(text, "edge") == ["edge", "reflect", "reflect | nearest"]
    assert cells(text, "limit") == ["limit", "None", "number | null"]
    assert cells(text, "only") == ["only", "one", "one"]


def test_a_metric_says_what_is_better_and_in_what_units():
    text = printed(print_component, catalogue(*OFFERS), "bare")
    assert text == (
        "bare, version 1, metric of loose\n\nNothing to set.\n\nBetter: zero. Units: HU.\n\nIt has no parameters.\n"
    )


def test_a_metric_says_what_it_is_held_against():
    class Volume(Bare):
        name, better, units, agrees_with = "volume", "none", "mL", "true_volume"

    text = printed(print_component, catalogue(Offer("metric", Volume, "loose")), "volume")
    assert "\nBetter: none. Units: mL. A number, held against true_volume.\n" in text


@pytest.mark.parametrize(
    ("offers", "name", "message"),
    [
        (OFFERS, "medain", "nothing is called 'medain' (did you mean median?); installed: bare, median"),
        (OFFERS, "acme:medain", "nothing is called 'acme:medain' (did you mean acme:median?); installed: bare, median"),
        ((), "median", "nothing is called 'median'; installed: nothing"),
    ],
)
def test_what_nobody_offers_is_refused(offers, name, message):
    with pytest.raises(PluginError) as caught:
        printed(print_component, catalogue(*offers), name)
    assert str(caught.value) == message


def test_a_name_of_two_kinds_shows_both_without_a_word_of_a_clash():
    class Middle(Bare):
        name = "median"

    text = printed(print_component, catalogue(*OFFERS, Offer("metric", Middle, "loose")), "median")
    assert text.startswith("median, version 7, denoiser")
    assert "\nmedian, version 1, metric of loose\n" in text


def print_catalogue(catalogue: Catalogue, console: Console) -> None:
    print_listing(listing_of(catalogue), console)


def test_the_list_by_kind_and_by_name():
    text = printed(print_catalogue, catalogue(*OFFERS))
    assert cells(text, "median") == ["median", "Sliding median [of frames]", "acme"]
    assert cells(text, "bare") == ["bare", "Nothing to set.", "loose"]
    assert text.index("Datasets") < text.index("Denoisers") < text.index("median") < text.index("Metrics")


def test_plugins_with_what_they_offer():
    text = printed(print_plugins, catalogue(*OFFERS))
    assert cells(text, "acme") == ["acme", "2.1", "median"]
    assert cells(text, "quiet") == ["quiet", "0.1"]


@pytest.mark.parametrize("show", [print_catalogue, print_plugins])
def test_what_did_not_load_is_one_line_as_its_reason_was_written(show):
    assert printed(show, catalogue(*OFFERS, failures=(FAILURE,))).splitlines()[-1] == f"did not load: {FAILURE}"


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (CheckResult("median", "is_frozen", True), "passed median: is_frozen\n"),
        (CheckResult("median", "is_frozen", False, "got [x]"), "failed median: is_frozen: got [x]\n"),
        (CheckResult("heads", "data_are_here", False, "none", skipped=True), "skipped heads: data_are_here: none\n"),
    ],
)
def test_how_a_check_ended(result, line):
    assert printed(print_check, result) == line
