"""A package of one's own, written from the templates: a component that works, its test, README and suite."""

from __future__ import annotations

import ast
import keyword
import re
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from ctpbench.atomic import make_folder
from ctpbench.errors import InputError
from ctpbench.outcome.variables import TAKEN
from ctpbench.plugins import Catalogue
from ctpbench.scaffolds.template import filled

_LONGEST_NAME = 60
_FILES = {
    "common/pyproject.toml.j2": "pyproject.toml",
    "{kind}/module.py.j2": "{module}.py",
    "{kind}/test.py.j2": "tests/test_{module}.py",
    "{kind}/suite.yaml.j2": "suite.yaml",
    "{kind}/README.md.j2": "README.md",
    "common/gitignore.j2": ".gitignore",
}
"""What is written, by its template."""


@dataclass(frozen=True)
class Scaffold:
    """A kind of component that a package can begin with.

    Attributes
    ----------
    base : str
        The public class that it derives from.
    what : str
        As a description begins.
    requires : tuple of str
        What its module imports beside the standard library.
    check_options : str
        What ``ctpbench check`` is given beside its name.
    """

    base: str
    what: str
    requires: tuple[str, ...]
    check_options: str = ""


SCAFFOLDS = {
    "denoiser": Scaffold("FrameDenoiser", "A denoiser", ("ctpbench", "pydantic", "scipy")),
    "learner": Scaffold("Trainable", "A denoiser that learns", ("ctpbench", "numpy", "pydantic", "scipy")),
    "deconvolver": Scaffold("Deconvolver", "A deconvolution", ("ctpbench", "numpy", "pydantic", "xarray")),
    "dataset": Scaffold("Dataset", "A dataset", ("ctpbench", "numpy", "pydantic", "xarray"), " --noise 5"),
    "metric": Scaffold("Metric", "A metric", ("ctpbench", "numpy", "pydantic", "xarray")),
}


@dataclass(frozen=True)
class Names:
    """One name, spelled as each place needs it: ``my-denoiser``, ``my_denoiser``, ``MyDenoiser``."""

    distribution: str
    module: str
    cls: str

    @classmethod
    def of(cls, written: str) -> Names:
        """Return the spellings of a name as a person wrote it.

        Raises
        ------
        InputError
            Where it is none, or stands for something in Python.

        Examples
        --------
        >>> Names.of("my-denoiser"), Names.of("TtvFast").module
        (Names(distribution='my-denoiser', module='my_denoiser', cls='MyDenoiser'), 'ttv_fast')
        """
        if not re.fullmatch(r"[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9])?", written) or len(written) > _LONGEST_NAME:
            raise InputError(
                f"new: got the name {written[:80]!r}; allowed: a letter, then letters, digits, - or _, "
                f"{_LONGEST_NAME} at most, as in my-denoiser"
            )
        words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", written).lower())
        module = "_".join(words)
        if keyword.iskeyword(module) or keyword.issoftkeyword(module) or module in sys.stdlib_module_names:
            raise InputError(f"new: {module!r} stands for something in Python; give another name")
        return cls("-".join(words), module, "".join(word.capitalize() for word in words))


def new_package(kind: str, written: str, catalogue: Catalogue, out: Path | None = None) -> tuple[Names, Path]:
    """Write a package with one component of a kind, whole or not at all, and return its names and folder.

    Parameters
    ----------
    kind : str
        One of `SCAFFOLDS`.
    written : str
        The component's name as a person wrote it.
    catalogue : Catalogue
        What is installed; none of it may go by that name.
    out : Path or None
        The folder, new or empty; by default the distribution's name in the working folder.

    Raises
    ------
    InputError
        Where the name is none or taken, or the folder holds something already.
    """
    names = Names.of(written)
    _check_free(kind, names, catalogue)
    files = rendered(kind, names)
    folder = out or Path(names.distribution)
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise InputError(f"new: {folder} is there already, and nothing is written over; give another --out, or name")
    place = folder if folder.exists() else folder.absolute().parent
    make_folder(place, "--out")
    with tempfile.TemporaryDirectory(dir=place, prefix=f".{names.distribution}.") as made:
        package = Path(made, "package")
        for name, text in files.items():
            path = package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if folder.exists():  # it may be the working folder, which nothing can take the place of
            for child in package.iterdir():
                child.rename(folder / child.name)
        else:
            package.rename(folder)
    return names, folder


def rendered(kind: str, names: Names) -> dict[str, str]:
    """Return the text of each file of a package, by its path in it.

    Raises
    ------
    InputError
        Where the class would be called what its module imports.
    """
    values = {**vars(SCAFFOLDS[kind]), **vars(names), "name": names.module, "kind": kind}
    files = {
        path.format(module=names.module): filled(template.format(kind=kind), values)
        for template, path in _FILES.items()
    }
    if names.cls in _imported(files[f"{names.module}.py"]):
        raise InputError(f"new: the class would be called {names.cls}, which the {kind} imports; give another name")
    return files


def _imported(code: str) -> set[str]:
    imports = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import | ast.ImportFrom))
    return {alias.asname or alias.name for node in imports for alias in node.names}


def _check_free(kind: str, names: Names, catalogue: Catalogue) -> None:
    """Refuse a name that something installed goes by: a component, a distribution or a module."""
    if found := catalogue.called(names.module):
        owners = " and ".join(f"a {offer.kind} of {offer.distribution}" for offer in found)
        raise InputError(f"new: {names.module!r} is {owners}; give another name")
    if kind == "metric" and names.module in TAKEN:
        raise InputError(f"new: the results call something else {names.module!r}; give another name")
    for name in (names.distribution, names.module):
        if _is_distribution(name):
            raise InputError(f"new: a distribution {name!r} is installed; give another name")
    if find_spec(names.module) is not None:
        raise InputError(f"new: Python imports something else as {names.module!r}; give another name")


def _is_distribution(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
