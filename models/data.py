"""Training data: images held in memory, divided into three parts, in batches that depend on a seed and a step alone.

Whatever `jaxeval.images` reads can be trained on; `fashion-mnist` names the data set of the reference runs.
"""

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import PurePosixPath
from queue import Full, Queue
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, UInt8

from jaxeval.errors import InputError
from jaxeval.images import Preparation, open_source, read_batches
from models.fashion_mnist import find_fashion_mnist

_READ = 256  # images decoded at a time
_AHEAD = 2  # batches that wait on the devices


@dataclasses.dataclass(frozen=True, eq=False)
class DataSet:
    """Images in memory.

    Attributes:
      name: as the user wrote it.
      images: levels, with 1 or 3 channels.
      labels: a number for each, or None where there are no classes.
    """

    name: str
    images: UInt8[np.ndarray, "n h w c"]
    labels: Int[np.ndarray, " n"] | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> int:
        """How many there are; 0 where images have no labels."""
        return 0 if self.labels is None else int(self.labels.max()) + 1

    def take(self, rows: Int[np.ndarray, " m"]) -> "DataSet":
        """The images with these numbers."""
        return DataSet(self.name, self.images[rows], None if self.labels is None else self.labels[rows])


class Splits(NamedTuple):
    """Three parts without a common image: to learn from, to choose by, and to report on."""

    train: DataSet
    validation: DataSet
    held_out: DataSet


def load_splits(
    data: Any,
    *,
    validation: int,
    held_out: int,
    seed: int = 0,
    limit: int | None = None,
    image_size: tuple[int, int] | None = None,
) -> Splits:
    """Reads images and divides them at random.

    Of `fashion-mnist` the held-out images come from the test set and the others from the training set.

    Args:
      data: `fashion-mnist`, or anything that `jaxeval.images.open_source` takes: folders (with a folder for each class,
        if there are classes), archives, arrays, `tfds:NAME:SPLIT`.
      validation: how many images to choose by.
      held_out: how many images to report on.
      seed: of the division.
      limit: at most so many images to learn from.
      image_size: height and width to resize to; as they are if None.

    Raises:
      InputError: the data cannot be read, has images of several sizes, or too few of them.
    """
    rng = np.random.default_rng([seed, 0])
    if isinstance(data, str) and data == "fashion-mnist":
        if image_size not in (None, (28, 28)):
            raise InputError(f"fashion-mnist has 28 x 28 pixels, not {image_size[0]} x {image_size[1]}")
        found = find_fashion_mnist()
        if found is None:
            raise InputError("fashion-mnist is neither installed nor to be downloaded; name a folder of images instead")
        whole = DataSet(data, found.images[..., None], found.labels)
        order, unseen = rng.permutation(found.train), found.train + rng.permutation(len(whole) - found.train)
    else:
        whole = _read(data, image_size)
        order = rng.permutation(len(whole))
        order, unseen = order[held_out:], order[:held_out]
    chosen, rest = order[:validation], order[validation:][:limit]
    if validation < 1 or held_out < 1 or len(chosen) < validation or len(unseen) < held_out or len(rest) < 1:
        raise InputError(
            f"{whole.name} has {len(whole):,} images, too few for {validation:,} to choose by, {held_out:,} held out "
            "and at least one to learn from; ask for fewer, but at least one of each"
        )
    return Splits(whole.take(rest), whole.take(chosen), whole.take(unseen[:held_out]))


def _read(data: Any, image_size: tuple[int, int] | None) -> DataSet:
    source = open_source(data)
    names: list[str] = []
    rows: list[np.ndarray] = []
    for batch in read_batches(source, [Preparation(image_size, "antialiased-bilinear")], _READ):
        levels = batch.images[0][batch.mask]
        rows.append(np.clip(np.rint(levels), 0, 255).astype(np.uint8))
        names += batch.names
    images = np.concatenate(rows)
    if (images == images[..., :1]).all():
        images = images[..., :1]
    folders = [PurePosixPath(name).parent.as_posix() for name in names]
    kinds = {folder: number for number, folder in enumerate(sorted(set(folders)))}
    labels = np.asarray([kinds[folder] for folder in folders], np.int32) if len(kinds) > 1 else None
    return DataSet(source.name, images, labels)


class TrainingBatch(NamedTuple):
    """What one step learns from.

    Attributes:
      images: levels, [B, H, W, C] uint8.
      labels: [B], or None.
    """

    images: Any
    labels: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Batches:
    """Batches by the number of the step: every epoch is a permutation of its own, cut across its borders.

    Nothing is remembered between steps, so that a run goes on after a kill with the batches that it would have had.

    Attributes:
      data: what to learn from.
      size: images a batch.
      seed: of the permutations.

    Raises:
      InputError: a size below 1.
    """

    data: DataSet
    size: int
    seed: int

    def __post_init__(self):
        if self.size < 1:
            raise InputError(f"a batch of {self.size} images is not possible; give 1 or more")

    def at(self, step: int) -> TrainingBatch:
        """The batch of a step, which is counted from 0."""
        places = np.arange(step * self.size, (step + 1) * self.size)
        epochs, offsets = np.divmod(places, len(self.data))
        rows = np.empty(self.size, np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            rows[here] = self._permutation(int(epoch))[offsets[here]]
        return TrainingBatch(*(None if part is None else part[rows] for part in (self.data.images, self.data.labels)))

    def _permutation(self, epoch: int) -> np.ndarray:
        kept = self.__dict__.get("_last")
        if kept is None or kept[0] != epoch:
            kept = epoch, np.random.default_rng([self.seed, 1, epoch]).permutation(len(self.data))
            self.__dict__["_last"] = kept
        return kept[1]


def prefetch(batches: Batches, mesh: Mesh, start: int, stop: int) -> Iterator[TrainingBatch]:
    """The batches of steps `start` to `stop`, split over the mesh, made ready by a thread while the devices compute.

    The thread ends with the iterator, however that ends; what goes wrong in it is raised here.
    """
    queue: Queue[TrainingBatch | BaseException] = Queue(_AHEAD)
    ended = threading.Event()

    def offer(what: TrainingBatch | BaseException) -> None:
        while not ended.is_set():
            try:
                queue.put(what, timeout=0.1)
                return
            except Full:
                continue

    def work() -> None:
        try:
            for step in range(start, stop):
                if ended.is_set():
                    return
                offer(on_mesh(mesh, batches.at(step)))
        except BaseException as error:
            offer(error)

    thread = threading.Thread(target=work, name="training-batches", daemon=True)
    thread.start()
    try:
        for _ in range(start, stop):
            found = queue.get()
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        ended.set()
        thread.join()


def on_mesh(mesh: Mesh, batch: TrainingBatch) -> TrainingBatch:
    """A batch whose rows are split over the devices of this process."""
    return TrainingBatch(*(None if part is None else place_rows(mesh, part) for part in batch))


def place_rows(mesh: Mesh, rows: np.ndarray) -> Array:
    """Rows, or one truth value a row, split over the mesh's axis."""
    return jax.device_put(rows, NamedSharding(mesh, PartitionSpec(mesh.axis_names[0])))
