"""Files of other tools in the place of images: the same numbers as from the images, whatever the format."""

import dataclasses
import io
import pickle
import zipfile

import numpy as np
import pytest
from image_sets import crops
from small_network import small_network

import jaxeval
from jaxeval.errors import InputError
from jaxeval.extractors import Extractor, from_function

NETWORK = small_network()


@pytest.fixture(scope="module")
def images():
    return {"real": crops(150, (6, 6), seed=1), "made": crops(130, (6, 6), seed=2), "other": crops(60, (6, 6), seed=3)}


@pytest.fixture(scope="module")
def rows(images):
    return {name: jaxeval.features(data, extractor=NETWORK) for name, data in images.items()}


@pytest.fixture(scope="module")
def direct(images):
    """Numbers from the images themselves."""
    return values(jaxeval.evaluate(images["real"], images["made"], extractor=NETWORK, metrics="fd,kd-full,precision"))


def values(evaluation):
    return {result.metric.removesuffix("-mine"): result.value for result in evaluation.results}


def gaussian(rows):
    return {"mu": rows.mean(0, np.float64), "sigma": np.cov(rows.astype(np.float64), rowvar=False)}


def edm2(rows, **more):
    return {"num_images": len(rows), "fid": gaussian(rows), "fd_dinov2": gaussian(rows[:, :7]), **more}


def stylegan(rows, *, everything=False, moments=True):
    """The attributes of the metrics' FeatureStats, as their `save` pickles them."""
    wide = rows.astype(np.float64)
    return {
        "capture_all": everything,
        "capture_mean_cov": moments,
        "max_items": len(rows),
        "num_items": len(rows),
        "num_features": rows.shape[1],
        "all_features": [rows[:40], rows[40:]] if everything else [],
        "raw_mean": wide.sum(0) if moments else np.zeros(rows.shape[1]),
        "raw_cov": wide.T @ wide if moments else np.zeros((rows.shape[1],) * 2),
    }


def pickled(path, value, protocol=4):
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def saved_by_torch(path, value, protocol=2):
    """torch.save's archive of an object without tensors: the object's pickle under `data.pkl`."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(value, protocol))
        archive.writestr("archive/version", b"3\n")
    return path


def zipped(path, **arrays):
    np.savez(path, **arrays)
    return path


def plain(path, value):
    np.save(path, value, allow_pickle=True)
    return path


# How each tool keeps mean and covariance; clean-fid, torch-fidelity and ADM average in float32.
STATISTICS = {
    "pytorch-fid": lambda folder, rows: zipped(folder / "a.npz", **gaussian(rows)),
    "clean-fid": lambda folder, rows: zipped(folder / "a.npz", mu=rows.mean(0), sigma=np.cov(rows, rowvar=False)),
    "EDM2": lambda folder, rows: pickled(folder / "a.pkl", edm2(rows)),
    "StyleGAN": lambda folder, rows: pickled(folder / "a.pkl", stylegan(rows)),
    "torch-fidelity": lambda folder, rows: saved_by_torch(
        folder / "a.pt", {"mu": rows.mean(0), "sigma": np.cov(rows, rowvar=False)}
    ),
    "a dictionary in .npy": lambda folder, rows: plain(folder / "a.npy", gaussian(rows)),
    "a dictionary by pickle": lambda folder, rows: pickled(folder / "a.pickle", gaussian(rows)),
}
# How each keeps features.
FEATURES = {
    "TensorFlow": lambda folder, rows: zipped(folder / "a.npz", pool_3=rows, logits=rows[:, :5]),
    "dgm-eval": lambda folder, rows: zipped(
        folder / "a.npz", model="dinov2", reps=rows, hparams=np.asarray({"seed": 1}, dtype=object)
    ),
    "clean-fid": lambda folder, rows: zipped(folder / "a.npz", feats=rows),
    "StyleGAN": lambda folder, rows: pickled(folder / "a.pkl", stylegan(rows, everything=True, moments=False)),
    "StyleGAN, all of it": lambda folder, rows: pickled(folder / "a.pkl", stylegan(rows, everything=True)),
    "NumPy": lambda folder, rows: plain(folder / "a.npy", rows),
    "an .npz of one array": lambda folder, rows: zipped(folder / "a.npz", arr_0=rows),
    "torch-fidelity": lambda folder, rows: saved_by_torch(folder / "a.pt", rows),
    "a dictionary by pickle": lambda folder, rows: pickled(folder / "a.pkl", {"features": rows}),
}


@pytest.mark.parametrize("tool", STATISTICS)
def test_statistics_of_another_tool_give_the_distance(tmp_path, images, rows, direct, tool):
    path = STATISTICS[tool](tmp_path, rows["real"])
    (result,) = jaxeval.evaluate(path, images["made"], extractor=NETWORK).results
    assert result.value == pytest.approx(direct["fd"], rel=1e-5)  # a mean in float32 is off by 6e-8 of it
    assert result.reference == str(path)
    assert result.n_reference == (150 if tool in ("EDM2", "StyleGAN") else None)
    assert any("does not say how its statistics were made" in warning for warning in result.warnings)


@pytest.mark.parametrize("tool", STATISTICS)
def test_statistics_of_generated_images_too(tmp_path, images, rows, direct, tool):
    path = STATISTICS[tool](tmp_path, rows["made"])
    (result,) = jaxeval.evaluate(images["real"], path, extractor=NETWORK).results
    assert result.value == pytest.approx(direct["fd"], rel=1e-5)
    assert result.n_generated == (130 if tool in ("EDM2", "StyleGAN") else None)
    assert (result.interval, result.generated) == (None, str(path))
    both = jaxeval.evaluate(path, {"mine": path}, extractor=NETWORK).results[0]
    assert (both.value, both.generated) == (pytest.approx(0.0, abs=1e-12), "mine")


@pytest.mark.parametrize("tool", FEATURES)
@pytest.mark.parametrize("side", ["reference", "generated"])
def test_features_stand_for_their_images(tmp_path, images, rows, direct, tool, side):
    path = FEATURES[tool](tmp_path, rows["real" if side == "reference" else "made"])
    sides = (path, images["made"]) if side == "reference" else (images["real"], path)
    evaluation = jaxeval.evaluate(*sides, extractor=NETWORK, metrics="fd,kd-full,precision")
    found = values(evaluation)
    assert found.pop("fd") == pytest.approx(direct["fd"], rel=1e-9)
    assert found == {key: value for key, value in direct.items() if key != "fd"}
    assert {result.n_reference for result in evaluation.results} == {150}
    assert {result.n_generated for result in evaluation.results} == {130}
    assert all(result.interval is not None for result in evaluation.results)


# Every measure of features in the slow tier, one of each need in the fast one.
SOME_OR_ALL = pytest.mark.parametrize(
    "metrics", ["fd,kd-full,rke,mifd,c-t", pytest.param("all", marks=pytest.mark.slow)]
)


@SOME_OR_ALL
def test_metrics_from_features_of_three_sets(tmp_path, images, rows, metrics):
    paths = {name: zipped(tmp_path / f"{name}.npz", feats=values) for name, values in rows.items()}
    arguments = {"extractor": NETWORK, "metrics": metrics}
    through = jaxeval.evaluate(paths["real"], paths["made"], held_out=paths["other"], **arguments)
    direct = jaxeval.evaluate(images["real"], images["made"], held_out=images["other"], **arguments)
    assert set(values(through)) == set(values(direct))
    assert {"kd-full", "rke", "memorisation", "c-t"} <= set(values(through))
    for metric, value in values(direct).items():
        assert values(through)[metric] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_features_of_other_types(tmp_path, images, rows, direct, dtype):
    path = zipped(tmp_path / "a.npz", feats=rows["real"].astype(dtype))
    found = values(jaxeval.evaluate(path, images["made"], extractor=NETWORK, metrics="fd,kd-full,precision"))
    tolerance = 1e-6 if dtype == np.float64 else 2e-2  # eleven bits, and the distance is a tenth of the traces
    assert found["fd"] == pytest.approx(direct["fd"], rel=tolerance)


def test_several_files_by_a_pattern_are_one_set(tmp_path, images, rows, direct):
    for number, part in enumerate(np.array_split(rows["real"], 4)):
        zipped(tmp_path / f"statistics_{number}.npz", pool_3=part, logits=part[:, :5])
    for pattern in (
        f"{tmp_path}/statistics_*.npz",
        f"{tmp_path}/statistics_{{0..3}}.npz",
        f"{tmp_path}/*.npz?key=pool_3",
    ):
        evaluation = jaxeval.evaluate(pattern, images["made"], extractor=NETWORK, metrics="fd,kd-full,precision")
        found = values(evaluation)
        assert found.pop("fd") == pytest.approx(direct["fd"], rel=1e-9)
        assert found == {key: value for key, value in direct.items() if key != "fd"}
        assert evaluation.results[0].reference == pattern


def test_files_that_are_no_one_set(tmp_path, images, rows):
    zipped(tmp_path / "a-0.npz", feats=rows["real"])
    zipped(tmp_path / "a-1.npz", feats=rows["real"][:, :5])
    with pytest.raises(InputError, match=r"a-1\.npz' holds feats of 5 numbers, made otherwise than those of the first"):
        jaxeval.evaluate(f"{tmp_path}/a-*.npz", images["made"], extractor=NETWORK)
    zipped(tmp_path / "a-1.npz", **gaussian(rows["real"]))
    with pytest.raises(InputError, match=r"a-1\.npz' of '.*a-\*\.npz' holds no features"):
        jaxeval.evaluate(f"{tmp_path}/a-*.npz", images["made"], extractor=NETWORK)


@pytest.mark.parametrize("first", [True, False])
def test_a_limit_takes_the_same_sample_of_features_as_of_images(tmp_path, images, rows, first):
    path = zipped(tmp_path / "a.npz", feats=rows["real"])
    arguments = {"extractor": NETWORK, "limit": 100, "limit_first": first}
    evaluation = jaxeval.evaluate(path, images["made"], **arguments)
    direct = jaxeval.evaluate(images["real"], images["made"], **arguments)
    assert evaluation.results[0].value == pytest.approx(direct.results[0].value, rel=1e-9)
    assert (evaluation.results[0].n_reference, evaluation.results[0].n_generated) == (100, 100)
    assert evaluation.manifest["reference"]["sample"] == direct.manifest["reference"]["sample"]
    path = zipped(tmp_path / "b.npz", **gaussian(rows["real"]))
    (result,) = jaxeval.evaluate(path, images["made"], **arguments).results
    assert any("which no limit changes" in warning for warning in result.warnings)


def test_generated_statistics_give_the_distance_alone(tmp_path, images, rows):
    path = zipped(tmp_path / "made.npz", **gaussian(rows["made"]))
    message = r"'kd' cannot be computed: it needs images or features, and '.*made\.npz' holds mean and covariance alone"
    with pytest.raises(InputError, match=message):
        jaxeval.evaluate(images["real"], path, extractor=NETWORK, metrics="fd,kd")
    evaluation = jaxeval.evaluate(images["real"], path, extractor=NETWORK, metrics="all")
    assert set(values(evaluation)) == {"fd"}
    assert sum("holds mean and covariance alone" in one for one in evaluation.not_computed) > 15
    mixed = jaxeval.evaluate(images["real"], [path, images["made"]], extractor=NETWORK, metrics="all")
    assert {result.metric for result in mixed.results if result.generated == str(path)} == {"fd-mine"}
    assert len({result.metric for result in mixed.results if result.generated != str(path)}) > 15
    with pytest.raises(InputError, match="it needs images or features"):
        jaxeval.compare(path, images["made"], reference=images["real"], extractor=NETWORK, metrics="fd")


def test_two_sets_of_features_are_compared(tmp_path, images, rows):
    paths = {name: zipped(tmp_path / f"{name}.npz", feats=values) for name, values in rows.items()}
    arguments = {"extractor": NETWORK, "metrics": "fd,kd-full,precision,vendi"}
    through = jaxeval.compare(paths["made"], paths["other"], reference=paths["real"], **arguments)
    direct = jaxeval.compare(images["made"], images["other"], reference=images["real"], **arguments)
    for one, other in zip(through.differences, direct.differences, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-9)
        assert one.interval == pytest.approx(other.interval, rel=1e-9)
        assert one.p_value == pytest.approx(other.p_value, rel=1e-9)


def test_a_held_out_set_of_statistics_does_not_do(tmp_path, images, rows):
    path = zipped(tmp_path / "held.npz", **gaussian(rows["other"]))
    with pytest.raises(InputError, match=r"it needs images or features, and '.*held\.npz' holds mean and covariance"):
        jaxeval.evaluate(images["real"], images["made"], held_out=path, extractor=NETWORK, metrics="fld")


def network(name: str, size: int) -> Extractor:
    weights = np.random.default_rng(0).standard_normal((108, size)).astype(np.float32)
    mine = from_function(
        lambda images: images.reshape(len(images), -1) / 255 @ weights,
        name="projections",
        image_size=(6, 6),
        feature_size=size,
        fingerprint="projections",
    )
    return dataclasses.replace(mine, name=name)


def test_the_detector_that_fits_is_taken(tmp_path, images):
    extractor = network("dinov2-vit-l-14", 1024)
    rows = jaxeval.features(images["real"], extractor=extractor)
    path = pickled(tmp_path / "a.pkl", {"fid": gaussian(np.random.rand(9, 2048)), "fd_dinov2": gaussian(rows)})
    (result,) = jaxeval.evaluate(path, images["made"], extractor=extractor).results
    (expected,) = jaxeval.evaluate(images["real"], images["made"], extractor=extractor).results
    assert result.value == pytest.approx(expected.value, rel=1e-6)
    named = jaxeval.evaluate(f"{path}?key=fd_dinov2", images["made"], extractor=extractor).results[0]
    assert named.value == result.value
    with pytest.raises(InputError, match=r"fid \(2048 features of inception\) and fd_dinov2 \(1024 features of dinov2"):
        jaxeval.evaluate(path, images["made"], extractor=network("other", 1024))
    with pytest.raises(InputError, match=r"holds no 'fd_clip'; choose from fid, fd_dinov2"):
        jaxeval.evaluate(f"{path}?key=fd_clip", images["made"], extractor=extractor)


def test_detectors_that_fit_alike_must_be_said(tmp_path, images, rows):
    path = pickled(tmp_path / "a.pkl", {"one": gaussian(rows["real"]), "two": gaussian(rows["other"])})
    with pytest.raises(InputError, match=r"holds one, two, all of which could be .* say which with \?key=one"):
        jaxeval.evaluate(path, images["made"], extractor=NETWORK)
    (result,) = jaxeval.evaluate(f"{path}?key=two", images["made"], extractor=NETWORK).results
    direct = jaxeval.evaluate(images["other"], images["made"], extractor=NETWORK).results[0]
    assert result.value == pytest.approx(direct.value, rel=1e-9)


@pytest.mark.parametrize(
    ("tool", "asked", "given"),
    [
        ("EDM2", "torch-fidelity,edm2", "edm2"),
        ("StyleGAN", "stylegan3,edm2", "stylegan3"),
        ("pytorch-fid", "torch-fidelity,clean-fid,pytorch-fid", "pytorch-fid"),
        ("clean-fid", "torch-fidelity,clean-fid", "clean-fid"),
        ("torch-fidelity", "clean-fid,torch-fidelity", "torch-fidelity"),
        ("a dictionary in .npy", "clean-fid,torch-fidelity", "clean-fid"),
        ("EDM2", "clean-fid,torch-fidelity", "clean-fid"),
    ],
)
@pytest.mark.parametrize("side", ["reference", "generated"])
def test_several_protocols_give_one_number(tmp_path, images, rows, tool, asked, given, side):
    path = STATISTICS[tool](tmp_path, rows["real" if side == "reference" else "made"])
    sides = (path, images["made"]) if side == "reference" else (images["real"], path)
    evaluation = jaxeval.evaluate(
        *sides, extractor=NETWORK, protocol=asked, metrics="fd,vendi" if side == "reference" else "fd"
    )
    distances = [result for result in evaluation.results if result.metric == "fd-mine"]
    assert [result.protocol for result in distances] == [given]
    sentence = [warning for warning in distances[0].warnings if "given once" in warning]
    assert len(sentence) == 1
    assert f"under {given}, " in sentence[0]
    if side == "reference":  # what the reference does not enter is under every protocol
        assert len([result for result in evaluation.results if result.metric == "vendi-mine"]) == len(asked.split(","))


def test_files_of_two_tools_give_one_number_under_the_references_protocol(tmp_path, images, rows):
    real = pickled(tmp_path / "real.pkl", stylegan(rows["real"]))
    made = zipped(tmp_path / "made.npz", **gaussian(rows["made"]))
    for asked in ("stylegan3,pytorch-fid", "pytorch-fid,stylegan3"):
        found = jaxeval.evaluate(real, made, extractor=NETWORK, metrics="fd", protocol=asked)
        assert [result.protocol for result in found.results] == ["stylegan3"]
        # What needs the generated images alone is given under every protocol.
        both = jaxeval.evaluate(real, images["made"], extractor=NETWORK, metrics="fd,vendi", protocol=asked)
        assert sorted(result.protocol for result in both.results) == ["pytorch-fid", "stylegan3", "stylegan3"]


@SOME_OR_ALL
def test_features_of_our_own_stand_for_the_images(tmp_path, images, metrics):
    paths = {}
    for name, data in images.items():
        paths[name] = tmp_path / f"{name}.npz"
        jaxeval.reference_statistics(data, paths[name], features=True, extractor=NETWORK)
    arguments = {"extractor": NETWORK, "metrics": metrics}
    through = jaxeval.evaluate(paths["real"], paths["made"], held_out=paths["other"], **arguments)
    direct = jaxeval.evaluate(images["real"], images["made"], held_out=images["other"], **arguments)
    assert values(through) == pytest.approx(values(direct), rel=1e-9)
    assert [result.interval for result in through.results][:3] == [result.interval for result in direct.results][:3]
    assert not any("does not say" in warning for result in through.results for warning in result.warnings)
    with pytest.raises(InputError, match=r"made with extractor 'mine'; protocol 'torch-fidelity' with this extractor"):
        jaxeval.evaluate(paths["real"], images["made"], extractor="pixels", metrics="kd-full")


def test_features_of_our_own_by_a_pattern(tmp_path, images, direct):
    for number, part in enumerate((images["real"][:70], images["real"][70:])):
        jaxeval.reference_statistics(part, tmp_path / f"part-{number}.npz", features=True, extractor=NETWORK)
    pattern = f"{tmp_path}/part-*.npz"
    found = values(jaxeval.evaluate(pattern, images["made"], extractor=NETWORK, metrics="fd,kd-full,precision"))
    assert found == pytest.approx(direct, rel=1e-9)
    jaxeval.reference_statistics(images["real"], tmp_path / "part-2.npz", features=True, extractor="pixels")
    with pytest.raises(InputError, match="made otherwise"):
        jaxeval.evaluate(pattern, images["made"], extractor=NETWORK)


def test_names_are_kept_with_features(tmp_path):
    from image_sets import write_pngs

    rng = np.random.default_rng(0)
    sides = []
    for side in ("real", "made"):
        for label, level in (("bright", 200), ("dark", 60)):
            noise = rng.integers(-20, 20, (30, 6, 6, 3))
            write_pngs(tmp_path / side / label, (level + noise).astype(np.uint8))
        sides.append(tmp_path / f"{side}.npz")
        jaxeval.reference_statistics(tmp_path / side, sides[-1], features=True, extractor=NETWORK)
    through = jaxeval.evaluate(*sides, extractor=NETWORK, metrics="by-class,class-diversity")
    direct = jaxeval.evaluate(
        tmp_path / "real", tmp_path / "made", extractor=NETWORK, metrics="by-class,class-diversity"
    )
    assert values(through) == pytest.approx(values(direct), rel=1e-9)
    unnamed = zipped(tmp_path / "a.npz", feats=jaxeval.features(tmp_path / "real", extractor=NETWORK))
    with pytest.raises(InputError, match=r"a\.npz' has no classes"):
        jaxeval.evaluate(unnamed, sides[1], extractor=NETWORK, metrics="by-class")


def test_our_own_features_are_checked(tmp_path, images):
    path = tmp_path / "real.npz"
    jaxeval.reference_statistics(images["real"], path, features=True, extractor=NETWORK)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["features"][3, 4] += 1e-3
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="do not match its checksum"):
        jaxeval.evaluate(path, images["made"], extractor=NETWORK, metrics="kd-full")


@pytest.mark.parametrize("size", [5, 30])
def test_another_feature_size_is_refused_by_the_file(tmp_path, images, size):
    rows = np.random.default_rng(0).standard_normal((40, size)).astype(np.float32)
    for path in (zipped(tmp_path / "a.npz", feats=rows), pickled(tmp_path / "a.pkl", gaussian(rows))):
        with pytest.raises(InputError, match=rf"{path.name}' has .*{size} .* extractor 'mine' has 12"):
            jaxeval.evaluate(path, images["made"], extractor=NETWORK)
        with pytest.raises(InputError, match=rf"{path.name}' has .*{size} .* extractor 'mine' has 12"):
            jaxeval.evaluate(images["real"], path, extractor=NETWORK)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1: np.zeros(3)}, "holds 1; mu and sigma"),
        (None, "holds neither statistics nor features"),
        ({}, "holds nothing; mu and sigma"),
        ({"weights": np.zeros(3)}, "holds weights; mu and sigma"),
        ({"mu": [0.0], "sigma": np.eye(1)}, "mu in '.*' is no array"),
        ({"mu": np.zeros(12), "sigma": np.eye(11)}, "a covariance of shape"),
        ({"mu": np.zeros(12), "sigma": -np.eye(12)}, "sigma in '.*' is not positive semidefinite"),
        ({"features": np.zeros((4, 12, 2))}, r"features in '.*' is float64\[4, 12, 2\]"),
        ({"features": np.full((4, 12), np.nan)}, "features in '.*' has values that are not finite, the first in row 0"),
        ({"features": np.zeros((4, 12), int)}, r"features in '.*' is int64\[4, 12\]"),
        ({"raw_mean": np.zeros(12), "raw_cov": np.eye(12), "num_items": 0}, "num_items in '.*' is not a number"),
        ({"raw_mean": np.zeros(12), "raw_cov": np.eye(12), "num_items": "9"}, "num_items in '.*' is not a number"),
        ({"raw_mean": np.zeros(12), "raw_cov": np.eye(11), "num_items": 9}, "raw_mean and raw_cov in '.*' are not"),
        ({"all_features": [np.zeros((4, 12))], "num_items": 5}, "holds 4 features and says num_items 5"),
        ({"all_features": [np.zeros(12)], "num_items": 5}, "all_features in '.*' are no arrays"),
    ],
)
@pytest.mark.parametrize("suffix", [".pkl", ".pt", ".npy"])
def test_other_contents_are_named(tmp_path, images, value, message, suffix):
    path = tmp_path / f"a{suffix}"
    {".pkl": pickled, ".pt": saved_by_torch, ".npy": plain}[suffix](path, value)
    with pytest.raises(InputError, match=message):
        jaxeval.evaluate(path, images["made"], extractor=NETWORK)


@pytest.mark.parametrize("protocol", range(6))
def test_every_version_of_pickle_is_read(tmp_path, images, rows, direct, protocol):
    path = pickled(tmp_path / "a.pkl", edm2(rows["real"], note="made", list=[1.5, None, True]), protocol)
    (result,) = jaxeval.evaluate(path, images["made"], extractor=NETWORK).results
    assert result.value == pytest.approx(direct["fd"], rel=1e-9)


def test_the_old_and_the_new_names_of_numpys_functions(tmp_path, images, rows, direct):
    content = pickle.dumps(edm2(rows["real"]), 2)
    assert b"numpy._core.multiarray" in content
    path = tmp_path / "a.pkl"
    path.write_bytes(content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    (result,) = jaxeval.evaluate(path, images["made"], extractor=NETWORK).results
    assert result.value == pytest.approx(direct["fd"], rel=1e-9)


def test_a_matrix_in_fortrans_order_and_big_endian(tmp_path, images, rows, direct):
    kept = gaussian(rows["real"])
    skewed = {"mu": kept["mu"].astype(">f8"), "sigma": np.asfortranarray(kept["sigma"]).astype(">f8")}
    for path in (pickled(tmp_path / "a.pkl", skewed), zipped(tmp_path / "a.npz", **skewed)):
        (result,) = jaxeval.evaluate(path, images["made"], extractor=NETWORK).results
        assert result.value == pytest.approx(direct["fd"], rel=1e-9)


@pytest.mark.parity
def test_what_torch_saves(tmp_path, images, rows, direct):
    import torch

    kept = {name: torch.from_numpy(value) for name, value in gaussian(rows["real"]).items()}
    half = {"mu": kept["mu"].float(), "sigma": kept["sigma"].to(torch.bfloat16)}
    features = torch.from_numpy(rows["real"])
    path = tmp_path / "a.pt"
    for value in (
        kept,
        {"mu": rows["real"].mean(0), "sigma": gaussian(rows["real"])["sigma"]},
        features,
        {"feats": features},
    ):
        for legacy in (False, True):
            torch.save(value, path, _use_new_zipfile_serialization=not legacy)
            (result,) = jaxeval.evaluate(path, images["made"], extractor=NETWORK).results
            assert result.value == pytest.approx(direct["fd"], rel=1e-5)
    torch.save(half, path)
    (result,) = jaxeval.evaluate(path, images["made"], extractor=NETWORK).results
    rounded = {name: value.float().double().numpy() for name, value in half.items()}
    zipped(tmp_path / "a.npz", **rounded)
    (expected,) = jaxeval.evaluate(tmp_path / "a.npz", images["made"], extractor=NETWORK).results
    assert result.value == pytest.approx(expected.value, rel=1e-9)


@pytest.mark.parity
def test_the_caches_that_torch_fidelity_writes(tmp_path, images, rows):
    import torch
    from parity_stub import torchvision_stub

    torchvision_stub()
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    statistics = {name: fid_features_to_statistics(torch.from_numpy(rows[name])) for name in ("real", "made")}
    path = tmp_path / "real-inception-v3-compat-stat-fid-2048.pt"
    torch.save(statistics["real"], path)
    (result,) = jaxeval.evaluate(path, images["made"], extractor=NETWORK).results
    expected = fid_statistics_to_metric(statistics["real"], statistics["made"], False)["frechet_inception_distance"]
    assert result.value == pytest.approx(expected, rel=1e-5)


class _Harm:
    def __reduce__(self):
        return open, ("ran", "w")


@pytest.mark.parametrize("suffix", [".pkl", ".pt", ".npy", ".npz"])
def test_code_is_refused_by_name_and_never_run(tmp_path, images, suffix, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"a{suffix}"
    value = {"mu": np.zeros(12), "sigma": _Harm()}
    if suffix == ".npz":
        zipped(path, mu=np.zeros(12), sigma=np.asarray(_Harm(), dtype=object))
    else:
        {".pkl": pickled, ".pt": saved_by_torch, ".npy": plain}[suffix](path, value)
    with pytest.raises(InputError, match=r"io\.open|Python objects") as error:
        jaxeval.evaluate(path, images["made"], extractor=NETWORK)
    assert f"a{suffix}" in str(error.value)
    assert not (tmp_path / "ran").exists()


def read(content, suffix, tmp_path):
    from jaxeval.statistics import read_kept

    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    return read_kept(path)


def refusal(content, suffix, tmp_path):
    """Why a file is refused; its name where it is not, or where it is left to those who look for images."""
    try:
        read(content, suffix, tmp_path)
    except InputError as error:
        return str(error)
    return f"a{suffix}"


@pytest.fixture(scope="module")
def whole(rows):
    file = io.BytesIO()
    small = rows["real"][:9, :3]
    np.save(file, np.asarray(gaussian(small), dtype=object), allow_pickle=True)
    return {
        ".pkl": pickle.dumps(edm2(rows["real"][:20, :8]), 4),
        ".pickle": pickle.dumps(stylegan(small, everything=True), 2),
        ".npy": file.getvalue(),
    }


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".npy"])
def test_every_truncation_is_one_sentence(tmp_path, whole, suffix):
    content = whole[suffix]
    assert read(content, suffix, tmp_path) is not None
    for size in range(0, len(content), 7):
        sentence = refusal(content[:size], suffix, tmp_path)
        assert f"a{suffix}" in sentence
        assert "\n" not in sentence


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".npy"])
def test_changed_bytes_never_do_more_than_a_clear_error(tmp_path, whole, suffix):
    rng = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole[suffix])
        for position in rng.integers(0, len(content), rng.integers(1, 4)):
            content[position] = rng.integers(0, 256)
        assert f"a{suffix}" in refusal(bytes(content), suffix, tmp_path)


def test_claims_of_impossible_sizes_take_no_memory(tmp_path):
    for shape in ((2**40,), (2**30, 2**30), (-1,)):
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
        content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)
        path = tmp_path / "a.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for key in ("mu", "sigma"):
                archive.writestr(f"{key}.npy", content)
        with pytest.raises(InputError, match=r"a\.npz"):
            read(path.read_bytes(), ".npz", tmp_path)
    honest = pickle.dumps({"mu": np.zeros(3), "sigma": np.eye(3)}, 2)
    claimed = honest.replace(b"K\x03K\x03\x86", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86")
    assert claimed != honest
    with pytest.raises(InputError, match="shape and its bytes disagree"):
        read(claimed, ".pkl", tmp_path)


def test_containers_without_end_are_refused(tmp_path):
    nested = b"\x80\x02" + b"]" * 20_000 + b"a" * 19_999 + b"."
    shared = b"\x80\x02]q\x00" + b"".join(b"]q%c(h%ch%ce" % (n, n - 1, n - 1) for n in range(1, 60)) + b"."
    circle = b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s."
    for content in (nested, shared, circle):
        with pytest.raises(InputError, match=r"a\.pkl.*(nested too deeply|damaged)"):
            read(content, ".pkl", tmp_path)
