"""TFDS data sets, read without TensorFlow."""

import io
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from image_samples import encode, noise, read_all

from jaxeval.errors import InputError
from jaxeval.images import ReadReport, Sampling, open_source


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("tfds")

    def prepare(name, feature, make):
        class Small(tfds.core.GeneratorBasedBuilder, skip_registration=True):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                features = {"image": feature, "label": tfds.features.ClassLabel(num_classes=10)}
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

            def _split_generators(self, dl_manager):
                return {"train": self._generate_examples(3), "test": self._generate_examples(7)}

            def _generate_examples(self, count):
                for index in range(count):
                    yield index, {"image": make(index), "label": index}

        Small.name = name
        small: Any = Small(data_dir=folder, file_format="array_record")
        small.download_and_prepare()

    prepare("pixels", tfds.features.Tensor(shape=(6, 7, 3), dtype=np.uint8), picture)
    prepare(
        "floats", tfds.features.Tensor(shape=(6, 7, 1), dtype=np.float32), lambda i: np.full((6, 7, 1), i / 6, "f4")
    )
    prepare("narrow", tfds.features.Tensor(shape=(6, 3), dtype=np.uint8), lambda i: picture(i)[:, :3, 0])
    prepare("encoded", tfds.features.Image(shape=(None, None, 3)), lambda i: io.BytesIO(encode(picture(i), "PNG")))
    return folder


def picture(index):
    return noise(6, 7, 3, seed=index)


def labels(data_dir, name, split="test"):
    """The order in which TFDS stores the examples, as TFDS itself reads them."""
    import tensorflow_datasets as tfds

    builder: Any = tfds.builder_from_directory(data_dir / name / "1.0.0")
    return [record["label"] for record in builder.as_data_source(split)]


@pytest.mark.parametrize("name", ["pixels", "encoded"])
def test_images_in_stored_order(data_dir, name):
    source = open_source(f"tfds:{name}:test?data_dir={data_dir}")
    assert len(source) == 7
    images = read_all(source)
    assert list(images) == [str(i) for i in range(7)]
    assert list(source.names()) == list(images)
    for image, label in zip(images.values(), labels(data_dir, name), strict=True):
        np.testing.assert_array_equal(image, picture(label))


@pytest.mark.parametrize("name", ["pixels", "encoded"])
def test_a_sample_reads_its_records_alone(data_dir, name, monkeypatch):
    source: Any = open_source(f"tfds:{name}:test?data_dir={data_dir}")
    read, original = [], type(source._records).__getitems__
    monkeypatch.setattr(
        type(source._records), "__getitems__", lambda records, keys: (read.extend(keys), original(records, keys))[1]
    )
    images = read_all(Sampling(3, seed=1).of(source))
    assert list(map(str, read)) == list(images)
    assert len(set(images)) == 3
    order = labels(data_dir, name)
    for place, image in images.items():
        np.testing.assert_array_equal(image, picture(order[int(place)]))


def test_records_are_never_the_rows_of_one_picture(data_dir):
    """Gray records three pixels wide, of which there are three: their number and their axes are known."""
    for split in ("train", "test"):
        images = read_all(f"tfds:narrow:{split}?data_dir={data_dir}")
        for image, label in zip(images.values(), labels(data_dir, "narrow", split), strict=True):
            np.testing.assert_array_equal(image, np.repeat(picture(label)[:, :3, :1], 3, axis=2))
    with pytest.raises(InputError, match="not NHWC"):
        open_source(f"tfds:narrow:test?data_dir={data_dir}&layout=NHWC")


def test_tensorflow_is_not_imported(data_dir):
    script = f"""
import json, sys
from jaxeval.images import Preparation, open_source, read_batches
assert "tensorflow_datasets" not in sys.modules
for name in ("pixels", "encoded"):
    source = open_source(f"tfds:{{name}}:test?data_dir={data_dir}")
    assert sum(len(batch.names) for batch in read_batches(source, [Preparation()], 4)) == 7
    source.fingerprint()
print(json.dumps([name for name in ("tensorflow", "torch") if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_split_slices_versions_and_ranges(data_dir):
    whole = list(read_all(f"tfds:encoded:test?data_dir={data_dir}").values())
    part = list(read_all(f"tfds:encoded:1.0.0:test[2:4]?data_dir={data_dir}").values())
    np.testing.assert_array_equal(part, whole[2:4])
    report = ReadReport()
    floats = read_all(f"tfds:floats:test?data_dir={data_dir}&range=0,1", report=report)
    assert sorted(image[0, 0, 0] for image in floats.values()) == [0, 43, 85, 128, 170, 213, 255]
    assert report.notes == {"gray to RGB": 7}
    with pytest.raises(InputError, match="value_range"):
        open_source(f"tfds:floats:test?data_dir={data_dir}")


def test_fingerprints_tell_splits_apart(data_dir):
    prints = {open_source(f"tfds:encoded:{split}?data_dir={data_dir}").fingerprint() for split in ("train", "test")}
    assert len(prints) == 2
    assert None not in prints


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tfds:nowhere:test?data_dir={}", r"no prepared data set 'nowhere' in .*download_and_prepare"),
        ("tfds:pixels:2.0.0:test?data_dir={}", "no prepared data set 'pixels:2.0.0'"),
        ("tfds:pixels:valid?data_dir={}", "split 'valid' cannot be read .*the splits are test, train"),
        ("tfds:pixels:test?data_dir={}&image_key=label", "no image feature 'label'; it has image, label"),
        ("tfds:pixels?data_dir={}", "must be tfds:NAME:SPLIT"),
        ("tfds:pixels:test?folder={}", "unknown option 'folder'"),
    ],
)
def test_what_is_missing_is_named(data_dir, spec, message):
    with pytest.raises(InputError, match=message):
        open_source(spec.format(data_dir))


def test_other_file_formats_say_what_to_do(data_dir, tmp_path):
    info = json.loads((data_dir / "pixels/1.0.0/dataset_info.json").read_text())
    folder = tmp_path / "pixels/1.0.0"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text(json.dumps(info | {"fileFormat": "tfrecord"}))
    (folder / "features.json").write_text((data_dir / "pixels/1.0.0/features.json").read_text())
    with pytest.raises(InputError, match="stored as tfrecord, not as ArrayRecord"):
        open_source(f"tfds:pixels:test?data_dir={tmp_path}")
