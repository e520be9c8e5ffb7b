"""What is installed: which distribution holds a class, what it requires, and in which version."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib import metadata

GROUP = "ctpbench"
"""The entry-point group of plugins."""


def distribution_of(cls: type) -> tuple[str, str]:
    """Return name and version of the distribution that holds a class, two empty texts for a loose module."""
    return distribution_of_module(cls.__module__)


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed."""
    return {name: found for name in distributions if (found := _version(name))}


@cache
def plugin_modules() -> frozenset[str]:
    """Return the top-level names of all plugins' modules."""
    return frozenset(entry.module.partition(".")[0] for entry in metadata.entry_points(group=GROUP))


@cache
def top_level_names(distribution: str) -> frozenset[str]:
    """Return the top-level names that a distribution's own record lists."""
    try:
        files = metadata.distribution(distribution).files or []
    except (metadata.PackageNotFoundError, ValueError):
        return frozenset()
    return frozenset(file.parts[0].removesuffix(".py") for file in files if file.suffix == ".py")


@cache
def requirements(distribution: str) -> frozenset[str]:
    """Return what a distribution requires, directly or not, extras left out."""
    found: set[str] = set()
    waiting = [distribution]
    while waiting:
        name = waiting.pop()
        try:
            lines = metadata.requires(name) or []
        except (metadata.PackageNotFoundError, ValueError):
            continue
        needed = {
            folded(match[0]) for line in lines if "extra ==" not in line and (match := re.match(r"[\w.-]+", line))
        }
        waiting += sorted(needed - found)
        found |= needed
    return frozenset(found)


@cache
def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


@cache
def distribution_of_module(module: str) -> tuple[str, str]:
    """Return name and version of the distribution that holds a module, two empty texts for a loose one."""
    # Entry points first: an editable install's record names no package, and reading all records is slow.
    parts = module.split(".")

    def shared(entry_point: metadata.EntryPoint) -> int:
        return next((n for n in range(len(parts), 0, -1) if entry_point.module.split(".")[:n] == parts[:n]), 0)

    nearest = max(metadata.entry_points(group=GROUP), key=shared, default=None)
    if nearest is not None and shared(nearest):
        dist = nearest.dist
        return (dist.name, dist.version) if dist else ("", "")
    names: list[Callable[[], str]] = [lambda: parts[0], lambda: metadata.packages_distributions()[parts[0]][0]]
    for name in names:
        try:
            dist = metadata.distribution(name())
        except (metadata.PackageNotFoundError, KeyError):
            continue
        return dist.name, dist.version
    return "", ""


def folded(name: str) -> str:
    """Spell a name as the index of packages compares names."""
    return re.sub(r"[-_.]+", "-", name).casefold()


def licence_of(distribution: str) -> str:
    """Return the licence that a distribution's metadata name; nothing where they name none in a line."""
    facts = _metadata(distribution)
    named = [text for key in ("License-Expression", "License") for text in facts.get_all(key) or ()] if facts else []
    classified = [text for text in facts.get_all("Classifier") or () if text.startswith("License ::")] if facts else []
    lines = [text for text in (*named, *(text.rpartition(" :: ")[2] for text in classified)) if "\n" not in text]
    return next((text for text in lines if text and text != "UNKNOWN"), "")


def address_of(distribution: str) -> str:
    """Return where a distribution's metadata say that its code lies, else its first address; nothing without any."""
    facts = _metadata(distribution)
    pairs = [text.partition(",") for text in facts.get_all("Project-URL") or ()] if facts else []
    found = {label.strip().casefold(): url.strip() for label, _, url in pairs}
    pages = [text for text in facts.get_all("Home-page") or () if text] if facts else []
    found |= {"home-page": pages[0]} if pages else {}
    wanted = ("source", "source code", "repository", "code", "github", "homepage", "home", "home-page")
    return next((found[label] for label in wanted if label in found), next(iter(found.values()), ""))


def _metadata(distribution: str) -> metadata.PackageMetadata | None:
    try:
        return metadata.metadata(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return None
