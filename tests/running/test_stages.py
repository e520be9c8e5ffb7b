"""What the stages do in their processes: what they are handed, what they leave behind, what they refuse."""

from __future__ import annotations

import gc
import json
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr

from ctpbench import FrameDenoiser, Metric, Trainable
from ctpbench.contract.control import Noiseless
from ctpbench.errors import DataError, PluginError
from ctpbench.running.cell import Cell
from ctpbench.running.errands import data, scores
from ctpbench.running.errands import model as errand_model
from ctpbench.running.errands.model import TrainingView, thinned
from ctpbench.running.faults import InvalidOutput
from ctpbench.running.files import file_name, load_arrays, load_truth
from ctpbench.running.host import Host
from ctpbench.running.hosted import HostedJob
from ctpbench.running.job import Job
from ctpbench.running.log import Log
from ctpbench.running.plan import plan
from ctpbench.running.quality import quality_of
from ctpbench.running.stages import model, prediction, reference
from ctpbench.running.work import ComponentSpec, Info, Item, ModelInfo, Outcome, input_paths
from ctpbench.suite.entries import MetricEntry
from ctpbench.suite.load import load_suite

SEEN: list[Any] = []


class Same(FrameDenoiser):
    """What `Spy` returns."""

    name, version = "same", "1"

    def denoise(self, frames, context):
        return frames.copy(data=frames.values)


class Spy(Trainable):
    """Learns nothing and keeps all that it is handed."""

    name, version = "spy", "1"
    learns_from: ClassVar[str] = "noisy"
    factor: float = 0.0

    def fit(self, training, context):
        SEEN[:] = [training, context]
        return Same()

    def save(self, fitted, folder):
        (folder / "model.txt").write_text("")

    def load(self, folder):
        return Same()


class CleanSpy(Spy):
    """The same, and asks for clean frames."""

    name = "clean-spy"
    learns_from: ClassVar[str] = "clean"


class Untidy(Spy):
    """Takes a name of the harness's."""

    name = "untidy"
    file_name: str = "training.json"

    def save(self, fitted, folder):
        (folder / self.file_name).write_text("{}")


class Babble(Spy):
    """Logs what is no learning curve."""

    name = "babble"

    def learning_curve(self, fitted):
        return {"step": [0, 1], "loss": [1.0]}


class Faulty(Metric):
    """Raises on the second case, or returns what is no score."""

    name, version = "faulty", "1"
    better, units = "lower", "1"
    raises: bool

    def score(self, case):
        if not self.raises:
            return 1.0
        if case.id == "test/1":
            raise KeyError("on purpose")
        return xr.DataArray(1.0)


@pytest.fixture
def cell(catalogue, write_suite) -> Cell:
    text = "datasets: [{name: toy, noise: [1]}]\ndenoisers: [learn]\nmetrics: [error]"
    return plan(load_suite(write_suite(text), catalogue))[0]


@pytest.fixture
def cache(cell, tmp_path) -> Path:
    """A cache that holds the training and the test cases, observation and truth side by side."""
    for item in [*cell.train[0].items(), *cell.test.items()]:
        data.run(item.task, job_of(item, tmp_path, tmp_path / "data" / item.key))
        assert {p.name for p in (tmp_path / "data" / item.key).iterdir()} == {"observation.npz", "truth.npz"}
    return tmp_path


def job_of(item: Item, cache: Path, out: Path) -> Job:
    """Return an item with the places that the runner gives it."""
    folders = [out, cache / "scratch", cache / "checkpoints" / item.key]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return Job(input_paths(item, cache), *folders, "cpu", 1, lambda fraction, text: None)


def learnt(cell: Cell, cache: Path, denoiser: Trainable) -> ModelInfo:
    """Fit a denoiser in this process, as a guest does; return what it measured."""
    item = cell.model(denoiser)
    return errand_model.run(item.task, job_of(item, cache, cache / "model" / item.key))


def staged(stage: Any, item: Item, cache: Path, inputs: Mapping[str, Path] | None = None) -> tuple[Info, Path]:
    """Run a stage as a worker does, with a guest; return what it measured and where it wrote."""
    job = job_of(item, cache, cache / item.stage / item.key)
    places = {name: getattr(job, name) for name in ("out", "scratch", "checkpoints", "device", "threads", "progress")}
    room = Path(tempfile.mkdtemp(dir=cache))
    with Host(room, None, {}, "cpu", 1) as host, Log(cache / "log") as log:
        hosted = HostedJob(job.inputs if inputs is None else inputs, **places, key=item.key, host=host, log=log)
        return stage.run(item.task, hosted), job.out


# -- what a method that learns is handed ---


def reachable(thing: Any, seen: set[int]) -> Iterator[Any]:
    """Yield all that hangs on a thing by attributes, keys, items and closures."""
    if id(thing) in seen or isinstance(thing, str | bytes | int | float | type | None):
        return
    seen.add(id(thing))
    yield thing
    parts: list[Any] = [*vars(thing).values()] if hasattr(thing, "__dict__") else []
    parts += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
    if isinstance(thing, Mapping):
        parts += [*thing.keys(), *thing.values()]
    elif isinstance(thing, Sequence | set):
        parts += list(thing)
    for part in parts:
        yield from reachable(part, seen)


def shown(training: Sequence[Any]) -> list[Any]:
    """Every case by every way of reading a sequence."""
    ends = [training[0], training[-1]]
    return [*ends, *training, *reversed(training), *training[:], *training[::-1][:1], *training[0:9][1:]]


def test_a_method_that_learns_from_noisy_cannot_come_by_anything_clean(cell, cache):
    learnt(cell, cache, Spy())
    training, context = SEEN
    assert len(training) == 2
    assert all(case.clean is None for case in shown(training))
    truths = [load_truth(path).frames.values for path in cache.glob("data/*/truth.npz")]
    assert len(truths) == 4
    things = list(reachable([training, context, shown(training)], set()))
    for thing in things:
        if isinstance(thing, Path):
            assert thing.name != "truth.npz"
            assert not (thing / "truth.npz").exists()
        elif isinstance(thing, xr.DataArray | np.ndarray):
            assert not any(np.array_equal(np.asarray(thing), truth) for truth in truths)
    paths = [thing for thing in things if isinstance(thing, Path)]
    assert {path.name for path in paths if path.is_file()} == {"observation.npz"}


def test_the_search_above_would_find_what_is_clean(cell, cache):
    learnt(cell, cache, CleanSpy())
    training, _ = SEEN
    assert all(case.clean is not None for case in shown(training))
    assert "truth.npz" in {thing.name for thing in reachable(training, set()) if isinstance(thing, Path)}


def test_a_noisy_view_opens_no_truth_even_where_one_is_named(cell, cache):
    item = cell.model(CleanSpy())
    job = job_of(item, cache, cache / "out")
    assert job.truth("train/0") is not None
    assert all(case.clean is None for case in shown(TrainingView(job, cell.train[0].cases, Spy())))


# -- what it leaves behind ---


def test_a_model_says_what_it_was_made_of(cell, cache):
    measured, out = staged(model, cell.model(Spy(factor=0.5)), cache)
    origin = json.loads((out / "training.json").read_text())
    assert origin["denoiser"] == {
        "module": __name__,
        "qualname": "Spy",
        **ComponentSpec.of(Spy(factor=0.5)).identity,
    }
    assert origin["denoiser"]["params"] == {"factor": 0.5}
    assert origin["cases"] == ["train/0", "train/1"]
    assert origin["data"] == cell.train[0].key
    assert (origin["learns_from"], origin["seed"], origin["threads"]) == ("noisy", 0, 1)
    assert {name: origin[name] for name in ("device", "hardware")} == {
        name: getattr(measured, name) for name in ("device", "hardware")
    }
    assert {"python", "numpy", "ctpbench"} <= origin["versions"].keys()
    assert origin["versions"]["numpy"] == np.__version__
    assert "" not in origin["versions"]


def test_the_training_data_decide_the_key_and_are_named_in_the_task(cell):
    swapped = zip(cell.train[0].members, cell.train[0].keys[::-1], strict=True)
    other = replace(cell.train[0], members=tuple(replace(member, key=key) for member, key in swapped))
    items = [replace(cell, train=(train,)).model(Spy()) for train in (cell.train[0], other)]
    assert [item.task.data for item in items] == [cell.train[0].key, other.key]
    assert items[0].key != items[1].key


@pytest.mark.parametrize("name", ["training.json", "outcome.json"])
def test_a_method_must_leave_the_harness_its_names(name, cell, cache):
    with pytest.raises(PluginError, match=f"^untidy: save wrote {name}, which the harness writes; choose another name"):
        staged(model, cell.model(Untidy(file_name=name)), cache)


def test_a_fit_knows_whether_it_went_on_from_a_checkpoint(catalogue, cell, cache, tmp_path):
    first = catalogue.denoisers["train"](file=tmp_path / "epochs.txt", ends="raise")
    with pytest.raises(ZeroDivisionError):
        learnt(cell, cache, first)
    measured = learnt(cell, cache, first)
    assert measured.fit_resumed
    assert (tmp_path / "epochs.txt").read_text().split() == ["0", "1", "2", "3"]
    assert not learnt(cell, cache, Spy()).fit_resumed


# -- what training logged ---


def test_a_learning_curve_is_kept_with_null_for_what_is_no_number(catalogue, cell, cache, tmp_path):
    measured = learnt(cell, cache, catalogue.denoisers["train"](file=tmp_path / "epochs.txt"))
    assert measured.learning == {"step": [0, 1, 2, 3], "loss": [8, 4, 2, 1], "bias": [0.5, None, -0.5, None]}
    assert learnt(cell, cache, Spy()).learning is None


def test_a_curve_of_unequal_lists_is_an_invalid_output(cell, cache):
    with pytest.raises(InvalidOutput, match="learning_curve: got lengths"):
        learnt(cell, cache, Babble())


@pytest.mark.parametrize("length", [1, 499, 500, 501, 12_345])
def test_a_long_curve_is_thinned_evenly_between_its_ends(length):
    curve = {"step": [10.0 * i for i in range(length)], "loss": [float(i) for i in range(length)]}
    short = thinned(curve)
    assert len(short["step"]) == len(short["loss"]) == min(length, 500)
    assert short["step"] == [10 * loss for loss in short["loss"]]
    assert (short["loss"][0], short["loss"][-1]) == (0, length - 1)
    if length > 500:
        gaps = np.diff(short["loss"])
        assert gaps.min() >= np.floor((length - 1) / 499)
        assert gaps.max() <= np.ceil((length - 1) / 499)


def test_a_quantity_that_is_logged_rarely_is_kept_whole():
    length = 7001
    rare = {i: float(i) for i in range(7, length, 333)}
    curve = {
        "step": [float(i) for i in range(length)],
        "loss": [1.0] * length,
        "bias": [rare.get(i) for i in range(length)],
        "lost": [None] * length,
    }
    short = thinned(curve)
    assert {s: v for s, v in zip(short["step"], short["bias"], strict=True) if v is not None} == rare
    assert sum(value is not None for value in short["loss"]) == 500
    assert set(short["lost"]) == {None}


# -- what is denoised and scored ---


def noise_added(cell: Cell, cache: Path, denoiser: FrameDenoiser) -> dict[str, np.ndarray]:
    """Run the prediction stage; return what it added to the concentration of each case."""
    item = cell.prediction(denoiser, cell.test, cell.row.maps[0], trial=False)
    _, out = staged(prediction, item, cache)
    job = job_of(item, cache, out)
    noisy = {case: job.observation(case).frames.values for case in item.task.cases}
    answers = {case: load_arrays(job.out / file_name(case))["concentration"].values for case in item.task.cases}
    return {case: answers[case] - (noisy[case] - noisy[case][:2].mean(axis=0)) for case in answers}


def test_chance_is_each_cases_and_each_seeds_own_whatever_is_denoised_beside_it(cell, cache, catalogue):
    jitter = catalogue.denoisers["jitter"]()
    added = noise_added(cell, cache, jitter)
    first, second = added.values()
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1
    turned = replace(cell, test=replace(cell.test, members=cell.test.members[::-1]))
    for case, values in noise_added(turned, cache, jitter).items():
        np.testing.assert_array_equal(values, added[case])
    other = noise_added(replace(cell, seed=1), cache, jitter)
    assert abs(np.corrcoef(first.ravel(), other["test/0"].ravel())[0, 1]) < 0.1


class Impostor(FrameDenoiser):
    """Goes by the control's name."""

    name, version = "noiseless", "1"

    def denoise(self, frames, context):
        return frames.copy()


class Heir(Noiseless):
    """The control's child."""


def test_the_noiseless_control_alone_is_handed_the_noiseless_frames(cell, cache):
    item = cell.prediction(Noiseless(), cell.test, cell.row.maps[0], trial=False)
    _, out = staged(prediction, item, cache)
    job = job_of(item, cache, out)
    for case in item.task.cases:
        clean = job.truth(case).frames.values
        answer = load_arrays(job.out / file_name(case))["concentration"].values
        np.testing.assert_array_equal(answer, clean - clean[:2].mean(axis=0))
    for other in (Impostor(), Heir()):
        assert not [
            role for role in cell.prediction(other, cell.test, cell.row.maps[0], trial=False).inputs if "truth" in role
        ]
        assert max(np.abs(values).max() for values in noise_added(cell, cache, other).values()) < 1e-4


def test_the_control_under_another_name_is_handed_nothing(cell, monkeypatch):
    monkeypatch.setattr(Noiseless, "name", "mine")
    assert not [
        role
        for role in cell.prediction(Noiseless(), cell.test, cell.row.maps[0], trial=False).inputs
        if "truth" in role
    ]


def test_the_noiseless_control_needs_noiseless_frames(cell, cache):
    item = cell.prediction(Noiseless(), cell.test, cell.row.maps[0], trial=False)
    job = job_of(item, cache, cache / "prediction" / item.key)
    without = {role: path.with_name("none.npz") if "truth" in role else path for role, path in job.inputs.items()}
    with pytest.raises(DataError, match="noiseless: test/0: the dataset knows no noiseless frames; leave this row out"):
        staged(prediction, item, cache, without)


def test_a_guest_that_is_made_ready_for_nothing_is_ended(cell, tmp_path):
    """Its answer would come to whoever asks next."""
    places = {"inputs": {}, "out": tmp_path, "scratch": tmp_path, "device": "cpu", "threads": 1}
    with Host(tmp_path, None, {}, "cpu", 1) as host, Log(tmp_path / "log") as log:
        job = HostedJob(
            **places, checkpoints=host.home, progress=lambda fraction, text: None, key="k", host=host, log=log
        )
        with pytest.raises(DataError), job.preparing(ComponentSpec.of(Same())):
            raise DataError("on purpose")
        assert host.guest is None
        job.prepare(ComponentSpec.of(Same()))
        assert host.guest is not None


def test_maps_are_warmed_up_once_in_a_worker_and_the_method_in_each_of_its_processes(cell, cache, monkeypatch):
    asked, real, answered = [], prediction.estimate, prediction.answer_from
    monkeypatch.setattr(prediction, "_WARM", set())
    monkeypatch.setattr(prediction, "estimate", lambda *given: asked.append("maps") or real(*given))
    monkeypatch.setattr(prediction, "answer_from", lambda *a, **k: asked.append("answer") or answered(*a, **k))
    item = cell.prediction(Same(), cell.test, cell.row.maps[0], trial=False)
    assert item.task.timed
    found = []
    for _ in range(2):
        asked.clear()
        staged(prediction, item, cache)
        found.append((asked.count("answer") - len(item.task.cases), asked.count("maps") - len(item.task.cases)))
    assert found == [(1, 1), (1, 0)]


class Recount(FrameDenoiser):
    """Counts how often it was asked, in what it returns."""

    name, version = "recount", "1"
    asked: ClassVar[int] = 0

    def denoise(self, frames, context):
        type(self).asked += 1
        return frames.copy(data=frames.values * np.float32(type(self).asked))


@pytest.mark.parametrize("name", ["jitter", "unfold"])
def test_what_is_denoised_once_gives_the_maps_of_every_way(name, cell, cache, catalogue):
    denoiser, maps = catalogue.denoisers[name](), cell.row.maps[0]
    other = maps.model_copy(update={"lambda_rel": 0.05, "baseline_frames": 3})
    both = cell.prediction(denoiser, cell.test, maps, trial=False, further=(other,))
    _, out = staged(prediction, both, cache)
    for way, settings in enumerate((maps, other)):
        alone = cell.prediction(denoiser, cell.test, settings, trial=False)
        assert alone.key != both.key
        _, apart = staged(prediction, alone, cache)
        for case in both.task.cases:
            got, expected = load_arrays(out / file_name(case, way)), load_arrays(apart / file_name(case))
            np.testing.assert_array_equal(got["maps"], expected["maps"])
    assert not np.array_equal(load_arrays(out / file_name("test/0")), load_arrays(out / file_name("test/0", 1)))


def test_further_ways_do_not_denoise_again_and_each_is_scored_as_it_would_be_alone(cell, cache):
    maps = cell.row.maps[0]
    other = maps.model_copy(update={"lambda_rel": 0.05})
    both = cell.prediction(Recount(), cell.test, maps, trial=False, further=(other,))
    info, _ = staged(prediction, both, cache)
    assert len(info.denoise_s) == len(info.maps_s) == len(cell.test.cases)
    found = {}
    for way, settings in enumerate((maps, other)):
        known = cell.reference(cell.test, settings)
        staged(reference, known, cache)
        alone = cell.prediction(Recount(), cell.test, settings, trial=False)
        staged(prediction, alone, cache)
        for made, of in ((both, way), (alone, 0)):
            item = cell.scores(made, known, {"cbf": 1.0, "cbv": 1.0}, cell.test, cell.suite.metrics, way=of)
            assert item.task.maps == settings
            found[item.key] = scores.run(item.task, job_of(item, cache, cache / "scores" / item.key)).scores
    assert len(found) == 4
    first, second, third, fourth = found.values()
    assert first == second
    assert third == fourth
    assert first != third


@pytest.mark.parametrize("stage", [prediction, reference])
def test_no_stage_holds_the_arrays_of_more_than_one_case(stage, cell, cache, monkeypatch):
    """Else a worker's memory grows with the number of cases."""
    made, most = [], []
    name = {prediction: "estimate", reference: "concentration_maps"}[stage]
    real = getattr(stage, name)

    def watched(*arguments):
        gc.collect()
        most.append(sum(one() is not None for one in made))
        found = real(*arguments)
        made.append(weakref.ref(found))
        return found

    monkeypatch.setattr(stage, name, watched)
    many = replace(cell, test=replace(cell.test, members=cell.test.members * 3))
    item = many.prediction(Same(), many.test, many.row.maps[0], trial=False)
    if stage is prediction:
        staged(stage, item, cache)
    else:
        known = many.reference(many.test, many.row.maps[0])
        stage.run(known.task, job_of(known, cache, cache / "reference" / known.key))
    assert len(most) >= 6
    assert max(most) <= 1


def test_numbers_of_the_test_cases_are_taken_where_the_reference_is_and_of_no_others(cell, cache):
    item = cell.reference(cell.test, cell.row.maps[0])
    job = job_of(item, cache, cache / "reference" / item.key)
    found = reference.run(item.task, job).quality
    expected = [quality_of(job.observation(case), job.truth(case)) for case in item.task.cases]
    assert found == {name: [case[name] for case in expected] for name in found}
    assert set(found) == {"aif_peak_hu", "aif_time_to_peak_s", "aif_width_s", "brain_ml"}
    assert not cell.reference(replace(cell.test, split="validation"), cell.row.maps[0]).task.quality


class Undecided(Metric):
    """Says that it decides, and does not."""

    name, version = "undecided", "1"
    better, units, quantity = "none", "1", "decision"
    agrees_with = "decided"

    def score(self, case):
        return xr.DataArray(0.5 if case.id == "test/1" else 1.0)


def test_the_factors_go_by_what_the_scanner_resolves_of_the_true_maps(cell, cache, monkeypatch):
    item = cell.reference(cell.test, cell.row.maps[0])
    job = job_of(item, cache, cache / "reference" / item.key)
    by_true = reference.run(item.task, job).scale
    truth_of = Job.truth

    def resolved(job: Job, case: Any) -> Any:
        """Three times the true maps on one half, and unknown on the other, whose true maps are far off."""
        truth = truth_of(job, case)
        maps = truth.maps.copy(deep=True)
        maps[..., ::2] *= 100
        return replace(truth, maps=maps, resolved=(3 * truth.maps).where(np.arange(maps.sizes["x"]) % 2 == 1))

    monkeypatch.setattr(Job, "truth", resolved)
    assert reference.run(item.task, job).scale == pytest.approx({name: 3 * by_true[name] for name in by_true}, rel=0.2)


def test_a_score_is_kept_with_what_its_metric_agrees_with(cell, cache, catalogue):
    known = cell.reference(cell.test, cell.row.maps[0])
    denoised = cell.prediction(catalogue.denoisers["leave"](), cell.test, cell.row.maps[0], trial=False)
    for stage, item in ((reference, known), (prediction, denoised)):
        staged(stage, item, cache)
    flow = MetricEntry("flow", "of all", catalogue.metrics["flow"](factor=1.0))
    metrics = (flow, MetricEntry("undecided", "treat", Undecided()))
    item = cell.scores(denoised, known, {"cbf": 1.0, "cbv": 1.0}, cell.test, metrics)
    found = scores.run(item.task, job_of(item, cache, cache / "scores" / item.key))
    table = found.scores["of all"]
    assert (table.metric, table.agrees_with, table.quantity, table.better) == (
        "flow",
        "noiseless-flow",
        "number",
        "none",
    )
    assert found.faults == {"treat": "test/1: metric 'treat': got 0.5; allowed: 1, 0 or NaN, for it is a decision"}


class Scribbler(Metric):
    """Writes into what it is given."""

    name, version = "scribbler", "1"
    better, units = "lower", "1"
    into: str

    def score(self, case):
        getattr(case.truth, self.into).values[:] = 0
        return xr.DataArray(1.0)


@pytest.mark.parametrize("most", [2**28, 0])
def test_cases_are_loaded_once_for_all_that_is_scored_on_them_as_far_as_they_fit(
    most, cell, cache, catalogue, monkeypatch
):
    """A metric that wrote into one would change the next answer's score: it cannot."""
    loaded = []
    truth_of = Job.truth
    monkeypatch.setattr(Job, "truth", lambda job, case: loaded.append(case) or truth_of(job, case))
    monkeypatch.setattr(scores, "_MOST_KEPT", most)
    monkeypatch.setattr(scores, "_kept", {})
    known, found = cell.reference(cell.test, cell.row.maps[0]), []
    staged(reference, known, cache)
    loaded.clear()
    scribblers = [MetricEntry("scribbler", into, Scribbler(into=into)) for into in ("frames", "maps")]
    for name in ("leave", "jitter", "leave"):
        made = cell.prediction(catalogue.denoisers[name](), cell.test, cell.row.maps[0], trial=False)
        staged(prediction, made, cache)
        item = cell.scores(made, known, {"cbf": 1.0, "cbv": 1.0}, cell.test, (*scribblers, cell.suite.metrics[0]))
        found.append(scores.run(item.task, job_of(item, cache, cache / "scores" / item.key)))
    assert loaded == (["test/0", "test/1"] if most else 3 * ["test/0", "test/1"])
    assert found[0] == found[2] != found[1]
    assert all("read-only" in fault for fault in found[0].faults.values())
    assert set(found[0].faults) == {"frames", "maps"}
    other = item.task.model_copy(update={"scale": {"cbf": 2.0, "cbv": 1.0}})
    again = scores.run(other, job_of(item, cache, cache / "scores" / item.key))
    assert again.scores != found[2].scores


def test_a_metric_that_fails_fails_alone(cell, cache, catalogue):
    known = cell.reference(cell.test, cell.row.maps[0])
    denoised = cell.prediction(catalogue.denoisers["leave"](), cell.test, cell.row.maps[0], trial=False)
    for stage, item in ((reference, known), (prediction, denoised)):
        staged(stage, item, cache)
    error = cell.suite.metrics[0]
    faulty = [MetricEntry("faulty", label, Faulty(raises=label == "raises")) for label in ("raises", "babbles")]
    found = {}
    for metrics in ((error,), (faulty[0], error, faulty[1])):
        item = cell.scores(denoised, known, {"cbf": 1.0, "cbv": 1.0}, cell.test, metrics)
        found[len(metrics)] = scores.run(item.task, job_of(item, cache, cache / "scores" / item.key))
    assert found[3].scores == found[1].scores
    assert found[1].faults == {}
    assert found[3].faults == {
        "raises": "test/1: KeyError: 'on purpose'",
        "babbles": "test/0: metric 'babbles': got float; allowed: DataArray",
    }
    assert [Outcome(status="ok", info=info).whole for info in found.values()] == [True, False]
