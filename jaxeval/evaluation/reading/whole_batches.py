"""References that drop an incomplete last batch: which images of a set they count."""

from typing import Any

from jaxeval.errors import InputError
from jaxeval.images import SampledSource, Source


class WholeBatches(SampledSource):
    """The images of a source that fill whole batches, its last ones left out; it says how many were dropped.

    Args:
      source: the whole, of more images than those.
      batch: images at a time.
    """

    def __init__(self, source: Source, batch: int):
        super().__init__(source, len(source) // batch * batch, asked=True)
        self._batch = batch

    def describe(self) -> dict[str, Any]:
        """How the images were taken, as plain values; `sample` is how those were from which they are taken."""
        whole = self._source
        sample = whole.describe() if isinstance(whole, SampledSource) else None
        return {
            "rule": f"whole batches of {self._batch}",
            "seed": None,
            "count": len(self),
            "of": len(whole),
            "sample": sample,
        }

    def remarks(self) -> list[str]:
        """What a reader should be told."""
        whole = self._source
        dropped = len(whole) - len(self)
        return [
            *(whole.remarks() if isinstance(whole, SampledSource) else []),
            f"{dropped:,} of {len(whole):,} images of {self.name} dropped, the last: the reference takes them "
            f"{self._batch} at a time and leaves an incomplete batch out",
        ]


def in_whole_batches(source: Source, batch: int | None) -> Source:
    """The source, or its images in whole batches where the reference drops the others.

    Raises:
      InputError: there is not one whole batch.
    """
    if batch is None or len(source) % batch == 0:
        return source
    if len(source) < batch:
        raise InputError(
            f"{source.name!r} has {len(source)} images, fewer than the {batch} of a batch: the reference of this "
            "protocol drops an incomplete batch, which leaves none"
        )
    return WholeBatches(source, batch)
