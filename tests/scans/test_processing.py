"""One scan taken slab by slab gives what all of it at once gives, and nothing half-written stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ctpbench import Context, DataError, Inspection, Stated, inspect_series
from ctpbench.contract.case import MAPS
from ctpbench.errors import InputError, PluginError
from ctpbench.perfusion import infarct_core, side_of
from ctpbench.plugins import Catalogue
from ctpbench.running.estimation import answer_of, estimate, region_perfusion
from ctpbench.running.executors.protocol import Limits
from ctpbench.scans import processing as module
from ctpbench.scans.opening import open_series
from ctpbench.scans.processing import process
from ctpbench.scans.training import ScanTraining, loaded, trained, working_context
from ctpbench.settings import MapsSettings
from tests.fakes.ctpbench_fakes import ToySeries, head, save_scan

FRAMES, SLICES = 45, 5
EVERY_S = np.repeat(np.arange(FRAMES)[:, np.newaxis] * 1.0, SLICES, axis=1)
SETTINGS = MapsSettings(scaling="none", kappa=0.73, rho=1.05)
DRAWN = {*MAPS, "ttp_arrival", "core", "penumbra"}


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head scanned every second, of which the first slice is air."""
    return save_scan(tmp_path_factory.mktemp("scan") / "scan.toy.npz", **head(EVERY_S))


@pytest.fixture(scope="module")
def inspection(scan: Path) -> Inspection:
    return inspect_series(ToySeries(scan))


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))  # which `working_context` changes
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context("cpu", 1, np.random.default_rng(0), tmp_path, tmp_path)


@pytest.fixture
def slabs_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have so many slices in memory at once."""
    return lambda n: monkeypatch.setattr("ctpbench.contract.series.SLAB_BYTES", n * 4 * FRAMES * 64 * 64)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def arrays(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path) for path in folder.glob("*.npy")}


@pytest.mark.parametrize("name", ["shrink", "concentrate", "unfold"])
@pytest.mark.parametrize("together", [1, 2])
def test_slab_by_slab_gives_what_the_whole_gives(catalogue, inspection, context, out, slabs_of, name, together):
    slabs_of(together)
    denoiser = catalogue.find("denoiser", name)()
    fractions: list[float] = []
    telling = replace(context, progress=lambda fraction, text: fractions.append(fraction))
    made = process(inspection, denoiser, SETTINGS, telling, out)
    observation = inspection.observation()
    returned = answer_of(denoiser, observation, SETTINGS, context)
    whole = estimate(returned, observation, SETTINGS)
    written = arrays(out)
    assert set(written) == DRAWN | ({"denoised"} if name != "unfold" else set())
    assert {path.name for path in made.files} == names(out)
    for one in MAPS:
        assert written[one].dtype == np.float32
        np.testing.assert_allclose(written[one], whole.maps.sel(map=one), rtol=1e-4, atol=1e-4)
    if name == "shrink":
        np.testing.assert_allclose(written["denoised"][:, 1:], returned.output[:, 1:], rtol=1e-5)
    if name == "concentrate":  # above the scan's own baseline, it is the scan
        np.testing.assert_allclose(written["denoised"], inspection.frames(slice(None)), rtol=1e-5, atol=1e-3)
    assert made.slabs == {1: 5, 2: 3}[together]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)


def test_what_is_shown_is_the_slice_with_most_brain_before_and_after(catalogue, inspection, context, out, slabs_of):
    slabs_of(2)
    made = process(inspection, catalogue.find("denoiser", "shrink")(weight=1), SETTINGS, context, out)
    none = catalogue.find("denoiser", "leave")()
    one = inspection.observation(slice(made.slice, made.slice + 1))
    noisy = estimate(answer_of(none, one, SETTINGS, context), one, SETTINGS)
    assert made.slice == inspection.brain.sum(axis=(1, 2)).argmax()
    np.testing.assert_array_equal(made.noisy, noisy.maps.isel(z=0))
    np.testing.assert_array_equal(made.maps.sel(map="cbf"), arrays(out)["cbf"][made.slice])
    np.testing.assert_array_equal(made.tissue, (inspection.brain & ~inspection.vessels)[made.slice])
    assert not np.allclose(made.maps, made.noisy)


def test_slabs_without_brain_have_empty_maps_and_their_own_frames(catalogue, inspection, context, out, slabs_of):
    slabs_of(1)
    process(inspection, catalogue.find("denoiser", "shrink")(weight=1), SETTINGS, context, out)
    written = arrays(out)
    np.testing.assert_array_equal(written["denoised"][:, 0], inspection.frames(slice(0, 1))[:, 0])
    assert not any(written[name][0].any() for name in MAPS)
    assert written["denoised"][:, 1:].std(axis=(-2, -1)).max() < 1


@pytest.mark.parametrize("together", [1, 3, 5])
def test_core_and_penumbra_are_those_of_the_whole_maps(catalogue, inspection, context, out, slabs_of, together):
    slabs_of(together)
    made = process(inspection, catalogue.find("denoiser", "shrink")(weight=0.5), SETTINGS, context, out)
    written, solid = arrays(out), inspection.observation().solid()
    core = infarct_core(written["cbf"].astype(np.float64), solid, side_of(inspection.brain), 0.3)
    assert core.any()
    assert not core.all()
    np.testing.assert_array_equal(written["core"], core)
    np.testing.assert_array_equal(written["penumbra"], solid & (written["tmax"] > 6))
    volumes = made.lesions.volumes_ml
    assert volumes["core"] == pytest.approx(core.sum() * 5 * 3 * 3 / 1000)
    assert volumes["mismatch"] == pytest.approx(volumes["penumbra"] - volumes["core"])
    assert list(made.anatomy) == [1, 2, 3, 4]  # the first slice is air
    np.testing.assert_allclose(made.anatomy[2], inspection.frames(slice(2, 3)).mean(axis=0)[0], rtol=1e-5)


def test_time_to_peak_counts_from_the_bolus_as_well(catalogue, inspection, context, out):
    made = process(inspection, catalogue.find("denoiser", "leave")(), SETTINGS, context, out)
    written, curve = arrays(out), inspection.inputs.aif.curve
    assert 8 < made.arrival_s < 11  # the bolus of `head` starts at 8 s
    assert curve[int(made.arrival_s)] < 0.1 * curve.max() <= curve[int(made.arrival_s) + 1]
    brain = inspection.brain
    np.testing.assert_allclose(written["ttp_arrival"][brain], written["ttp"][brain] - made.arrival_s, atol=1e-5)
    assert not written["ttp_arrival"][~brain].any()


def test_no_more_than_a_slab_is_read_at_once(catalogue, scan, context, out, slabs_of, monkeypatch):
    """Counted, not weighed: whatever is asked of a scan, it is asked for one slab's slices."""
    slabs_of(2)
    asked: list[int] = []
    read = ToySeries.read

    def counted(self: ToySeries, part: slice) -> np.ndarray:
        asked.append(len(range(SLICES)[part]))
        return read(self, part)

    monkeypatch.setattr(ToySeries, "read", counted)
    found = inspect_series(ToySeries(scan))
    process(found, catalogue.find("denoiser", "shrink")(weight=0.5), SETTINGS, context, out)
    assert max(asked) == 2
    assert sum(asked) <= 2 * SLICES + 1  # once to look, once to work, and the slice that is shown


def test_a_shuttle_scan_is_written_on_its_uniform_grid(catalogue, context, tmp_path, out):
    times_s = EVERY_S + 0.1 * np.arange(SLICES)
    found = inspect_series(ToySeries(save_scan(tmp_path / "shuttle.toy.npz", **head(times_s))))
    process(found, catalogue.find("denoiser", "leave")(), SETTINGS, context, out)
    np.testing.assert_array_equal(arrays(out)["denoised"], found.frames(slice(None)))
    assert len(arrays(out)["denoised"]) == FRAMES - 1 == found.times_s.size


def test_the_series_may_be_left_out(catalogue, inspection, context, out):
    process(inspection, catalogue.find("denoiser", "leave")(), SETTINGS, context, out, series=False)
    assert set(arrays(out)) == DRAWN


@pytest.mark.parametrize("how", ["nan", "shape", "float64"])
def test_a_faulty_output_is_the_methods_fault_and_leaves_nothing(catalogue, inspection, context, out, slabs_of, how):
    slabs_of(1)  # slice 1, which is air, is written by then
    with pytest.raises(PluginError, match=r"^misbehave: denoise: got "):
        process(inspection, catalogue.find("denoiser", "misbehave")(how=how), SETTINGS, context, out)
    assert names(out) == set()


def test_a_method_that_raises_leaves_nothing(catalogue, inspection, context, out, slabs_of):
    slabs_of(1)
    with pytest.raises(ZeroDivisionError):
        process(inspection, catalogue.find("denoiser", "misbehave")(how="raise"), SETTINGS, context, out)
    assert names(out) == set()


def test_without_an_artery_nothing_is_made(catalogue, context, tmp_path, out, slabs_of):
    slabs_of(1)
    found = inspect_series(ToySeries(save_scan(tmp_path / "blind.toy.npz", **head(EVERY_S, artery=False))))
    with pytest.raises(DataError, match=r"blind\.toy\.npz: no artery"):
        process(found, catalogue.find("denoiser", "leave")(), SETTINGS, context, out)
    assert names(out) == set()


def test_a_format_that_the_scan_has_not_is_refused(catalogue, inspection, context, out):
    with pytest.raises(DataError, match=r"scan\.toy\.npz: cannot be written as dicom; allowed: nifti"):
        process(inspection, catalogue.find("denoiser", "leave")(), SETTINGS, context, out, formats=["dicom"])


def test_white_matter_decides_the_scale_of_the_whole_scan(catalogue, context, tmp_path, out, slabs_of):
    slabs_of(2)
    path = save_scan(tmp_path / "clear.toy.npz", **head(EVERY_S, noise_hu=1))
    found, leave = inspect_series(ToySeries(path)), catalogue.find("denoiser", "leave")()
    plain, brought = out / "plain", out / "brought"
    for folder, scaling in ((plain, "none"), (brought, "white_matter")):
        folder.mkdir()
        made = process(found, leave, SETTINGS.model_copy(update={"scaling": scaling}), context, folder)
    before, after = arrays(plain), arrays(brought)
    inside = found.brain & (before["cbf"] > 1) & (before["cbv"] > 0.5)
    factors = {name: np.unique((after[name][inside] / before[name][inside]).round(3)) for name in ("cbf", "cbv", "mtt")}
    cbf, cbv = factors["cbf"].mean(), factors["cbv"].mean()
    for name, factor in (("cbf", cbf), ("cbv", cbv), ("mtt", cbv / cbf)):
        np.testing.assert_allclose(factors[name], factor, atol=2e-3)
    for name in ("ttp", "tmax"):
        np.testing.assert_array_equal(after[name], before[name])
    y, x = (np.mgrid[:64, :64] - 31.5) * 3
    white = found.brain & (np.hypot(y / 84, x / 70) < 0.3)
    middle = region_perfusion(found.observation(), white, SETTINGS)
    assert cbf * middle["cbf"] == pytest.approx(22, rel=0.05)
    assert cbv * middle["cbv"] == pytest.approx(2, rel=0.1)
    np.testing.assert_array_equal(made.noisy.sel(map="cbf"), after["cbf"][made.slice])


def test_a_scan_without_white_matter_is_not_scaled_by_it(catalogue, inspection, context, out, monkeypatch):
    monkeypatch.setattr(module, "rois_of", lambda observation, truth: None)
    settings = SETTINGS.model_copy(update={"scaling": "white_matter"})
    with pytest.raises(DataError, match=r"scan\.toy\.npz: no flat normal white matter .*; use --scaling none"):
        process(inspection, catalogue.find("denoiser", "leave")(), settings, context, out)


def test_a_method_that_learns_is_trained_on_the_scan_and_its_model_reads_back(
    catalogue, inspection, context, out, slabs_of
):
    slabs_of(2)
    learn = catalogue.find("denoiser", "learn")(factor=0.5)
    fitted = trained(learn, inspection, context, out, seed=3)
    frames = [inspection.frames(part).mean() for part in (slice(0, 2), slice(2, 4), slice(4, 5))]
    assert fitted.bias == pytest.approx(0.5 * np.mean(frames), rel=1e-4)
    assert names(out / "model") == {"bias.json", "training.json"}
    assert str(out.parent) not in (out / "model" / "training.json").read_text()
    unfitted, model = loaded(catalogue, out / "model", "learn")
    assert (unfitted, model) == (learn, fitted)
    folders = [out / "a", out / "b"]
    for folder, denoiser in zip(folders, (fitted, model), strict=True):
        folder.mkdir()
        process(inspection, denoiser, SETTINGS, context, folder)
    first, second = map(arrays, folders)
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_what_needs_no_training_is_ready(catalogue, inspection, context, out):
    leave = catalogue.find("denoiser", "leave")()
    assert trained(leave, inspection, context, out, 0) is leave
    assert names(out) == set()


def test_what_learns_from_clean_frames_needs_a_model(catalogue, inspection, context, out):
    with pytest.raises(InputError, match=r"^learn-clean: learns from noiseless frames, .*; give --model"):
        trained(catalogue.find("denoiser", "learn-clean")(), inspection, context, out, 0)
    assert names(out) == set()


def test_training_sees_noisy_slabs_with_brain_one_at_a_time(inspection, slabs_of, catalogue):
    slabs_of(1)
    training = ScanTraining(inspection, catalogue.denoisers["learn"]())
    assert [case.id for case in training] == [f"slices {n} to {n}" for n in (2, 3, 4, 5)]
    assert all(case.clean is None for case in training)
    assert training[-1].id == training[3].id
    assert [case.id for case in training[1:3]] == [training[1].id, training[2].id]
    with pytest.raises(IndexError):
        training[4]


@pytest.mark.parametrize(
    ("spoil", "name", "error", "message"),
    [
        (lambda model: (model / "training.json").unlink(), None, DataError, r"model: no model \(training\.json"),
        (lambda model: (model / "training.json").write_text("{}"), None, DataError, "model: no model"),
        (lambda model: (model / "training.json").write_text("nonsense"), None, DataError, "model: no model"),
        (lambda model: (model / "bias.json").unlink(), None, DataError, "the model of 'learn' cannot be read: .*again"),
        (lambda model: (model / "bias.json").write_text("{"), None, DataError, "the model of 'learn' cannot be read"),
        (lambda model: rewrite(model, '"factor"', '"power"'), None, DataError, "the model of 'learn' cannot be read"),
        (lambda model: rewrite(model, '"learn"', '"leave"'), None, DataError, "the model of 'leave' cannot be read"),
        (lambda model: rewrite(model, '"learn"', '"lern"'), None, PluginError, r"no denoiser 'lern' \(did you mean"),
        (lambda model: None, "train", InputError, "--method train: the model in .* is of 'learn'"),
    ],
)
def test_a_folder_that_is_no_such_model_is_named(catalogue, inspection, context, out, spoil, name, error, message):
    trained(catalogue.find("denoiser", "learn")(), inspection, context, out, 0)
    spoil(out / "model")
    with pytest.raises(error, match=message) as caught:
        loaded(catalogue, out / "model", name)
    assert "\n" not in str(caught.value)


def rewrite(model: Path, old: str, new: str) -> None:
    file = model / "training.json"
    file.write_text(file.read_text().replace(old, new))


def test_a_method_that_does_not_learn_has_no_models(catalogue, tmp_path):
    (tmp_path / "training.json").write_text('{"denoiser": {"name": "leave", "params": {}}}')
    with pytest.raises(DataError, match="a model of 'leave', which as installed does not learn"):
        loaded(catalogue, tmp_path, None)


def test_interrupted_training_goes_on_by_the_same_call_alone(catalogue: Catalogue, inspection, out, tmp_path):
    train = catalogue.find("denoiser", "train")

    def attempt(file: str, seed: int = 0, ends: str = "raise") -> None:
        denoiser = train(file=tmp_path / file, ends=ends)
        with working_context(denoiser, inspection, out, Limits(), seed, lambda fraction, text: None) as context:
            assert list(context.scratch.iterdir()) == []
            trained(denoiser, inspection, context, out, seed)

    def epochs(file: str) -> list[str]:
        return (tmp_path / file).read_text().split()

    attempt("well.txt", ends="well")
    assert names(out) == {"model"}
    earlier = (out / "model" / "training.json").read_text()
    for file in ("a.txt", "b.txt"):
        with pytest.raises(ZeroDivisionError):
            attempt(file)
    with pytest.raises(ZeroDivisionError):
        attempt("a.txt", seed=1)  # another seed begins anew
    assert epochs("a.txt") == ["0", "1", "0", "1"]
    assert (out / "model" / "training.json").read_text() == earlier
    assert len(list((out / ".ctpbench").glob("*/epoch.txt"))) == len(list((out / ".ctpbench").iterdir())) == 3
    attempt("a.txt")
    assert epochs("a.txt") == ["0", "1", "0", "1", "2", "3"]
    assert len(list((out / ".ctpbench").glob("*/epoch.txt"))) == 2  # b's, and that of the other seed
    attempt("a.txt", seed=1)
    attempt("b.txt")
    assert names(out) == {"model"}


def test_training_on_another_aif_begins_anew(catalogue, inspection, scan, out, tmp_path):
    train = catalogue.find("denoiser", "train")(file=tmp_path / "epochs.txt", ends="raise")
    unscaled = inspect_series(ToySeries(scan), partial_volume=False)
    for found in (inspection, unscaled):
        with (
            pytest.raises(ZeroDivisionError),
            working_context(train, found, out, Limits(), 0, lambda fraction, text: None) as context,
        ):
            trained(train, found, context, out, 0)
    assert (tmp_path / "epochs.txt").read_text().split() == ["0", "1", "0", "1"]


def test_what_fails_without_checkpoints_leaves_no_folder(catalogue, inspection, out):
    leave = catalogue.find("denoiser", "leave")()

    def interrupted() -> None:
        with working_context(leave, inspection, out, Limits(), 0, lambda fraction, text: None) as context:
            (context.scratch / "half").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(out) == set()


def test_chance_comes_from_the_seed(catalogue, inspection, out):
    jitter, drawn = catalogue.find("denoiser", "jitter")(), []
    for seed in (1, 1, 2):
        with working_context(jitter, inspection, out, Limits(), seed, lambda fraction, text: None) as context:
            drawn.append(context.rng.random())
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_scan_is_opened_by_who_reads_it(catalogue, scan, tmp_path):
    series = open_series(catalogue, scan, Stated())
    assert series.shape == (FRAMES, SLICES, 64, 64)
    assert open_series(catalogue, scan, Stated(frame_interval_s=2.0)).frame_times_s[-1, 0] == 88
    other = tmp_path / "scan.txt"
    with pytest.raises(DataError, match=r"scan\.txt: no such file or folder; name a 4-D NIfTI file or a folder"):
        open_series(catalogue, other, Stated())
    foreign = tmp_path / "scan.NRRD"
    foreign.write_text("")
    with pytest.raises(DataError, match=r"got NRRD, which no installed plugin reads; allowed: .*; convert it to NIfTI"):
        open_series(catalogue, foreign, Stated())
    other.write_text("")
    with pytest.raises(DataError, match=r"scan\.txt: no installed plugin reads it; allowed: "):
        open_series(catalogue, other, Stated())
