"""A suite written from a few answers, and loaded before it is put in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ctpbench.atomic import make_folder, replacing
from ctpbench.contract.control import NOISELESS, UNFILTERED
from ctpbench.errors import InputError
from ctpbench.plugins import Catalogue
from ctpbench.scaffolds.template import filled
from ctpbench.suite.entries import Suite
from ctpbench.suite.load import load_suite
from ctpbench.written.document import dump


@dataclass(frozen=True)
class Answers:
    """What a new suite is made of. A component is written as a suite has it: by name, or as ``{name: ..., ...}``.

    Attributes
    ----------
    name : str
    datasets, methods, metrics : sequence of str
        Without metrics the suite takes all that are installed.
    noise : sequence of str
        Noise levels of each dataset that is written by its name alone.
    controls : bool
        Whether the frames as they are become a row, too, and, where there are noise levels, those without noise.
    """

    name: str
    datasets: Sequence[str]
    methods: Sequence[str]
    metrics: Sequence[str] = ()
    noise: Sequence[str] = ()
    controls: bool = True

    def text(self, catalogue: Catalogue) -> str:
        """Return the suite as YAML."""
        levels = ", ".join(self.noise)
        wanted = (UNFILTERED, *([NOISELESS] if self.noise else [])) if self.controls else ()
        controls = [name for name in wanted if name in catalogue.denoisers and name not in self.methods]
        values = {
            "name": dump({"name": self.name}),
            "datasets": [_with_noise(dataset, levels) for dataset in self.datasets],
            "methods": [*controls, *self.methods],
            "metrics": self.metrics,
        }
        return filled("suite/suite.yaml.j2", values)


def new_suite(answers: Answers, catalogue: Catalogue, out: Path | None = None) -> tuple[Suite, Path]:
    """Write a suite that loads, and return it with its file: `out`, or the suite's name in the working folder.

    Raises
    ------
    InputError
        Where the file is there already, or the suite has faults: all of them, as `load_suite` names them.
    """
    if out is None and "/" in answers.name:
        raise InputError(f"new suite: got the name {answers.name!r}; allowed: text without /; --out says where it goes")
    path = out or Path(f"{answers.name}.yaml")
    if path.exists() or path.is_symlink():
        raise InputError(f"new suite: {path} is there already, and nothing is written over; give another name or --out")
    make_folder(path.absolute().parent, "--out")
    with replacing(path) as temporary:
        temporary.write_text(answers.text(catalogue), encoding="utf-8")
        try:
            return load_suite(temporary, catalogue), path
        except InputError as error:
            raise InputError(str(error).replace(str(temporary), str(path))) from None


def _with_noise(dataset: str, levels: str) -> str:
    return dataset if dataset.startswith("{") or not levels else f"{{name: {dataset}, noise: [{levels}]}}"
