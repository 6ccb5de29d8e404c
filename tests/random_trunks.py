"""Weights folders with random trunks that are too small to be published ones, and the heads that packages carry."""

import dataclasses

import numpy as np
import numpy_networks
import safetensors.numpy

from jaxeval.extractors import WeightsStore
from jaxeval.extractors.alexnet import AlexNetPlan
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.extractors.squeezenet import SqueezeNetPlan
from jaxeval.extractors.vgg import VGGPlan

# The published convolutions under a classifier of next to nothing, which trunks do not read.
PLANS = {
    "alexnet": AlexNetPlan(hidden=2, classes=2),
    "squeezenet": SqueezeNetPlan(classes=2),
    "vgg16": VGGPlan((2, 2, 3, 3, 3), hidden=2, classes=2),
}


def keep(folder, patch, **states):
    """Imports trunks as weights of the user's own; without a state, random ones of a fixed seed."""
    store = WeightsStore(folder / "weights")
    for name, state in states.items():
        patch.setitem(CATALOGUE, name, dataclasses.replace(CATALOGUE[name], shapes=PLANS[name].shapes))
        path = folder / f"{name}.safetensors"
        classifier = {k: np.zeros(s, np.float32) for k, s in PLANS[name].shapes().items() if k.startswith("classifier")}
        state = random_state(name) if state is None else state
        safetensors.numpy.save_file(classifier | state, path)
        store.import_file(name, path, unverified=True)
        path.unlink()
    return store.folder


def random_state(name, seed=5):
    shapes = {k: s for k, s in PLANS[name].shapes().items() if k.startswith("features")}
    return numpy_networks.random_state_dict(shapes, seed)


def keep_heads(folder, **heads):
    """Imports heads as weights of the user's own: `{"lpips-alex": {...tensors}}`."""
    store = WeightsStore(folder)
    for name, tensors in heads.items():
        path = folder / "heads.safetensors"
        safetensors.numpy.save_file(tensors, path)
        store.import_file(name.replace("_", "-"), path, unverified=True)
        path.unlink()
