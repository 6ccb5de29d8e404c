"""Training data: parts without a common image, epochs that are permutations, and a thread that changes nothing."""

import threading
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from small_runs import mesh_of, rectangles

from jaxeval.errors import InputError
from models.data import Batches, DataSet, load_splits, prefetch


def numbered(count: int) -> DataSet:
    """Images that hold their number."""
    return DataSet("numbered", np.arange(count, dtype=np.uint8)[:, None, None, None], np.arange(count, dtype=np.int32))


def test_every_epoch_is_a_permutation_of_its_own_whatever_the_batch() -> None:
    batches = Batches(numbered(10), 4, seed=3)
    shown = np.concatenate([batches.at(step).images[:, 0, 0, 0] for step in range(5)])
    first, second = shown[:10], shown[10:]
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) != list(second)
    labels = np.concatenate([batches.at(step).labels for step in range(5)])
    np.testing.assert_array_equal(labels, shown)


def test_a_batch_depends_on_the_seed_and_the_step_alone() -> None:
    one, other = Batches(numbered(50), 8, seed=1), Batches(numbered(50), 8, seed=1)
    for step in (30, 2, 11):
        one.at(step)
    np.testing.assert_array_equal(one.at(7).images, other.at(7).images)
    assert not np.array_equal(one.at(7).images, Batches(numbered(50), 8, seed=2).at(7).images)


@pytest.mark.parametrize("devices", [1, 4])
def test_prefetched_batches_are_the_same_and_divided(devices: int) -> None:
    batches = Batches(numbered(20), 8, seed=0)
    found = list(prefetch(batches, mesh_of(devices), 3, 7))
    assert len(found) == 4
    for step, batch in enumerate(found, 3):
        np.testing.assert_array_equal(batch.images, batches.at(step).images)
        assert len(batch.images.sharding.device_set) == devices


def test_what_goes_wrong_in_the_thread_is_raised_and_the_thread_ends() -> None:
    data = DataSet("broken", np.zeros((4, 1, 1, 1), np.uint8), np.zeros(2, np.int32))
    with pytest.raises(IndexError):
        list(prefetch(Batches(data, 4, seed=0), mesh_of(1), 0, 3))


def test_a_consumer_that_leaves_early_leaves_no_thread() -> None:
    stream = prefetch(Batches(numbered(20), 4, seed=0), mesh_of(1), 0, 1000)
    next(stream)
    stream.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert not [thread for thread in threading.enumerate() if thread.name == "training-batches"]


def test_parts_share_no_image() -> None:
    whole = np.arange(60, dtype=np.uint8)[:, None, None, None] * np.ones((1, 5, 5, 1), np.uint8)
    parts = load_splits(whole, validation=10, held_out=20, seed=1, limit=25)
    assert [len(part) for part in parts] == [25, 10, 20]
    shown = np.concatenate([part.images[:, 0, 0, 0] for part in parts])
    assert len(set(shown.tolist())) == 55
    again = load_splits(whole, validation=10, held_out=20, seed=1, limit=25)
    np.testing.assert_array_equal(parts.train.images, again.train.images)


def test_folders_are_classes_and_gray_images_have_one_channel(tmp_path: Path) -> None:
    data = rectangles(12)
    assert data.labels is not None
    for number, (image, label) in enumerate(zip(data.images, data.labels, strict=True)):
        (tmp_path / f"class{label}").mkdir(exist_ok=True)
        Image.fromarray(image[..., 0]).save(tmp_path / f"class{label}" / f"{number:02d}.png")
    parts = load_splits(tmp_path, validation=2, held_out=2)
    assert parts.train.images.shape == (8, 12, 12, 1)
    assert parts.train.classes == 2
    for part in parts:
        assert part.labels is not None
        wide = (part.images[..., 0] > 0).any(1).sum(1) > (part.images[..., 0] > 0).any(2).sum(1)
        np.testing.assert_array_equal(part.labels == 0, wide)
    small = load_splits(tmp_path, validation=2, held_out=2, image_size=(4, 4))
    assert small.train.images.shape == (8, 4, 4, 1)


@pytest.mark.parametrize(("validation", "held_out"), [(40, 20), (0, 5), (5, 0), (10, 50)])
def test_too_few_images_are_refused(validation: int, held_out: int) -> None:
    with pytest.raises(InputError, match="too few"):
        load_splits(np.zeros((50, 5, 5, 1), np.uint8), validation=validation, held_out=held_out)


def test_no_batch_is_empty() -> None:
    with pytest.raises(InputError, match="1 or more"):
        Batches(numbered(3), 0, seed=0)
    assert jax.device_count() >= 4  # what the tests above divide over
