"""Reading checkpoints without torch: what must be read, and what must be refused without being run."""

import os
import pickle
import struct
import zipfile

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from checkpoint_writer import (
    call,
    legacy_file,
    number,
    ordered_dict,
    pickled,
    script_module,
    state_dict,
    tensor,
    text,
    zip_file,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxeval.errors import WeightsError
from jaxeval.tensor_files import read_tensors

VALUES = np.arange(24, dtype=np.float32)
FORMATS = pytest.mark.parametrize("write", [zip_file, legacy_file], ids=["zip", "legacy"])


def read(content):
    return read_tensors(content, "some.pth")


@FORMATS
def test_tensors_come_back_whatever_their_strides(write):
    body = state_dict(
        plain=tensor("0", 24, (2, 3, 4), (12, 4, 1)),
        transposed=tensor("0", 24, (4, 6), (1, 4)),
        slice=tensor("0", 24, (2, 2), (6, 1), offset=5),
        scalar=tensor("0", 24, (), (), offset=23),
        empty=tensor("0", 24, (0, 5), (5, 1), offset=24),
        other=tensor("1", 2, (2,), (1,)),
    )
    arrays = read(write(body, {"0": VALUES.tobytes(), "1": VALUES[7:9].tobytes()}))
    np.testing.assert_array_equal(arrays["plain"], VALUES.reshape(2, 3, 4))
    np.testing.assert_array_equal(arrays["transposed"], VALUES.reshape(6, 4).T)
    np.testing.assert_array_equal(arrays["slice"], [[5, 6], [11, 12]])
    np.testing.assert_array_equal(arrays["other"], [7, 8])
    assert arrays["scalar"] == 23
    assert arrays["empty"].shape == (0, 5)
    assert np.shares_memory(arrays["plain"], arrays["transposed"])
    with pytest.raises(ValueError, match="read-only"):
        arrays["plain"][0, 0, 0] = 1


@FORMATS
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("HalfStorage", np.float16),
        ("BFloat16Storage", ml_dtypes.bfloat16),
        ("DoubleStorage", np.float64),
        ("LongStorage", np.int64),
    ],
)
def test_element_types(write, kind, dtype):
    values = VALUES.astype(dtype)
    options = {} if write is zip_file else {"sizes": {"0": 24}}
    arrays = read(write(state_dict(x=tensor("0", 24, (24,), (1,), kind=kind)), {"0": values.tobytes()}, **options))
    assert arrays["x"].dtype == dtype
    np.testing.assert_array_equal(arrays["x"], values)


@FORMATS
def test_parameters_and_lists_of_pairs(write):
    identity = tensor("0", 24, (24,), (1,))
    parameter = call("torch._utils", "_rebuild_parameter", identity, b"\x88", ordered_dict())
    python2 = call("collections", "OrderedDict", b"](](" + text("x") + parameter + b"ee")
    np.testing.assert_array_equal(read(write(python2, {"0": VALUES.tobytes()}))["x"], VALUES)


def test_safetensors():
    arrays = read(safetensors.numpy.save({"x": VALUES.reshape(4, 6)}))
    np.testing.assert_array_equal(arrays["x"], VALUES.reshape(4, 6))


def test_modules_of_a_torchscript_archive():
    inner = script_module(weight=tensor("0", 24, (6, 4), (4, 1)), training=b"\x88")
    body = script_module(block=script_module(**{"0": inner}), scale=tensor("1", 2, (), ()), hook=b"N", count=number(3))
    code = [("archive/code/__torch__/made/up.py", "open('ran', 'w')")]
    arrays = read(zip_file(body, {"0": VALUES.tobytes(), "1": VALUES[7:9].tobytes()}, extra=code))
    assert arrays.keys() == {"block.0.weight", "scale"}
    np.testing.assert_array_equal(arrays["block.0.weight"], VALUES.reshape(6, 4))
    assert arrays["scale"] == 7


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (script_module(kind=("os", "system")), r"refused, because it asks for the global os\.system"),
        (script_module(kind=("__torch__x", "Module")), r"refused, because it asks for the global __torch__x\.Module"),
        (script_module(kind=("collections", "OrderedDict")), "an object is made in an unknown way"),
        (script_module(arguments=text("x")), "an object is made in an unknown way"),
        (call("__torch__", "Module", text("x")), "is called in an unknown way"),
        (script_module()[:-4] + b"\x88b", "a module has no attributes"),
        (script_module(training=b"\x88"), "a TorchScript archive without tensors"),
        (b"c__torch__\nA\n)\x81q\x00}(" + text("a") + b"h\x00ub", r"module 'a' is there twice"),
    ],
    ids=["global", "prefix", "class", "arguments", "call", "attributes", "empty", "circle"],
)
def test_other_objects_are_refused(body, message):
    with pytest.raises(WeightsError, match=message):
        read(zip_file(body, {}))


class _Harm:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@FORMATS
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (eval, ("open('ran', 'w')",), r"(builtins|__builtin__)\.eval"),
        (exec, ("open('ran', 'w')",), r"(builtins|__builtin__)\.exec"),
        (open, ("ran", "w"), r"_?io\.open"),
        (os.system, ("touch ran",), r"(posix|nt)\.system"),
    ],
)
def test_code_is_refused_by_name_and_never_run(write, protocol, function, arguments, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body = pickle.dumps({"x": _Harm(function, *arguments)}, protocol)[2:-1]
    with pytest.raises(WeightsError, match=rf"^some\.pth: refused, because it asks for the global {named},"):
        read(write(body, {}))
    assert not list(tmp_path.iterdir())
    pickle.loads(pickled(body, protocol))  # the same bytes do harm where they are trusted
    assert (tmp_path / "ran").exists()


@FORMATS
@pytest.mark.parametrize(
    "call_",
    [
        call("os", "system", text("true")),
        call("posix", "system", text("true")),
        call("torch.nn.modules.linear", "Linear"),
        call("torch._utils", "_rebuild_tensor", text("x")),
        call("collections", "OrderedDict.fromkeys", text("x")),
        b"cos\nsystem\n",
        text("os") + text("system") + b"\x93",
    ],
)
def test_other_globals_are_refused(write, call_):
    with pytest.raises(WeightsError, match="refused, because it asks for the global"):
        read(write(ordered_dict(x=call_), {}))


@pytest.mark.parametrize("opcode", [b"(ios\nsystem\n", b"(cos\nsystem\no", b"\x82\x01", b"P1\n", b"\x92"])
def test_other_operations_are_refused(opcode):
    with pytest.raises(WeightsError, match="refused, because it asks for"):
        read(zip_file(opcode, {}))


GOOD = {"shape": (2, 3), "strides": (3, 1), "offset": 0, "numel": 24}


@FORMATS
@pytest.mark.parametrize(
    "change",
    [
        {"offset": 19},
        {"offset": 2**40},
        {"offset": -1},
        {"strides": (24, 1)},
        {"strides": (-3, 1)},
        {"strides": (2**62, 1)},
        {"shape": (2**33, 2**33), "strides": (0, 0)},
        {"shape": (5, 5), "strides": (0, 0)},
        {"shape": (2,)},
        {"shape": (-2, -3)},
        {"numel": 25},
        {"numel": 2**46},
        {"numel": 3},
        {"numel": -1},
    ],
    ids=str,
)
def test_tensors_outside_their_storage(write, change):
    facts = GOOD | change
    body = state_dict(x=tensor("0", facts["numel"], facts["shape"], facts["strides"], offset=facts["offset"]))
    with pytest.raises(WeightsError, match=r"some\.pth: (damaged|cut short)"):
        read(write(body, {"0": VALUES.tobytes()}))


@FORMATS
def test_a_storage_that_is_not_there(write):
    with pytest.raises(WeightsError, match=r"some\.pth: damaged"):
        read(write(state_dict(x=tensor("7", 24, (24,), (1,))), {"0": VALUES.tobytes()}))


@FORMATS
def test_one_storage_described_in_two_ways(write):
    body = state_dict(x=tensor("0", 24, (24,), (1,)), y=tensor("0", 24, (24,), (1,), kind="LongStorage"))
    with pytest.raises(WeightsError, match=r"some\.pth: (damaged|cut short)"):
        read(write(body, {"0": VALUES.tobytes()}))


@FORMATS
@pytest.mark.parametrize("body", [ordered_dict(), ordered_dict(x=number(1)), text("x"), b"]", ordered_dict(x=b"]")])
def test_other_objects_are_not_state_dicts(write, body):
    with pytest.raises(WeightsError, match=r"model\.state_dict\(\)"):
        read(write(body, {}))


def test_a_deeply_nested_key_does_not_exhaust_the_stack():
    nested = b")" + b"\x85" * 200_000
    with pytest.raises(WeightsError, match="a key that is not text"):
        read(zip_file(b"}" + nested + b"Ns", {}))


def test_compressed_members_are_refused():
    body = state_dict(x=tensor("0", 24, (24,), (1,)))
    with pytest.raises(WeightsError, match="is compressed"):
        read(zip_file(body, {"0": VALUES.tobytes()}, compression=zipfile.ZIP_DEFLATED))


def test_a_zip_that_is_something_else():
    with pytest.raises(WeightsError, match=r"holds 2 data\.pkl"):
        read(zip_file(ordered_dict(), {}, extra=[("other/data.pkl", b"")]))
    content = zip_file(ordered_dict(), {}).replace(b"data.pkl", b"data.txt")
    with pytest.raises(WeightsError, match=r"holds 0 data\.pkl"):
        read(content)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"<html>404</html>", b"\x89PNG\r\n\x1a\n" + b"0" * 99])
def test_other_files_are_named(content):
    with pytest.raises(WeightsError, match=r"some\.pth: neither a torch checkpoint nor a safetensors file"):
        read(content)


def test_a_plain_pickle_is_refused():
    with pytest.raises(WeightsError, match="not a torch checkpoint"):
        read(pickle.dumps({"x": 1}, 2))


def test_a_big_endian_file_is_refused():
    with pytest.raises(WeightsError, match="big-endian"):
        read(legacy_file(state_dict(x=tensor("0", 24, (24,), (1,))), {"0": VALUES.tobytes()}, little=False))


def test_a_legacy_storage_with_another_count():
    with pytest.raises(WeightsError, match="another size"):
        read(legacy_file(state_dict(x=tensor("0", 24, (24,), (1,))), {"0": VALUES.tobytes()}, sizes={"0": 23}))


@pytest.mark.parametrize("header", [b"{}", b'{"x":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}', b"{" * 30])
def test_damaged_safetensors(header):
    with pytest.raises(WeightsError, match=r"some\.pth: (damaged|neither)"):
        read(struct.pack("<Q", len(header) + 1) + header)


def _whole(write):
    body = state_dict(x=tensor("0", 24, (4, 6), (6, 1)), y=tensor("1", 3, (3,), (1,)))
    return write(body, {"0": VALUES.tobytes(), "1": VALUES[:3].tobytes()})


WHOLE = {
    "zip": _whole(zip_file),
    "legacy": _whole(legacy_file),
    "safetensors": safetensors.numpy.save({"x": VALUES, "y": VALUES[:3]}),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_every_truncation_is_an_error(kind):
    content = WHOLE[kind]
    read(content)
    for size in range(len(content)):
        with pytest.raises(WeightsError):
            read(content[:size])


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(sorted(WHOLE)), data=st.data())
def test_changed_bytes_never_do_more_than_a_clear_error(kind, data):
    content = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        arrays = read(bytes(content))
    except WeightsError:  # anything else is a failure, and so is what the reader does not check: the size
        return
    assert sum(array.nbytes for array in arrays.values()) <= 4 * len(content)


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=60))
def test_any_pickle_is_read_or_refused(body):
    for content in (zip_file(body, {}), pickled(body)):
        with pytest.raises(WeightsError):
            read(content)
