"""Detectors by the names of modules and functions, and their labels."""

import json
import sys

import pytest
from planted_rectangles import BLACK, row_of

from jaxeval.detection import (
    find_boxes,
    load_detector,
)
from jaxeval.errors import InputError

# Detectors by name.


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "own_detectors_here.py").write_text(
        "def one(batch):\n    return [([[1, 2, 4, 6]], [0.5], [1]) for _ in batch]\n"
        "def made(score='0.5', fail=''):\n"
        "    if fail: raise OSError('no weights')\n"
        "    return lambda batch: [([[1, 2, 4, 6]], [float(score)], ['cat']) for _ in batch]\n"
        "class Kind:\n    labels = ['background', 'cat']\n    def __call__(self, batch): return one(batch)\n"
        "three = 3\n"
    )
    (tmp_path / "names.txt").write_text("cat\r\ndog\r\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_detectors_here", None)


def test_callables_are_had_by_name_with_options(own_module):
    first = load_detector("own_detectors_here:one?labels=names.txt&first_label=1")
    assert find_boxes(BLACK, first).labels == ("cat", "dog")
    assert find_boxes(BLACK, first).label.tolist() == [0, 0]
    wide = load_detector("own_detectors_here:one?labels=names.txt&layout=xywh")
    assert find_boxes(BLACK, wide).boxes.tolist() == [[1, 2, 4, 6]] * 2
    made = load_detector("own_detectors_here:made?score=0.25")
    assert find_boxes(BLACK, made).scores.tolist() == [0.25, 0.25]
    kind = load_detector("own_detectors_here:Kind")
    assert [found.labels for found in kind(list(BLACK))] == [("cat",)] * 2
    identities = [json.dumps(one.identity, sort_keys=True) for one in (first, wide, made, kind)]
    assert len(set(identities)) == 4
    assert all(one.identity["is"]["source"] for one in (first, wide, made, kind))


def test_another_source_is_another_identity(own_module):
    before = load_detector("own_detectors_here:one").identity
    sys.modules.pop("own_detectors_here")
    path = own_module / "own_detectors_here.py"
    path.write_text(path.read_text() + "# changed\n")
    assert load_detector("own_detectors_here:one").identity != before


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("own_detectors_here:gone", "module own_detectors_here has no gone"),
        ("no_such_module_here:one", "no_such_module_here cannot be imported"),
        ("own_detectors_here:three", "is a int, which cannot be called with images"),
        ("own_detectors_here:made?fail=1", r"cannot be made with these options \(OSError: no weights\)"),
        ("own_detectors_here:made?size=1", r"cannot be made with these options \(TypeError"),
        ("own_detectors_here:one?layout=yxyx", "has box layout 'yxyx'; choose from xyxy, xywh"),
        ("own_detectors_here:one?labels=gone.txt", "the file of labels 'gone.txt' cannot be read"),
        ("own_detectors_here:one?first_label=x", "has first_label 'x'; give the number"),
        ("own_detectors_here:one?layout", "options that are not key=value"),
        ("own_detectors_here:one?a=1&a=2", "options that are not key=value, each once"),
        ("own_detectors_here:one?unbounded_scores=perhaps", "unbounded_scores 'perhaps'; give yes or no"),
        ("nothing like it", "the detector 'nothing like it' is not known; give "),
        ("", "the detector '' is not known"),
        (3, "detector is 3; give "),
        (dict, "detector is the class dict; give "),
    ],
)
def test_detectors_that_are_none_are_refused_in_a_sentence(own_module, spec, message):
    with pytest.raises(InputError, match=message):
        load_detector(spec)


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("labels", "cat", "has labels 'cat'; give a list of names"),
        ("labels", [], "has 0 labels"),
        ("labels", ["cat", 3], "has label number 1 3; give each category a name"),
        ("labels", ["cat", "\ud800"], "has label number 1 .*; give each category a name"),
        ("labels", {0: "cat", 2: "dog"}, "has labels by numbers that are not 0, 1, 2"),
        ("box_layout", 7, "has box layout 7"),
        ("identity", 7, "has an identity that is no mapping but 7"),
        ("identity", {"weights": object()}, "has an identity of other than plain values"),
        ("identity", {"weights": float("nan")}, "has an identity of other than plain values"),
        ("first_label", -1, "has first_label -1"),
    ],
)
def test_attributes_of_callables_are_checked(attribute, value, message):
    def detector(batch):
        return row_of(batch)

    setattr(detector, attribute, value)
    with pytest.raises(InputError, match=f"the detector detector {message}"):
        load_detector(detector)


def test_labels_may_be_a_mapping_of_numbers():
    def detector(batch):
        return row_of(batch, labels=[1])

    vars(detector).update(labels={1: "dog", 0: "cat"})
    assert find_boxes(BLACK, detector).labels == ("cat", "dog")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"cat\n\ndog\n", "label number 1 ''"), (b"\xff\xfe", "is not UTF-8"), (b"", "label number 0 ''")],
)
def test_files_of_labels_are_checked(own_module, content, message):
    (own_module / "names.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_detector("own_detectors_here:one?labels=names.txt")
