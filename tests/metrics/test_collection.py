"""Several metrics from one batch: one pass of the extractor, one state for what metrics share."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from metric_cases import frechet_by_scipy, inception_score_by_numpy, kernel_distance_by_numpy, manifold_by_scipy

from jaxeval.errors import InputError
from jaxeval.extractors import Extractor, Normalisation, from_function
from jaxeval.extractors.precision import network_precision
from jaxeval.metrics import Collection, FrechetDistance, InceptionScore, KernelDistance, Manifold, Mean

SIZE, BATCH = 3, 20


def images(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (BATCH, SIZE, SIZE, 3)).astype(np.float32)


class Counting:
    """An extractor with two taps that counts how often it is traced."""

    def __init__(self):
        self.calls: list[tuple[str, ...]] = []
        self.extractor = Extractor(
            name="counting",
            image_size=(SIZE, SIZE),
            resize="none",
            normalisation=Normalisation(128.0, 1 / 128),
            taps={"features": 4, "logits": 6},
            default_tap="features",
            params={
                "features": np.random.default_rng(1).normal(size=(SIZE * SIZE * 3, 4)).astype(np.float32),
                "logits": np.random.default_rng(2).normal(size=(SIZE * SIZE * 3, 6)).astype(np.float32),
            },
            forward=self._forward,
        )

    def _forward(self, params, x, taps):
        self.calls.append(taps)
        return {tap: x.reshape(len(x), -1) @ params[tap] for tap in taps}

    def expected(self, x: np.ndarray, tap: str) -> np.ndarray:
        flat = ((x.astype(np.float64) - 128) / 128).reshape(len(x), -1)
        return flat @ self.extractor.params[tap].astype(np.float64)


def absolute_error(reference, generated):
    return jnp.abs(reference - generated).mean((1, 2, 3))


def test_one_pass_gives_every_metric():
    counting = Counting()
    collection = Collection(
        {
            "fd": FrechetDistance(4),
            "kid": KernelDistance(4, 64),
            "prdc": Manifold(4, 64, k=3),
            "is": InceptionScore(6),
            "error": Mean("error", absolute_error, ("reference", "generated")),
            "loss": Mean("loss"),
        },
        extractor=counting.extractor,
        taps={"is": "logits"},
        names={"error": {"reference": "reference_images", "generated": "images"}},
    )
    reference, generated, loss = images(3), images(4), np.random.default_rng(5).normal(size=BATCH)

    @jax.jit
    def step(state, params, reference, generated, loss):
        return collection.update(state, params=params, reference_images=reference, images=generated, loss=loss)

    state = step(collection.init(), counting.extractor.params, reference, generated, loss)
    assert sorted(counting.calls) == [("features",), ("features", "logits")]
    values = collection.compute(state)
    x, y = counting.expected(reference, "features"), counting.expected(generated, "features")
    logits = {"logits": counting.expected(generated, "logits")[None], "generated_mask": np.ones((1, BATCH), bool)}
    assert values["fd"].value == pytest.approx(frechet_by_scipy(x, y), rel=1e-5)
    assert values["kid"].value == pytest.approx(kernel_distance_by_numpy(x, y), rel=1e-4, abs=1e-5)
    assert dict(values["prdc"].values) == pytest.approx(manifold_by_scipy(x, y))
    score = inception_score_by_numpy({**logits, "index": np.arange(BATCH)[None]}, 1)
    assert values["is"].value == pytest.approx(score, rel=1e-5)
    assert values["error"].value == pytest.approx(np.abs(reference - generated).mean(), rel=1e-5)
    assert values["loss"].value == pytest.approx(loss.mean(), rel=1e-5)
    on_device = jax.jit(collection.compute_on_device)(state)
    assert float(on_device["fd"]) == pytest.approx(values["fd"].value, rel=1e-4)
    assert float(on_device["prdc"].recall) == pytest.approx(values["prdc"].values["recall"])


def test_metrics_that_accumulate_the_same_share_a_state():
    shared = Collection(
        {
            "kid": KernelDistance(4, 64),
            "prdc": Manifold(4, 64, k=3),
            "fd": FrechetDistance(4),
            "fd0": FrechetDistance(4, 0),
        }
    )
    assert sorted(shared.init()) == ["fd", "kid"]
    apart = Collection({"kid": KernelDistance(4, 64), "prdc": Manifold(4, 32, k=3)})
    assert sorted(apart.init()) == ["kid", "prdc"]
    renamed = Collection({"a": FrechetDistance(4), "b": FrechetDistance(4)}, names={"b": {"generated": "other"}})
    assert sorted(renamed.init()) == ["a", "b"]


def test_names_lead_each_metric_to_its_own_input():
    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(3, 30, 4))
    collection = Collection({"y": FrechetDistance(4), "z": FrechetDistance(4)}, names={"z": {"generated": "z"}})
    values = collection.compute(collection.update(collection.init(), reference=x, generated=y, z=z))
    assert values["y"].value == pytest.approx(frechet_by_scipy(x, y), rel=1e-5)
    assert values["z"].value == pytest.approx(frechet_by_scipy(x, z), rel=1e-5)


def test_a_batch_may_be_for_some_metrics_only():
    collection = Collection({"fd": FrechetDistance(4), "loss": Mean("loss")})
    state = collection.update(collection.init(), loss=np.ones(3))
    state = collection.update(state, reference=np.eye(4))
    assert int(state["fd"].reference.count) == 4
    assert int(state["loss"].count) == 3
    with pytest.raises(InputError, match="for none of the metrics: they take reference, generated, loss"):
        collection.update(state, accuracy=np.ones(3))
    with pytest.raises(InputError, match="fd: frechet_distance needs at least 2 rows of generated"):
        collection.compute(state)


def test_merged_collections_are_those_of_all_batches():
    rng = np.random.default_rng(0)
    collection = Collection({"fd": FrechetDistance(4), "prdc": Manifold(4, 64, k=2)})
    x, y = rng.normal(size=(2, 40, 4)).astype(np.float32)
    parts = [
        collection.update(collection.init(), reference=x[half], generated=y[half])
        for half in (slice(0, 20), slice(20, 40))
    ]
    values = collection.compute(collection.merge(*parts))
    assert values["fd"].value == pytest.approx(frechet_by_scipy(x, y), rel=1e-5)
    assert dict(values["prdc"].values) == pytest.approx(
        manifold_by_scipy(x.astype(np.float32), y.astype(np.float32), 2)
    )


def test_images_need_parameters():
    extractor = from_function(lambda params, x: x.mean((1, 2)) @ params, name="mean", params=np.eye(3, 4))
    collection = Collection({"fd": FrechetDistance(4)}, extractor=extractor)
    with pytest.raises(InputError, match="images need params="):
        collection.update(collection.init(), images=images(0))


@pytest.mark.parametrize("field", ["taps", "names"])
def test_settings_for_an_absent_metric_are_refused(field: str):
    settings = {"taps": {"kid": "logits"}, "names": {"kid": {"generated": "x"}}}[field]
    with pytest.raises(InputError, match="the collection has no metric 'kid'; it has fd"):
        Collection({"fd": FrechetDistance(4)}, **{field: settings})


def test_a_faster_precision_is_the_extractors_and_is_said():
    counting = Counting()
    images_of = {"images": images(3), "reference_images": images(4)}
    asked = {}
    for precision in ("highest", "default"):
        collection = Collection(
            {"fd": FrechetDistance(4), "loss": Mean("loss")}, extractor=_product(), precision=precision
        )
        update = functools.partial(collection.update, **images_of, loss=np.ones(BATCH))
        asked[precision] = str(jax.make_jaxpr(update)(collection.init()))
        values = collection.compute(update(collection.init()))
        said = [warning for warning in values["fd"].warnings if "precision='default', for watching" in warning]
        assert len(said) == (precision == "default")
        assert not values["loss"].warnings
    assert "DEFAULT" in asked["default"]
    assert "DEFAULT" not in asked["highest"]
    with pytest.raises(InputError, match="precision is 'fast'; choose 'default', 'high' or 'highest'"):
        Collection({"fd": FrechetDistance(4)}, extractor=counting.extractor, precision="fast")
    with pytest.raises(InputError, match="precision is of an extractor"):
        Collection({"fd": FrechetDistance(4)}, precision="default")


def _product() -> Extractor:
    return from_function(
        lambda x: jnp.matmul(x.reshape(len(x), -1)[:, :4], jnp.eye(4), precision=network_precision()), name="product"
    )
