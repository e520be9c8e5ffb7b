import json
import subprocess
import sys

from ctpbench_phantom import ctpbench_datasets
from ctpbench_phantom.fau_phantom import FauPhantom
from ctpbench_phantom.low_contrast import LowContrast
from ctpbench_phantom.phantom import Phantom
from ctpbench_phantom.prepared_slices import PreparedSlices
from ctpbench_phantom.real_like import RealLike
from ctpbench_phantom.scanner.geometry import WINDOWS


def test_the_hook_offers_the_classes_without_heavy_imports():
    assert ctpbench_datasets() == [Phantom, PreparedSlices, FauPhantom, RealLike, LowContrast]
    names = "phantom prepared_slices fau_phantom real_like low_contrast"
    assert " ".join(cls.name for cls in ctpbench_datasets()) == names
    code = (
        "import sys, ctpbench_phantom as p; p.ctpbench_datasets(); "
        "print([m for m in ('numba', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_parameters_round_trip_and_are_described():
    made = [Phantom(), PreparedSlices(file="a.npz"), FauPhantom(folder="volumes"), RealLike(), LowContrast()]
    made += [Phantom(size_px=64, pixel_mm=3.2, aif_file="aif.csv"), RealLike(slices=2, input_functions="true")]
    for dataset in made:
        assert type(dataset)(**json.loads(dataset.model_dump_json())) == dataset
        assert all(field.description for field in type(dataset).model_fields.values())


def test_all_take_the_same_scanner():
    shared = {"pixel_mm", "slice_mm", "views", "detectors", "window", "electronic_sigma", "seed"}
    for cls in ctpbench_datasets():
        assert shared <= set(cls.model_fields)
        assert cls.model_json_schema()["properties"]["window"]["enum"] == list(WINDOWS)
