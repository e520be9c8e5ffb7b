"""What code an answer depends on: which edits change a hash, and which do not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

from ctpbench import Dataset, code
from ctpbench.code import component_hash, component_libraries, core_closure, core_hash, kernel_cache
from ctpbench.distributions import distribution_of, versions
from ctpbench.errors import PluginError
from ctpbench.source import edited as edited_files
from ctpbench.source import source

STAGES = ("data", "reference", "model", "prediction", "scores")


@pytest.fixture(autouse=True)
def _read_anew():
    code.read_anew()
    yield
    code.read_anew()


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write modules into a folder of the user's own and return the class of the first."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(package: bool = False, **modules: str) -> type:
        first = next(iter(modules))
        for name, text in modules.items():
            path = tmp_path / (f"{first}/{name.replace(first, '__init__')}.py" if package else f"{name}.py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        monkeypatch.delitem(sys.modules, first, raising=False)
        return import_module(first).Thing

    yield write
    for name in [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]:
        monkeypatch.delitem(sys.modules, name, raising=False)


def edited(path: Path, text: str, cls: type) -> str:
    """Return the hash of a component after an edit."""
    path.write_text(text)
    code.read_anew()
    return component_hash(cls)


# -- one file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("x = 1  # a comment\n", True),
        ('"""What it is."""\n\nx = 1\n', True),
        ("x  =  1\n\n\n", True),
        ('x = 1\n"""What x is."""\n', True),
        ("x = 2\n", False),
        ("x = 1.0\n", False),
        ("x = '1'\n", False),
        ("x = 1\ny = x\n", False),
        ("x = 1 if x else 1\n", False),
        ("x = (\n", False),
    ],
)
def test_a_file_counts_as_it_is_parsed(text, same, tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.py").write_text(text)
    assert (source(tmp_path / "a.py").hash == source(tmp_path / "b.py").hash) is same


def test_docstrings_of_classes_and_functions_do_not_count_and_texts_that_are_used_do(tmp_path):
    texts = [
        'class A:\n    """{}"""\n    def f(self):\n        """{}"""\n        return 1\n',
        'class A:\n    def f(self):\n        return "{}"\n',
    ]
    for text, same in zip(texts, (True, False), strict=True):
        hashes = []
        for word in ("one", "three"):
            (tmp_path / "a.py").write_text(text.format(word, word))
            hashes.append(source(tmp_path / "a.py").hash)
        assert (hashes[0] == hashes[1]) is same


def test_other_files_count_by_their_bytes(tmp_path):
    for name, content in (("a.json", b"{}"), ("b.json", b"{ }")):
        (tmp_path / name).write_bytes(content)
    assert source(tmp_path / "a.json").hash != source(tmp_path / "b.json").hash


def test_a_file_that_is_edited_after_it_was_hashed_is_named_until_it_is_as_it_was(tmp_path):
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n")
        source(tmp_path / name)
    (tmp_path / "a.py").write_text("x = 1  # as it was\n")
    assert edited_files() == []
    (tmp_path / "a.py").write_text("x = 2\n")
    assert edited_files() == [tmp_path / "a.py"]
    (tmp_path / "b.py").unlink()
    assert edited_files() == [tmp_path / "a.py", tmp_path / "b.py"]
    code.read_anew()
    assert edited_files() == []


# -- a component --------------------------------------------------------------------------------------------------


def test_a_helper_beside_a_plugin_of_one_module_counts(plugin, tmp_path):
    cls = plugin(acme_one="import acme_help\n\nclass Thing: pass\n", acme_help="factor = 1\n", acme_other="y = 1\n")
    before = component_hash(cls)
    assert edited(tmp_path / "acme_other.py", "y = 2\n", cls) == before
    assert edited(tmp_path / "acme_help.py", "factor = 1  # as it was\n", cls) == before
    assert edited(tmp_path / "acme_help.py", "factor = 2\n", cls) != before


def test_a_helper_of_a_helper_counts(plugin, tmp_path):
    cls = plugin(
        acme_first="def run():\n    from acme_second import f\n\nclass Thing: pass\n",
        acme_second="import acme_third as t\nf = t.g\n",
        acme_third="g = 1\n",
    )
    before = component_hash(cls)
    assert edited(tmp_path / "acme_third.py", "g = 2\n", cls) != before


def test_all_of_a_package_counts_its_data_too(plugin, tmp_path):
    cls = plugin(package=True, acme_pack="class Thing: pass\n", kernels="x = 1\n")
    (tmp_path / "acme_pack/weights.json").write_text("[1]")
    code.read_anew()
    before = component_hash(cls)
    assert edited(tmp_path / "acme_pack/weights.json", "[2]", cls) != before
    assert edited(tmp_path / "acme_pack/weights.json", "[1]", cls) == before
    assert edited(tmp_path / "acme_pack/kernels.py", "x = 2\n", cls) != before


@pytest.mark.parametrize("name", ["__pycache__/x.cpython-311.pyc", ".x.py.swp", "x.py~", "last.log", ".cache/x.json"])
def test_what_python_an_editor_or_the_package_itself_leaves_in_it_does_not_count(name, plugin, tmp_path):
    cls = plugin(package=True, acme_kept="class Thing: pass\n")
    before = component_hash(cls)
    (tmp_path / "acme_kept" / name).parent.mkdir(exist_ok=True)
    assert edited(tmp_path / "acme_kept" / name, "x", cls) == before


def test_of_a_helper_package_only_code_counts(plugin, tmp_path):
    (tmp_path / "acme_data").mkdir()
    (tmp_path / "acme_data/__init__.py").write_text("")
    cls = plugin(acme_user="import acme_data\n\nclass Thing: pass\n")
    before = component_hash(cls)
    assert edited(tmp_path / "acme_data/scan.nii", "x", cls) == before
    assert edited(tmp_path / "acme_data/load.py", "x = 1", cls) != before


def test_another_plugin_that_is_built_upon_counts_wherever_it_is_installed(plugin):
    cls = plugin(acme_heir="from ctpbench_filters import Tips\n\nclass Thing(Tips): pass\n")
    assert "ctpbench_filters/_similar_kernel.py" in code.own_files(cls.__module__)


def test_a_data_file_that_a_plugin_writes_ends_no_run(plugin, tmp_path):
    cls = plugin(package=True, acme_writes="class Thing: pass\n")
    (tmp_path / "acme_writes/table.json").write_text("1")
    code.read_anew()
    component_hash(cls)
    (tmp_path / "acme_writes/table.json").write_text("2")
    assert edited_files() == []


def test_the_core_that_a_component_imports_counts_and_no_more(plugin):
    maps = plugin(acme_maps="from ctpbench.perfusion import perfusion_maps\n\nclass Thing: pass\n")
    scan = plugin(acme_scan="from ctpbench import inspect_series\n\nclass Thing: pass\n")
    anything = plugin(acme_any="import ctpbench\n\nclass Thing: pass\n")
    found = {
        cls.__module__: code._core_imports(code.own_files(cls.__module__).values()) for cls in (maps, scan, anything)
    }
    assert "ctpbench.perfusion" in found["acme_maps"]
    assert not any("inspection" in name for name in found["acme_maps"])
    assert "ctpbench.scans.inspection" in found["acme_scan"]
    assert {"ctpbench.scans.inspection", "ctpbench.contract.components"} <= found["acme_any"]


def test_what_only_a_type_checker_imports_does_not_count(plugin):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import acme_types\n\nclass Thing: pass\n"
    cls = plugin(acme_typed=text, acme_types="x = 1\n")
    assert set(code.own_files(cls.__module__)) == {"acme_typed.py"}


def test_the_same_code_has_the_same_hash_in_another_process(plugin, tmp_path):
    cls = plugin(acme_twice="import acme_again\n\nclass Thing: pass\n", acme_again="x = {1, 2, 3}\n")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    program += "from acme_twice import Thing; from ctpbench.code import component_hash; print(component_hash(Thing))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == component_hash(cls)


def test_what_no_file_holds_is_refused():
    cls = type("Nowhere", (), {"__module__": "module_without_file"})
    with pytest.raises(PluginError, match="'module_without_file': was read from no file; put the component into one"):
        component_hash(cls)


# -- versions -----------------------------------------------------------------------------------------------------


def test_libraries_are_those_imported_or_required():
    from ctpbench_filters import tips
    from ctpbench_unet import noise2noise

    assert "torch" not in component_libraries(tips.Tips)
    assert {"numba", "numpy", "scipy"} <= component_libraries(tips.Tips).keys()
    assert "torch" in component_libraries(noise2noise.Noise2Noise)
    assert "skimage" not in component_libraries(noise2noise.Noise2Noise)


def test_versions_name_what_is_installed_alone():
    assert versions(["numpy", "no-such-thing"]) == {"numpy": metadata.version("numpy")}


def test_distribution_of_the_core_a_library_and_a_loose_module(plugin):
    assert distribution_of(Dataset) == ("ctpbench", metadata.version("ctpbench"))
    assert distribution_of(pytest.MonkeyPatch) == ("pytest", metadata.version("pytest"))
    assert distribution_of(plugin(acme_loose="class Thing: pass\n")) == ("", "")


def test_compiled_kernels_have_a_folder_for_each_code(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert kernel_cache(["a", "b"]) == kernel_cache(["b", "a"]) != kernel_cache(["a"])
    assert kernel_cache(["a"]).parent == tmp_path
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert kernel_cache(["a"]).parent == tmp_path / "x" / "ctpbench"


# -- the core -----------------------------------------------------------------------------------------------------

RUN_STAGES = """
import os, sys
from importlib import import_module
import pandas, pydantic, scipy.ndimage, xarray
assert "ctpbench" not in sys.modules
for stage in sys.argv[1:]:
    if os.fork() == 0:
        import_module(f"ctpbench.running.stages.{stage}")
        print(stage, *sorted(name for name in sys.modules if name.partition(".")[0] == "ctpbench"), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


@pytest.fixture(scope="module")
def processes() -> dict[str, set[str]]:
    """The modules of the core that a process has imported once it can run a stage; libraries are imported once."""
    command = [sys.executable, "-c", RUN_STAGES, *STAGES]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {stage: set(modules) for stage, *modules in map(str.split, lines)}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_each_module_of_the_core_that_its_process_imports(stage, processes, monkeypatch, tmp_path):
    copy = tmp_path / "ctpbench"
    shutil.copytree(code.CORE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "CORE", copy)
    roots = (f"ctpbench.running.stages.{stage}",)
    before = core_hash(*roots)
    assert processes[stage] <= core_closure(roots)
    for name in processes[stage]:
        path = code._core_file(name)
        text = path.read_text()
        path.write_text(text + "\n# a comment\n")
        code.read_anew()
        assert core_hash(*roots) == before, f"a comment in {name}"
        path.write_text(text + "\n_edited = 1\n")
        code.read_anew()
        assert core_hash(*roots) != before, name
        path.write_text(text)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_other_stage_nor_on_what_drives_it(stage):
    closure = core_closure([f"ctpbench.running.stages.{stage}"])
    others = {f"ctpbench.running.stages.{other}" for other in STAGES if other != stage}
    drivers = {
        f"ctpbench.running.{name}"
        for name in ("runner", "course", "plan", "store", "tuning", "costs", "rates", "forecast", "clearing")
    }
    rooms = {name.split(".")[1] for name in closure if "." in name}
    assert not closure & (others | drivers)
    assert not rooms & {"cli", "report", "outcome", "suite", "written", "testing", "plugins"}


def test_what_was_parsed_is_kept_between_processes_and_counts_by_content_alone(tmp_path, monkeypatch):
    from ctpbench import source as module

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    parsed = []
    parse = module._parsed
    monkeypatch.setattr(module, "_parsed", lambda content: parsed.append(content) or parse(content))

    def found(name, text):
        module._kept.cache_clear()
        module._source.cache_clear()
        (tmp_path / name).write_text(text)
        return module.source(tmp_path / name)

    try:
        first = found("a.py", "import numpy\nx = 1\n")
        assert found("b.py", "import numpy\nx = 1\n") == first
        assert len(parsed) == 1
        assert found("a.py", "import numpy\nx = 1  # a comment\n") == first
        assert found("a.py", "import numpy\nx = 2\n").hash != first.hash
        assert len(parsed) == 3
        kept = tmp_path / "cache/ctpbench/sources.jsonl"
        whole = kept.read_text()
        for text in ("", "{}", "[", '{"of": 1, "hash": 2, "imports": 3}', whole[: len(whole) // 2 - 7]):
            kept.write_text(text)
            before = len(parsed)
            assert found("c.py", "import numpy\nx = 2\n") == found("a.py", "import numpy\nx = 2\n")
            assert len(parsed) == before + 1
        monkeypatch.setattr(module, "_MOST_KEPT", 1)
        found("a.py", "y = 1\n")
        assert not module._kept_file().exists() or len(kept.read_text().split()) < len(whole.split())
        kept.unlink(missing_ok=True)
        shutil.rmtree(kept.parent.parent)
        kept.parent.parent.write_text("a file")
        assert found("a.py", "import numpy\nx = 1\n") == first, "what cannot be kept is parsed again"
    finally:
        module._kept.cache_clear()
        module._source.cache_clear()
        module.forget()
