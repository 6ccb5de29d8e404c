"""The same statistics through the reference packages' own functions."""

import numpy as np
import pytest
import scipy.linalg
from parity_stub import torchvision_stub

from jaxeval.ops import frechet_distance, frechet_distance_from_features

pytestmark = pytest.mark.parity

# N >= d: the references take roots of eigenvalues or of general matrices, which costs them half of their digits near
# zero. N < d: most eigenvalues of their product are zero but for rounding, so they are off by up to 1e-6 of the trace.
FULL_RANK, SINGULAR = 1e-7, 1e-6
SIZES = {"tall": (400, 64, FULL_RANK), "barely full": (140, 128, FULL_RANK), "singular": (60, 128, SINGULAR)}


def statistics(rows, size):
    rng = np.random.default_rng(rows)
    x = rng.standard_normal((rows, size)) @ rng.standard_normal((size, size)) / 8.0
    y = 1.2 * rng.standard_normal((rows + 30, size)) @ rng.standard_normal((size, size)) / 8.0 + 0.3
    return x, y, [(features.mean(0), np.cov(features, rowvar=False)) for features in (x, y)]


@pytest.fixture
def torch_fidelity():
    torchvision_stub()
    from torch_fidelity import metric_fid

    def distance(first, second):
        pairs = ({"mu": mean, "sigma": cov} for mean, cov in (first, second))
        return metric_fid.fid_statistics_to_metric(*pairs, verbose=False)["frechet_inception_distance"]

    return distance


@pytest.fixture
def pytorch_fid(monkeypatch):
    torchvision_stub()
    from pytorch_fid import fid_score

    with_sqrtm(monkeypatch, fid_score.linalg)
    return lambda first, second: fid_score.calculate_frechet_distance(*first, *second)


@pytest.fixture
def clean_fid(monkeypatch):
    torchvision_stub()
    from cleanfid import fid

    with_sqrtm(monkeypatch, fid.linalg)
    return lambda first, second: fid.frechet_distance(*first, *second)


@pytest.fixture
def torchmetrics():
    torchvision_stub()
    import torch
    from torchmetrics.image.fid import _compute_fid

    def distance(first, second):
        return float(_compute_fid(*(torch.from_numpy(np.asarray(part)) for part in (*first, *second))))

    return distance


def with_sqrtm(monkeypatch, module):
    """Gives sqrtm back the `disp` argument that both packages pass and newer SciPy releases have dropped."""
    original = scipy.linalg.sqrtm

    def sqrtm(matrix, disp=True, **_):
        root = original(matrix)
        return root if disp else (root, 0.0)

    monkeypatch.setattr(module, "sqrtm", sqrtm)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("package", ["torch_fidelity", "pytorch_fid", "clean_fid", "torchmetrics"])
def test_statistics_give_the_packages_number(package, size, request):
    reference = request.getfixturevalue(package)
    rows, features, tolerance = SIZES[size]
    x, y, (first, second) = statistics(rows, features)
    expected = reference(first, second)
    ours = frechet_distance(mean_x=first[0], cov_x=first[1], mean_y=second[0], cov_y=second[1])
    assert ours == pytest.approx(expected, rel=tolerance)
    assert frechet_distance_from_features(reference=x, generated=y) == pytest.approx(expected, rel=tolerance)


def test_features_give_torch_fidelitys_number_end_to_end(torch_fidelity):
    import torch
    from torch_fidelity import metric_fid

    rng = np.random.default_rng(4)
    x, y = rng.random((500, 96), np.float32), rng.random((700, 96), np.float32) ** 1.1
    statistics = [metric_fid.fid_features_to_statistics(torch.from_numpy(features)) for features in (x, y)]
    expected = torch_fidelity(*((s["mu"], s["sigma"]) for s in statistics))
    # Its mean is a float32 mean.
    assert frechet_distance_from_features(reference=x, generated=y) == pytest.approx(expected, rel=1e-6)
