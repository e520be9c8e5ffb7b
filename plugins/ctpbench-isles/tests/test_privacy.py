"""Nothing of a patient leaves: what every command writes and prints is searched for what was planted in the scans."""

from __future__ import annotations

import base64
import re
import zipfile
from pathlib import Path

import nibabel as nib
import pytest
from click.testing import CliRunner

from ctpbench.cli import main

from .dicom_files import SECRETS, write_series
from .nifti_files import write_scan

SUITE = """
name: recorded
datasets:
  - {{name: dicom, params: {{root: {dicom}, train_cases: [series-001], test_cases: [series-002, series-003]}}}}
  - {{name: nifti, params: {{root: {nifti}, validation_share: 0}}, noise: [0.5]}}
denoisers: [none, {{name: n2n, params: {{steps: 2, width: 2, depth: 2, patch_px: 16}}}}]
metrics: [roi_bias]
maps: {{scaling: none}}
"""


@pytest.fixture(scope="module")
def scans(head, tmp_path_factory) -> dict[str, Path]:
    """Scans in both formats whose headers are full of what must not leave, two of each and one that is cut short."""
    root = tmp_path_factory.mktemp("scans")
    frames, times_s = head.frames, head.times_s
    for name in ("a", "b", "c"):
        write_series(root / "dicom" / name, frames, times_s, spacing_mm=head.spacing_mm)
    for torn in sorted((root / "dicom" / "c").iterdir())[:10]:
        torn.write_bytes(torn.read_bytes()[:-100])
    planted = {"descrip": "DOE^JANE", "db_name": "MRN4711", "aux_file": "19450102", "intent_name": "NOWHERE"}
    for name in ("a", "b"):
        image = nib.load(write_scan(root / "plain.nii", frames, head.spacing_mm))
        for field, text in planted.items():
            image.header[field] = text
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Smith"))
        (root / "nifti").mkdir(exist_ok=True)
        nib.save(image, root / "nifti" / f"{name}.nii")
    return {"dicom": root / "dicom", "nifti": root / "nifti"}


def call(*words: object) -> str:
    """Run a command; return all that it printed."""
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code in (0, 3), done.output
    return done.output


EMBEDDED = re.compile(rb"data:image/png;base64,((?:[A-Za-z0-9+/]{4}){16,}(?:[A-Za-z0-9+/=]{4})?)")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, archives and the pictures in a page unpacked, with its name."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            found[str(path)] = str(path.relative_to(folder)).encode() + path.read_bytes()
            for number, picture in enumerate(EMBEDDED.findall(path.read_bytes())):
                found[f"{path}/{number}"] = base64.b64decode(picture)
            found[str(path)] = EMBEDDED.sub(b"", found[str(path)])
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    found |= {f"{path}/{name}": archive.read(name) for name in archive.namelist()}
    return found


def leaks(texts: dict[str, bytes]) -> list[tuple[str, str]]:
    """Where what was planted is found; three letters alone count in text only, for numbers hold them by chance."""
    return [
        (name, secret)
        for name, text in texts.items()
        for secret in SECRETS
        if secret.encode() in text and (len(secret) > 3 or text.isascii())
    ]


@pytest.mark.parametrize(
    ("kind", "name", "format"),
    [("dicom", "a", "dicom"), ("dicom", "a", "dicom-pm"), ("dicom", "a", "nifti"), ("nifti", "a.nii", "nifti")],
)
def test_what_is_made_of_a_scan_of_ones_own(kind, name, format, scans, tmp_path):
    scan = scans[kind] / name
    output = call("inspect", scan, "--picture", tmp_path / "inspection.png")
    output += call("denoise", scan, "--method", "gaussian", "--format", format, "--out", tmp_path / "out")
    written = contents(tmp_path)
    assert any("denoised" in name for name in written)
    assert any(name.endswith("cbf.json") for name in written)
    assert any(name.endswith("summary.html/0") for name in written)
    assert not leaks({"output": output.encode(), **written})


def test_files_that_cannot_be_read_are_named_on_the_screen_alone(head, tmp_path):
    scan = write_series(tmp_path / "scan", head.frames, head.times_s, spacing_mm=head.spacing_mm)
    (scan / "IM00007").write_bytes(b"")
    output = call("maps", scan, "--format", "nifti", "--out", tmp_path / "out")
    assert "! unread: 1 files that cannot be read are left out" in output
    assert f"{scan / 'IM00007'}: empty (0 bytes)" in output
    about = (tmp_path / "out" / "inspection.json").read_text()
    assert "unread: 1 files" in about
    assert not [name for name, text in contents(tmp_path / "out").items() if b"IM00007" in text]


def test_what_a_suite_leaves(scans, tmp_path):
    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE.format(**scans))
    output = call("run", suite, "--out", tmp_path / "run")
    assert "IM" in output  # the file that is cut short is named
    written = {name: text for name, text in contents(tmp_path / "run").items() if "/report/assets/" not in name}
    assert any(name.endswith("report/index.html") for name in written)
    assert any(name.endswith("results.nc") for name in written)
    assert any("/logs/" in name for name in written)
    assert not leaks({"output": output.encode(), **written})


def test_the_search_finds_what_is_planted(scans, tmp_path):
    assert {secret for _, secret in leaks(contents(scans["dicom"]))} == set(SECRETS) - {"DOE"}
    assert {secret for _, secret in leaks(contents(scans["nifti"]))} >= {"JANE", "MRN4711", "19450102", "Smith"}
    assert leaks({"a log": b"file of DOE"}) == [("a log", "DOE")]
