"""Files of texts that were asked for: every form that they come in, and what is wrong in them by its place."""

import json

import pytest

from jaxeval.detection import AskedTexts, read_texts
from jaxeval.detection.asked_texts import LONGEST_TEXT
from jaxeval.errors import InputError

ROWS = [
    {"name": "shop", "text": "SUMMER SALE", "category": "sign", "prompt": "a shop"},
    {"name": "card", "text": "Happy\nBirthday", "category": "card", "prompt": "a card"},
]


def written(folder, name: str, content: str | bytes):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_all_forms_say_the_same(tmp_path):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "texts.parquet")
    paths = [
        tmp_path / "texts.parquet",
        written(tmp_path, "texts.jsonl", "\n".join(map(json.dumps, ROWS))),
        written(tmp_path, "texts.json", json.dumps(ROWS)),
        written(
            tmp_path, "by_name.json", json.dumps({row["name"]: {k: row[k] for k in row if k != "name"} for row in ROWS})
        ),
        written(
            tmp_path,
            "lines.csv",
            'name,text,category,prompt\nshop,SUMMER SALE,sign,a shop\ncard,"Happy\nBirthday",card,a card\n',
        ),
        written(
            tmp_path,
            "texts.csv",
            'image,lines,category,prompt\nshop,"[""SUMMER SALE""]",sign,a shop\n'
            'card,"[""Happy"", ""Birthday""]",card,a card\n',
        ),
    ]
    for path in paths:
        asked = read_texts(path)
        assert asked.names == ("shop", "card")
        assert asked.lines == (("SUMMER SALE",), ("Happy", "Birthday"))
        assert asked.categories == ("sign", "card")
        assert asked.prompts == ("a shop", "a card")
        assert asked.text(1) == "Happy Birthday"
        assert len(asked) == 2
        assert len(asked.sha256) == 64


def test_json_takes_texts_or_lists_by_name(tmp_path):
    asked = read_texts(written(tmp_path, "texts.json", '{"a": "one\\ntwo", "b": ["three", "four"], "c": 2024}'))
    assert asked.lines == (("one", "two"), ("three", "four"), ("2024",))
    assert asked.prompts == ("a", "b", "c")
    given = AskedTexts.of({"a": "one\ntwo", "b": ["three", "four"]})
    assert given.lines == asked.lines[:2]


def test_texts_in_brackets_of_a_csv_are_texts(tmp_path):
    asked = read_texts(written(tmp_path, "texts.csv", 'name,text\na,"[""x""]"\nb,=SUM\n'))
    assert asked.lines == (('["x"]',), ("=SUM",))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "name,text\na,x\na,y\n", "has two texts for 'a'"),
        ("a.csv", "name,text\na,\n", "has no text for 'a'"),
        ("a.csv", "name,text\na, \n", "has no text for 'a'"),
        ("a.csv", "name,text\n,x\n", "line 2 has no name"),
        ("a.csv", "name,text\n", "has no row"),
        ("a.csv", "name,text\na\n", "line 2 has 1 cells for 2 columns"),
        ("a.csv", b"name,text\na,\xff\n", "line 2 is not UTF-8"),
        ("a.csv", "name,image,text\na,b,x\n", "has the columns 'name' and 'image', of which one is expected"),
        ("a.csv", "file,text\na,b\n", "has the columns file, text; a column name"),
        ("a.csv", "name,caption\na,b\n", "a column text"),
        ("a.csv", "name,text,lines\na,b,c\n", "both a text and a list of lines"),
        ("a.csv", "name,lines\na,b\n", "line 2 has the lines 'b'; give a JSON list"),
        ("a.csv", f"name,text\na,{'x' * (LONGEST_TEXT + 1)}\n", "the text for 'a' has 10,001 letters"),
        ("a.json", '{"a": "x", "a": "y"}', "has 'a' twice"),
        ("a.json", '{"a": ["x", 3]}', "the entry 'a' has the value"),
        ("a.json", '{"a": true}', "the entry 'a' has the value true"),
        ("a.json", '{"a": "\\ud800"}', "the entry 'a' has half of a character"),
        ("a.json", '{"a": ["\\ud800"]}', "the entry 'a' has half of a character"),
        ("a.json", '["x"]', "entry 1 is no object"),
        ("a.json", "3", "neither a list nor an object"),
        ("a.json", "{", "is no JSON"),
        ("a.json", b'{"a": "\xff"}', "a.json is not UTF-8 at byte 7; save it as UTF-8"),
        ("a.json", '{"a": "caf\u00e9"}'.encode("latin-1"), "a.json is not UTF-8 at byte 10; save it as UTF-8"),
        ("a.json", '{"a": "x"}'.encode("utf-16"), "a.json is UTF-16; save it as UTF-8"),
        ("a.json", '{"a": NaN}', "the entry 'a' has the value NaN; give texts"),
        ("a.json", '{"a": 1e999}', "the entry 'a' has the value Infinity; give texts"),
        ("a.json", '{"a": "x\\u0000"}', "the entry 'a' has a NUL character; leave it out"),
        ("a.json", '{"a": ["x", "\\u0000"]}', "the entry 'a' has a NUL character"),
        ("a.json", '[{"name": "a\\u0000", "text": "x"}]', "entry 1 has a NUL character"),
        ("a.jsonl", '{"name": "a", "text": "x\\u0000"}\n', "'a' or its text has a NUL character"),
        ("a.json", "[" * 100_000, "is nested too deeply"),
        ("a.json", "[]", "has no row"),
        ("a.jsonl", '{"name": "a", "text": "x"}\nnonsense\n', "line 2 is no JSON"),
        ("a.parquet", "nonsense", "is no Parquet file"),
        ("a.txt", "a x", "is no table"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, content, message):
    with pytest.raises(InputError, match=message):
        read_texts(written(tmp_path, name, content))


def test_a_missing_file_is_named(tmp_path):
    for name in ("none.json", "none.csv"):
        with pytest.raises(InputError, match=f"{name} cannot be read"):
            read_texts(tmp_path / name)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({}, "no text was asked for"),
        ({"a": 3}, "the text for 'a' is 3; give a text, or a list of lines"),
        ({"a": ["x", None]}, "the text for 'a' is"),
        ({"a": None}, "the text for 'a' is None"),
        ({"a": "x\0"}, "the texts: 'a' or its text has a NUL character; leave it out"),
        ({"a": ["x", "\udc80"]}, "the texts: 'a' or its text has half of a character"),
        ({"a\0": "x"}, r"the texts: 'a.x00' or its text has a NUL character"),
        ({"a": ""}, "no text for 'a'"),
    ],
)
def test_wrong_mappings_are_named(texts, message):
    with pytest.raises(InputError, match=message):
        AskedTexts.of(texts)
