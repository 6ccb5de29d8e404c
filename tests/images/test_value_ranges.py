"""Stated ranges of values: rounding at their bounds, values beyond them, ranges that cannot be, and unlikely ones."""

import json
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from image_samples import AS_IS, encode, noise, read_all, write_folder

import jaxeval
from jaxeval.cli import main
from jaxeval.errors import InputError
from jaxeval.images import Preparation, ReadReport, open_source, read_batches, remarks
from jaxeval.images.arrays import check_range

COUNT, SIDE = 6, 8
LEVELS = noise(COUNT, SIDE, SIDE, 3)
UNIT, SIGNED = LEVELS / 255, LEVELS / 127.5 - 1


def floats(value: float, dtype: Any = np.float32, *, middle: float = 0.5) -> np.ndarray:
    """Images of one value, but for one pixel of the last."""
    images = np.full((3, SIDE, SIDE, 3), middle, dtype)
    images[2, 4, 5, 1] = value
    return images


def last(images: np.ndarray, report: ReadReport | None = None, **options) -> np.ndarray:
    return read_all(images, report=report, **options)["2"]


def said(spec, **options) -> list[str]:
    """What is said of the reading of a set called x."""
    report = ReadReport()
    for _ in read_batches(open_source(spec, **options), [AS_IS], 4, report=report):
        pass
    return remarks("x", report)


# Rounding at a bound.


@pytest.mark.parametrize("preparation", [Preparation(), Preparation(quantise="truncate")])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 1), (0, 255), (-0.3, 0.9), (100, 101)])
def test_what_rounding_explains_is_the_bound(low, high, dtype, preparation):
    middle = (low + high) / 2
    for bound, sign, level in ((low, -1, 0), (high, 1, 255)):
        for share in (1e-7, 0.9e-5):
            images = floats(bound + sign * share * (high - low), dtype, middle=middle)
            report = ReadReport()
            pixels = last(images, report, value_range=(low, high), preparation=preparation)
            assert pixels[4, 5, 1] == level
            assert set(report.notes) <= {"no value below 0 of a range around 0"}
        with pytest.raises(InputError, match="outside the stated range"):
            last(floats(bound + sign * 3e-5 * (high - low), dtype, middle=middle), value_range=(low, high))


def test_the_issues_value():
    assert last(floats(1.0000001), value_range=(-1, 1))[4, 5, 1] == 255
    np.testing.assert_array_equal(last(floats(1.0000001), value_range=(-1, 1)), last(floats(1.0), value_range=(-1, 1)))


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_types_of_few_bits_round_by_their_own_last_place(dtype):
    step = float(jnp.finfo(dtype).eps)
    for high in (1.0, 0.9):  # 0.9 is not a number of these types: the nearest is above it in bfloat16
        nearest = float(np.asarray(high, dtype))
        for value in (nearest, high):
            assert last(floats(value, dtype), value_range=(0, high))[4, 5, 1] == 255
    assert last(floats(1 + step, dtype), value_range=(0, 1))[4, 5, 1] == 255
    with pytest.raises(InputError, match=r"has the value 1\.0\d+, outside"):
        last(floats(1 + 2 * step, dtype), value_range=(0, 1))
    with pytest.raises(InputError, match="has the value -0"):
        last(floats(-step, dtype), value_range=(0, 1))


def test_integers_are_not_rounded():
    with pytest.raises(InputError, match="has the value 1000001, outside the stated range 0 to 1000000 "):
        last(floats(1_000_001, np.int64), value_range=(0, 1_000_000))


@pytest.mark.parametrize(
    ("value", "dtype", "value_range", "text"),
    [
        (1.0001, np.float32, (-1, 1), "has the value 1.0001, outside the stated range -1 to 1 "),
        (1.00012345678901, np.float64, (0, 1), "has the value 1.00012345678901, outside the stated range 0 to 1 "),
        (0.99999, np.float64, (0, 0.9999), "has the value 0.99999, outside the stated range 0 to 0.9999 "),
        (1.00000012, np.float64, (0, 1.00000001), None),
        (65535.5, np.float64, (0, 65534), "has the value 65535.5, outside the stated range 0 to 65534 "),
        (300, np.int16, (0, 255), "has the value 300, outside the stated range 0 to 255 "),
        (np.nan, np.float32, (0, 1), "has the value nan, outside the stated range 0 to 1;"),
        (-np.inf, np.float32, (0, 1), "has the value -inf, outside the stated range 0 to 1;"),
    ],
)
def test_messages_tell_the_value_from_the_bound(value, dtype, value_range, text):
    images = floats(value, dtype, middle=0)
    if text is None:
        assert last(images, value_range=value_range)[4, 5, 1] == 255
        return
    with pytest.raises(InputError) as caught:
        read_all(images, value_range=value_range)
    assert text in str(caught.value)
    assert "image 2 of" in str(caught.value)
    assert ("--out-of-range clip" in str(caught.value)) == bool(np.isfinite(value))


# Values beyond a bound.


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, jnp.bfloat16])
def test_clipping_takes_the_bound_and_is_counted(dtype):
    images = SIGNED.astype(dtype)
    images[1, 0, 0, 0], images[3, 2, 2] = -1.5, 7
    report = ReadReport()
    clipped = read_all(images, value_range=(-1, 1), out_of_range="clip", report=report)
    expected = read_all(np.clip(images, -1, 1), value_range=(-1, 1))
    for name, image in expected.items():
        np.testing.assert_array_equal(clipped[name], image)
    assert report.notes == {"values outside the range clipped": 2}
    assert remarks("x", report) == ["x: values outside the stated range clipped to it (2 of 6 images)"]


def test_clipping_changes_nothing_that_is_inside():
    report = ReadReport()
    clipped = read_all(SIGNED.astype(np.float32), value_range=(-1, 1), out_of_range="clip", report=report)
    np.testing.assert_array_equal(np.stack(list(clipped.values())), LEVELS)
    assert report.notes == {}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, jnp.bfloat16])
def test_what_is_not_finite_fails_even_where_values_are_clipped(value, dtype):
    with pytest.raises(InputError, match=f"image 2 of .* has the value {value}, outside the stated range 0 to 1;"):
        last(floats(value, dtype), value_range=(0, 1), out_of_range="clip")


@pytest.mark.parametrize("out_of_range", ["clamp", ""])
def test_unknown_ways_are_refused(out_of_range):
    with pytest.raises(InputError, match="must be 'fail' or 'clip'"):
        open_source(UNIT, value_range=(0, 1), out_of_range=out_of_range)


def draw(num_images: int, seed: int) -> np.ndarray:
    return 1.25 * UNIT[:num_images]


def test_every_source_of_arrays_clips(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", draw(COUNT, 0))
    np.savez_compressed(tmp_path / "a.npz", images=draw(COUNT, 0))
    (tmp_path / "clipping_module.py").write_text(
        "import numpy as np\n\ndef draw(num_images, seed):\n    return np.load('a.npy')[:num_images]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    expected = np.clip(draw(COUNT, 0), 0, 1)
    for spec in (
        draw(COUNT, 0),
        jnp.asarray(draw(COUNT, 0)),
        draw,
        "call:clipping_module:draw",
        "a.npy",
        "a.npy?range=0,1",
        "a.npz?key=images",
    ):
        options = {"value_range": (0, 1), "num_samples": COUNT}
        with pytest.raises(InputError, match="outside the stated range 0 to 1"):
            read_all(spec, **options)
        found = read_all(spec, out_of_range="clip", **options)
        levels = np.stack(list(found.values()))
        if spec is not draw and not isinstance(spec, str | np.ndarray):  # JAX has float32: halves may fall otherwise
            assert np.abs(levels - expected * 255).max() < 0.5 + 2**-15
        else:
            np.testing.assert_array_equal(levels, np.floor(expected * 255 + 0.5))


def test_clipped_sets_have_a_fingerprint_of_their_own(tmp_path):
    np.save(tmp_path / "a.npy", UNIT)
    prints = {
        way: {
            open_source(data, value_range=(0, 1), out_of_range=way).fingerprint() for data in (UNIT, tmp_path / "a.npy")
        }
        for way in ("fail", "clip")
    }
    assert [len(found) for found in prints.values()] == [1, 1]
    assert prints["fail"] != prints["clip"]
    (levels,) = {open_source(LEVELS, out_of_range=way).fingerprint() for way in ("fail", "clip")}
    assert levels == open_source(LEVELS, value_range=(0, 255)).fingerprint()


def test_a_cache_of_clipped_images_is_none_of_those_that_fail(tmp_path):
    options = {"extractor": "pixels", "value_range": (0, 1), "cache": tmp_path / "cache"}
    bright = draw(COUNT, 0)
    for _ in range(2):
        (result,) = jaxeval.evaluate(UNIT, {"bright": bright}, out_of_range="clip", **options).results
        assert f"bright: values outside the stated range clipped to it (all {COUNT} images)" in result.warnings
    with pytest.raises(InputError, match="outside the stated range"):
        jaxeval.evaluate(UNIT, {"bright": bright}, **options)


def test_evaluate_compare_features_and_statistics_clip(tmp_path):
    bright, options = draw(COUNT, 0), {"extractor": "pixels", "value_range": (0, 1)}
    clipped = np.clip(bright, 0, 1)
    found = jaxeval.features(bright, out_of_range="clip", **options)
    np.testing.assert_array_equal(found, jaxeval.features(clipped, **options))
    both = [
        jaxeval.evaluate(UNIT, images, out_of_range="clip", **options).results[0].value for images in (bright, clipped)
    ]
    assert both[0] == both[1]
    means = [
        jaxeval.reference_statistics(images, tmp_path / "a.npz", out_of_range="clip", **options).mean
        for images in (bright, clipped)
    ]
    np.testing.assert_array_equal(means[0], means[1])
    many = np.tile(UNIT, (8, 1, 1, 1)) + 0.001 * np.random.default_rng(0).random((48, SIDE, SIDE, 3))
    comparison = jaxeval.compare(many, many[::-1], reference=many, metrics="fd", out_of_range="clip", **options)
    assert any("clipped to it" in text for text in comparison.differences[0].first.warnings)
    for call in (jaxeval.features, lambda data, **more: jaxeval.reference_statistics(data, tmp_path / "a.npz", **more)):
        with pytest.raises(InputError, match="outside the stated range"):
            call(bright, **options)


def test_the_manifest_says_how_values_were_read():
    manifest = jaxeval.evaluate(UNIT, UNIT, extractor="pixels", value_range=(0, 1), out_of_range="clip").manifest
    assert (manifest["value_range"], manifest["out_of_range"]) == ([0.0, 1.0], "clip")
    manifest = jaxeval.evaluate(LEVELS, LEVELS, extractor="pixels").manifest
    assert (manifest["value_range"], manifest["out_of_range"]) == (None, "fail")


# Ranges that cannot be.


@pytest.mark.parametrize("value_range", [(-1, 1), (0, 1), (0, 256), (16, 235)])
def test_a_range_that_uint8_cannot_have_is_said(tmp_path, value_range):
    np.save(tmp_path / "a.npy", LEVELS)
    sentence = f"x: the value range was not applied, as uint8 values are levels from 0 to 255 (all {COUNT} images)"
    for spec in (LEVELS, jnp.asarray(LEVELS), str(tmp_path / "a.npy"), lambda count, seed: LEVELS[:count]):
        options = {"value_range": value_range, "num_samples": COUNT}
        assert said(spec, **options) == [sentence]
        np.testing.assert_array_equal(np.stack(list(read_all(spec, **options).values())), LEVELS)
    low, high = value_range
    with pytest.raises(InputError, match=rf"a\.npy\?range={low},{high} has uint8 values, .* cannot have the range"):
        open_source(f"{tmp_path}/a.npy?range={low},{high}")


def test_the_range_that_uint8_has_may_be_said(tmp_path):
    np.save(tmp_path / "a.npy", LEVELS)
    assert said(LEVELS, value_range=(0, 255)) == []
    assert said(f"{tmp_path}/a.npy?range=0,255") == []


def test_evaluate_warns_and_floats_beside_uint8_are_read_as_before(capfd, tmp_path):
    evaluation = jaxeval.evaluate(LEVELS, {"float": SIGNED}, extractor="pixels", value_range=(-1, 1))
    (result,) = evaluation.results
    assert abs(result.value) < 1e-20
    assert any("the value range was not applied" in text for text in result.warnings)
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, LEVELS)
    arguments = ["evaluate", str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), "--extractor", "pixels"]
    assert main([*arguments, "--value-range", "-1", "1", "--quiet"]) == 0
    assert "the value range was not applied" in " ".join(capfd.readouterr().out.split())


@pytest.mark.parametrize("value_range", [(1, 0), (0, 0), (0, np.nan), (-np.inf, 1)])
def test_ranges_that_are_none_are_refused_for_every_source(tmp_path, value_range):
    folder = write_folder(tmp_path / "set", {"a.png": encode(LEVELS[0], "PNG")})
    for spec in (LEVELS, UNIT, folder, draw):
        with pytest.raises(InputError, match=r"value_range .* must be finite with low < high"):
            open_source(spec, value_range=value_range, num_samples=COUNT)


@pytest.mark.parametrize("value_range", [(0,), (0, 1, 2), 1.0, ("a", "b"), None])
def test_what_is_no_pair_of_numbers_is_no_range(value_range):
    with pytest.raises(InputError, match=r"value_range .* of x must be two numbers, as in \(-1, 1\)"):
        check_range(value_range, "x")


# Ranges that are unlikely.


BITS = (LEVELS > 200).astype(np.uint8)


@pytest.mark.parametrize("spec", ["array", "file", "folder", "function"])
def test_levels_of_0_and_1_are_said(tmp_path, spec):
    np.save(tmp_path / "a.npy", BITS)
    folder = write_folder(tmp_path / "set", {f"{i}.png": encode(image, "PNG") for i, image in enumerate(BITS)})
    given = {"array": BITS, "file": tmp_path / "a.npy", "folder": folder, "function": lambda count, seed: BITS[:count]}
    (sentence,) = said(given[spec], num_samples=COUNT)
    assert sentence.startswith(
        f"x: no level is above 1 of 255, which is black (all {COUNT} images); if they are 0 to 1,"
    )


def test_a_cast_that_leaves_nearly_all_black_is_said():
    cast = UNIT.astype(np.uint8)  # only what is 1 exactly stays
    cast[0] = 0
    assert len(said(cast)) == 1
    assert said(np.concatenate([cast, np.concatenate([LEVELS, LEVELS])])) == []


@pytest.mark.parametrize(
    ("images", "value_range"),
    [
        (UNIT, (0, 255)),
        (UNIT.astype(np.float32), (0, 255)),
        (BITS.astype(np.int32), (0, 255)),
        (UNIT, (-255, 255)),
        (SIGNED, (-128, 127)),
        (UNIT / 255, (0, 1)),
        (UNIT, (0, 1023.5)),
    ],
)
def test_values_that_fill_next_to_nothing_of_their_range_are_said(images, value_range):
    sentences = said(images, value_range=value_range)
    assert sentences[0] == (
        f"x: values fill less than 1% of the stated range (all {COUNT} images); state the range that they have"
    )


def test_a_range_around_0_without_a_value_below_it_is_said():
    (sentence,) = said(UNIT, value_range=(-1, 1))
    assert sentence.startswith("x: no value is below 0, though the stated range begins there;")
    mixed = np.concatenate([UNIT, SIGNED[:1]])
    assert said(mixed, value_range=(-1, 1)) == []


def test_the_alpha_channel_says_nothing_of_the_range():
    for opaque, value_range, expected in (
        (1.0, (-1, 1), "no value is below 0"),
        (255.0, (0, 255), "fill less than 1%"),
    ):
        images = np.concatenate([UNIT, np.full((COUNT, SIDE, SIDE, 1), opaque)], -1)
        sentences = said(images, value_range=value_range)
        assert [expected in text for text in sentences if "alpha" not in text] == [True]


@pytest.mark.parametrize(
    ("images", "value_range"),
    [
        (LEVELS, None),
        (UNIT, (0, 1)),
        (SIGNED, (-1, 1)),
        (LEVELS.astype(np.float64), (0, 255)),
        (np.full((2, SIDE, SIDE, 3), 77, np.uint8), None),  # of one shade, which is no sign of a range
        (np.full((2, SIDE, SIDE, 3), 0.3), (0, 1)),
        (LEVELS // 8, None),  # dark, but not by an oversight
    ],
)
def test_nothing_is_said_of_ordinary_sets(images, value_range):
    assert said(images, value_range=value_range) == []


def test_uint8_sets_of_0_and_1_warn_in_evaluate_and_on_the_command_line(tmp_path, capfd):
    np.save(tmp_path / "real.npy", LEVELS)
    np.save(tmp_path / "bits.npy", BITS)
    arguments = ["evaluate", str(tmp_path / "real.npy"), str(tmp_path / "bits.npy"), "--extractor", "pixels", "--quiet"]
    assert main(arguments) == 0
    assert "no level is above 1 of 255, which is black" in " ".join(capfd.readouterr().out.split())
    assert main([*arguments, "--json"]) == 0
    (result,) = json.loads(capfd.readouterr().out)["results"]
    assert any("no level is above 1" in text for text in result["warnings"])


def test_clipping_on_the_command_line(tmp_path, capfd):
    np.save(tmp_path / "real.npy", UNIT)
    np.save(tmp_path / "bright.npy", draw(COUNT, 0))
    arguments = ["evaluate", str(tmp_path / "real.npy"), str(tmp_path / "bright.npy"), "--extractor", "pixels"]
    arguments += ["--value-range", "0", "1", "--quiet"]
    assert main(arguments) != 0
    assert "--out-of-range clip" in capfd.readouterr().err
    assert main([*arguments, "--out-of-range", "clip"]) == 0
    assert f"clipped to it (all {COUNT} images)" in " ".join(capfd.readouterr().out.split())
    assert main([*arguments, "--out-of-range", "wrap"]) != 0
    assert "out_of_range 'wrap' must be 'fail' or 'clip'" in capfd.readouterr().err


# From values to levels, by the reference's own arithmetic.


def spread(dtype: Any, low: float, high: float) -> np.ndarray:
    """Values of the whole range, its ends and the middles between two levels among them."""
    values = np.random.default_rng(5).uniform(low, high, (1, 64, 64, 3))
    halves = low + (np.arange(255) + 0.5) * (high - low) / 255
    values[0, :4].flat[:255] = halves
    values[0, 5, :2, 0] = low, high
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_rounding_is_the_cut_of_127_5_x_plus_128(dtype):
    images = spread(dtype, -1, 1)
    single = images[0] if dtype == np.float64 else images[0].astype(np.float32)
    expected = np.clip(single * single.dtype.type(127.5) + single.dtype.type(128), 0, 255).astype(np.uint8)
    found = read_all(images, value_range=(-1, 1), preparation=Preparation())["0"]
    np.testing.assert_array_equal(found, expected)


def test_truncation_is_the_cut_of_what_adm_and_drifting_compute():
    preparation = Preparation(quantise="truncate")
    signed, unit = spread(np.float32, -1, 1), spread(np.float32, 0, 1)
    found = read_all(signed, value_range=(-1, 1), preparation=preparation)["0"]
    np.testing.assert_array_equal(found, ((signed[0] + np.float32(1)) * np.float32(127.5)).astype(np.uint8))
    found = read_all(unit, value_range=(0, 1), preparation=preparation)["0"]
    np.testing.assert_array_equal(found, (unit[0] * np.float32(255)).astype(np.uint8))


def test_values_beyond_the_range_are_clipped_before_the_cut():
    images = spread(np.float32, -1.3, 1.2)
    expected = np.clip(np.float32(127.5) * images[0] + np.float32(128), 0, 255).astype(np.uint8)
    options = {"value_range": (-1, 1), "out_of_range": "clip"}
    np.testing.assert_array_equal(read_all(images, preparation=Preparation(), **options)["0"], expected)
    gray = images[..., 0]
    found = read_all(gray, preparation=Preparation(), layout="NHW", **options)["0"]
    np.testing.assert_array_equal(found, np.repeat(expected[..., :1], 3, axis=2))
