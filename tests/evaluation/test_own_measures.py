"""Measures of the user's own: values, intervals, differences and names like those of any other, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest

import jaxeval
from jaxeval import ops
from jaxeval.cli import main
from jaxeval.errors import InputError
from jaxeval.evaluation import MEASURES, own_measure
from jaxeval.extractors import load_extractor

RNG = np.random.default_rng(0)
REAL, FAKE, OTHER, UNSEEN = RNG.integers(0, 256, size=(4, 90, 6, 6, 3), dtype=np.uint8)
PIXELS: dict[str, Any] = {"extractor": "pixels"}


def features(images):
    return np.asarray(load_extractor("pixels")(images)["pixels"])


def gap_of_means(reference, generated):
    """Squared distance of the means.

    More of it.
    """
    return float(np.square(reference.mean(0) - generated.mean(0)).sum())


def size(rows):
    return np.float32(np.square(rows).mean())


def of_all(generated, reference, held_out, seed):
    return (generated.mean() - reference.mean()) / (held_out.mean() + seed)


def test_a_function_is_a_metric():
    (result,) = jaxeval.evaluate(REAL, FAKE, metrics=gap_of_means, seed=3, **PIXELS).results
    assert (result.metric, result.stem, result.label) == (
        "gap-of-means-pixels", "gap-of-means", "gap-of-means-pixels"
    )  # fmt: skip
    assert result.value == gap_of_means(features(REAL), features(FAKE))
    assert result.better is None
    assert result.definition == "Squared distance of the means; pixels features"
    assert result.parameters == {"function": f"{__name__}.gap_of_means"}
    assert result.interval is not None
    assert result.interval[0] < result.value < result.interval[1]
    assert "thirds of the images" in result.interval_method


def test_functions_stand_beside_names_and_all():
    both = jaxeval.evaluate(REAL, FAKE, metrics=["fd", gap_of_means, "vendi,rke", gap_of_means], **PIXELS)
    assert [result.stem for result in both.results] == ["fd", "gap-of-means", "vendi", "rke"]
    everything = jaxeval.evaluate(REAL, FAKE, metrics=["all", size], **PIXELS).results
    assert {"size", "fd", "sw2"} <= {result.stem for result in everything}


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (size, lambda: float(size(features(FAKE)))),
        (own_measure(ops.kid_full, name="mine"), lambda: value_of("kd-full")),
        (own_measure(ops.vendi_score), lambda: value_of("vendi")),
        (own_measure(lambda reference, generated, k=2: k * len(generated), name="twice"), lambda: 180.0),
    ],
    ids=["one argument", "an op with a value", "an op of one set", "defaults"],
)
def test_values_are_those_of_the_function(measure, expected):
    if not callable(measure) and measure.name == "vendi-score":
        assert measure.alone
    (result,) = jaxeval.evaluate(REAL, FAKE, metrics=measure, **PIXELS).results
    assert result.value == pytest.approx(expected(), rel=1e-12)


def value_of(name):
    (result,) = jaxeval.evaluate(REAL, FAKE, metrics=name, **PIXELS).results
    return result.value


def test_held_out_images_and_the_seed_are_given():
    with pytest.raises(InputError, match=r"'of-all' cannot be computed: it needs real images that"):
        jaxeval.evaluate(REAL, FAKE, metrics=of_all, **PIXELS)
    (result,) = jaxeval.evaluate(REAL, FAKE, metrics=of_all, held_out=UNSEEN, seed=5, **PIXELS).results
    assert result.value == of_all(features(FAKE), features(REAL), features(UNSEEN), 5)
    assert result.parameters["seed"] == 5


def test_two_generators_are_compared_by_it():
    measure = own_measure(gap_of_means, name="gap", better="lower", range=(0.0, np.inf))
    (one,) = jaxeval.compare(FAKE, OTHER // 4, reference=REAL, metrics=measure, **PIXELS).differences
    assert one.first.value == gap_of_means(features(REAL), features(FAKE))
    assert one.value == one.second.value - one.first.value > 0
    assert one.interval is not None
    assert one.interval[0] > 0
    assert one.better == one.first.generated
    assert one.first.interval is not None
    assert one.first.interval[0] >= 0


def test_the_command_line_imports_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_metrics.py").write_text(
        "import jaxeval.evaluation\n"
        "def gap_of_means(reference, generated):\n"
        "    return float(((reference.mean(0) - generated.mean(0)) ** 2).sum())\n"
        "named = jaxeval.evaluation.own_measure(gap_of_means, name='named', better='lower')\n"
    )
    monkeypatch.chdir(tmp_path)
    for name, images in (("real", REAL), ("fake", FAKE)):
        np.save(f"{name}.npy", images)
    command = ["evaluate", "real.npy", "fake.npy", "--extractor", "pixels", "--quiet"]
    assert main([*command, "--metrics", "fd,my_metrics:gap_of_means,my_metrics:named", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [(result["stem"], result["better"]) for result in results] == [
        ("fd", "lower"), ("gap-of-means", None), ("named", "lower")
    ]  # fmt: skip
    assert results[1]["value"] == results[2]["value"] == gap_of_means(features(REAL), features(FAKE))
    for given, message in [
        ("my_metrics:nothing", "metric 'my_metrics:nothing': module my_metrics has no nothing"),
        ("no_such:thing", "metric 'no_such:thing': no_such cannot be imported (ModuleNotFoundError"),
    ]:
        assert main([*command, "--metrics", given]) == 2
        assert message in capsys.readouterr().err.replace("\n", " ")


def failing(reference, generated):
    raise ZeroDivisionError("by nothing")


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (lambda reference, generated: 1.0, r"metric name '<lambda>': use lower-case letters"),
        (own_measure(lambda generated: [1, 2], name="two"), r"returned \[1, 2\]; a metric is one number"),
        (own_measure(failing), r"failing failed \(ZeroDivisionError: by nothing\)"),
        ([size, own_measure(gap_of_means, name="size")], "two metrics have the name 'size'"),
        (own_measure(size, name="fid"), "metric name 'fid' is that of one of jaxeval's; give yours another name"),
        (own_measure(size, name="prdc"), "metric name 'prdc' is that of one of jaxeval's"),
        ("my-metric", "metric 'my-metric' is not known; .*; one of your own is module:function"),
        (3, "metrics is 3; give names, .* or functions of features"),
    ],
)
def test_mistakes_are_named(metrics, message):
    with pytest.raises(InputError, match=message):
        jaxeval.evaluate(REAL, FAKE, metrics=metrics, **PIXELS)


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (lambda real, fake: 0.0, {"name": "a"}, "its function asks for real, fake; there are reference, generated, "),
        (lambda reference: 0.0, {"name": "a"}, "its function does not ask for generated"),
        (gap_of_means, {"better": "up"}, "better is 'up'; choose 'lower', 'higher' or None"),
        (gap_of_means, {"range": (1.0, 1.0)}, "range is .*; give the least and the largest"),
        (gap_of_means, {"name": "My metric"}, "metric name 'My metric': use lower-case letters"),
        (3, {}, "a metric is 3; give a function of features"),
    ],
)
def test_what_no_metric_can_be_is_refused_at_once(function, options, message):
    with pytest.raises(InputError, match=message):
        own_measure(function, **options)


def test_measures_of_jaxeval_are_taken_as_they_are():
    (by_name,) = jaxeval.evaluate(REAL, FAKE, metrics="fd", **PIXELS).results
    (given,) = jaxeval.evaluate(REAL, FAKE, metrics=[MEASURES["fd"]], **PIXELS).results
    assert given == by_name
