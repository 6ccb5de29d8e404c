"""What a number is called and how images are prepared follows from which network it is over, not from its name."""

import dataclasses

import numpy as np
import pytest

import jaxeval
from jaxeval.errors import InputError
from jaxeval.evaluation import PROTOCOLS
from jaxeval.evaluation.measures import NUMBERS
from jaxeval.extractors import extractor_names, from_function, load_extractor


def images(seed, count=70):
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)


def mean_colours(name):
    return from_function(lambda images: images.mean((1, 2)), name=name, image_size=(6, 6))


@pytest.mark.parametrize("name", [*extractor_names(), "random-conv-3", "vgg19", "lpips-alex"])
def test_names_of_networks_are_not_for_functions(name):
    with pytest.raises(InputError, match=rf"extractor name '{name}' is that of a network of jaxeval's"):
        mean_colours(name)


@pytest.mark.parametrize("name", ["inception-mine", "Inception", "clip-mine", "dinov2", "vgg16-features"])
def test_a_function_is_none_of_the_networks_whatever_its_name(name):
    network = mean_colours(name)
    assert network.family == ""
    evaluation = jaxeval.evaluate(images(0), {"made": images(1)}, extractor=network, metrics="fd,kd-full")
    assert [(result.metric, result.stem, result.label) for result in evaluation.results] == [
        (f"fd-{name}", "fd", f"FD-{name}"),
        (f"kd-full-{name}", "kd-full", f"KD-full-{name}"),
    ]
    own = PROTOCOLS["pytorch-fid"].preparation(network)
    assert own.resize == network.resize != PROTOCOLS["pytorch-fid"].resize
    assert PROTOCOLS["pytorch-fid"].normalisation_for(network) == network.normalisation
    with pytest.raises(InputError, match=f"it is defined over clip features, not over those of '{name}'"):
        jaxeval.evaluate(images(0), images(1), extractor=network, metrics="cmmd")
    with pytest.raises(InputError, match=f"'fid' is over the FID Inception network, not over '{name}'"):
        jaxeval.evaluate(images(0), images(1), extractor=network, metrics="fid")


def test_captions_with_a_function_of_that_name_are_refused_in_words():
    with pytest.raises(InputError, match="it is defined over clip features"):
        jaxeval.evaluate(
            images(0), images(1), extractor=mean_colours("clip-mine"), metrics="clip-score", captions={"a.png": "a"}
        )


@pytest.mark.parametrize(("name", "stem", "called"), [("full", "kd", "kd-full"), ("infinity", "fd", "fd-infinity")])
def test_names_that_make_one_number_look_like_another_are_refused(name, stem, called):
    message = f"over an extractor with the name '{name}', {stem} would be called '{called}', which is another number"
    with pytest.raises(InputError, match=message):
        jaxeval.evaluate(images(0), images(1), extractor=mean_colours(name), metrics="kd-full")


def test_two_extractors_of_one_name_are_not_taken_for_one():
    one, other = mean_colours("mine"), mean_colours("mine")
    with pytest.raises(InputError, match="two extractors have the name 'mine'; give one of them another name"):
        jaxeval.evaluate(images(0), images(1), extractor=[one, other], metrics="fd")
    (result,) = jaxeval.evaluate(images(0), images(1), extractor=[one, one], metrics="fd").results
    assert result.metric == "fd-mine"


def test_no_number_of_a_network_is_called_as_another():
    networks = [load_extractor("pixels"), dataclasses.replace(load_extractor("pixels"), name="i", family="inception")]
    for network in networks:
        keys = [number.key(network) for number in NUMBERS.values()]
        assert len(set(keys)) == len(keys)
    assert NUMBERS["kd-full"].key(networks[1]) == "kid-full"
    assert NUMBERS["kd-full"].label_over(networks[1]) == "KID-full"
    assert NUMBERS["class-fd"].key(networks[1]) == "class-fid"
