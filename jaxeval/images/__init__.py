"""Images: sources, decoding, resizing, and batches with masks."""

from jaxeval.images._remarks import contrasts as contrasts
from jaxeval.images._remarks import remarks as remarks
from jaxeval.images.batches import Batch as Batch
from jaxeval.images.batches import read_batches as read_batches
from jaxeval.images.compositing import PixelRules as PixelRules
from jaxeval.images.decoding import DECODING_VERSION as DECODING_VERSION
from jaxeval.images.device import resize_on_device as resize_on_device
from jaxeval.images.digests import DIGEST_BYTES as DIGEST_BYTES
from jaxeval.images.digests import pixel_digest as pixel_digest
from jaxeval.images.exact import PixelLayout as PixelLayout
from jaxeval.images.exact import StoredImage as StoredImage
from jaxeval.images.exact import decode_exact as decode_exact
from jaxeval.images.exact import pixel_layout as pixel_layout
from jaxeval.images.exact import stored_image as stored_image
from jaxeval.images.opening import matching_files as matching_files
from jaxeval.images.opening import open_source as open_source
from jaxeval.images.parts import ChosenPart as ChosenPart
from jaxeval.images.parts import SourcePart as SourcePart
from jaxeval.images.preparation import Preparation as Preparation
from jaxeval.images.preparation import prepare as prepare
from jaxeval.images.report import ReadReport as ReadReport
from jaxeval.images.resizing import ResizeKind as ResizeKind
from jaxeval.images.resizing import resize as resize
from jaxeval.images.resizing import resize_weights as resize_weights
from jaxeval.images.samples import SampledSource as SampledSource
from jaxeval.images.samples import Sampling as Sampling
from jaxeval.images.source import Item as Item
from jaxeval.images.source import Source as Source
from jaxeval.images.source import combined_digest as combined_digest
from jaxeval.images.videos import TimedFrame as TimedFrame
from jaxeval.images.videos import Video as Video
from jaxeval.images.videos import is_video as is_video
from jaxeval.images.videos import open_video as open_video

__all__ = [
    "DECODING_VERSION",
    "DIGEST_BYTES",
    "Batch",
    "ChosenPart",
    "Item",
    "PixelLayout",
    "PixelRules",
    "Preparation",
    "ReadReport",
    "ResizeKind",
    "SampledSource",
    "Sampling",
    "Source",
    "SourcePart",
    "StoredImage",
    "TimedFrame",
    "Video",
    "combined_digest",
    "contrasts",
    "decode_exact",
    "is_video",
    "matching_files",
    "open_source",
    "open_video",
    "pixel_digest",
    "pixel_layout",
    "prepare",
    "read_batches",
    "remarks",
    "resize",
    "resize_on_device",
    "resize_weights",
    "stored_image",
]
