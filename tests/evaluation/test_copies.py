"""Images that two sets of a run share, or that one set repeats: counted, named, and told with the numbers."""

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_sets import crops, write_pngs
from PIL import Image
from small_network import small_network

import jaxeval
from jaxeval.cli import main
from jaxeval.errors import InputError, PreemptedError
from jaxeval.evaluation import load_statistics, save_statistics
from jaxeval.evaluation.copies import Copies, CopyFinder, ImageSet
from jaxeval.extractors import Extractor
from jaxeval.images import pixel_digest
from jaxeval.statistics import feature_statistics as statistics_files

pytestmark = pytest.mark.usefixtures("quickly_compiled")

SIZE = (6, 6)


@pytest.fixture(scope="module")
def pool() -> np.ndarray:
    """Pictures that are all different."""
    found = np.unique(crops(1200, SIZE, seed=1), axis=0)
    return np.random.default_rng(0).permutation(found)[:900]


@pytest.fixture(scope="module")
def real(pool) -> np.ndarray:
    return pool[:200]


@pytest.fixture(scope="module")
def made(pool) -> np.ndarray:
    return pool[200:300]


@pytest.fixture(scope="module")
def unseen(pool) -> np.ndarray:
    return pool[300:420]


@pytest.fixture(scope="module")
def network() -> Extractor:
    return small_network()


def told(evaluation, part: str = "", metric: str | None = None) -> list[str]:
    """The different warnings that hold a text, of one metric or of all."""
    results = [result for result in evaluation.results if metric in (None, result.metric)]
    assert results
    return list(dict.fromkeys(text for result in results for text in result.warnings if part in text))


def mixed(made: np.ndarray, copied: np.ndarray, first: int = 0) -> np.ndarray:
    """Generated images of which some, from `first` on, are replaced by copies."""
    found = made.copy()
    found[first : first + len(copied)] = copied
    return found


# What is found.


@pytest.mark.parametrize("count", [1, 10, 30, 100])
def test_copies_of_the_reference_are_counted_and_named(tmp_path, real, made, network, count):
    folders = write_pngs(tmp_path / "real", real), write_pngs(tmp_path / "made", mixed(made, real[50 : 50 + count]))
    evaluation = jaxeval.evaluate(*folders, extractor=network)
    (sentence,) = told(evaluation, "pixel for pixel")
    does = "is an image of" if count == 1 else "are images of"
    assert sentence.startswith(f"{count} of 100 images of {folders[1]} ({count}%) {does} the reference {folders[0]}, ")
    names = [f"{index:05d}.png is {index + 50:05d}.png" for index in range(min(count, 3))]
    assert f"pixel for pixel ({', '.join(names)}{', ...' if count > 3 else ''}): " in sentence
    (record,) = evaluation.manifest["copies"]
    assert (record["count"], record["total"], record["originals"], record["among_total"]) == (count, 100, count, 200)
    assert record["sentence"] == sentence
    json.dumps(record)


def test_sets_without_copies_have_no_such_warning(real, made, unseen, network):
    evaluation = jaxeval.evaluate(real, made, held_out=unseen, extractor=network, metrics="fd,c-t")
    assert evaluation.manifest["copies"] == []
    assert not told(evaluation, "pixel for pixel")
    assert not told(evaluation, "same images")


def test_one_picture_is_found_in_whatever_it_lies(tmp_path, real, made, network):
    generated = mixed(made, real[:20])
    np.save(tmp_path / "made.npy", generated.transpose(0, 3, 1, 2))
    for number, image in enumerate(generated):
        (tmp_path / "bmps").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "bmps" / f"{number:03d}.bmp")
    sets = {
        "channels first": str(tmp_path / "made.npy"),
        "bmp": tmp_path / "bmps",
        "function": lambda count, seed: generated[seed % 1 : count],
    }
    folder = write_pngs(tmp_path / "real", real)
    for name, data in sets.items():
        evaluation = jaxeval.evaluate(folder, {name: data}, extractor=network, num_samples=64)
        (sentence,) = told(evaluation, "pixel for pixel")
        assert sentence.startswith(f"20 of {64 if name == 'function' else 100} images of {name} (")
    floats = generated.astype(np.float32) / 127.5 - 1
    evaluation = jaxeval.evaluate(folder, {"floats": floats}, extractor=network, value_range=(-1, 1))
    assert "20 of 100 images of floats (20%)" in told(evaluation, "pixel for pixel")[0]


def test_gray_is_found_among_colour(tmp_path, network):
    gray = np.random.default_rng(0).integers(0, 256, (40, *SIZE), dtype=np.uint8)
    for number, image in enumerate(gray):
        (tmp_path / "gray").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "gray" / f"{number:03d}.png")
    other = np.random.default_rng(1).integers(0, 256, (40, *SIZE, 3), dtype=np.uint8)
    generated = mixed(other, np.repeat(gray[:7, :, :, None], 3, axis=3), 5)
    (sentence,) = told(jaxeval.evaluate(tmp_path / "gray", {"made": generated}, extractor=network), "pixel for pixel")
    assert sentence.startswith("7 of 40 images of made (17.5%) are images of the reference ")
    assert "(image 5 is 000.png, image 6 is 001.png, image 7 is 002.png, ...)" in sentence


def test_images_that_a_set_repeats_are_counted(real, made, network):
    twice = np.concatenate([made, made[:30], made[:1]])
    evaluation = jaxeval.evaluate(np.concatenate([real, real[3:4]]), {"twice": twice}, extractor=network)
    mine, theirs = sorted(told(evaluation, "repeat"))
    assert mine.startswith("1 of 201 images of the reference array")
    assert "(0.498%) repeats an earlier one of them, pixel for pixel (image 200 is image 3): copies count" in mine
    assert theirs.startswith(
        "31 of 131 images of twice (23.7%) repeat earlier ones of them, pixel for pixel (image 100 is"
    )
    assert "(image 100 is image 0, image 101 is image 1, image 102 is image 2, ...)" in theirs


def test_the_same_images_are_one_sentence(tmp_path, real, network):
    """In whatever order, under whatever names, in whatever container: and no 100% beside it."""
    folder = write_pngs(tmp_path / "real", real)
    evaluation = jaxeval.evaluate(folder, {"again": folder, "turned": real[::-1]}, extractor=network)
    assert told(evaluation, "pixel for pixel") == []
    assert told(evaluation, "same images") == [
        f"again and the reference {folder} hold the same images",
        f"turned and the reference {folder} hold the same images",
        "turned and again hold the same images",
    ]
    more = np.concatenate([real, real[:5]])  # the same pictures, but not as often
    sentences = told(jaxeval.evaluate(folder, {"more": more}, extractor=network))
    assert any(text.startswith("205 of 205 images of more (100%) are images of the reference") for text in sentences)
    assert not any("same images" in text for text in sentences)


def test_every_pair_of_sets_is_looked_at(real, made, unseen, network):
    first, second = mixed(made, unseen[:8]), mixed(made[::-1], real[:4], 40)
    held_out = mixed(unseen, real[:2], 100)
    sets = {"one": first, "two": second}
    evaluation = jaxeval.evaluate(real, sets, held_out=held_out, extractor=network, metrics="fd,c-t")
    ours = "array [200, 6, 6, 3]"
    theirs = "array [120, 6, 6, 3]"
    # Of `made` the first set lost its first 8, and the second, which has it from the end on, its 56. to 59.
    expected = [(theirs, ours, 2), ("one", theirs, 8), ("two", ours, 4), ("two", theirs, 2), ("two", "one", 88)]
    assert [(one["images"], one["among"], one["count"]) for one in evaluation.manifest["copies"]] == expected
    about = {result.generated: result.warnings for result in evaluation.results if result.metric == "c-t-mine"}
    assert len([text for text in about["one"] if "pixel for pixel" in text]) == 2
    assert len([text for text in about["two"] if "pixel for pixel" in text]) == 4
    # What concerns the held-out set is told with the numbers that it decides.
    frechet = {result.generated: result.warnings for result in evaluation.results if result.metric == "fd-mine"}
    assert not any("held-out" in text for text in (*frechet["one"], *frechet["two"]))
    # Where it decides none, it is told all the same.
    assert told(jaxeval.evaluate(real, first, held_out=held_out, extractor=network), "held-out set")


def test_many_sets_that_share_images_make_one_sentence_each(real, made, network):
    sets = {str(number): mixed(made[::-1] // 2 + number, made[: number + 1]) for number in range(4)}
    evaluation = jaxeval.evaluate(real, sets, extractor=network)
    last = next(result for result in evaluation.results if result.generated == "3")
    (sentence,) = (text for text in last.warnings if "pixel for pixel" in text)
    assert sentence.startswith("3 of 100 images of 3 (3%) are images of 2, ")
    assert "3 shares images with 2 more of the generated sets" in last.warnings
    assert len(evaluation.manifest["copies"]) == 6


def test_compare_looks_between_both_sets_and_into_the_reference(real, made, network):
    first, second = mixed(made, real[:6]), mixed(made[::-1], real[:3], 20)
    comparison = jaxeval.compare(first, second, reference=real, extractor=network, metrics="fd")
    (difference,) = comparison.differences
    assert any("6 of 100" in text and "the reference" in text for text in difference.first.warnings)
    assert any("3 of 100" in text and "the reference" in text for text in difference.second.warnings)
    # Of `made` each has what the other one replaced not, 6 and 3; three of the reference are in both.
    assert any(text.startswith("94 of 100") for text in difference.second.warnings)
    assert [one["count"] for one in comparison.manifest["copies"]] == [6, 3, 94]


@pytest.mark.slow
def test_the_command_line_says_it_once(tmp_path, real, made, unseen, capfd):
    folders = [
        str(write_pngs(tmp_path / name, images))
        for name, images in (("real", real), ("made", mixed(made, unseen[:10])), ("unseen", unseen))
    ]
    command = [
        "evaluate",
        *folders[:2],
        "--held-out",
        folders[2],
        "--extractor",
        "pixels",
        "--metrics",
        "fd,kd-full,fld,c-t",
    ]
    assert main([*command, "--quiet"]) == 0
    out = capfd.readouterr().out
    said = (
        f"warning: 10 of 100 images of {folders[1]} (10%) are images of the held-out set {folders[2]}, pixel for pixel"
    )
    assert out.count(said) == 1
    assert out.count("(00000.png is 00000.png, 00001.png is 00001.png, 00002.png is 00002.png, ...)") == 1


def test_names_are_right_where_images_were_skipped(tmp_path, real, made, network):
    folders = write_pngs(tmp_path / "real", real), write_pngs(tmp_path / "made", mixed(made, real[100:103], 60))
    for folder, name in ((folders[0], "00007-broken.png"), (folders[0], "00008-broken.png"), (folders[1], "00001.png")):
        (folder / name).write_text("not a picture")
    evaluation = jaxeval.evaluate(*folders, extractor=network, on_error="skip", batch_size=7)
    (sentence,) = told(evaluation, "pixel for pixel")
    assert sentence.startswith(f"3 of 99 images of {folders[1]} (3.03%)")
    assert "(00060.png is 00100.png, 00061.png is 00101.png, 00062.png is 00102.png)" in sentence


def test_names_are_those_of_the_whole_set_where_a_part_of_it_is_taken(real, made, network):
    generated = mixed(made, real[:30], 45)
    first = jaxeval.evaluate(real, {"made": generated}, extractor=network, limit=50, limit_first=True)
    (record,) = first.manifest["copies"]
    assert (record["count"], record["total"]) == (5, 50)
    assert record["first"] == [["45", "0"], ["46", "1"], ["47", "2"]]
    sampled = jaxeval.evaluate(real, {"made": generated}, extractor=network, limit=90)
    (record,) = sampled.manifest["copies"]
    assert 3 <= record["count"] < 30
    assert record["total"] == 90
    for one, other in record["first"]:
        np.testing.assert_array_equal(generated[int(one)], real[int(other)])


def test_pictures_in_a_list_are_known_by_their_pixels_too(real, made, network):
    pictures = [Image.fromarray(image) for image in mixed(made, real[:9])]
    evaluation = jaxeval.evaluate(real, {"list": pictures}, extractor=network)
    assert "9 of 100 images of list (9%) are images of the reference" in told(evaluation, "pixel for pixel")[0]


# What is kept of it.


def test_a_statistics_file_remembers_the_images(tmp_path, real, made, network):
    path = tmp_path / "reference.npz"
    twice = np.concatenate([real, real[:2]])
    statistics = jaxeval.reference_statistics(twice, path, extractor=network)
    assert statistics.pixels is not None
    kept, _ = load_statistics(path)
    assert kept.pixels is not None
    assert kept.pixels.tobytes() == b"".join(map(pixel_digest, twice))
    evaluation = jaxeval.evaluate(path, {"made": mixed(made, real[:30], 5)}, extractor=network)
    assert told(evaluation, "pixel for pixel") == [
        f"2 of 202 images of the reference {path} (0.99%) repeat earlier ones of them, pixel for pixel: copies count "
        "twice, and no interval knows it",
        f"30 of 100 images of made (30%) are images of the reference {path}, pixel for pixel (image 5, image 6, "
        "image 7, ...): such copies make most numbers better, and no interval knows it",
    ]
    same = told(jaxeval.evaluate(path, {"made": twice[::-1]}, extractor=network), "same images")
    assert same == [f"made and the reference {path} hold the same images"]


def test_files_that_do_not_say_which_images_are_silent(tmp_path, real, made, network):
    rows = np.asarray(jaxeval.features(real, extractor=network), np.float64)
    path = tmp_path / "foreign.npz"
    np.savez(path, mu=rows.mean(0), sigma=np.cov(rows, rowvar=False))
    evaluation = jaxeval.evaluate(path, {"made": mixed(made, real[:30])}, extractor=network)
    assert evaluation.manifest["copies"] == []
    # Of our own, written before digests were kept: only the fingerprint of the whole is known.
    own = tmp_path / "own.npz"
    jaxeval.reference_statistics(real, own, extractor=network)
    statistics, identity = load_statistics(own)
    assert identity is not None
    without = {key: identity[key] for key in identity if key not in ("format", "format_version", "checksum")}
    save_statistics(own, dataclasses.replace(statistics, pixels=None), without)
    assert not told(jaxeval.evaluate(own, mixed(made, real[:30]), extractor=network), "pixel for pixel")
    (same,) = told(jaxeval.evaluate(own, {"real": real}, extractor=network), "same images")
    assert same == f"real and the reference {own} hold the same images"


@pytest.mark.parametrize("change", ["dtype", "width", "count"])
def test_digests_that_cannot_be_are_damage(tmp_path, real, network, change):
    path = tmp_path / "reference.npz"
    jaxeval.reference_statistics(real, path, extractor=network)
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    identity = json.loads(str(arrays.pop("metadata")))
    pixels = arrays["pixels"]
    arrays["pixels"] = {"dtype": pixels.astype(np.int32), "width": pixels[:, :8], "count": pixels[1:]}[change]
    identity["checksum"] = statistics_files._checksum(arrays)
    np.savez(path, metadata=np.asarray(json.dumps(identity)), **arrays)
    with pytest.raises(InputError, match=r"reference\.npz.* is damaged: its count and its arrays disagree"):
        load_statistics(path)


def test_a_cached_run_says_the_same(tmp_path, real, made, network):
    folders = write_pngs(tmp_path / "real", real), write_pngs(tmp_path / "made", mixed(made, real[100:103], 60))
    (folders[1] / "00001.png").write_text("not a picture")
    arguments = {"extractor": network, "on_error": "skip", "cache": tmp_path / "cache"}
    first = jaxeval.evaluate(*folders, **arguments)
    second = jaxeval.evaluate(*folders, **arguments)
    assert all(side["cached"] for side in (second.manifest["reference"], *second.manifest["generated"]))
    assert second.results == first.results
    assert second.manifest["copies"] == first.manifest["copies"] != []
    # Part of it from the cache and part from the images, too.
    more = jaxeval.evaluate(*folders, **{**arguments, "extractor": [network, "random-conv"]})
    assert more.manifest["copies"] == first.manifest["copies"]


def test_a_run_that_was_interrupted_says_the_same(tmp_path, real, made, network):
    folders = write_pngs(tmp_path / "real", real), write_pngs(tmp_path / "made", mixed(made, real[100:103], 60))
    (folders[1] / "00001.png").write_text("not a picture")
    arguments = {"extractor": network, "on_error": "skip", "batch_size": 8}
    expected = jaxeval.evaluate(*folders, **arguments).manifest["copies"]
    assert expected
    for after in (3, 5, 9, 2, 1000):
        questions = iter(range(after))
        try:
            found = jaxeval.evaluate(
                *folders,
                **arguments,
                checkpoint=tmp_path / "saved",
                checkpoint_every=2,
                stop=lambda questions=questions: next(questions, None) is None,
            )
        except PreemptedError:
            continue
        assert found.manifest["copies"] == expected
        return
    pytest.fail("no run came to its end")


# What FLD and C_T make of it. (Of fewer than 60 images there are no intervals, which would take most of the time.)


def against(real, held_out, network, metrics: str = "fld"):
    return lambda made: jaxeval.evaluate(real, {"made": made}, held_out=held_out, extractor=network, metrics=metrics)


def test_fld_with_held_out_copies_looks_better_and_says_so(real, made, unseen, network):
    measure = against(real, unseen, network)
    clean, copied = measure(made[:50]), measure(mixed(made[:50], unseen[:5]))
    values = [{result.metric: result.value for result in run.results} for run in (clean, copied)]
    assert values[1]["fld-mine"] < values[0]["fld-mine"]
    assert not told(clean, "held-out")
    for metric in ("fld-mine", "fld-gap-mine"):
        (sentence,) = told(copied, "held-out", metric)
        assert sentence == (
            "5 of 50 images of made (10%) are images of the held-out set array [120, 6, 6, 3], pixel for pixel "
            "(image 0 is image 0, image 1 is image 1, image 2 is image 2, ...): FLD and C_T take them for new images, "
            "and look better by them"
        )


@pytest.mark.parametrize("count", [5, 15])
def test_fld_with_copies_of_the_reference_says_so(real, made, unseen, network, count):
    evaluation = against(real, unseen, network)(mixed(made[:50], real[:count]))
    assert (
        len(told(evaluation, f"{count} of 50 images of made ({2 * count}%) are images of the reference", "fld-mine"))
        == 1
    )


@pytest.mark.parametrize("metric", ["fld", "c-t"])
def test_a_held_out_set_that_the_generator_has_seen_is_refused(real, made, unseen, network, metric):
    whose = rf"{metric} needs other held-out images, which the generator has not seen; give such with --held-out$"
    measure = against(real, unseen, network, metric)
    with pytest.raises(
        InputError, match=rf" of made: 51 of 100 images of made \(51%\) are images of the held-out set .*: {whose}"
    ):
        measure(mixed(made, unseen[:51]))
    # Few of the generated images but most of the held-out ones: each of these then has a Gaussian of its own.
    few = against(real, unseen[:40], network, metric)
    held = r"21 of 40 images of the held-out set .* \(52.5%\) are images of made, pixel for pixel"
    with pytest.raises(InputError, match=f" of made: {held}: {whose}"):
        few(mixed(made, unseen[:21]))
    with pytest.raises(
        InputError, match=rf" of made: the held-out set .* and the reference .* hold the same images: {whose}"
    ):
        against(real, real[::-1], network, metric)(made)
    most = r"61 of 120 images of the held-out set .* \(50.8%\) are images of the reference .*"
    with pytest.raises(InputError, match=f" of made: {most}: {whose}"):
        against(real, mixed(unseen, real[:61]), network, metric)(made)


def test_half_of_the_images_is_a_warning_still(real, made, unseen, network):
    evaluation = against(real, unseen, network, "c-t")(mixed(made, unseen[:50]))
    assert len(told(evaluation, "50 of 100 images of made (50%) are images of the held-out set", "c-t-mine")) == 1


@pytest.mark.slow
def test_all_that_can_be_had_is_had_and_the_rest_is_named(real, made, unseen, network):
    evaluation = against(real, unseen, network, "all")(mixed(made[:50], unseen[:26]))
    assert {result.metric for result in evaluation.results} >= {"fd-mine", "precision-mine"}
    assert not any(result.metric.startswith(("fld", "c-t")) for result in evaluation.results)
    assert any(text.startswith("FLD-mine") and "of made: 26 of 50 images" in text for text in evaluation.not_computed)


# The matching itself, against a dictionary.


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_matching_equals_a_dictionary(data):
    """Few different digests that differ in their first or last byte, some of them zero bytes, and skipped items."""
    kinds = [bytes([1] * 15 + [last]) for last in (0, 1, 32)] + [bytes([first] + [0] * 15) for first in (1, 2, 255)]
    sets = [data.draw(st.lists(st.sampled_from([*kinds, bytes(16)]), min_size=1, max_size=12)) for _ in range(3)]
    finder = CopyFinder()
    images = [
        ImageSet(f"set {number}", "generated", as_digests(items), names=naming(number))
        for number, items in enumerate(sets)
    ]
    for one in images:
        finder.add(one)
    found = {(copies.images.name, copies.among.name): copies for copies in finder.all()}
    for mine, items in enumerate(sets):
        for other in range(mine + 1):
            copies = found.pop((f"set {mine}", f"set {other}"), None)
            pairs = [
                (place, next(at for at, one in enumerate(sets[other]) if one == item))
                for place, item in enumerate(items)
                if any(item) and item in (sets[other] if mine != other else items[:place])
            ]
            if not pairs:
                assert copies is None
                continue
            assert copies is not None
            assert (copies.count, copies.total) == (len(pairs), sum(map(any, items)))
            assert copies.first == tuple((f"{mine}-{place}", f"{other}-{at}") for place, at in pairs[:3])
            if mine != other:
                kept = [sorted(one for one in some if any(one)) for some in (items, sets[other])]
                assert copies.same == (kept[0] == kept[1])
                assert copies.originals == sum(one in items for one in kept[1])
                assert copies.among_total == len(kept[1])
    assert not found


def as_digests(items: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(items), np.uint8).reshape(-1, 16)


def naming(number: int) -> Callable:
    return lambda places: [f"{number}-{place}" for place in places]


def test_features_are_compared_where_pixels_are_not_known():
    rng = np.random.default_rng(0)
    reference, generated = rng.standard_normal((2, 50, 8)).astype(np.float32)
    generated[:5] = reference[20:25]
    generated[7] = np.nextafter(reference[30], np.float32(9))  # nearly
    pixels = rng.integers(1, 255, (50, 16), dtype=np.uint8)

    def found(first: ImageSet, second: ImageSet) -> list[Copies]:
        finder = CopyFinder()
        finder.add(first)
        finder.add(second)
        return list(finder.all())

    known = ImageSet("a.npz", "reference", None, {"x": reference})
    (between,) = found(known, ImageSet("b.npz", "generated", None, {"y": reference[:, ::-1], "x": generated}))
    assert str(between) == (
        "5 of 50 images of b.npz (10%) have the features of images of the reference a.npz, bit for bit: such copies "
        "make most numbers better, and no interval knows it"
    )
    # One of both has pixels: the features still tell; of another kind of features they cannot.
    (mixed_kinds,) = found(known, ImageSet("b", "generated", pixels, {"x": generated}))
    assert (mixed_kinds.what, mixed_kinds.count) == ("features", 5)
    assert found(known, ImageSet("b", "generated", pixels, {"z": reference})) == []
    # Both have pixels: equal features of different pictures are no copies.
    assert (
        found(
            ImageSet("a", "reference", pixels, {"x": reference}),
            ImageSet("b", "generated", pixels ^ 1, {"x": reference}),
        )
        == []
    )


def test_features_that_a_set_repeats_are_counted_where_pixels_are_not_known():
    rows = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    finder = CopyFinder()
    finder.add(ImageSet("rows.npy", "generated", rows={"x": rows[[0, 1, 1, 2, 0]]}))
    (copies,) = finder.all()
    assert str(copies) == (
        "2 of 5 images of rows.npy (40%) have the features of earlier ones of them, bit for bit: copies count twice, "
        "and no interval knows it"
    )
