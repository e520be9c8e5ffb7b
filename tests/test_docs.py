"""What the documentation and the README show is so: their commands run, their Python runs, their suites load.

A page is a session in a folder of its own, which holds the finished run of the tutorial's suite and a scan. Its blocks
are taken in order: a block with a caption is that file; `console` is run, and each line below a command is a line that
it prints, or a part of one, in their order, ``...`` aside; `python` is executed; other `yaml` is part of a suite, or
says what cluster to make.
A block below ``<!-- not run: WHY -->`` is not run, and ``wrong.yaml`` need not load. All commands are held against the
command line, those within a line of text, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import nibabel
import numpy as np
import pytest
import xarray as xr

from ctpbench.cli import main
from tests.fakes.ctpbench_fakes import head

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if not {"_build", "notebooks"} & set(path.relative_to(DOCS).parts))
TUTORIAL, SUITE = DOCS / "tutorial.md", "mine.yaml"
README = ROOT / "README.md"
MOST_NOT_RUN = 6
BASE = {"datasets": "[phantom]", "denoisers": "[none]"}
"""What completes a part of a suite."""

Command = Callable[..., subprocess.CompletedProcess[str]]

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]*?) -->\n+)?(?:^<!-- exit code (?P<code>\d+) -->\n+)?"
    r"^(?P<fence>```+|:::+)(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=fence)[ ]*$",
    flags=re.M | re.S,
)
_CAPTION = re.compile(r"\A(?::[\w-]+:[^\n]*\n)*?:caption: ([^\n]+)\n(?::[\w-]+:[^\n]*\n)*\n*")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is (or ""), its text, why it is not run (or ""), the exit code."""

    language: str
    file: str
    text: str
    not_run: str
    code: int

    def commands(self) -> list[tuple[str, list[str]]]:
        """Return the commands of a console, each with the lines shown below it."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.replace("\\\n", "").splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip():
                found[-1][1].append(line)
        return found


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    found = []
    for match in _BLOCK.finditer(page.read_text()):
        language = match["info"].strip().removeprefix("{code-block}").strip()
        caption = _CAPTION.match(match["body"])
        text = match["body"][caption.end() :] if caption else match["body"]
        file = caption[1] if caption else ""
        found.append(Block(language, file, text, match["why"] or "", int(match["code"] or 0)))
    return found


def suite_text() -> str:
    """Return the suite of the tutorial, whose run the pages look at."""
    return next(block.text for block in blocks(TUTORIAL) if block.file == SUITE)


def squeezed(text: str) -> list[str]:
    """Return the lines of a text that hold something, blanks made one."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tutorial's suite, its run, and a scan in NIfTI, made once for all who test side by side."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    with (root / "docs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "docs").exists():
            make_finished(root / "docs-begun").rename(root / "docs")
    return root / "docs"


def make_finished(folder: Path) -> Path:
    """Make what `finished` says."""
    folder.mkdir()
    (folder / SUITE).write_text(suite_text())
    program = "from ctpbench.cli import main; main(prog_name='ctpbench')"
    subprocess.run([sys.executable, "-c", program, "run", SUITE, "-j", "2"], cwd=folder, check=True)
    scan = head(np.repeat(np.arange(45.0)[:, np.newaxis], 3, axis=1))
    image = nibabel.Nifti1Image(scan["frames"].transpose(3, 2, 1, 0), np.diag([-3.0, -3.0, 5.0, 1.0]))
    image.header.set_zooms((3.0, 3.0, 5.0, 1.0))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, folder / "ctp.nii.gz")
    return folder


@pytest.fixture(autouse=True)
def _no_module_stays(tmp_path: Path) -> Iterator[None]:
    """Forget what was imported from a page's folder, lest another test finds it."""
    yield
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


class Session:
    """A page's blocks, carried out in a folder."""

    def __init__(self, folder: Path, ctpbench: Command, on_path: Callable[[Path], None]) -> None:
        self.folder, self._ctpbench, self._on_path = folder, ctpbench, on_path
        on_path(folder)
        self._names: dict[str, Any] = {"__name__": "__main__"}

    def take(self, block: Block) -> None:
        """Do what a block says."""
        if block.file:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        if block.language == "yaml" and block.file != "wrong.yaml":
            self._check_yaml(block)
        elif block.language == "python" and not block.file:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block.text, "page", "exec"), self._names)
        elif block.language == "console":
            for command, shown in block.commands():
                self._run(command, shown, block.code)

    def _run(self, command: str, shown: list[str], code: int) -> None:
        words = shlex.split(command)
        if words[0] == "ctpbench":
            target = words.pop(words.index(">") + 1) if ">" in words else None
            done = self._ctpbench(*(word for word in words[1:] if word != ">"))
            if target:
                (self.folder / target).write_text(done.stdout)
        elif words[:2] == ["pip", "install"]:
            self._install(words[-1])
            return
        else:
            program = {"python": [sys.executable], "pytest": [sys.executable, "-m", "pytest"]}[words[0]]
            path = os.pathsep.join([str(self.folder / "site"), os.environ.get("PYTHONPATH", "")])
            done = subprocess.run(
                [*program, *words[1:]],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
        printed = done.stdout + done.stderr
        assert done.returncode == code, f"$ {command}\n{printed}"
        lines = iter(squeezed(printed))
        for part in squeezed("\n".join(shown)):
            there = part == "..." or any(part in line for line in lines)
            assert there, f"$ {command}\ndid not print, or not there:\n{part}\nbut:\n{printed}"

    def _install(self, project: str) -> None:
        """Install a distribution into a folder of the page's, as pip would into an environment."""
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*pip, "--target", "site", f"./{project}"], cwd=self.folder, check=True, capture_output=True)
        self._on_path(self.folder / "site")

    def _check_yaml(self, block: Block) -> None:
        from ctpbench.outcome.claims import load_claims
        from ctpbench.plugins import load_catalogue
        from ctpbench.running.executors.choice import written
        from ctpbench.suite.load import load_suite

        keys = re.findall(r"^(\w+):", block.text, flags=re.M)
        path = self.folder / (block.file or "part.yaml")
        if "claims" in keys:
            path.write_text(block.text if "paper" in keys else f"paper: A paper\n{block.text}")
            load_claims(path)
        elif "cluster" in keys:
            path.write_text(block.text)
            written(load_catalogue(), path)
        elif "datasets" in keys or "denoisers" in keys or keys:
            missing = "".join(f"{key}: {value}\n" for key, value in BASE.items() if key not in keys)
            path.write_text(missing + block.text)
            load_suite(path, load_catalogue())
            path.write_text(block.text)


def runs(page: Path) -> bool:
    """Return whether a page has blocks that are carried out."""
    kinds = {block.language for block in blocks(page) if not block.not_run}
    return bool(kinds & {"console", "python", "yaml"})


@pytest.mark.parametrize("page", list(filter(runs, PAGES)), ids=lambda page: str(page.relative_to(DOCS)))
def test_what_a_page_shows_is_so(
    page: Path, finished: Path, tmp_path: Path, ctpbench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    (tmp_path / "leaderboards").symlink_to(ROOT / "leaderboards")
    session = Session(tmp_path, ctpbench, monkeypatch.syspath_prepend)
    for block in blocks(page):
        if not block.not_run:
            session.take(block)


def test_the_suites_and_claims_of_the_readme_load(
    tmp_path: Path, ctpbench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(tmp_path, ctpbench, monkeypatch.syspath_prepend)
    shown = [block for block in blocks(README) if block.language == "yaml"]
    assert len(shown) > 2
    for block in shown:
        session.take(block)


def test_what_is_not_run_says_why_and_is_little() -> None:
    left_out = [block for page in PAGES for block in blocks(page) if block.not_run]
    assert all(len(block.not_run.split()) > 3 for block in left_out)
    assert len(left_out) <= MOST_NOT_RUN


def test_blocks_are_of_kinds_that_are_looked_at() -> None:
    known = {"console", "python", "yaml", "toml", "text", ""}
    kinds = {block.language for page in PAGES for block in blocks(page)}
    assert {kind for kind in kinds if not kind.startswith("{")} <= known


def commands(page: Path) -> Iterator[str]:
    """Yield all commands of ctpbench that a page names, in its blocks and in its text."""
    text = page.read_text()
    for block in blocks(page):
        yield from re.findall(r"^(?:\$ )?(ctpbench [^\n#]+)", block.text.replace("\\\n", ""), flags=re.M)
    yield from re.findall(r"`(ctpbench [^`\n]+)`", text)


def options(command: click.Command) -> set[str]:
    """Return all that a command takes as an option."""
    return {"--help", *(name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts))}


def found(words: list[str]) -> click.Command:
    """Return the command that words name, a command of a command too."""
    command: click.Command = main
    for word in words:
        if not isinstance(command, click.Group):
            break
        assert word in command.commands, f"ctpbench {' '.join(words)}: there is no {word!r}"
        command = command.commands[word]
    return command


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda page: page.name)
def test_every_command_that_is_named_exists_with_its_options(page: Path) -> None:
    for line in commands(page):
        words = line.split()[1:]
        if words[0].startswith("-") or not re.fullmatch(r"[a-z-]+,?", words[0]):
            continue
        command = found([word.rstrip(",") for word in words if not word.startswith("-")])
        for word in words:
            if re.fullmatch(r"--?[a-z][a-z-]*", word):
                assert word in options(command), f"{page.name}: {line}: no option {word}"


def test_the_page_of_results_names_all_that_a_run_has(finished: Path) -> None:
    text = (DOCS / "reference/results.md").read_text()
    named = set(re.findall(r"`([\w-]+)`", text))
    with xr.open_datatree(finished / "runs/mine/results.nc") as tree:
        group = tree["phantom"].to_dataset()
        variables = {str(name) for name in [*group.variables, *group.dims]} - {"rmse", "ssim"}
        patterns = {re.sub(r"^(parameter|tuned|diagnostic)_(?!parameters|at_edge).*", r"\1_NAME", v) for v in variables}
        below = [tree[f"phantom/{name}"].to_dataset(inherit=False) for name in tree["phantom"].children]
        assert {str(name) for child in below for name in child.variables} | set(tree["phantom"].children) <= named
        assert patterns <= named
        assert {str(name) for name in tree.attrs} <= named


def test_the_page_of_a_runs_folder_names_all_that_lies_there(finished: Path) -> None:
    text = (DOCS / "reference/run-folder.md").read_text()
    folder = finished / "runs/mine"
    tops = {path.relative_to(folder).parts[0] + "/" * path.is_dir() for path in folder.iterdir()} - {"tmp/"}
    assert {top for top in tops if f"`{top}" not in text} == set()


def test_the_page_of_exit_codes_names_every_status() -> None:
    from typing import get_args

    from ctpbench.outcome.variables import MISSING
    from ctpbench.running.record import Status

    text = (DOCS / "reference/exit-codes.md").read_text()
    assert all(f"| `{status}` |" in text for status in (*get_args(Status), MISSING))
