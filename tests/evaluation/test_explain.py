"""`explain`: where the difference of two protocols' numbers comes from."""

import io
import json
import re
from decimal import Decimal

import numpy as np
import pytest
import scipy.linalg
from image_sets import crops
from pooling_network import pooling_network
from rich.console import Console

import jaxeval
from jaxeval.cli import main
from jaxeval.errors import InputError
from jaxeval.evaluation import PROTOCOLS
from jaxeval.ops import Gaussian
from jaxeval.ops.reference_roots import frechet_distance_by_reference
from jaxeval.report import print_explanation

NETWORK = pooling_network()
STEPS = ["levels", "resize", "network input", "precision", "dropped images", "covariance", "root"]


def floats(count: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.004, (count, 9, 14, 3))
    return np.clip(crops(count, (9, 14), seed) / 127.5 - 1 + noise, -1, 1).astype(np.float32)


REAL, FAKE = floats(53, 1), floats(57, 2)
OPTIONS = {"extractor": NETWORK, "value_range": (-1, 1)}


def value(protocol, real=REAL, fake=FAKE) -> float:
    (result,) = jaxeval.evaluate(real, fake, protocol=protocol, metrics="fid", **OPTIONS).results
    return result.value


@pytest.mark.parametrize("protocols", ["torch-fidelity,imf", "adm,jax-fid", "jax-fid@7x7,stylegan3", "imf,drifting"])
def test_shares_sum_to_the_difference_of_what_evaluate_gives(protocols):
    first, second = protocols.split(",")
    found = jaxeval.explain(REAL, FAKE, protocols=protocols, **OPTIONS)
    assert [step.name for step in found.steps] == STEPS
    assert found.exact == (value(first), value(second))
    assert (found.first, found.second) == (
        pytest.approx(found.exact[0], rel=1e-9),
        pytest.approx(found.exact[1], rel=1e-9),
    )
    assert sum(step.share for step in found.steps) == found.difference == found.second - found.first
    assert sum(step.share for step in reversed(found.steps)) == found.difference
    assert found.steps[-1].value == found.second
    # Of the root the rounding of either reference is left.
    assert [step.name for step in found.steps[:-1] if step.first == step.second and step.share] == []
    assert (found.metric, found.protocols) == ("fid", (first, second))


def test_each_share_is_that_of_its_rule():
    found = {step.name: step for step in jaxeval.explain(REAL, FAKE, protocols="adm,jax-fid", **OPTIONS).steps}
    cut = [np.floor(np.float32(127.5) * (one + 1)).astype(np.uint8) for one in (REAL, FAKE)]
    rounded = [np.clip(np.float32(127.5) * one + np.float32(128), 0, 255).astype(np.uint8) for one in (REAL, FAKE)]

    def of(levels, protocol):
        (result,) = jaxeval.evaluate(*levels, protocol=protocol, metrics="fid", extractor=NETWORK).results
        return result.value

    assert found["levels"].share == pytest.approx(of(rounded, "adm") - of(cut, "adm"), rel=1e-6)
    sized = [one[:50] for one in rounded]
    assert found["dropped images"].share == pytest.approx(of(sized, "jax-fid") - found["network input"].value, rel=1e-4)
    assert all(abs(found[name].share) > 1e-6 for name in ("levels", "resize", "network input", "dropped images"))
    assert abs(found["covariance"].share) < 1e-6  # the mean in float32
    assert found["precision"].share == 0


def test_the_covariances_denominator_is_a_step():
    steps = {step.name: step for step in jaxeval.explain(REAL, FAKE, protocols="edm2,stylegan3", **OPTIONS).steps}
    assert steps["covariance"].share == pytest.approx(value("stylegan3") - value("edm2"), rel=1e-6)
    assert (steps["covariance"].first, steps["covariance"].second) == (
        "over N - 1, mean in float64",
        "over N, mean in float64",
    )


def test_roots_as_the_references_take_them():
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((40, 6)) @ rng.standard_normal((6, 6)) for _ in range(2))
    sides = [Gaussian(mean=one.mean(0), covariance=np.cov(one, rowvar=False)) for one in (x, y)]
    a, b = (np.asarray(one.covariance) for one in sides)
    shift = np.square(x.mean(0) - y.mean(0)).sum()
    half = scipy.linalg.sqrtm(a)
    expected = shift + np.trace(a) + np.trace(b) - 2 * np.trace(scipy.linalg.sqrtm(half @ b @ half)).real
    for rule in ("sqrtm", "sqrtm-offset", "eigenvalues"):
        assert frechet_distance_by_reference(sides[0], sides[1], rule) == pytest.approx(expected, rel=1e-9)
    single = frechet_distance_by_reference(sides[0], sides[1], "eigenvalues-float32")
    assert single == float(np.float32(frechet_distance_by_reference(sides[0], sides[1], "eigenvalues")))
    rows = rng.standard_normal((3, 6))
    few = Gaussian(mean=x.mean(0), factor=rows)
    whole = Gaussian(mean=x.mean(0), covariance=rows.T @ rows)
    assert frechet_distance_by_reference(few, sides[1], "eigenvalues") == pytest.approx(
        frechet_distance_by_reference(whole, sides[1], "eigenvalues"), rel=1e-6
    )


def test_a_root_that_is_not_finite_gets_the_offset(monkeypatch):
    asked = []

    def root(matrix):
        asked.append(matrix)
        return np.full_like(matrix, np.nan) if len(asked) == 1 else np.eye(len(matrix))

    monkeypatch.setattr(scipy.linalg, "sqrtm", root)
    side = Gaussian(mean=np.zeros(3), covariance=2 * np.eye(3))
    assert frechet_distance_by_reference(side, side, "sqrtm-offset") == pytest.approx(6 + 6 - 2 * 3)
    np.testing.assert_allclose(asked[1], (2 + 1e-6) ** 2 * np.eye(3))
    asked.clear()
    assert np.isnan(frechet_distance_by_reference(side, side, "sqrtm"))


def test_a_file_of_statistics_stays_the_same_at_all_steps(tmp_path):
    rows = jaxeval.features(REAL, protocol="imf", **OPTIONS).astype(np.float64)
    path = tmp_path / "reference.npz"
    np.savez(path, ref_mu=rows.mean(0), ref_sigma=np.cov(rows, rowvar=False))
    found = jaxeval.explain(path, FAKE, protocols="torch-fidelity,imf", **OPTIONS)
    assert found.exact[1] == pytest.approx(value("imf", path), rel=1e-9)
    assert sum(step.share for step in found.steps) == found.difference
    assert any("does not say how its statistics were made" in one for one in found.warnings)


def test_the_table_has_80_columns_and_adds_up():
    found = jaxeval.explain({"a-long-name-of-a-set/" * 5: REAL}, FAKE, protocols="torch-fidelity,jax-fid", **OPTIONS)
    console = Console(width=200, record=True, file=io.StringIO())
    print_explanation(found, console)
    lines = console.export_text().splitlines()
    table = [line for line in lines if not line.startswith("warning:")]
    assert max(map(len, table)) <= 80
    shares = [
        Decimal(match[1])
        for name in STEPS
        for line in table
        if (match := re.match(rf"\s*{name} .* ([-+]?[\d.]+) +[\d.]+\s*$", line))
    ]
    ends = [Decimal(line.split()[-1]) for line in table if re.match(r"\s*(torch-fidelity|jax-fid) .*\d\s*$", line)]
    assert len(shares) == len(STEPS)
    assert sum(shares) == ends[-1] - ends[0] != 0


def test_the_command_writes_json(tmp_path, capsys):
    for name, images in (("real", REAL), ("fake", FAKE)):
        np.save(tmp_path / f"{name}.npy", images[:, 2:4, 3:6])
    sets = [str(tmp_path / f"{name}.npy") for name in ("real", "fake")]
    arguments = [*sets, "--extractor", "pixels", "--value-range", "-1", "1", "--quiet"]
    command = ["explain", *arguments, "--protocols", "imf,jax-fid", "--out", str(tmp_path / "out"), "--json"]
    assert main(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((tmp_path / "out" / "explanation.json").read_text())
    assert sum(step["share"] for step in document["steps"]) == document["difference"]
    assert set(document["manifest"]["protocols"]) == {"imf", "jax-fid"}
    assert sum("dropped" in one for one in document["warnings"]) == 2
    assert main(["explain", *arguments, "--protocols", "imf,imf", "--precision", "default,highest"]) == 0
    table = capsys.readouterr().out
    assert re.search(r"precision +default +highest", table)
    assert main(["explain", *arguments, "--protocols", "imf"]) == 2
    assert "protocols are 'imf'; give two, as in 'torch-fidelity,imf'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocols": "imf,imf"}, "protocol 'imf' was given twice"),
        ({"protocols": "imf"}, "protocols are 'imf'; give two"),
        ({"protocols": "imf,adm,edm2"}, "give two"),
        ({"protocols": 5}, "protocols is 5; give a Protocol"),
        ({"protocols": "imf,adm", "precision": "low"}, "precision is 'low'; choose default, high or highest"),
        ({"protocols": "imf,adm", "precision": "high,high,high"}, "give one, or two"),
        ({"protocols": "imf,adm", "precision": 3}, "precision is 3"),
    ],
)
def test_what_cannot_be_explained(options, message):
    with pytest.raises(InputError, match=message):
        jaxeval.explain(REAL, FAKE, **OPTIONS, **options)


def test_one_set_and_protocols_that_agree():
    found = jaxeval.explain(REAL, REAL, protocols=[PROTOCOLS["imf"], "edm2"], **OPTIONS)
    assert found.exact == (0.0, 0.0)
    assert sum(step.share for step in found.steps) == found.difference
