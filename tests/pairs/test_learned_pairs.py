"""Measures of pairs and of images that need weights: the values of their ops with kept weights, and without any."""

import json
from typing import Any, cast

import numpy as np
import pytest
import scipy.io
from image_sets import crops
from nrqm_models import FEATURES, one_split, save_model
from pair_folders import noisy, save
from random_trunks import keep, keep_heads

import jaxeval.ops.image_quality as iq
from jaxeval.cli import main
from jaxeval.errors import InputError, WeightsMissingError
from jaxeval.extractors import (
    PerceptualDistance,
    WeightsStore,
    load_brisque,
    load_dists,
    load_ilniqe,
    load_lpips,
    load_niqe,
    load_nrqm,
)
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.extractors.perceptual import LPIPS_NETWORKS
from jaxeval.extractors.squeezenet import SQUEEZENET
from jaxeval.extractors.vgg import VGG16
from jaxeval.pairs import PAIR_MEASURES, learned, score_images, score_pairs

SIDE = 33
LEARNED = [name for name, measure in PAIR_MEASURES.items() if measure.weights]


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory):
    rng = np.random.default_rng(7)
    heads = {
        name: {key: rng.random(shape, np.float32) for key, shape in CATALOGUE[name].shapes().items()}
        for name in ("lpips-alex", "dists")
    }
    with pytest.MonkeyPatch.context() as patch:
        folder = keep(tmp_path_factory.mktemp("learned"), patch, alexnet=None, vgg16=None)
        keep_heads(folder, **heads)
        files = tmp_path_factory.mktemp("models")
        features = rng.normal(size=(50, 36))
        scipy.io.savemat(files / "niqe.mat", {"mu_prisparam": features[:1], "cov_prisparam": np.cov(features.T)})
        vectors = "\n".join(
            f"{1 - 2 * (line % 2)} " + " ".join(f"{i + 1}:{v:.9g}" for i, v in enumerate(rng.uniform(-1, 1, 36)))
            for line in range(6)
        )
        head = "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.05\nnr_class 2\ntotal_sv 6\nrho -50.5\nSV\n"
        (files / "svm.txt").write_text(head + vectors + "\n")
        store = WeightsStore(folder)
        (files / "range").write_text("x\n-1 1\n" + "".join(f"{i + 1} -2 {3 + i}\n" for i in range(36)))
        scipy.io.savemat(files / "video.mat", {"pop_mu": features[1:2], "pop_cov": np.cov(features.T)})
        cells = np.empty((1, 4), object)
        components = rng.normal(size=(468, 5)) * 1e-3
        cells[0] = [features[:1, :5], np.cov(features[:, :5].T), rng.normal(size=(468, 1)), components]
        scipy.io.savemat(files / "template.mat", {"templateModel": cells})
        store.import_file("ilniqe", files / "template.mat", unverified=True)
        transforms, pyramid, patches = (one_split(count, 1.0, 2.0, 7.0) for count in FEATURES)
        model = iq.NrqmModel(forests=(transforms, pyramid, patches), linear=np.array([0.5, 1.0, 2.0, 3.0]))
        save_model(files / "model.mat", model)
        store.import_file("nrqm", files / "model.mat", unverified=True)
        store.import_file("niqe", files / "video.mat", unverified=True)
        store.import_file("niqe-authors", files / "niqe.mat", unverified=True)
        for name in ("brisque", "brisque-authors"):
            store.import_file(name, files / "svm.txt", ranges=files / "range", unverified=True)
        yield folder


@pytest.fixture(scope="module")
def images():
    reference = crops(3, (SIDE, SIDE + 2), 0)
    return reference, np.stack([noisy(image, 20, seed) for seed, image in enumerate(reference)])


@pytest.fixture(scope="module")
def folders(images, tmp_path_factory):
    root = tmp_path_factory.mktemp("pairs")
    for folder, batch in zip(("reference", "distorted"), images, strict=True):
        for number, image in enumerate(batch):
            save(root / folder / f"{number}.png", image)
    return root / "reference", root / "distorted"


def values(found, metric, own=None):
    return [one.values[metric] for one in found.scores if own is None or one.set == own]


@pytest.mark.parametrize("convention", ["lpips", "torchmetrics"])
def test_lpips_is_that_of_its_network_and_convention(folders, images, weights_dir, convention):
    found = score_pairs(*folders, metrics="lpips-alex", convention=convention, weights_dir=weights_dir)
    distance = load_lpips("alex", convention=convention, weights_dir=weights_dir)
    reference, distorted = images
    np.testing.assert_allclose(values(found, "lpips-alex"), distance(distorted, reference, data_range=255), rtol=1e-6)
    (mean,) = found.means
    assert mean.parameters == {"convention": convention, "data_range": 255.0}
    assert found.manifest["definitions"]["lpips-alex"]["weights"] == {
        "trunk_sha256": WeightsStore(weights_dir).open("alexnet").sha256,
        "heads_sha256": WeightsStore(weights_dir).open("lpips-alex").sha256,
        "published": False,
    }


def test_parts_of_a_batch_give_the_same(folders, images, weights_dir, monkeypatch):
    reference, distorted = images
    expected = load_dists(weights_dir=weights_dir)(distorted, reference, data_range=255)
    monkeypatch.setattr(learned, "_MOST_PIXELS", 2 * SIDE * (SIDE + 2))
    sizes = []
    call = PerceptualDistance.__call__
    monkeypatch.setattr(
        PerceptualDistance,
        "__call__",
        lambda self, x, y, **options: sizes.append(len(x)) or call(self, x, y, **options),
    )
    found = score_pairs(*folders, metrics="dists", weights_dir=weights_dir)
    np.testing.assert_allclose(values(found, "dists"), expected, rtol=1e-5)
    assert sizes == [2, 2]  # of three images, and none compiled twice


@pytest.mark.slow
def test_single_images_by_the_fitted_models_in_every_set(tmp_path, weights_dir):
    reference = crops(2, (SIDE, SIDE), 3)
    large = np.tile(reference, (1, 6, 6, 1))
    for number, image in enumerate(large):
        save(tmp_path / "reference" / f"{number}.png", image)
        save(tmp_path / "distorted" / f"{number}.png", noisy(image, 20))
    folders = [str(tmp_path / name) for name in ("reference", "distorted")]
    found = score_pairs(*folders, metrics="niqe,niqe-authors,brisque,brisque-authors", weights_dir=weights_dir)
    conventions = {"niqe": "scikit-video", "niqe-authors": "matlab", "brisque": "brisque", "brisque-authors": "matlab"}
    for name, convention in conventions.items():
        op, load = cast(Any, (iq.niqe, load_niqe) if name.startswith("niqe") else (iq.brisque, load_brisque))
        model = load(convention=convention, weights_dir=weights_dir)
        expected = op(large, model=model, data_range=255)
        np.testing.assert_allclose(values(found, name, folders[0]), expected, rtol=1e-6)
        assert values(found, name, folders[1]) != values(found, name, folders[0])
        digest = WeightsStore(weights_dir).open(name).sha256
        record = found.manifest["definitions"][name]
        assert record["weights"] == {"convention": convention, "sha256": digest, "published": False}
        own = f"a model of your own ({digest[:12]}, weights {name}), features by the convention {convention}"
        assert record["definition"] == own
        assert {one.definition for one in found.means if one.metric == name} == {own}


@pytest.mark.slow
def test_il_niqe_is_of_colour_images_of_any_size(tmp_path, weights_dir):
    images = crops(2, (SIDE, SIDE + 2), 3)
    for number, image in enumerate(images):
        save(tmp_path / "set" / f"{number}.png", image)
    found = score_images(tmp_path / "set", metrics="ilniqe", weights_dir=weights_dir)
    expected = iq.ilniqe(images, model=load_ilniqe(weights_dir=weights_dir), data_range=255)
    np.testing.assert_allclose([one.values["ilniqe"] for one in found.scores], expected, rtol=1e-6)
    digest = WeightsStore(weights_dir).open("ilniqe").sha256
    record = found.manifest["definitions"]["ilniqe"]
    assert record["weights"] == {"sha256": digest, "published": False}
    assert record["definition"] == f"a model of your own ({digest[:12]}, weights ilniqe)"


@pytest.mark.slow
def test_nrqm_and_pi_are_of_single_images_of_several_sizes(tmp_path, weights_dir):
    large = np.tile(crops(1, (SIDE, SIDE), 3)[0], (7, 7, 1))
    images = {"a": large[:201, :210], "b": noisy(large[:205, :201], 20), "c": noisy(large[:201, :210], 30)[..., :1]}
    for name, image in images.items():
        save(tmp_path / "set" / f"{name}.png", image.squeeze())
    found = score_images(tmp_path / "set", metrics="nrqm,pi", weights_dir=weights_dir)
    nrqm, niqe = load_nrqm(weights_dir=weights_dir), load_niqe(convention="matlab", weights_dir=weights_dir)
    for one, image in zip(found.scores, images.values(), strict=True):
        expected = iq.nrqm(image[None], model=nrqm, data_range=255)
        np.testing.assert_allclose(one.values["nrqm"], expected[0], rtol=1e-6)
        expected = iq.perceptual_index(image[None], model=nrqm, niqe_model=niqe, data_range=255)
        np.testing.assert_allclose(one.values["pi"], expected[0], rtol=1e-6)
    records = {
        name: {"sha256": WeightsStore(weights_dir).open(name).sha256, "published": False}
        for name in ("nrqm", "niqe-authors")
    }
    definitions = found.manifest["definitions"]
    assert definitions["nrqm"]["weights"] == records["nrqm"]
    assert definitions["pi"]["weights"] == records
    own = [f"a model of your own ({record['sha256'][:12]}, weights {name})" for name, record in records.items()]
    assert [definitions[name]["definition"] for name in ("nrqm", "pi")] == [own[0], " and ".join(own)]
    with pytest.raises(InputError, match="pi needs sides of at least 201 pixels"):
        score_images(tmp_path / "set", metrics="pi", weights_dir=weights_dir, crop_border=1)


def test_without_weights_a_named_measure_says_how_to_get_them_and_a_group_leaves_it_out(folders, tmp_path, capfd):
    with pytest.raises(WeightsMissingError, match=r"no weights for '(alexnet|lpips-alex)'"):
        score_pairs(*folders, metrics="psnr,lpips-alex", weights_dir=tmp_path)
    arguments = ["pairs", *map(str, folders), "--metrics", "lpips-vgg16", "--weights-dir", str(tmp_path), "--quiet"]
    assert main(arguments) == 3
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    with pytest.MonkeyPatch.context() as patch:
        fast = {name: PAIR_MEASURES[name] for name in ("mae", "lpips-alex", "dists")}
        patch.setattr("jaxeval.pairs.measures.GROUPS", {"all": tuple(fast)})
        assert main([*arguments[:3], "--metrics", "all", "--weights-dir", str(tmp_path), "--quiet", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert [one["metric"] for one in document["manifest"]["not_computed"]] == ["lpips-alex", "dists"]
    assert {one["metric"] for one in document["means"]} == {"mae"}
    assert document["manifest"]["not_computed"][1]["sentence"].startswith("dists: no weights for ")


def test_least_sides_are_those_of_the_networks_and_models(weights_dir):
    plans = {"vgg16": VGG16, "squeeze": SQUEEZENET}
    for network, plan in plans.items():
        maps = LPIPS_NETWORKS[network][2]
        assert PAIR_MEASURES[f"lpips-{network}"].least_side == max(plan.least_sides[name] for name in maps)
    for name in ("lpips-alex", "niqe", "niqe-authors", "brisque", "brisque-authors"):
        measure = PAIR_MEASURES[name]
        small = np.zeros((1, measure.least_side - 1, measure.least_side, 3), np.uint8)
        with pytest.raises(InputError, match=f"at least {measure.least_side} x {measure.least_side}"):
            measure.load(weights_dir)(*[small] * (1 if measure.alone else 2), data_range=255)


def test_every_entry_that_is_needed_is_known():
    assert {name for learned in LEARNED for name in PAIR_MEASURES[learned].weights} <= set(CATALOGUE)
