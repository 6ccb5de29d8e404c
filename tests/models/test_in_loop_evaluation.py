"""The numbers of a run as it goes are those that jaxeval gives for the same images over the same network."""

import dataclasses

import pytest
from small_runs import WATCHED, mesh_of, rectangles, small_splits

import jaxeval
from jaxeval import ops
from jaxeval.extractors import Extractor, Normalisation, from_function
from models import in_loop_evaluation
from models.in_loop_evaluation import SampleEvaluation


def pixels_of(size: tuple[int, int] | None, resize: str, family: str = "") -> Extractor:
    """A few pixels of the resized image, which move with every rule of resizing."""
    network = from_function(
        lambda images: images[:, 2:6:2, 1:7:2, 0].reshape(len(images), -1),
        name="few-pixels",
        image_size=size,
        feature_size=6,
        resize=resize,
        normalisation=Normalisation(100.0, 1 / 50),
    )
    return dataclasses.replace(network, family=family)


@pytest.mark.parametrize(
    "network",
    [
        pixels_of(None, "antialiased-bilinear"),
        pixels_of((7, 9), "antialiased-bilinear"),
        pixels_of((7, 9), "bilinear"),
        pixels_of((7, 9), "pil-bicubic-float"),
        pixels_of((7, 9), "pil-bicubic-uint8"),
        pixels_of((20, 17), "pil-bilinear-uint8"),
        pixels_of((20, 17), "pil-bicubic-uint8", family="vgg16"),  # of those that the protocol resizes itself
        pixels_of((20, 17), "pil-bicubic-uint8", family="inception"),  # and normalises
    ],
    ids=lambda network: f"{network.resize} to {network.image_size} {network.family}",
)
def test_images_reach_the_network_as_everywhere(network: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_loop_evaluation, "load_extractor", lambda name: network)
    splits, drawn = small_splits(), rectangles(20, seed=5).images
    found = SampleEvaluation(WATCHED, splits, mesh_of(2))(lambda count, seed: drawn[:count], manifold=False)
    real, made = (jaxeval.features(images[:20], extractor=network) for images in (splits.validation.images, drawn))
    expected = ops.frechet_distance_from_features(reference=real, generated=made)
    assert found["fd_validation"] == pytest.approx(expected, rel=1e-4)
