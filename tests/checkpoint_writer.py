"""torch's two checkpoint formats, written opcode by opcode without torch: well-formed files, and hostile ones."""

import io
import struct
import zipfile

MAGIC = 0x1950A86A20F9469CFC6C


def text(value):
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value):
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def sequence(*items):
    return b"(" + b"".join(items) + b"t"


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def call(module, name, *arguments):
    return named(module, name) + sequence(*arguments) + b"R"


def ordered_dict(**items):
    pairs = b"".join(text(name) + value for name, value in items.items())
    return call("collections", "OrderedDict") + b"(" + pairs + b"u"


def tensor(key, numel, shape, strides, *, offset=0, kind="FloatStorage", module="torch"):
    identity = sequence(text("storage"), named(module, kind), text(key), text("cpu"), number(numel)) + b"Q"
    return call(
        "torch._utils",
        "_rebuild_tensor_v2",
        identity,
        number(offset),
        sequence(*map(number, shape)),
        sequence(*map(number, strides)),
        b"\x89",
        call("collections", "OrderedDict"),
    )


def state_dict(**tensors):
    """With the `_metadata` attribute that torch hangs on the dictionary."""
    state = sequence() + b"0}" + b"(" + text("_metadata") + ordered_dict() + b"u"
    return ordered_dict(**tensors) + state.removeprefix(b"(t0") + b"b"


def script_module(*, kind=("__torch__.made.up", "Module"), arguments=b"", **attributes):
    """An instance of a class that a TorchScript archive defines."""
    pairs = b"".join(text(name) + value for name, value in attributes.items())
    return named(*kind) + b"(" + arguments + b"t" + b"\x81}(" + pairs + b"ub"


def pickled(body, protocol=2):
    return b"\x80" + bytes([protocol]) + body + b"."


def zip_file(body, storages, *, folder="archive", compression=zipfile.ZIP_STORED, extra=()):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr(f"{folder}/data.pkl", pickled(body))
        archive.writestr(f"{folder}/byteorder", "little")
        for key, content in storages.items():
            archive.writestr(f"{folder}/data/{key}", content)
        for name, content in extra:
            archive.writestr(name, content)
    return stream.getvalue()


def legacy_file(body, storages, *, sizes=None, little=True, magic=MAGIC):
    """`storages` maps key to bytes; `sizes` to the element counts written before them (float32 by default)."""
    system = b"}(" + text("protocol_version") + number(1001)
    system += text("little_endian") + (b"\x88" if little else b"\x89") + b"u"
    keys = b"](" + b"".join(text(key) for key in storages) + b"e"
    content = b"".join(pickled(part) for part in (number(magic), number(1001), system, body, keys))
    for key, raw in storages.items():
        count = (sizes or {}).get(key, len(raw) // 4)
        content += struct.pack("<q", count) + raw
    return content
