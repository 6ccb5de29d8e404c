"""Kernels on feature vectors: moments, distances, neighbours."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.kernel import OURS, Goal, Kernel, Run, Size
from benchmarks.peers import torch_module
from jaxeval import ops


def features(rows: int, size: int, seed: int) -> np.ndarray:
    """Rows like a network's: float32, variances that fall by a factor of 1,000, correlated, not centred."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((rows, size), np.float32) * np.exp(np.linspace(0, -3.5, size, dtype=np.float32))
    made[:, 1:] += 0.5 * made[:, :-1]
    return made + np.float32(0.4 + 0.02 * seed)


def statistics(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of full rank in float64."""
    rows = features(2 * size, size, seed).astype(np.float64)
    return rows.mean(0), np.cov(rows, rowvar=False)


def _pair(size: Size) -> tuple[np.ndarray, np.ndarray]:
    return features(size["n"], size["d"], 0), features(size["n"], size["d"], 1)


def _torch_pair(size: Size) -> tuple[Any, Any]:
    torch = torch_module()
    x, y = _pair(size)
    return torch.from_numpy(x), torch.from_numpy(y)


def _frechet(size: Size) -> Run:
    (mean_x, cov_x), (mean_y, cov_y) = (statistics(size["d"], seed) for seed in (0, 1))
    return lambda: ops.frechet_distance(mean_x=mean_x, cov_x=cov_x, mean_y=mean_y, cov_y=cov_y)


def _frechet_fidelity(size: Size) -> Run:
    torch_module()
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    x, y = (dict(zip(("mu", "sigma"), statistics(size["d"], seed), strict=True)) for seed in (0, 1))
    return lambda: fid_statistics_to_metric(x, y, verbose=False)[KEY_METRIC_FID]


def _by_sqrtm(x: tuple[np.ndarray, np.ndarray], y: tuple[np.ndarray, np.ndarray]) -> float:
    import scipy.linalg

    root = np.real(scipy.linalg.sqrtm(x[1] @ y[1]))
    return float(np.square(x[0] - y[0]).sum() + np.trace(x[1]) + np.trace(y[1]) - 2 * np.trace(root))


def _frechet_scipy(size: Size) -> Run:
    x, y = (statistics(size["d"], seed) for seed in (0, 1))
    return lambda: _by_sqrtm(x, y)


def _singular(size: Size) -> Run:
    x, y = _pair(size)
    return lambda: ops.frechet_distance_from_features(reference=x, generated=y)


def _singular_fidelity(size: Size) -> Run:
    x, y = _torch_pair(size)
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    def run() -> float:
        both = fid_features_to_statistics(x), fid_features_to_statistics(y)
        return fid_statistics_to_metric(*both, verbose=False)[KEY_METRIC_FID]

    return run


def _singular_scipy(size: Size) -> Run:
    rows = [part.astype(np.float64) for part in _pair(size)]

    def run() -> float:
        x, y = ((part.mean(0), np.cov(part, rowvar=False)) for part in rows)
        return _by_sqrtm(x, y)

    return run


def _moments(size: Size) -> Run:
    x, y = _pair(size)

    def run() -> float:
        both = ops.feature_moments(x), ops.feature_moments(y)
        return sum(float(np.trace(ops.covariance(part))) for part in both)

    return run


def _moments_fidelity(size: Size) -> Run:
    x, y = _torch_pair(size)
    from torch_fidelity.metric_fid import fid_features_to_statistics

    return lambda: sum(float(np.trace(fid_features_to_statistics(part)["sigma"])) for part in (x, y))


def _moments_on_device(size: Size) -> Run:
    batches = [jnp.asarray(part) for x in _pair(size) for part in np.split(x, size["n"] // size["batch"])]

    @jax.jit
    def add(state: ops.Moments, rows: jax.Array) -> ops.Moments:
        return ops.merge_moments(state, ops.feature_moments(rows))

    def run() -> float:
        half = len(batches) // 2
        total = 0.0
        for side in (batches[:half], batches[half:]):
            state = ops.empty_moments(size["d"])
            for rows in side:
                state = add(state, rows)
            total += float(jnp.trace(ops.covariance(state)))
        return total

    return run


def _prdc(size: Size) -> Run:
    x, y = _pair(size)
    return lambda: sum(ops.prdc(reference=x, generated=y, k=size["k"]))


def _prdc_package(size: Size) -> Run:
    from prdc import compute_prdc

    x, y = _pair(size)
    return lambda: sum(compute_prdc(x, y, nearest_k=size["k"]).values())


def _prdc_fidelity(size: Size) -> Run:
    x, y = _torch_pair(size)
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    # Two numbers of the four, and its ball's surface counts as inside.
    def run() -> None:
        calculate_precision_recall_full(y, x, size["k"])

    return run


_DEFAULTS = {
    "kid_kernel": "poly",
    "kid_kernel_poly_degree": 3,
    "kid_kernel_poly_gamma": None,
    "kid_kernel_poly_coef0": 1.0,
    "rng_seed": 2020,
    "verbose": False,
}


def _kid(size: Size) -> Run:
    x, y = _pair(size)
    return lambda: ops.kid(reference=x, generated=y, subsets=size["subsets"], subset_size=size["subset"]).mean


def _kid_fidelity(size: Size) -> Run:
    x, y = _torch_pair(size)
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    options = {"kid_subsets": size["subsets"], "kid_subset_size": size["subset"], **_DEFAULTS}
    return lambda: kid_features_to_metric(y, x, **options)[KEY_METRIC_KID_MEAN]


def _mmd(size: Size) -> Run:
    x, y = _pair(size)
    return lambda: ops.kid_full(reference=x, generated=y).value


def _mmd_fidelity(size: Size) -> Run:
    return _kid_fidelity({**size, "subsets": 1, "subset": size["n"]})


def _pairs_work(size: Size) -> float:
    return 3 * 2.0 * size["n"] ** 2 * size["d"]


KERNELS = (
    Kernel(
        name="frechet",
        title="Fréchet distance of two {d}-d statistics",
        sizes={"small": {"d": 512}, "paper": {"d": 2048}},
        contenders={OURS: _frechet, "torch-fidelity": _frechet_fidelity, "scipy sqrtm": _frechet_scipy},
        work=lambda size: (1 / 3 + 1 + 4 / 3) * size["d"] ** 3,  # Cholesky, L^T S L, tridiagonal reduction
        rate="gemm_f64",
        goal=Goal(ratio=3, peer="torch-fidelity"),
        alike=1e-7,
    ),
    Kernel(
        name="frechet-singular",
        title="Fréchet distance of 2 x {n} rows of {d} features: fewer rows than features",
        sizes={"small": {"n": 150, "d": 512}, "paper": {"n": 500, "d": 2048}},
        contenders={OURS: _singular, "torch-fidelity": _singular_fidelity, "scipy sqrtm": _singular_scipy},
        work=lambda size: 2.0 * size["n"] ** 2 * size["d"] + 8 / 3 * size["n"] ** 3,  # a product, bidiagonalisation
        rate="gemm_f64",
        goal=Goal(ratio=20, peer="torch-fidelity"),
        alike=1e-5,
        remark="the peers' roots of a singular product are what differs",
    ),
    Kernel(
        name="moments",
        title="mean and covariance of 2 x {n} x {d}, float64 on the host",
        sizes={"small": {"n": 2000, "d": 512}, "paper": {"n": 10000, "d": 2048}},
        contenders={OURS: _moments, "torch-fidelity": _moments_fidelity},
        work=lambda size: 2.0 * size["n"] * size["d"] ** 2,  # two sides, each half of a product by symmetry
        rate="gemm_f64",
        goal=Goal(ratio=2.5, peer="torch-fidelity"),
        alike=1e-5,
        remark="what the command line uses; NumPy features are promised float64",
    ),
    Kernel(
        name="moments-device",
        title="mean and covariance of 2 x {n} x {d}, float32 on the device, streamed",
        sizes={"small": {"n": 2000, "d": 512, "batch": 500}, "paper": {"n": 10000, "d": 2048, "batch": 1000}},
        contenders={OURS: _moments_on_device, "torch-fidelity": _moments_fidelity},
        work=lambda size: 4.0 * size["n"] * size["d"] ** 2,
        rate="gemm_f32",
        goal=Goal(share=0.6, ratio=2.5, peer="torch-fidelity"),
        alike=1e-5,
    ),
    Kernel(
        name="prdc",
        title="precision, recall, density, coverage of {n} x {n} x {d}",
        sizes={"small": {"n": 2000, "d": 512, "k": 5}, "paper": {"n": 10000, "d": 2048, "k": 5}},
        contenders={OURS: _prdc, "torch-fidelity": _prdc_fidelity, "prdc": _prdc_package},
        work=_pairs_work,
        rate="gemm_f32",
        goal=Goal(share=1 / 1.5),
        alike=1e-3,
        remark="torch-fidelity: precision and recall alone. The work counts three products in full",
    ),
    Kernel(
        name="kid",
        title="KID, {subsets} subsets of {subset} of {n} rows of {d}",
        sizes={
            "small": {"n": 1000, "d": 512, "subsets": 10, "subset": 500},
            "paper": {"n": 10000, "d": 2048, "subsets": 100, "subset": 1000},
        },
        contenders={OURS: _kid, "torch-fidelity": _kid_fidelity},
        work=lambda size: size["subsets"] * 2.0 * 2 * size["subset"] ** 2 * size["d"],  # half within, all across
        rate="gemm_f32",
        goal=Goal(ratio=4.9 / 1.6, peer="torch-fidelity"),
        alike=1e-4,
    ),
    Kernel(
        name="mmd",
        title="KID over all pairs of 2 x {n} x {d}, with its standard error",
        sizes={"small": {"n": 2000, "d": 512}, "paper": {"n": 10000, "d": 2048}},
        contenders={OURS: _mmd, "torch-fidelity": _mmd_fidelity},
        work=lambda size: 2.0 * 2 * size["n"] ** 2 * size["d"],
        rate="gemm_f32",
        goal=Goal(share=0.6),
        alike=1e-4,
        remark="torch-fidelity: one subset of all rows, without an error",
    ),
)
