"""Files of objects that were asked for, what is wrong in them, and the objects that captions name."""

import json

import pytest

from jaxeval.detection import AskedObjects, labels_of_caption, read_objects
from jaxeval.errors import InputError

LABELS = ["person", "dog", "hot dog", "bench", "bus", "wine glass", "knife", "cherry", "couch", "sheep"]


def test_all_forms_say_the_same(tmp_path):
    import pyarrow
    import pyarrow.parquet

    listed = [{"name": "a", "labels": ["dog", "bench"], "prompt": "p"}, {"name": "b", "labels": ["car"], "prompt": "q"}]
    rows = [("a", "dog", "p"), ("b", "car", "q"), ("a", "bench", "p")]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(listed), tmp_path / "listed.parquet")
    contents = {
        "rows.csv": "image,label,prompt\n" + "".join(",".join(row) + "\n" for row in rows),
        "rows.tsv": "name\tclass\tcaption\n" + "".join("\t".join(row) + "\n" for row in rows),
        "listed.jsonl": "\n".join(map(json.dumps, listed)),
        "listed.json": json.dumps(listed),
        "named.json": json.dumps({row["name"]: {"labels": row["labels"], "prompt": row["prompt"]} for row in listed}),
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    for name in (*contents, "listed.parquet"):
        asked = read_objects(tmp_path / name)
        assert (asked.names, asked.labels, asked.prompts) == (("a", "b"), (("dog", "bench"), ("car",)), ("p", "q"))
    (tmp_path / "short.json").write_text('{"a": ["dog", "bench"], "b": "car"}')
    short = read_objects(tmp_path / "short.json")
    assert (short.labels, short.prompts) == ((("dog", "bench"), ("car",)), ("a", "b"))
    assert AskedObjects.of({"a": ["dog", "bench"], "b": "car"}).labels == short.labels
    assert AskedObjects.of({"a": {"dog", "bench"}}).labels == (("bench", "dog"),)


def test_captions_are_read_where_there_are_no_labels(tmp_path):
    file = tmp_path / "captions.csv"
    file.write_text('name,caption\na,"Two dogs, one bench"\nb,a nun\n')
    with pytest.raises(InputError, match="a column label"):
        read_objects(file)
    with pytest.raises(InputError, match="has no object for 'b'"):
        read_objects(file, known=LABELS)
    file.write_text('name,caption\na,"Two dogs, one bench"\n')
    assert read_objects(file, known=LABELS).labels == (("dog", "bench"),)


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("Two Dogs and a dog", ("dog",)),
        ("a hot dog", ("hot dog",)),
        ("hot  dogs for a dog", ("hot dog", "dog")),
        ("a hotdog, doghouses and a dog-house", ("dog",)),
        ("people on buses with wine glasses and knives", ("person", "bus", "wine glass", "knife")),
        ("cherries on couches beside sheep", ("cherry", "couch", "sheep")),
        ("nothing", ()),
        ("", ()),
    ],
)
def test_captions_name_objects_by_their_own_words(caption, found):
    assert labels_of_caption(caption, LABELS) == found


def test_without_labels_a_caption_names_none():
    assert labels_of_caption("a dog", []) == ()


def test_labels_are_words_and_no_patterns():
    assert labels_of_caption("a dxg and a d.g", ["d.g"]) == ("d.g",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "name,label\na,dog\na,dog\n", "asks 'a' for 'dog' twice"),
        ("a.csv", "name,label\na,\n", "has no object for 'a'"),
        ("a.csv", "name,label\n,dog\n", "line 2 has no name"),
        ("a.csv", "name,label,prompt\na,dog,x\na,cat,y\n", "line 3 has another prompt for 'a'"),
        ("a.csv", "name,label,labels\na,b,c\n", "both a label and a list of labels"),
        ("a.csv", "name,labels\na,[dog\n", r"line 2 has the labels '\[dog'"),
        ("a.csv", "name\na\n", "has the columns name; a column label"),
        ("a.jsonl", '{"name": "a", "labels": ["b"]}\n{"name": "a", "labels": ["c"]}', "has 'a' twice, again in line 2"),
        ("a.json", '{"a": []}', "has no object for 'a'"),
        ("a.json", '{"a": ["dog"], "a": ["cat"]}', "has 'a' twice"),
        ("a.json", '{"a": [["dog"]]}', "the entry 'a' has the value"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_objects(tmp_path / name)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, "no object was asked for"),
        ({"a": 3}, "the object for 'a' is 3; give a label"),
        ({"a": ["dog", 3]}, "the object for 'a' is"),
        ({"a": []}, "has no object for 'a'"),
        ({"a": "cat\0"}, "the objects: 'a' or one of its labels has a NUL character; leave it out"),
        ({"a": ["cat", "\ud800"]}, "the objects: 'a' or one of its labels has half of a character"),
    ],
)
def test_wrong_mappings_are_named(labels, message):
    with pytest.raises(InputError, match=message):
        AskedObjects.of(labels)
