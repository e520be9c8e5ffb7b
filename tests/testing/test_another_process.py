"""What the kit asks a dataset in another process, and how it finds the dataset's class there."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

from ctpbench import Case, Observation, regions
from ctpbench.testing import example_case
from ctpbench.testing.another_process import ask, part_hashes
from tests.testing.faulty_datasets import Heads

HEADS = """
import os
from dataclasses import replace

from ctpbench import DataError, Dataset, Observation
from ctpbench.testing import example_case, run_checks


class Seeded(Dataset):
    'Heads whose noise is seeded in one of two ways.'

    name, version = "seeded", "1"
    by_hash: bool = False

    def cases(self, split):
        return [f"example-{['train', 'validation', 'test'].index(split)}"]

    def load(self, case_id, noise):
        if not case_id.startswith("example-"):
            raise DataError(f"no case {case_id}")
        print("loading", case_id)
        case = example_case(seed=int(case_id[-1]))
        if not self.by_hash:
            return case
        return replace(case, observation=Observation(case.observation.frames + float(hash(case_id) % 1000)))


def failures(**parameters):
    return "; ".join(f"{r.name}: {r.message}" for r in run_checks(Seeded(**parameters)) if not r.passed)
"""
ALLOWED = "allowed: a class that another process can import from a module's file"
SHOWN = "print('sound:', failures()); print('hash:', failures(by_hash=True))\n"
FAULT = (
    "hash: another_process_same_bytes: load('example-0', noise=None), in another process: got other bytes of frames; "
    "allowed: the same as in this one (no hash() of text, no order of a set)"
)


def load_module(name: str, path: Path):
    """Import a file under a name that leads nowhere, or to another file."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def lines(*command: str | Path, cwd: Path, hash_seed: str = "random") -> list[str]:
    """Run a program and return what it says, but for what its dataset prints."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, *command], env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [line.strip() for line in done.stdout.splitlines() if not line.startswith("loading")]


@pytest.mark.parametrize("hash_seed", ["1", "2"])  # random ones elsewhere
def test_a_program_checks_its_own_dataset_whatever_its_own_seed(tmp_path, hash_seed):
    (tmp_path / "program.py").write_text(f"{HEADS}\nif __name__ == '__main__':\n    {SHOWN}")
    assert lines("program.py", cwd=tmp_path, hash_seed=hash_seed) == ["sound:", FAULT]


def test_a_module_of_a_package_may_be_the_program(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text("")
    (tmp_path / "package/heads.py").write_text(HEADS)
    own = "from .heads import Seeded as Base, run_checks\n\nclass Seeded(Base):\n    'Of the program.'\n"
    shown = "print([r for r in run_checks(Seeded()) if not r.passed])"
    (tmp_path / "package/__main__.py").write_text(f"{own}\nif __name__ == '__main__':\n    {shown}\n")
    assert lines("-m", "package", cwd=tmp_path) == ["[]"]


def test_a_program_without_a_file_cannot_be_imported(tmp_path):
    (said,) = lines("-c", f"{HEADS}\nprint(failures())", cwd=tmp_path)
    assert said == f"another_process_same_bytes: Seeded: got a class of a program without a file; {ALLOWED}"


def test_a_program_that_checks_when_it_is_imported_starts_no_third_process(tmp_path):
    note = "with open('notes.txt', 'a') as notes:\n    print(failures(), file=notes)\n"
    (tmp_path / "unguarded.py").write_text(f"{HEADS}\n{note}")
    lines("unguarded.py", cwd=tmp_path)
    inner, outer = (tmp_path / "notes.txt").read_text().splitlines()
    assert outer == ""
    assert inner == (
        "another_process_same_bytes: Seeded: got a program that runs its checks when it is imported; "
        f"{ALLOWED}, and calls under if __name__ == '__main__'"
    )


def test_a_class_within_a_function_is_refused():
    class Local(Heads):
        """Of no module."""

    with pytest.raises(AssertionError, match=r"Local: got a class within a function; allowed: a class that another"):
        ask(Local(), [])


@pytest.mark.parametrize("known", [False, True])
def test_a_name_that_leads_elsewhere_is_no_matter(tmp_path, monkeypatch, known):
    """A test's module may be called as another on the path, or as none."""
    name = f"kit_namesake_{known}"
    for folder, text in (("here", HEADS), ("there", "")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.py").write_text(text)
    if known:
        monkeypatch.syspath_prepend(tmp_path / "there")
    monkeypatch.setitem(sys.modules, name, None)  # so that it is taken away afterwards
    module = load_module(name, tmp_path / "here" / f"{name}.py")
    answer = ask(module.Seeded(), [("example-1", None)])
    assert answer["parts"] == [part_hashes(example_case(seed=1))]
    assert answer["cases"] == {"train": ["example-0"], "validation": ["example-1"], "test": ["example-2"]}
    assert answer["fingerprint"] == ""


def test_a_module_may_lie_in_folders_without_a_package_and_import_from_beside_it(tmp_path, monkeypatch):
    """As pytest's importlib mode finds tests, under names that no path leads to."""
    folder = tmp_path / "kit-plugin/tests"
    folder.mkdir(parents=True)
    (folder / "helper.py").write_text("NAME = 'beside'\n")
    (folder / "heads.py").write_text(f"from .helper import NAME\n{HEADS}")
    for name, path in (("kit-plugin", folder.parent), ("kit-plugin.tests", folder)):
        package = ModuleType(name)
        package.__path__ = [str(path)]
        monkeypatch.setitem(sys.modules, name, package)
    monkeypatch.setitem(sys.modules, "kit-plugin.tests.heads", None)
    monkeypatch.setitem(sys.modules, "kit-plugin.tests.helper", None)
    del sys.modules["kit-plugin.tests.helper"]
    module = load_module("kit-plugin.tests.heads", folder / "heads.py")
    assert ask(module.Seeded(), [])["cases"]["test"] == ["example-2"]


def test_parameters_environment_and_folder_go_along(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KIT_NOISE_HU", "3.5")
    (tmp_path / "seed.txt").write_text("4")
    (tmp_path / "kit_carried.py").write_text("""
import os
from pathlib import Path

from ctpbench import Dataset
from ctpbench.testing import example_case


class Carried(Dataset):
    name, version = "carried", "1"
    file: Path

    def cases(self, split):
        return ["example-4"]

    def load(self, case_id, noise):
        noise_hu = float(os.environ["KIT_NOISE_HU"]) + noise
        return example_case(seed=int(self.file.read_text()), noise_hu=noise_hu)
""")
    monkeypatch.syspath_prepend(tmp_path)
    from kit_carried import Carried

    answer = ask(Carried(file=Path("seed.txt")), [("example-4", 1.0), ("example-4", 2.0)])
    assert answer["parts"] == [part_hashes(example_case(seed=4, noise_hu=3.5 + noise)) for noise in (1.0, 2.0)]


class Ends(Heads):
    """Ends its process, or raises, when it is loaded."""

    name = "ends"
    how: str = "exit"

    def load(self, case_id, noise):
        if self.how == "exit":
            print("no memory", file=sys.stderr, flush=True)
            os._exit(7)
        raise SystemExit("enough")


@pytest.mark.parametrize(
    ("how", "said"),
    [("exit", "got its end with status 7: no memory; allowed"), ("raise", r"got SystemExit: enough \(")],
)
def test_an_end_of_the_other_process_is_said(how, said):
    with pytest.raises(AssertionError, match=f"Ends, in another process: {said}"):
        ask(Ends(how=how), [("example-0", None)])


# -- hashes ---


def case_of(**changes) -> Case:
    case = example_case()
    return replace(case, **changes)


def changed(**changes) -> Case:
    case = example_case()
    return replace(case, truth=replace(case.truth, **changes))


def frames_of(change) -> Case:
    return case_of(observation=Observation(change(example_case().observation.frames)))


def test_equal_cases_have_equal_hashes():
    one, other = example_case(), example_case()
    assert part_hashes(one) == part_hashes(other)
    assert set(part_hashes(one)) == {"frames", "truth.maps", "truth.resolved", "truth.frames", "truth.labels"}
    names = [xr.DataArray(np.array(["".join(["a", "b"]), "c"], dtype=object), dims="map") for _ in range(2)]
    maps = [example_case().truth.maps[:2].assign_coords(map=name) for name in names]
    assert part_hashes(changed(maps=maps[0])) == part_hashes(changed(maps=maps[1]))
    assert part_hashes(changed(maps=maps[0])) != part_hashes(changed(maps=maps[0].assign_coords(map=["ab", "d"])))


@pytest.mark.parametrize(
    ("part", "case"),
    [
        ("frames", frames_of(lambda f: f.copy(data=np.nextafter(f.values, np.float32(np.inf))))),
        ("frames", frames_of(lambda f: f.astype(np.float64))),
        ("frames", frames_of(lambda f: f.assign_coords(time=f["time"] + 1))),
        ("frames", frames_of(lambda f: f.assign_coords(brain=~f["brain"]))),
        ("frames", frames_of(lambda f: f.drop_vars("vof"))),
        ("frames", frames_of(lambda f: f.assign_attrs(spacing_mm=[5.0, 1.0, 2.0]))),
        ("frames", frames_of(lambda f: f.rename("series"))),
        ("truth.maps", changed(maps=example_case().truth.maps.transpose("z", "map", "y", "x"))),
        ("truth.maps", changed(maps=None)),
        ("truth.frames", changed(frames=example_case().truth.frames[1:])),
        ("truth.labels", changed(labels=example_case().truth.labels.assign_attrs(flag_values=np.arange(7) + 1))),
        ("truth.rois", changed(rois=regions(core=example_case().truth.labels.values == 5))),
        ("inspection", case_of(inspection={})),
    ],
)
def test_any_change_changes_the_hash_of_its_part_alone(part, case):
    before, after = part_hashes(example_case()), part_hashes(case)
    assert {name for name in {**before, **after} if before.get(name) != after.get(name)} == {part}


def test_inspections_are_told_apart_by_what_they_say():
    one, same, other = ({"a": 1.0, "b": "x"}, {"b": "x", "a": 1.0}, {"a": 1.0, "b": "y"})
    hashes = [part_hashes(case_of(inspection=found))["inspection"] for found in (one, same, other)]
    assert hashes[0] == hashes[1] != hashes[2]
