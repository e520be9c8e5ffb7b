"""What a shell offers at a press of the tab key."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from ctpbench.cli import completers, main
from ctpbench.suite.shipped import shipped_suites

CELL = {"key": "k", "dataset": "heads", "noise": None, "config": "tips(sigma=1)", "seed": 0}


@pytest.fixture
def tab(tmp_path, monkeypatch):
    """Return what is offered for the last of a command's words, in a folder with runs and suites."""
    for name in ("runs/one", "runs/two/again", "boards/old", "notes/deep/deeper/deepest/down"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("runs/one/cells.json", "runs/two/again/cells.json"):
        (tmp_path / name).write_text(json.dumps({"cells": [CELL, {**CELL, "config": "none"}]}))
    (tmp_path / "boards/old/results.nc").touch()
    (tmp_path / "notes/deep/deeper/deepest/down/cells.json").touch()
    (tmp_path / "runs/one/suite.lock.yaml").touch()
    suite = "datasets: [{name: phantom, label: p}]\ndenoisers: [none, {name: tips, grid: {a: [1]}}]\n"
    (tmp_path / "boards/old/suite.yaml").write_text(suite)
    (tmp_path / "mine.yaml").write_text(suite)
    monkeypatch.chdir(tmp_path)

    def tab(*words):
        found = ShellComplete(main, {}, "ctpbench", "_CTPBENCH_COMPLETE").get_completions(list(words[:-1]), words[-1])
        return [item.value if item.type == "plain" else (item.type, item.value) for item in found]

    return tab


@pytest.fixture
def names(tmp_path, monkeypatch):
    """Names of components that were looked up for what is installed; a list of those asked to look again."""
    asked = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("subprocess.Popen", lambda command, **options: asked.append(command))
    file = tmp_path / "cache/ctpbench/names.json"
    file.parent.mkdir(parents=True)
    kinds = {"dataset": ["phantom"], "denoiser": ["tips", "ttv"], "metric": ["rmse", "truth"]}
    file.write_text(json.dumps({"stamp": completers._stamp(), "names": kinds}))
    return asked


def test_commands_and_options(tab):
    assert {"run", "plan", "clean", "completion"} <= set(tab(""))
    assert tab("completion", "") == ["bash", "zsh", "fish"]
    assert "--serial-timing" in tab("run", "--ser")


@pytest.mark.parametrize(
    "command", ["status", "leaderboard", "compare", "claims", "verify", "clean", "submit", "merge"]
)
def test_runs(command, tab):
    assert tab(command, "") == ["boards/old", "runs/one", "runs/two/again"]
    assert tab(command, "runs/t") == ["runs/two/again"]
    assert tab(command, "nowhere/") == [("dir", "nowhere/")]


def test_runs_elsewhere(tab, tmp_path):
    assert tab("status", f"{tmp_path}/runs/") == [f"{tmp_path}/runs/one", f"{tmp_path}/runs/two/again"]
    os.chdir(tmp_path / "boards")
    assert tab("status", "../runs/o") == ["../runs/one"]


def test_suites_and_not_what_runs_write(tab):
    assert tab("run", "") == tab("plan", "") == sorted({*shipped_suites(), "boards/old/suite.yaml", "mine.yaml"})
    assert tab("run", "qu") == ["quick"]
    assert tab("run", "xy") == [("file", "xy")]


def test_rows_of_the_suite_or_run_that_is_named(tab):
    assert tab("run", "mine.yaml", "--only", "") == ["none", "p", "phantom", "tips"]
    assert tab("plan", "mine.yaml", "-j", "2", "--only", "none", "--only", "t") == ["tips"]
    assert tab("verify", "runs/one", "--only", "") == ["heads", "none", "tips(sigma=1)"]
    assert tab("verify", "boards/old", "--only", "p") == ["p", "phantom"]
    assert tab("compare", "runs/one", "") == ["none", "tips(sigma=1)"]
    assert tab("compare", "runs/one", "none", "ti") == ["tips(sigma=1)"]
    assert tab("run", "quick", "--only", "subspace") == ["subspace_n2n"]


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", "cells: 3", '{"cells": 3}', "datasets: 3", "datasets: [3]\n", "\xff"]
)
def test_a_broken_file_offers_nothing_and_raises_nothing(text, tab):
    Path("mine.yaml").write_text(text)
    Path("runs/one/cells.json").write_text(text)
    assert tab("run", "mine.yaml", "--only", "x") == []
    assert tab("compare", "runs/one", "") == []
    assert tab("run", "gone.yaml", "--only", "") == []
    assert tab("run", "--only", "") == []


def test_kinds_one_after_the_other(tab):
    assert tab("clean", "--what", "mo") == ["models"]
    assert tab("clean", "--keep", "models,da") == ["models,data"]
    assert "models,models" not in tab("clean", "--keep", "models,")


def test_components_without_their_plugins(tab, names):
    before = set(sys.modules)
    assert tab("show", "t") == ["tips", "truth", "ttv"]
    assert tab("denoise", "scan", "--method", "") == ["tips", "ttv"]
    assert "ctpbench-filters" in tab("check", "ctpbench-")
    assert not [name for name in sys.modules.keys() - before if name.startswith("ctpbench_")]
    assert names == []


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"names": 3}', '{"stamp": "", "names": {"denoiser": ["old"]}}'])
def test_names_that_are_missing_or_old_are_looked_up_in_a_process_of_its_own(text, tab, names, tmp_path):
    file = tmp_path / "cache/ctpbench/names.json"
    file.write_text(text) if text is not None else file.unlink()
    assert tab("show", "") == (["old"] if text and "old" in text else [])
    assert [command[2] for command in names] == ["from ctpbench.cli.completers import refresh; refresh()"]


def test_what_is_looked_up_is_what_list_shows(tab, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(completers, "_names_file", lambda: tmp_path / "names.json")
    completers.refresh()
    monkeypatch.setattr("subprocess.Popen", lambda command, **options: asked.append(command))
    assert {"noiseless", "tips", "phantom", "rmse"} <= set(tab("show", ""))
    assert asked == []


def test_another_version_or_an_edit_of_a_plugin_makes_names_old(monkeypatch, tmp_path):
    from importlib.metadata import EntryPoint

    module = tmp_path / "loose_plugin.py"
    module.write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = EntryPoint("loose", "loose_plugin", "ctpbench")
    monkeypatch.setattr(completers, "_plugins", lambda: [entry])
    before = completers._stamp()
    assert completers._stamp() == before
    os.utime(module, ns=(1, 1))
    assert completers._stamp() != before
    monkeypatch.setattr(completers, "_plugins", lambda: [EntryPoint("gone", "no_such_module", "ctpbench")])
    assert completers._stamp()


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete "), ("zsh", "compdef"), ("fish", "complete ")])
def test_the_scripts(shell, word, ctpbench):
    done = ctpbench("completion", shell)
    assert done.returncode == 0
    assert word in done.stdout
    assert f"_CTPBENCH_COMPLETE={shell}_complete" in done.stdout


@pytest.fixture
def run(tab, tmp_path):
    """Return what a command of a shell prints that finds this ctpbench and has no settings of its own."""
    program = tmp_path / "bin/ctpbench"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom ctpbench.cli import main\nmain(prog_name='ctpbench')\n")
    program.chmod(0o755)
    home = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(tmp_path))
    environment = {**os.environ, **home, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}

    def run(command):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=50
        )
        assert done.stderr == ""
        return done.stdout

    return run


ASKED = {
    "bash": """COMP_WORDS=(ctpbench {words}); COMP_CWORD={last}
_ctpbench_completion ctpbench; printf '%s\\n' "${{COMPREPLY[@]}}"
""",
    "fish": "complete --do-complete 'ctpbench {words}' | string split -f 1 \\t\n",
}


@pytest.mark.parametrize(
    "shell",
    [
        pytest.param(shell, marks=pytest.mark.skipif(shutil.which(shell) is None, reason=f"there is no {shell} here"))
        for shell in ("bash", "fish")
    ],
)
@pytest.mark.parametrize(("words", "found"), [("status runs/o", "runs/one"), ("clean --keep models,da", "models,data")])
def test_a_shell_offers_what_it_is_told(shell, words, found, ctpbench, run):
    asked = ASKED[shell].format(words=words, last=len(words.split()))
    script = f"{ctpbench('completion', shell).stdout}\n{asked}"
    assert run([shell, "-c", script]) == f"{found}\n"


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_zsh_completes_at_a_press_of_the_tab_key(ctpbench, run, tmp_path):
    """It completes on a terminal alone, which zpty makes; `print` shows what became of the line."""
    (tmp_path / "script").write_text(ctpbench("completion", "zsh").stdout)
    typed = """zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= TERM=dumb; autoload -U compinit; compinit -D -u; . ./script; print BE''GUN"
zpty -r shell seen '*BEGUN*'
zpty -w -n shell $'ctpbench status runs/o\\t'
zpty -r shell seen '*runs/one*'
print -r -- done
zpty -d shell
"""
    assert run(["zsh", "-f", "-c", typed]) == "done\n"
