"""The formats of image files: the names that are read, and Pillow's reader of each by what a file begins with."""

from collections.abc import Callable

import PIL
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from jaxeval.errors import InputError

try:
    from PIL import AvifImagePlugin
except ImportError:  # Pillow before 11.3
    AvifImagePlugin = None

EXTENSIONS = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".jfif",
        ".jp2",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
"""Names that end in one of these, in any case, are images; others are ignored and counted.

So are those that this Pillow has no decoder for: what a set holds must not depend on who reads it.
"""

UNREAD_EXTENSIONS = frozenset(
    {
        ".apng",
        ".arw",
        ".bpg",
        ".cr2",
        ".cr3",
        ".dds",
        ".dib",
        ".dng",
        ".eps",
        ".exr",
        ".flif",
        ".hdr",
        ".heic",
        ".heif",
        ".hif",
        ".icns",
        ".ico",
        ".j2c",
        ".j2k",
        ".jif",
        ".jpe",
        ".jpf",
        ".jpx",
        ".jxl",
        ".jxr",
        ".nef",
        ".npy",
        ".npz",
        ".orf",
        ".pam",
        ".pcx",
        ".pfm",
        ".psd",
        ".raf",
        ".raw",
        ".rw2",
        ".svg",
        ".tga",
        ".wbmp",
        ".wdp",
        ".xbm",
        ".xpm",
    }
)
"""Pictures too, or often so, by names that are not read: they are counted name by name."""

STORED_EXTENSIONS = EXTENSIONS | {".exr"}
"""Names of images where pixels are taken as they are stored (`decode_exact`): light has no levels for a network."""

# Importing a plugin registers its reader; all are imported here because Pillow's own lazy way is not made for threads.
_READERS = (
    PngImagePlugin.PngImageFile,
    JpegImagePlugin.JpegImageFile,
    WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile,
    GifImagePlugin.GifImageFile,
    TiffImagePlugin.TiffImageFile,
    PpmImagePlugin.PpmImageFile,
    Jpeg2KImagePlugin.Jpeg2KImageFile,
    *(() if AvifImagePlugin is None else (AvifImagePlugin.AvifImageFile,)),
)
# Decoders that may have been left out when Pillow was built, as `PIL.features` calls them, and what they are for.
_OPTIONAL = {"AVIF": ("avif", ".avif"), "JPEG2000": ("jpg_2000", ".jp2"), "WEBP": ("webp", ".webp")}


def reader_of(data: bytes, where: str) -> Callable[..., ImageFile.ImageFile]:
    """Pillow's reader of a file, to be called with the file as a stream and a name, for which it would take a path.

    Args:
      data: the file.
      where: its name, for messages.

    Raises:
      InputError: it is of another format, or this Pillow has no decoder for it.
    """
    # Image.open() would try readers until one does not fail, and only warn about too many pixels; picking the reader by
    # the file's first bytes gives an error about that format, and leaves the limit to us.
    found = None
    for reader_class in _READERS:
        name = str(reader_class.format)
        reader, accepts = Image.OPEN[name]
        if accepts is not None and accepts(data[:16]):  # a text where the decoder is missing
            found = name, reader
            break
    if found is None and data[4:12] in (b"ftypavif", b"ftypavis"):
        found = "AVIF", None
    if found is None:
        raise InputError(f"{where} is not an image: its content is none of the formats read ({extensions_read()})")
    name, reader = found
    if reader is None or _is_missing(name):
        raise InputError(
            f"{where} is {name}, for which this Pillow ({PIL.__version__}) has no decoder; install a Pillow that has "
            "one, or convert the file to PNG"
        )
    return reader  # pyright: ignore[reportReturnType]


def extensions_read() -> str:
    """The extensions of the formats that this Pillow decodes, for messages."""
    missing = {extension for name, (_, extension) in _OPTIONAL.items() if _is_missing(name)}
    return ", ".join(sorted(EXTENSIONS - missing))


def _is_missing(name: str) -> bool:
    feature, _ = _OPTIONAL.get(name, (None, None))
    if feature is None:
        return False
    known = feature in features.modules or feature in features.codecs  # an old Pillow would warn about others
    return not (known and features.check(feature))
