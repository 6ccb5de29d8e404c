"""Memorisation distance, MiFID and authenticity against plain NumPy, known baselines and torchmetrics."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from scipy.spatial.distance import cdist

import jaxeval.ops.neighbours as neighbours
from jaxeval.errors import InputError
from jaxeval.ops.frechet import frechet_distance_from_features
from jaxeval.ops.memorisation import authenticity, memorisation_distance, mifid


def smallest_cosine_distances(samples, others):
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (samples, others)]
    return (1 - np.abs(unit[0] @ unit[1].T)).min(1)


@pytest.mark.parametrize("offset", [0.0, 20.0])
def test_memorisation_distance_equals_numpy(monkeypatch, offset):
    monkeypatch.setattr(neighbours, "_STRIP_ROWS", 16)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 12)) + offset, rng.standard_normal((70, 12)) + offset
    y[5], y[6] = 3 * x[7], -x[8] * (1 + 1e-9)
    found = memorisation_distance(reference=x, generated=y)
    assert found == pytest.approx(smallest_cosine_distances(y, x).mean(), rel=1e-9, abs=1e-15)
    other = memorisation_distance(reference=x, generated=y, over="reference")
    assert other == pytest.approx(smallest_cosine_distances(x, y).mean(), rel=1e-9, abs=1e-15)


def test_mifid_divides_only_below_its_threshold():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((60, 4)) + 3, rng.standard_normal((60, 4)) + 3.2
    frechet, distance = (
        frechet_distance_from_features(reference=x, generated=y),
        memorisation_distance(reference=x, generated=y),
    )
    assert 0 < distance < 0.1
    assert mifid(reference=x, generated=y) == pytest.approx((frechet / distance, frechet, distance), rel=1e-9)
    assert mifid(reference=x, generated=y, threshold=distance / 2).value == frechet


def test_copies_are_divided_by_the_published_least_distance():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((30, 4))
    found = mifid(reference=x, generated=2 * x)
    assert found.memorisation_distance == pytest.approx(0, abs=4e-16)
    assert found.value == pytest.approx(found.frechet_distance / (found.memorisation_distance + 1e-14), rel=1e-12)
    assert 0 < found.value < np.inf


def test_the_threshold_itself_is_no_cause_for_suspicion():
    x, y = np.array([[1.0, 0], [2, 0]]), np.array([[3.0, 4], [6, 8]])  # at cosine 3 / 5
    distance = memorisation_distance(reference=x, generated=y)
    assert distance == pytest.approx(0.4, rel=1e-12)
    at, above = (mifid(reference=x, generated=y, threshold=t) for t in (distance, np.nextafter(distance, 1)))
    assert at.value == at.frechet_distance
    assert above.value == pytest.approx(above.frechet_distance / 0.4, rel=1e-9)


@pytest.mark.parametrize(("d", "percentage"), [(2, 40), (16, 70), (64, 81)])
def test_authenticity_of_held_out_data(d, percentage):
    scores = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((1000, d)), rng.standard_normal((1000, d))
        scores.append(authenticity(reference=x, generated=y))
    assert np.mean(scores) == pytest.approx(percentage, abs=3)


def test_authenticity_equals_brute_force_and_copies_have_none():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((60, 3)), rng.standard_normal((50, 3))
    own = cdist(x, x) + np.diag([np.inf] * 60)
    across = cdist(x, y)
    expected = 100 * (own.min(0)[across.argmin(0)] < across.min(0)).mean()
    assert authenticity(reference=x, generated=y) == pytest.approx(expected, rel=1e-12)
    assert authenticity(reference=x, generated=x[:20]) == 0


@defaults_of(DEFAULTS, "memorisation_distance", "mifid")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


def test_wrong_arguments_are_named():
    with pytest.raises(InputError, match="generated has a row of zeros, row 1"):
        memorisation_distance(reference=np.eye(3), generated=np.array([[1.0, 0, 0], [0, 0, 0]]))
    with pytest.raises(InputError, match="both"):
        memorisation_distance(reference=np.eye(3), generated=np.eye(3), over="both")
    with pytest.raises(InputError, match="reference has 1 rows"):
        authenticity(reference=np.ones((1, 2)), generated=np.ones((3, 2)))


@pytest.mark.parity
def test_torchmetrics_means_over_the_reference():
    from parity_stub import torchvision_stub

    torchvision_stub()
    import torch
    from torchmetrics.image.mifid import _mifid_compute

    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((80, 16)) + 2, rng.standard_normal((70, 16)) + 2.1
    statistics = [(torch.tensor(a.mean(0)), torch.cov(torch.tensor(a).T), torch.tensor(a)) for a in (x, y)]
    theirs = _mifid_compute(*statistics[0], *statistics[1], cosine_distance_eps=0.5).item()
    ours = mifid(reference=x, generated=y, threshold=0.5, over="reference")
    assert ours.memorisation_distance < 0.5
    # torchmetrics takes eigenvalues of a product: 1e-8 of the traces.
    assert ours.value == pytest.approx(theirs, rel=1e-6)
