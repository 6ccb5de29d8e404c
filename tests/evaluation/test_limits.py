"""A limit takes a random sample of every set, recorded and everywhere the same; streams give their first and say so."""

import json
import shutil
import tarfile

import numpy as np
import pytest
from image_sets import crops, write_pngs
from process_runs import ProcessRun

import jaxeval
from jaxeval.cli import main
from jaxeval.errors import InputError, PreemptedError
from jaxeval.images import Sampling, open_source

UNIFORM = "uniform, without replacement, in the set's order"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two classes of very different images, of 80 and 40 images, in each of two sets."""
    folder = tmp_path_factory.mktemp("images")
    for number, name in enumerate(("real", "fake")):
        images = crops(120, (5, 4), number)
        write_pngs(folder / name / "bright", 200 + images[:80] // 5)
        write_pngs(folder / name / "dark", images[80:] // 5 + 1)
    return folder / "real", folder / "fake"


@pytest.fixture(scope="module")
def archives(folders):
    """The same as tar archives."""
    for folder in folders:
        with tarfile.open(folder.with_suffix(".tar"), "w") as archive:
            for path in sorted(folder.rglob("*.png")):
                archive.add(path, path.relative_to(folder).as_posix())
    return [folder.with_suffix(".tar") for folder in folders]


def run(sets, **more):
    return jaxeval.evaluate(*sets, **({"extractor": "pixels"} | more))


def chosen(folder, limit, seed=0) -> list[str]:
    return [item.name for item in Sampling(limit, seed=seed).of(open_source(folder)).items()]


def test_the_number_is_that_of_the_sampled_files(folders):
    expected = run([[folder / name for name in chosen(folder, 50, seed=4)] for folder in folders], seed=4)
    found = run(folders, limit=50, seed=4)
    assert found.results[0].value == expected.results[0].value
    assert (found.results[0].n_reference, found.results[0].n_generated) == (50, 50)
    assert found.manifest["reference"]["fingerprint"] == expected.manifest["reference"]["fingerprint"]


def test_classes_are_sampled_in_proportion_and_not_one_alone(folders):
    whole = run(folders).results[0].value
    sampled = run(folders, limit=60).results[0].value
    first = run((folders[0], folders[1]), limit=60, limit_first=True)
    # The first 60 of either set are all of one class, so that a set of both is far from them.
    one_class = jaxeval.evaluate(folders[0], [folders[1] / "bright"], extractor="pixels").results[0].value
    against_whole = jaxeval.evaluate(
        folders[0],
        {"first": open_first(folders[1], 60), "sample": [folders[1] / n for n in chosen(folders[1], 60)]},
        extractor="pixels",
    ).results
    assert against_whole[0].value > one_class / 2 > 10 * against_whole[1].value
    assert sampled < 10 * whole
    assert first.results[0].n_generated == 60
    classes = [name.split("/")[0] for name in chosen(folders[1], 60)]
    # 40 of 60 on average, with a deviation of 2.6 (hypergeometric).
    assert 32 <= classes.count("bright") <= 48


def open_first(folder, count):
    return sorted(folder.rglob("*.png"))[:count]


def test_the_first_images_are_the_old_meaning(folders):
    expected = run([open_first(folder, 90) for folder in folders]).results[0].value
    assert run(folders, limit=90, limit_first=True).results[0].value == expected
    assert run(folders, limit=90).results[0].value != expected


def test_samples_are_recorded(folders, tmp_path):
    manifest = run(folders, limit=50, seed=9).manifest
    assert (manifest["limit"], manifest["limit_first"], manifest["seed"]) == (50, False, 9)
    sample = {"rule": UNIFORM, "seed": 9, "count": 50, "of": 120}
    assert [manifest["reference"]["sample"], manifest["generated"][0]["sample"]] == [sample] * 2
    assert run(folders, limit=120).manifest["reference"]["sample"] is None
    first = run(folders, limit=50, limit_first=True).manifest["generated"][0]["sample"]
    assert first == {"rule": "the first", "seed": None, "count": 50, "of": 120}
    path = tmp_path / "s.npz"
    jaxeval.reference_statistics(folders[0], path, extractor="pixels", limit=50, seed=9)
    with np.load(path) as file:
        identity = json.loads(str(file["metadata"]))
    assert (identity["limit"], identity["sample"]) == (50, sample)
    assert identity["data"] == manifest["reference"]["fingerprint"]
    by_file = run((path, folders[1]), limit=50, seed=9)
    assert by_file.manifest["reference"]["sample"] == sample
    assert by_file.results[0].value == pytest.approx(run(folders, limit=50, seed=9).results[0].value, rel=1e-9)


def test_features_of_a_sample_are_rows_of_all_in_their_order(folders):
    everything = jaxeval.features(folders[0], extractor="pixels")
    names = [item.name for item in open_source(folders[0]).items()]
    sample = jaxeval.features(folders[0], extractor="pixels", limit=30, seed=2)
    np.testing.assert_array_equal(sample, everything[[names.index(name) for name in chosen(folders[0], 30, seed=2)]])


@pytest.mark.parametrize("cut", [{}, {"limit": 50}, {"limit": 50, "seed": 1}, {"limit": 50, "limit_first": True}])
def test_a_cache_knows_samples_apart(folders, tmp_path, cut):
    for other in ({"limit": 49}, {"limit": 50, "seed": 2}, {"limit": 49, "limit_first": True}):
        run(folders, cache=tmp_path, **other)
    fresh = run(folders, **cut)
    first, again = (run(folders, cache=tmp_path, **cut) for _ in range(2))
    assert first.results[0].value == again.results[0].value == fresh.results[0].value
    assert not first.manifest["generated"][0]["cached"]
    assert again.manifest["generated"][0]["cached"]


def test_a_copy_of_the_sample_alone_is_the_same_entry(folders, tmp_path):
    first = run(folders, limit=50, cache=tmp_path / "cache")
    for folder in folders:
        for name in chosen(folder, 50):
            (tmp_path / folder.name / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, tmp_path / folder.name / name)
    again = run([tmp_path / folder.name for folder in folders], cache=tmp_path / "cache")
    assert again.manifest["reference"]["cached"]
    assert again.results[0].value == first.results[0].value


class Stop:
    def __init__(self, after: int):
        self.left = after

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0


def test_a_sample_goes_on_after_a_kill_and_another_one_is_refused(folders, tmp_path):
    cut = {"limit": 70, "batch_size": 8}
    expected = run(folders, **cut).results[0].value
    with pytest.raises(PreemptedError):
        run(folders, **cut, checkpoint=tmp_path, checkpoint_every=2, stop=Stop(5))
    for change in ({"seed": 1}, {"limit_first": True}, {"limit": 71}, {"limit": None}):
        with pytest.raises(InputError, match=r"another run.*limit"):
            run(folders, **(cut | change), checkpoint=tmp_path)
    assert run(folders, **cut, checkpoint=tmp_path).results[0].value == expected


def test_labels_stay_with_their_images(folders):
    files = [[folder / name for name in chosen(folder, 60)] for folder in folders]
    found, expected = (
        run(sets, metrics="by-class,class-diversity", **cut) for sets, cut in ((folders, {"limit": 60}), (files, {}))
    )
    assert [one.value for one in found.results] == [one.value for one in expected.results]


def test_streams_say_that_they_give_their_first(folders, archives):
    tar = archives[1]
    found = run((folders[0], tar), limit=50)
    (warning,) = [text for text in found.results[0].warnings if "first" in text]
    assert warning == (
        f"the first 50 of 120 images of {tar} were taken, as it is read as a stream; they are no random sample of it"
    )
    expected = run((folders[0], folders[1]), limit=50, limit_first=True).manifest["generated"][0]["fingerprint"]
    assert found.manifest["generated"][0]["fingerprint"] == expected
    for quiet in ({"limit": 120}, {}, {"limit": 50, "limit_first": True}):
        assert not [text for text in run((folders[0], tar), **quiet).results[0].warnings if "first" in text]


def test_statistics_of_a_stream_hand_the_warning_on(folders, archives, tmp_path, capfd):
    path = str(tmp_path / "s.npz")
    arguments = ["stats", str(archives[0]), "--out", path, "--extractor", "pixels", "--limit", "50", "--quiet"]
    assert main(arguments) == 0
    out, err = capfd.readouterr()
    assert out.startswith(f"wrote {path}: 50 images")
    assert f"warning: the first 50 of 120 images of {archives[0]} were taken" in out
    assert err == ""
    (result,) = run((path, folders[1])).results
    assert [text for text in result.warnings if text.startswith("the first 50 of 120")]
    assert main([*arguments, "--limit-first"]) == 0
    assert "the first" not in capfd.readouterr().out


def test_functions_are_cut_without_a_word(folders):
    def draw(count, seed):
        return np.random.default_rng(seed).integers(0, 256, (count, 5, 4, 3), np.uint8)

    (result,) = run((folders[0], draw), limit=70, num_samples=100).results
    assert result.n_generated == 70
    assert not [text for text in result.warnings if "first" in text]


def test_compare_takes_the_same_images_of_paired_sets(folders):
    (one,) = jaxeval.compare(
        folders[1], list(open_first(folders[1], 120)), reference=folders[0], metrics="fd", extractor="pixels", limit=60
    ).differences
    assert (one.value, one.first.n_generated) == (0, 60)


def test_the_command_line_takes_both(folders, capfd):
    sets = [str(folder) for folder in folders]
    for more, keywords in (([], {}), (["--limit-first"], {"limit_first": True}), (["--seed", "3"], {"seed": 3})):
        assert main(["evaluate", *sets, "--extractor", "pixels", "--limit", "50", "--json", "--quiet", *more]) == 0
        document = json.loads(capfd.readouterr().out)
        assert document["results"][0]["value"] == run(folders, limit=50, **keywords).results[0].value
    assert main(["evaluate", *sets, "--extractor", "pixels", "--limit-first"]) == 2
    assert "give a limit too (--limit N)" in capfd.readouterr().err
    assert main(["evaluate", *sets, "--extractor", "pixels", "--limit", "50", "--seed", "-1"]) == 2
    assert "seed is -1; give a whole number" in capfd.readouterr().err


@pytest.mark.slow
def test_several_processes_take_the_same_sample(folders):
    command = ["evaluate", *map(str, folders), "--extractor", "pixels", "--limit", "51", "--seed", "6", "--json"]
    code, out, err = ProcessRun([command] * 2).finish()[0]
    assert code == 0, err[-2000:]
    document, alone = json.loads(out), run(folders, limit=51, seed=6)
    assert document["results"][0]["value"] == pytest.approx(alone.results[0].value, rel=1e-6)
    for side in ("fingerprint", "sample"):
        assert document["manifest"]["reference"][side] == alone.manifest["reference"][side]
        assert document["manifest"]["generated"][0][side] == alone.manifest["generated"][0][side]
