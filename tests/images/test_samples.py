"""A limit takes a random sample of a set, the same one everywhere; streams give their first images."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from image_samples import encode, noise, read_all, write_folder, write_tar, write_zip

from jaxeval.errors import InputError
from jaxeval.images import SampledSource, Sampling, SourcePart, open_source

COUNT = 23
FILES = {f"{number % 2}/{number:02d}.png": encode(noise(3, 4, 3, seed=number), "PNG") for number in range(COUNT)}


def names(source) -> list[str]:
    return [item.name for item in source.items()]


def sampled(spec, limit=7, **more):
    return Sampling(limit, **more).of(
        open_source(spec) if isinstance(spec, str) or not hasattr(spec, "items") else spec
    )


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    images = np.stack([noise(5, 6, 3, seed=number) for number in range(COUNT)])
    np.save(folder / "a.npy", images)
    np.savez(folder / "b.npz", images=images)
    np.savez_compressed(folder / "c.npz", images=images)
    return {
        "folder": str(write_folder(folder / "files", FILES)),
        "zip": str(write_zip(folder / "a.zip", FILES)),
        "pattern": f"{folder}/files/*/*.png",
        "array": images,
        "list": list(images),
        "npy": str(folder / "a.npy"),
        "npz": str(folder / "b.npz"),
        "compressed npz": str(folder / "c.npz"),
        "tar": str(write_tar(folder / "a.tar", FILES)),
    }


@pytest.mark.parametrize("kind", ["folder", "zip", "pattern", "array", "list", "npy", "npz", "compressed npz"])
def test_a_sample_is_of_all_of_the_set_in_its_order(places, kind):
    whole = open_source(places[kind])
    everything = names(whole)
    sample = Sampling(7, seed=3).of(whole)
    found = names(sample)
    assert len(found) == len(sample) == len(set(found)) == 7
    assert found == sorted(found, key=everything.index)
    assert found not in (everything[:7], everything[-7:])
    assert names(sample) == found  # twice the same
    # As published: a run of this limit and seed takes these images in every version.
    assert [everything.index(name) for name in found] == [0, 1, 4, 7, 9, 16, 20]
    pixels, all_pixels = read_all(sample), read_all(whole)
    for name, image in pixels.items():
        np.testing.assert_array_equal(image, all_pixels[name])
    assert sample.name == whole.name
    assert sample.fingerprint() not in (None, whole.fingerprint())


def test_equal_samples_of_a_folder_and_its_zip_share_a_fingerprint(places):
    prints = {Sampling(7, seed=5).of(open_source(places[kind])).fingerprint() for kind in ("folder", "zip")}
    arrays = {
        Sampling(7, seed=5).of(open_source(places[kind])).fingerprint() for kind in ("array", "list", "npy", "npz")
    }
    assert len(prints) == len(arrays) == 1
    assert len({Sampling(7, seed=seed).of(open_source(places["zip"])).fingerprint() for seed in range(5)}) == 5


def test_every_image_is_as_likely_as_any_other():
    """Each of 20 is in a sample of 5 with probability 1/4, each pair with 1/19; 4,000 seeds, within 5 deviations."""
    source = open_source(np.zeros((20, 5, 6, 3), np.uint8))
    chosen = np.zeros((4000, 20))
    for seed in range(len(chosen)):
        chosen[seed, list(map(int, names(Sampling(5, seed=seed).of(source))))] = 1
    assert (chosen.sum(1) == 5).all()
    singles, pairs = chosen.mean(0), chosen.T @ chosen / len(chosen)
    np.testing.assert_allclose(singles, 1 / 4, atol=5 * np.sqrt(1 / 4 * 3 / 4 / 4000))
    between = pairs[np.triu_indices(20, 1)]
    np.testing.assert_allclose(between, 1 / 19, atol=5 * np.sqrt(1 / 19 * 18 / 19 / 4000))


def test_larger_samples_hold_smaller_ones(places):
    samples = [set(names(sampled(places["folder"], limit))) for limit in (1, 4, 9, 22)]
    for smaller, larger in itertools.pairwise(samples):
        assert smaller < larger


def test_limits_that_leave_nothing_out_change_nothing(places):
    whole = open_source(places["folder"])
    assert Sampling().of(whole) is whole
    assert Sampling(COUNT).of(whole) is whole
    assert Sampling(COUNT + 1).of(whole) is whole


@pytest.mark.parametrize("kind", ["folder", "npz", "tar", "list"])
def test_the_first_are_taken_where_that_is_wanted(places, kind):
    whole = open_source(places[kind])
    first = Sampling(7, first=True).of(whole)
    assert isinstance(first, SampledSource)
    assert (names(first), first.remarks()) == (names(whole)[:7], [])
    assert names(Sampling(99, first=True).of(whole)) == names(whole)
    assert Sampling(99, first=True).of(whole).fingerprint() == whole.fingerprint()


def test_streams_give_their_first_and_say_so(places):
    whole = open_source(places["tar"])
    sample = Sampling(7).of(whole)
    assert names(sample) == names(whole)[:7]
    assert isinstance(sample, SampledSource)
    (remark,) = sample.remarks()
    assert remark.startswith(f"the first 7 of 23 images of {places['tar']} were taken, as it is read as a stream")
    assert sample.describe() == {"rule": "the first", "seed": None, "count": 7, "of": 23}
    for limit in (COUNT, 99):
        enough = Sampling(limit).of(whole)
        assert isinstance(enough, SampledSource)
        assert (len(enough), enough.remarks()) == (COUNT, [])
        assert enough.fingerprint() == whole.fingerprint()


def test_a_function_draws_no_more_than_are_taken():
    drawn = []

    def draw(count, seed):
        drawn.append(count)
        return np.zeros((count, 5, 6, 3), np.uint8)

    sample = Sampling(64).of(open_source(draw, num_samples=1000))
    assert isinstance(sample, SampledSource)
    assert (len(names(sample)), sum(drawn)) == (64, 64)
    assert sample.remarks() == []
    assert sample.fingerprint() is None


def test_random_samples_say_how_they_were_drawn(places):
    sample = sampled(places["folder"], seed=11)
    assert isinstance(sample, SampledSource)
    rule = "uniform, without replacement, in the set's order"
    assert sample.describe() == {"rule": rule, "seed": 11, "count": 7, "of": 23}
    assert sample.remarks() == []


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_processes_share_a_sample(places, processes):
    sample = sampled(places["folder"])
    parts = [names(SourcePart(sample, start=index, step=processes)) for index in range(processes)]
    assert [name for turn in itertools.zip_longest(*parts) for name in turn if name is not None] == names(sample)


def test_records_of_array_files_that_are_cut_short_are_named(places, tmp_path):
    (tmp_path / "cut.npy").write_bytes(Path(places["npy"]).read_bytes()[:-300])
    # Of the last three and a third images, which are missing, the sample's first is number 20.
    with pytest.raises(InputError, match="cut short: it ends inside image 20 of 23"):
        names(Sampling(7, seed=3).of(open_source(tmp_path / "cut.npy")))


def test_only_the_sample_of_an_array_file_is_read(places, monkeypatch):
    source = open_source(places["npy"])
    read = []
    original = np.frombuffer
    monkeypatch.setattr(np, "frombuffer", lambda data, *rest: (read.append(len(data)), original(data, *rest))[1])
    names(Sampling(2).of(source))
    assert len(read) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"limit": 0}, "limit 0"),
        ({"first": True}, "give a limit too"),
        ({"limit": 5, "seed": -1}, "seed -1 of a sample must not be negative"),
    ],
)
def test_samplings_that_make_no_sense(arguments, words):
    with pytest.raises(InputError, match=words):
        Sampling(**arguments)
