"""What the package offers, and what holds for all of its metrics."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

import ctpbench_metrics
from ctpbench import MAPS, Truth, regions
from ctpbench.testing import parametrize_with_checks
from ctpbench_metrics.regions import REGIONS

from .conftest import label_array, map_array

METRICS = ctpbench_metrics.ctpbench_metrics()
BY_NAME = {metric.name: metric for metric in METRICS}
AGAINST = [metric for metric in METRICS if "against" in metric.model_fields and metric.name != "class_dice"]
OF_A_REGION = [metric for metric in METRICS if "region" in metric.model_fields]
OF_A_LESION = [metric for metric in AGAINST if "rcbf_threshold" in metric.model_fields]
WITHOUT_LESION = [metric for metric in METRICS if metric.name == "volume_without_lesion"]
OF_AGREEMENT = ("volume", "reference_volume", "treat", "treat_reference")
OF_THE_METHOD = [metric for metric in METRICS if metric.name not in ("reference_volume", "treat_reference")]
PER_MAP = [metric for metric in METRICS if "mtt_range_s" in metric.model_fields]


@parametrize_with_checks(
    [
        *(metric() for metric in METRICS),
        *(metric(against="truth") for metric in AGAINST),
        BY_NAME["ssim"](protocol="paper"),
        *(BY_NAME["rmse"](region=region, against="exact") for region in REGIONS),
        *(BY_NAME[name](against="labels") for name in ("lesion_volume_error", "reference_volume", "treat_reference")),
    ]
)
def test_conforms(component, check):
    check(component)


@pytest.fixture
def full_case(make_case):
    """Two slices of 40 x 40 mm with a ventricle of 7 mm radius, where maps fall to 0 over some 4 mm."""
    rng = np.random.default_rng(1)
    shape = (2, 40, 40)
    y, x = np.indices(shape[1:])
    out_mm = np.hypot(y - 20, x - 28) - 7
    edge = 1 / (1 + np.exp(-out_mm))
    maps, noiseless, true_maps, resolved = ({m: edge * rng.uniform(1, 9, shape) for m in MAPS} for _ in range(4))
    concentration, clean = rng.normal(size=(2, 3, *shape))
    white_matter, core = np.zeros((2, *shape), bool)
    white_matter[:, 3:9, 3:9] = core[:, 12:16, 3:9] = True
    penumbra = np.roll(core, 3, axis=1) & ~core
    sites = (np.indices(shape)[1:] % 6 < 2).all(axis=0)
    lesion = sites & (np.arange(40) % 12 < 6)
    case = make_case(
        maps,
        noiseless,
        true_maps,
        frames=np.broadcast_to(np.where(out_mm < 0, 12, 35), (3, *shape)),
        concentration=concentration,
        noiseless_concentration=clean,
        rois={"core": core, "white_matter": white_matter},
        labels=label_array(1 * core + 2 * penumbra, "white gray_severe gray_reduced"),
        resolved=map_array(resolved),
    )
    object.__setattr__(case.truth, "rois", regions(lesion_sites=lesion, empty_sites=sites & ~lesion))
    return case


def test_names():
    against_a_reference = "rmse mae bias ccc ssim psnr frame_rmse"
    of_lesions = "lesion_dice lesion_volume_error class_dice volume reference_volume volume_without_lesion"
    of_decisions = "treat treat_reference"
    of_an_observer = "detectability"
    without_one = "roi_bias roi_std core_contrast core_std core_cnr edge_fwhm nps nps_mean_frequency"
    assert " ".join(BY_NAME) == " ".join([against_a_reference, of_lesions, of_decisions, of_an_observer, without_one])


def test_import_stays_light():
    code = "import sys, ctpbench_metrics; print({'skimage', 'scipy', 'numba', 'torch'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_score_has_allowed_dims_finite_values_and_changes_no_input(metric, full_case):
    before = full_case.maps.copy(deep=True)
    score = metric().score(full_case)
    assert set(score.dims) <= {"map", "time", "frequency", "roi"}
    assert set(score.coords) == set(score.dims)
    assert score.dtype == np.float64
    assert np.isfinite(score.values).all() == (metric not in WITHOUT_LESION)
    assert full_case.maps.identical(before)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_docstring_begins_with_a_line_on_its_own_and_the_class_is_complete(metric):
    first, blank, *_ = metric.__doc__.split("\n")
    assert first.endswith(".")
    assert not blank.strip()
    assert (metric.better == "none") == (metric.name in OF_AGREEMENT)
    assert metric.units in ("map", "1", "dB", "HU", "mL", "mL/100 g/min", "mm", "1/mm", "HU^2 mm^2")


@pytest.mark.parametrize("metric", AGAINST, ids=lambda m: m.name)
def test_needs_names_the_reference_and_reads_no_other(metric, full_case):
    region = {"truth"} if metric in OF_A_REGION else set()
    assert metric().needs == {"noiseless"} | region
    assert metric(against="truth").needs == metric(against="exact").needs == {"truth"}
    scores = [metric(against=against).score(full_case) for against in ("noiseless", "truth", "exact")]
    if metric.units != "1" or metric in PER_MAP:  # decisions and overlaps may well be the same
        assert not any(one.equals(other) for one, other in itertools.combinations(scores, 2))
    object.__setattr__(full_case, "noiseless", None)
    assert metric(against="truth").score(full_case).identical(scores[1])


@pytest.mark.parametrize("metric", OF_A_REGION, ids=lambda m: m.name)
def test_a_region_needs_the_truth_but_for_all_tissue(metric):
    tissue = metric(region="tissue").needs
    assert "truth" not in tissue
    assert [metric(region=region).needs - tissue for region in REGIONS if region != "tissue"] == 7 * [{"truth"}]


def test_frame_rmse_needs_both_concentrations():
    assert BY_NAME["frame_rmse"](region="tissue").needs == {"concentration", "noiseless_concentration"}


@pytest.mark.parametrize("metric", AGAINST, ids=lambda m: m.name)
def test_truth_without_maps_scores_nan(metric, full_case):
    object.__setattr__(full_case, "truth", Truth(labels=full_case.truth.labels))
    for against in ("truth", "exact"):
        assert np.isnan(metric(against=against).score(full_case)).all()


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_voxels_outside_the_tissue_do_not_count(metric, make_case):
    """Brain without vessels is scored: what a method leaves elsewhere, NaN included, changes nothing."""
    rng = np.random.default_rng(2)
    shape = (1, 13, 16)
    brain, vessels = np.zeros(shape, bool), np.zeros(shape, bool)
    brain[:, 1:-1, 2:-2] = True
    vessels[:, 5, 5:8] = True
    outside = ~brain | vessels
    maps, noiseless = ({m: rng.uniform(0, 9, shape) for m in MAPS} for _ in range(2))
    concentration, clean = rng.normal(size=(2, 3, *shape))
    left = np.broadcast_to(np.arange(16) < 8, shape)
    rois = {"white_matter": left, "core": ~left}
    plain = make_case(
        maps,
        noiseless,
        brain=brain,
        vessels=vessels,
        concentration=concentration,
        noiseless_concentration=clean,
        rois=rois,
    )
    spoilt = make_case(
        {m: np.where(outside, np.nan, v) for m, v in maps.items()},
        {m: np.where(outside, 77, v) for m, v in noiseless.items()},
        brain=brain,
        vessels=vessels,
        concentration=np.where(outside, np.nan, concentration),
        noiseless_concentration=np.where(outside, 77, clean),
        rois=rois,
    )
    assert metric().score(spoilt).identical(metric().score(plain))


@pytest.mark.parametrize("metric", OF_THE_METHOD, ids=lambda m: m.name)
def test_a_nan_of_the_method_inside_the_tissue_is_not_hidden(metric, full_case):
    clean = metric().score(full_case)
    for part in ("maps", "concentration"):
        values = getattr(full_case, part).values.copy()
        values[:, 0, 6, 6] = np.nan
        object.__setattr__(full_case, part, getattr(full_case, part).copy(data=values))
    assert np.isfinite(clean).all() == (metric not in WITHOUT_LESION)
    assert np.isnan(metric().score(full_case)).all()


@pytest.mark.parametrize("metric", PER_MAP, ids=lambda m: m.name)
def test_maps_keep_their_order_and_a_lack_of_one_is_nan(metric, make_case):
    rng = np.random.default_rng(3)
    maps = {m: rng.uniform(0, 9, (1, 11, 11)) for m in ("tmax", "cbf", "mtt")}
    score = metric().score(make_case(maps, {m: maps[m] + 1 for m in ("cbf", "tmax")}))
    assert score["map"].values.tolist() == ["tmax", "cbf", "mtt"]
    assert np.isnan(score.values).tolist() == [False, False, True]


@pytest.mark.parametrize("metric", PER_MAP, ids=lambda m: m.name)
def test_mtt_is_clipped_on_both_sides_and_no_other_map_is(metric, make_case):
    rng = np.random.default_rng(4)
    maps, noiseless = ({m: rng.uniform(-5, 20, (1, 12, 12)) for m in ("mtt", "cbf")} for _ in range(2))
    clipped = {side: {**m, "mtt": np.clip(m["mtt"], 0, 10)} for side, m in {"p": maps, "r": noiseless}.items()}
    by_hand = metric(mtt_range_s=None).score(make_case(clipped["p"], clipped["r"]))
    assert metric().score(make_case(maps, noiseless)).identical(by_hand)
    unclipped = metric(mtt_range_s=None).score(make_case(maps, noiseless))
    assert unclipped.sel(map="cbf") == by_hand.sel(map="cbf")
    assert unclipped.sel(map="mtt") != by_hand.sel(map="mtt")


@pytest.mark.parametrize("limits", [(10, 0), (3, 3), (0, float("inf"))])
def test_mtt_range_must_be_in_order_and_finite(limits):
    with pytest.raises(ValidationError):
        BY_NAME["rmse"](mtt_range_s=limits)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_parameters_survive_json(metric):
    assert metric.model_validate_json(metric().model_dump_json()) == metric()
