"""`ctpbench inspect`, `maps` and `denoise` as people call them: what is written, what is said, how they end."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import click.testing
import numpy as np
import pytest

from ctpbench import inspect_series
from ctpbench.cli import main
from tests.fakes.ctpbench_fakes import ToySeries, head, save_scan

FRAMES = 45
EVERY_S = np.repeat(np.arange(FRAMES)[:, np.newaxis] * 1.0, 3, axis=1)
PATIENT = "Doe^Jane"
DRAWN = ("cbf", "cbv", "mtt", "ttp", "tmax", "ttp_arrival", "core", "penumbra")
MAPS = {f"{name}.npy" for name in DRAWN}
ABOUT = {"overview.png", "lesions.png", "inspection.png", "inspection.json", "summary.html"} | {
    f"{name}.json" for name in DRAWN
}
FRAMES_TOO = {"denoised.npy", "denoised.json"}

Call = Callable[..., click.testing.Result]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scan, `scan.toy.npz`, and one without arteries, `blind.toy.npz`."""
    folder = tmp_path_factory.mktemp("scans")
    save_scan(folder / "scan.toy.npz", PATIENT, **head(EVERY_S))
    save_scan(folder / "blind.toy.npz", PATIENT, **head(EVERY_S, artery=False))
    (folder / "notes.txt").write_text("none")
    return folder


@pytest.fixture
def call(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command in this process, among the scans."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))  # which `denoise` and `maps` change
    monkeypatch.chdir(scans)
    return lambda *words: click.testing.CliRunner().invoke(main, [str(word) for word in words])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def is_picture(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def nowhere_named(folder: Path) -> bool:
    """Whether neither the patient nor the place of the scan is in any file."""
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return not any(word in content for content in contents for word in (PATIENT.encode(), b"scan.toy", b"/scans"))


def test_inspect_prints_facts_with_units_and_draws(ctpbench_process, scans, tmp_path):
    done = ctpbench_process("inspect", scans / "scan.toy.npz", "--picture", "new/picture.png")
    assert (done.returncode, done.stderr) == (0, "")
    for line in (r"frames +45", r"frame interval +1 +s", r"noise +[34]\.\d+ +HU", r"aif time to peak +14 +s"):
        assert re.search(rf"^ *{line} *$", done.stdout, re.MULTILINE), line
    assert "Nothing that would spoil results was found.\nWritten: new/picture.png\n" in done.stdout
    assert PATIENT not in done.stdout
    assert is_picture(tmp_path / "new/picture.png")
    assert nowhere_named(tmp_path / "new")


def test_inspect_of_a_scan_without_arteries_says_so_and_draws(call, tmp_path):
    done = call("inspect", "blind.toy.npz", "--picture", tmp_path / "picture.png")
    assert done.exit_code == 0
    assert "! no artery" in done.stdout
    assert is_picture(tmp_path / "picture.png")


def test_the_users_word_on_the_interval_goes_before_the_files(call, tmp_path):
    done = call("inspect", "scan.toy.npz", "--picture", tmp_path / "picture.png", "--frame-interval", "2")
    assert re.search(r"frame interval +2 +s", done.stdout)


def test_times_may_be_stated_one_by_one(call, tmp_path):
    times = tmp_path / "times.csv"
    times.write_text("\n".join(f"{1.5 * n}," for n in range(45)))
    done = call("inspect", "scan.toy.npz", "--picture", tmp_path / "picture.png", "--frame-times", times)
    assert re.search(r"frame interval +1.5 +s", done.stdout)


@pytest.mark.parametrize(
    ("text", "others", "says"),
    [
        ("0 1 two", (), "got could not convert string to float: 'two'; allowed: numbers, in s, one a frame"),
        ("0 2 1", (), "got 3 numbers; allowed: rising times in s, one a frame"),
        ("0 1 nan", (), "got 3 numbers; allowed: rising times in s"),
        ("", (), "got 0 numbers; allowed: rising times in s"),
        ("0 1 2", ("--frame-interval", "1"), "got --frame-interval and --frame-times; allowed: one of them"),
        (None, (), "cannot be read (No such file or directory)"),
    ],
)
def test_times_that_are_none_are_refused_in_a_line(call, tmp_path, text, others, says):
    times = tmp_path / "times.txt"
    if text is not None:
        times.write_text(text)
    done = call("inspect", "scan.toy.npz", "--frame-times", times, *others)
    assert done.exit_code == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_aif_of_ones_own_is_taken_and_said(call, tmp_path):
    times_s = np.arange(FRAMES)
    curve = 100 * np.exp(-(((times_s - 14) / 4) ** 2))
    (tmp_path / "aif.csv").write_text("\n".join(f"{s},{hu}" for s, hu in zip(times_s, curve, strict=True)))
    done = call("maps", "scan.toy.npz", "--aif", tmp_path / "aif.csv", "--out", tmp_path / "maps")
    assert done.exit_code == 0, done.output
    assert "! AIF from a file: none was looked for, and it is not scaled" in done.stdout
    found = json.loads((tmp_path / "maps/inspection.json").read_text())
    assert (found["aif_voxels"], found["aif_peak_hu"], found["aif_scaling_factor"]) == (0, 100, 1)
    assert is_picture(tmp_path / "maps/inspection.png")
    assert nowhere_named(tmp_path / "maps")


def test_an_arterys_voxel_may_be_named_as_the_picture_counts(call, tmp_path, scans):
    series = ToySeries(scans / "scan.toy.npz")
    z, y, x = (int(index) for index in inspect_series(series).inputs.aif.voxels[0])
    place = f"{x + 1},{y + 1},{z + 1}"
    done = call("maps", "scan.toy.npz", "--aif-at", place, "--aif-at", place, "--out", tmp_path / "maps")
    assert done.exit_code == 0, done.output
    assert "! AIF from voxels that were named: the mean of 1; none was looked for" in done.stdout
    found = json.loads((tmp_path / "maps/inspection.json").read_text())
    assert found["aif_voxels"] == 1
    frames = np.load(scans / "scan.toy.npz")["frames"][:, z, y, x]
    assert found["aif_peak_hu"] == pytest.approx((frames - frames[:6].mean()).max(), abs=3)
    assert 0.5 < found["aif_confidence"] <= 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--aif", "kmeans"),
            "--aif: got kmeans; allowed: a file with a curve; how to look for one is --aif-method kmeans",
        ),
        (("--aif", "none.csv"), "none.csv: cannot be read as text"),
        (("--aif-at", "0,1,1"), "got '0,1,1'; allowed: X,Y,Z, three whole numbers from 1 on"),
        (("--aif-at", "65,1,1"), "AIF at 65,1,1: no such voxel; allowed: x 1 to 64, y 1 to 64, z 1 to 3"),
        (("--aif-at", "1,1,1", "--aif", "a.csv"), "--aif, --aif-at: got both"),
    ],
)
def test_an_aif_that_cannot_be_taken_is_one_line(call, tmp_path, words, told):
    done = call("inspect", "scan.toy.npz", *words, "--picture", tmp_path / "picture.png")
    assert done.exit_code == 2
    assert told in " ".join(done.output.split())
    assert not (tmp_path / "picture.png").exists()


def test_maps_are_written_with_what_was_found_out(ctpbench_process, scans, tmp_path):
    before = names(scans)
    words = ("--out", tmp_path / "maps", "--scaling", "white_matter", "--unscaled-aif")
    done = ctpbench_process("maps", scans / "scan.toy.npz", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert names(tmp_path / "maps") == MAPS | ABOUT
    assert done.stdout.splitlines()[-1].startswith(f"Written to {tmp_path / 'maps'}: cbf.npy, ")
    found = json.loads((tmp_path / "maps/inspection.json").read_text())
    assert found["aif_scaling_factor"] == 1
    assert found["warnings"] == []
    assert is_picture(tmp_path / "maps/overview.png")
    assert is_picture(tmp_path / "maps/inspection.png")
    assert is_picture(tmp_path / "maps/lesions.png")
    assert nowhere_named(tmp_path / "maps")
    assert names(scans) == before


def test_a_method_that_learns_is_trained_and_its_model_used_again(ctpbench_process, call, scans, tmp_path):
    words = ("denoise", scans / "scan.toy.npz")
    learn = ("--method", "learn", "--param", "factor=0.5", "--out", "first", "--device", "cpu")
    first = ctpbench_process(*words, *learn)
    assert first.returncode == 0, first.stderr
    assert names(tmp_path / "first") == MAPS | ABOUT | FRAMES_TOO | {"model"}
    again = call(*words, "--model", tmp_path / "first/model", "--out", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert names(tmp_path / "again") == MAPS | ABOUT | FRAMES_TOO
    for name in (*MAPS, "denoised.npy"):
        np.testing.assert_array_equal(np.load(tmp_path / "first" / name), np.load(tmp_path / "again" / name))
    with np.load(scans / "scan.toy.npz") as stored:
        bias = stored["frames"] - np.load(tmp_path / "again/denoised.npy")
    np.testing.assert_allclose(bias, bias.mean(), rtol=1e-3)
    assert abs(bias.mean()) > 10
    assert nowhere_named(tmp_path / "first")


def test_a_scan_too_large_for_one_slab_is_taken_in_several(call, tmp_path, monkeypatch):
    monkeypatch.setattr("ctpbench.contract.series.SLAB_BYTES", 1)
    done = call("denoise", "scan.toy.npz", "--method", "unfold", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "Taken in 3 slabs: a method that looks across slices saw no further than its slab.\n" in done.stdout
    assert names(tmp_path / "out") == MAPS | ABOUT


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["inspect", "none.nii.gz"], r"ctpbench: none\.nii\.gz: no such file or folder"),
        (["maps", "none.nii.gz", "--out", "OUT"], r"ctpbench: none\.nii\.gz: no such file or folder"),
        (["inspect", "notes.txt"], r"ctpbench: notes\.txt: no installed plugin reads it; allowed: a format"),
        (["denoise", "scan.toy.npz", "--out", "OUT"], "denoise: got neither --method nor --model; allowed: one"),
        (
            ["denoise", "scan.toy.npz", "--out", "OUT", "--method", "shrnk"],
            r"ctpbench: no denoiser 'shrnk' \(did you mean shrink\?\)",
        ),
        (
            ["denoise", "scan.toy.npz", "--out", "OUT", "--method", "shrink", "--param", "wait=1"],
            r"--param: 'shrink' has no parameter 'wait'; it takes weight \(did you mean weight\?\)",
        ),
        (
            ["denoise", "scan.toy.npz", "--out", "OUT", "--method", "shrink", "--param", "weight=2"],
            r"--param: weight: got 2; allowed: 1 or less",
        ),
        (
            ["denoise", "scan.toy.npz", "--out", "OUT", "--method", "shrink", "--param", "weight"],
            "--param: got 'weight'; allowed: NAME=VALUE",
        ),
        (
            ["denoise", "scan.toy.npz", "--out", "OUT", "--model", ".", "--param", "weight=1"],
            "denoise: got --param and --model, .*; leave one out",
        ),
        (["denoise", "scan.toy.npz", "--out", "OUT", "--model", "."], r"ctpbench: \.: no model \(training\.json"),
        (["maps", "scan.toy.npz", "--out", "OUT", "--format", "dicom"], r"ctpbench: scan\.toy\.npz: cannot be written"),
        (["denoise", "scan.toy.npz", "--method", "learn-clean", "--out", "OUT"], "learn-clean: learns from noiseless"),
    ],
)
def test_what_the_call_has_wrong_is_one_line_before_the_scan_is_read(call, tmp_path, monkeypatch, words, message):
    monkeypatch.setattr("ctpbench.scans.inspection.inspect_series", lambda *a, **k: pytest.fail("the scan was read"))
    done = call(*(str(tmp_path / "out") if word == "OUT" else word for word in words))
    assert done.exit_code == 2
    assert re.match(message, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["maps", "blind.toy.npz", "--out", "OUT"], r"^ctpbench: blind\.toy\.npz: no artery"),
        (["denoise", "scan.toy.npz", "--method", "misbehave", "--param", "how=nan", "--out", "OUT"], "^ctpbench: misb"),
    ],
)
def test_what_is_found_wrong_on_the_way_is_one_line_and_leaves_nothing(call, tmp_path, words, message):
    done = call(*(str(tmp_path / "out") if word == "OUT" else word for word in words))
    assert done.exit_code == 2
    assert re.search(message, done.stderr.splitlines()[-1])
    assert names(tmp_path / "out") == set()


def test_a_folder_that_holds_results_is_left_alone(call, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cbf.nii").write_bytes(b"mine")
    done = call("maps", "scan.toy.npz", "--out", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert done.stderr.endswith("out: holds cbf.nii; give a new folder, or empty this one\n")
    assert names(tmp_path / "out") == {"cbf.nii"}


def test_a_file_in_the_place_of_the_folder_is_refused(call):
    done = call("maps", "scan.toy.npz", "--out", "notes.txt")
    assert done.exit_code == 2
    assert "Directory 'notes.txt' is a file" in done.stderr


@pytest.mark.parametrize("command", ["inspect", "maps", "denoise"])
def test_help_has_an_example(call, command):
    assert f"Example: ctpbench {command} patient/ctp.nii.gz" in call(command, "--help").stdout


def test_an_interruption_while_the_scan_is_read_is_no_error(call, tmp_path, monkeypatch):
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ctpbench.scans.inspection.inspect_series", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    for words in (["inspect", "--picture"], ["maps", "--out"]):
        done = call(words[0], "scan.toy.npz", words[1], tmp_path / "new")
        assert done.exit_code == 130
        assert "interrupted" in done.stderr
    assert not (tmp_path / "new").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_interrupted_training_leaves_nothing_half_written_and_goes_on(start, call, scans, tmp_path):
    epochs, out = tmp_path / "epochs.txt", tmp_path / "out"
    words = ("denoise", scans / "scan.toy.npz", "--method", "train", "--out", out, "--device", "cpu")
    words += ("--param", f"file={epochs}", "--param", "ends=hang")
    process = start(*words)
    deadline = time.monotonic() + 60
    while not epochs.exists() or len(epochs.read_text().split()) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; nothing half-written is left; give the same command to go on" in stderr
    assert "Traceback" not in stderr
    assert names(out) == {".ctpbench"}
    assert [path.name for path in (out / ".ctpbench").rglob("*") if path.is_file()] == ["epoch.txt"]

    done = call(*words)
    assert done.exit_code == 0, done.output
    assert epochs.read_text().split() == ["0", "1", "2", "3"]
    assert names(out) == MAPS | ABOUT | FRAMES_TOO | {"model"}
