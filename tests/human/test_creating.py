"""A study from sets of images: what it holds, what it hides, and what is refused before anything is written."""

import json
from typing import Any

import numpy as np
import pytest
from human_studies import make_study, pixels_of, write_sets
from image_samples import encode, noise, write_folder, write_zip
from PIL import Image, PngImagePlugin

from jaxeval.cli import main
from jaxeval.errors import InputError
from jaxeval.human import create_study, load_study
from jaxeval.human.blinding import NAME
from jaxeval.human.study import DEGRADED, NOISE

SECRET = "TheSecretModel"


def test_pixels_are_those_of_the_files_and_names_say_nothing(tmp_path):
    sets = write_sets(tmp_path)
    study = create_study(sets, tmp_path / "study", design="2afc")
    assert study.systems == tuple(sets)
    for number, system in enumerate(study.systems):
        for i, item in enumerate(study.items):
            np.testing.assert_array_equal(
                pixels_of(study, item.images[system]), noise(20, 24, 3, seed=100 * number + i)
            )
    files = sorted(path.name for path in (study.folder / "images").iterdir())
    assert files == sorted(study.images)
    assert all(NAME.fullmatch(file) for file in files)
    assert load_study(study.folder) == study


def test_equal_calls_make_equal_studies_but_for_the_names(tmp_path):
    sets = write_sets(tmp_path)
    studies = [create_study(sets, tmp_path / f"{i}", design="2afc", seed=3) for i in range(2)]
    assert studies[0].content == studies[1].content
    assert not set(studies[0].images) & set(studies[1].images)
    assert studies[0].id != studies[1].id
    other = create_study(sets, tmp_path / "other", design="2afc", seed=4)
    assert other.content != studies[0].content


def chunks(data: bytes) -> list[str]:
    """The kinds of the chunks of a PNG, each once."""
    found, place = [], 8
    while place < len(data):
        found.append(data[place + 4 : place + 8].decode())
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_metadata_is_left_behind_and_orientation_is_applied(tmp_path, kind):
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8] = 255
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112], exif[0x0131] = 6, SECRET  # turned by a quarter; Software
    options: dict[str, Any] = {"exif": exif.tobytes()}
    if kind == "PNG":
        notes = PngImagePlugin.PngInfo()
        notes.add_text("parameters", SECRET)
        options["pnginfo"] = notes
    else:
        options["quality"] = 100
    data = encode(image, kind, **options)
    assert SECRET.encode() in data
    for system in ("A", "B"):
        write_folder(tmp_path / system, {f"x.{kind.lower()}": data})
    study = create_study([tmp_path / "A", tmp_path / "B"], tmp_path / "study", design="2afc", checks=0)
    for file, known in study.images.items():
        stored = study.path(file).read_bytes()
        assert SECRET.encode() not in stored
        assert chunks(stored) == ["IHDR", "IDAT", "IEND"]
        assert (known.height, known.width) == (24, 16)
        assert pixels_of(study, file)[:, 8:].mean() > 250 > 5 > pixels_of(study, file)[:, :8].mean()


def test_sixteen_bits_gray_alpha_and_archives_become_what_a_screen_shows(tmp_path):
    wide = noise(9, 9, seed=1, dtype=np.uint16)
    clear = np.zeros((9, 9, 4), np.uint8)
    a = write_zip(tmp_path / "a.zip", {"s/w.png": encode(wide, "PNG"), "s/t.png": encode(clear, "PNG")})
    b = write_folder(tmp_path / "b", {"w.png": encode(noise(9, 9), "PNG"), "t.png": encode(noise(9, 9, 3), "PNG")})
    study = create_study({"a": a, "b": b}, tmp_path / "study", design="2afc")
    by_name = {item.name: item for item in study.items}
    assert set(by_name) == {"w", "t"}  # matched as pairs are: the archive's one folder is left out of the names
    np.testing.assert_array_equal(
        pixels_of(study, by_name["w"].images["a"]), np.rint(wide / 65535.0 * 255).astype(np.uint8)
    )
    assert pixels_of(study, by_name["t"].images["a"]).min() == 255  # over white
    assert any("left out of their names" in remark for remark in study.remarks)


@pytest.mark.parametrize("design", ["2afc", "best-of-n", "mos", "real-or-fake"])
def test_attention_checks_have_an_answer_that_cannot_be_missed(tmp_path, design):
    study = make_study(tmp_path, design)
    assert study.known
    for known in study.known:
        own = [pixels_of(study, file).astype(float) for _, file in known.shown]
        labels = [label for label, _ in known.shown]
        if design == "real-or-fake":
            assert labels == [NOISE]
            assert known.expected == "fake"
        elif design == "mos":
            assert labels[0].startswith(DEGRADED)
            assert known.expected == "1"
        else:
            right = labels[known.right]
            assert right in study.systems
            assert all(label.startswith(DEGRADED) for label in labels if label != right)
            whole = study.items[known.item].images[right]
            assert dict(known.shown)[right] == whole
        assert len({array.shape for array in own}) == 1
    if design == "2afc":
        for known in study.known:
            whole, spoilt = (pixels_of(study, file).astype(float) for _, file in known.shown)
            assert np.abs(whole - spoilt).mean() > 30  # of 255 levels: nothing that takes a second look


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", 'name,prompt,category\n00.png,"a cat, ""so""",animals\n01,a <b>dog</b>,\n'),
        (
            "p.jsonl",
            '{"name": "00", "prompt": "a cat, \\"so\\"", "category": "animals"}\n'
            '{"name": "01", "prompt": "a <b>dog</b>"}\n',
        ),
        ("p.txt", '00.png\ta cat, "so"\tanimals\r\n\n01.png\ta <b>dog</b>\n'),
    ],
)
def test_prompts_of_every_kind_of_file(tmp_path, name, text):
    (tmp_path / name).write_text(text, "utf-8", newline="")
    study = make_study(tmp_path, prompts=tmp_path / name)
    assert [(item.prompt, item.category) for item in study.items[:3]] == [
        ('a cat, "so"', "animals"),
        ("a <b>dog</b>", ""),
        ("", ""),
    ]
    assert "4 of 6 images have no prompt" in study.remarks


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.csv", "name,prompt\n00,a\n77,b\n../x,c\n", r"names that no image has: '77', '\.\./x'"),
        ("p.csv", "name,prompt\n00,a\n00.png,b\n", "line 3 of .* has a second prompt for '00.png'"),
        ("p.csv", "name,prompt\n00\n", "line 2 of .* has not as many cells"),
        ("p.csv", "file,prompt\n00,a\n", "names the columns file, prompt"),
        ("p.csv", 'name,prompt\n00,"a\n', "is no CSV"),
        ("p.csv", "name,prompt\n00, \n", "has no prompt for '00'"),
        ("p.csv", "name,prompt\n", "has no prompts"),
        ("p.csv", "name,prompt\n00," + "x" * 5001 + "\n", "too long"),
        ("p.jsonl", "[]\n", "line 1 of .* is no object"),
        ("p.jsonl", '{"name": "00", "prompt": 3}\n', "all of them texts"),
        ("p.jsonl", "{\n", "is no JSON"),
        ("p.txt", "00 a cat\n", "not a name, a tab and a prompt"),
        ("p.json", "{}", r"must be a \.csv, \.jsonl or \.txt"),
    ],
)
def test_prompts_that_do_not_fit_are_named(tmp_path, name, text, said):
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(InputError, match=said):
        make_study(tmp_path, prompts=tmp_path / name)
    assert not (tmp_path / "study").exists()


def test_prompts_in_another_encoding_are_refused(tmp_path):
    (tmp_path / "p.csv").write_bytes("name,prompt\n00,für\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"not UTF-8 \(byte 16\)"):
        make_study(tmp_path, prompts=tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"design": "elo"}, "design 'elo' is not known"),
        ({"design": "best-of-n", "n": 5}, "3 or 4 images"),
        ({"design": "best-of-n", "n": 4}, "there are 3 sets"),
        ({"design": "mos", "adaptive": 0.5}, "adaptively in 2afc"),
        ({"design": "2afc", "exposures": [100]}, "exposures are of real-or-fake"),
        ({"design": "real-or-fake", "exposures": []}, "at least one"),
        ({"design": "real-or-fake", "exposures": [0]}, "exposures is 0"),
        ({"repeats": 0.6}, "repeats is 0.6; give a share from 0 to 0.5"),
        ({"checks": -0.1}, "checks is -0.1"),
        ({"trials": 19}, "19 trials for a rater are more than the 18 different ones"),
        ({"trials": 0}, "trials is 0"),
        ({"title": "x" * 201}, "the title has 201 characters"),
        ({"questions": "one"}, "a list of texts"),
        ({"questions": ["a", "a"]}, "each once"),
        ({"questions": [5]}, "questions is 5; give a text"),
        ({"design": 5}, "design is 5; give one of 2afc"),
        ({"design": "real-or-fake", "exposures": 100}, "exposures is 100; give a list of milliseconds"),
        ({"design": "real-or-fake", "exposures": [1.5]}, "exposures is 1.5; give a whole number from 1 to 60,000"),
        ({"reference": 3}, "reference is 3; give a path"),
        ({"instructions": "x" * 20_001}, "the instructions has 20,001 characters"),
        ({"trials": 10**6}, "trials is 1000000"),
        ({"access_code": " "}, "access code is empty"),
        ({"sizes": "some"}, "sizes 'some'"),
        ({"unmatched": "drop"}, "unmatched 'drop'"),
        ({"seed": -1}, "seed is -1"),
        ({"break_every": 0}, "break_every is 0"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_left(tmp_path, options, said):
    with pytest.raises(InputError, match=said):
        make_study(tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["sets"]


def test_sets_that_do_not_fit_are_refused_by_name(tmp_path):
    sets = write_sets(tmp_path)
    out = tmp_path / "study"
    other = write_folder(tmp_path / "other", {"zz.png": encode(noise(20, 24, 3), "PNG"), "z.png": b""})
    with pytest.raises(InputError, match=r"no image of .* has the name of one in"):
        create_study([sets["A"], other], out, design="2afc")
    doubled = write_folder(tmp_path / "doubled", {f"0{i}x2.png": encode(noise(20, 24, 3), "PNG") for i in range(6)})
    with pytest.raises(InputError, match=r"matched by relative name without extension$"):  # there is no --pattern here
        create_study([sets["A"], doubled], out, design="2afc")
    (sets["B"] / "05.png").unlink()
    with pytest.raises(InputError, match=r"1 of 6 images of .*A' have no partner in .*B': 05"):
        create_study([sets["A"], sets["B"]], out, design="2afc")
    fewer = create_study([sets["A"], sets["B"]], tmp_path / "fewer", design="2afc", unmatched="skip")
    assert len(fewer.items) == 5
    assert any("(left out)" in remark for remark in fewer.remarks)
    with pytest.raises(InputError, match=r"is given twice"):
        create_study([sets["A"], f"{sets['A']}/"], out, design="2afc")
    with pytest.raises(InputError, match=r"is given twice"):
        create_study([sets["A"], sets["C"]], out, design="2afc", reference=sets["C"])
    with pytest.raises(InputError, match="give two sets or more"):
        create_study([sets["A"]], out, design="2afc")
    with pytest.raises(InputError, match="needs real images"):
        create_study([sets["A"]], out, design="real-or-fake")
    (sets["C"] / "03.png").write_bytes(encode(noise(20, 25, 3), "PNG"))
    with pytest.raises(InputError, match=r"03\.png is 20 x 25 and .*03\.png 20 x 24 pixels; a size tells"):
        create_study([sets["A"], sets["C"]], out, design="2afc")
    assert create_study([sets["A"], sets["C"]], tmp_path / "any", design="2afc", sizes="any")
    (sets["C"] / "04.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    with pytest.raises(InputError, match=r"04\.png"):
        create_study([sets["A"], sets["C"]], out, design="2afc", sizes="any")
    out.mkdir()
    with pytest.raises(InputError, match="exists; give the study a folder of its own"):
        create_study([sets["A"], sets["C"]], out, design="2afc")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "A",
        "B",
        "C",
        "any",
        "doubled",
        "fewer",
        "other",
        "study",
    ]


def test_equal_pixels_of_two_systems_are_said(tmp_path):
    sets = write_sets(tmp_path)
    (sets["B"] / "02.png").write_bytes((sets["A"] / "02.png").read_bytes())
    study = create_study(sets, tmp_path / "study", design="2afc")
    assert "systems have the same pixels for '02'" in study.remarks


def test_real_and_fake_need_no_partners_but_one_size(tmp_path):
    sets = write_sets(tmp_path, count=4)
    real = write_folder(tmp_path / "real", {f"photo{i}.png": encode(noise(20, 24, 3), "PNG") for i in range(5)})
    study = create_study(sets, tmp_path / "study", design="real-or-fake", reference=real)
    assert study.reference == str(real)
    assert sum(item.reference is not None for item in study.items) == 5
    assert study.options.trials == 10
    write_folder(real, {"photo9.png": encode(noise(20, 25, 3), "PNG")})
    with pytest.raises(InputError, match="a size tells systems apart"):
        create_study(sets, tmp_path / "no", design="real-or-fake", reference=real)


def test_hostile_names_are_only_ever_text(tmp_path):
    name = "<script>alert(1)</script>"
    for system in ("A", "B"):
        write_folder(tmp_path / system, {f"{name.replace('/', '_')}.png": encode(noise(8, 8, 3), "PNG")})
    study = create_study([tmp_path / "A", tmp_path / "B"], tmp_path / "study", design="2afc", title=name)
    assert study.items[0].name == "<script>alert(1)<_script>"
    assert all(NAME.fullmatch(path.name) for path in (study.folder / "images").iterdir())
    assert not (study.folder / "images" / name).exists()


def tampered(study, how):
    file = study.folder / "study.json"
    document = json.loads(file.read_text("utf-8"))
    how(document)
    file.write_text(json.dumps(document), "utf-8")


def test_a_study_that_was_changed_is_refused_by_the_file(tmp_path):
    study = make_study(tmp_path)
    image = study.path(study.items[0].images["A"])
    data = image.read_bytes()
    for wrong in (data[:-1], data + b"\0", data[:-20] + b"x" + data[-19:], b""):
        image.write_bytes(wrong)
        with pytest.raises(InputError, match=rf"{image.name}' was changed since the study was made"):
            load_study(study.folder)
    image.unlink()
    with pytest.raises(InputError, match=rf"{image.name}' cannot be read: No such file"):
        load_study(study.folder)
    image.write_bytes(data)
    assert load_study(study.folder) == study
    tampered(study, lambda document: document["items"][0]["images"].update(A=document["items"][0]["images"]["B"]))
    with pytest.raises(InputError, match=r"study\.json' was changed since it was made"):
        load_study(study.folder)


def test_a_study_whose_digest_was_made_anew_names_no_file_outside(tmp_path):
    from jaxeval.human.study import _digest

    study = make_study(tmp_path)

    def outside(document):
        for name in ("digest", "content"):
            del document[name]
        document["images"]["../../secret.png"] = next(iter(document["images"].values()))
        document["items"][0]["images"]["A"] = "../../secret.png"
        document["digest"] = _digest(document)

    tampered(study, outside)
    with pytest.raises(InputError, match=r"'\.\./\.\./secret\.png' is not the name of an image of a study"):
        load_study(study.folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "jaxeval human study", "version": 99}', "\xff"])
def test_what_is_no_study_is_refused(tmp_path, text):
    (tmp_path / "study.json").write_text(text, "latin-1")
    with pytest.raises(InputError, match=r"study\.json'"):
        load_study(tmp_path)


def test_collect_on_the_command_line(tmp_path, capsys):
    sets = write_sets(tmp_path)
    (tmp_path / "how.txt").write_text("Look <b>closely</b>.\n", "utf-8")
    command = ["human", "collect", *map(str, sets.values()), "--out", str(tmp_path / "study"), "--quiet"]
    assert main([*command, "--design", "best-of-n", "--instructions", str(tmp_path / "how.txt")]) == 0
    assert "best-of-n: 3 systems, 6 items" in capsys.readouterr().out
    study = load_study(tmp_path / "study")
    assert study.instructions == "Look <b>closely</b>.\n"
    assert study.systems == tuple(map(str, sets.values()))
    assert main([*command, "--design", "best-of-n"]) == 2
    assert "exists; give the study a folder of its own" in capsys.readouterr().err
    soon = ["--design", "real-or-fake", "--out", "x", "--exposures", "soon"]
    assert main(["human", "collect", str(sets["A"]), *soon]) == 2
    assert "neither a number of milliseconds nor unlimited" in capsys.readouterr().err
    timed = ["--design", "real-or-fake", "--reference", str(sets["C"]), "--exposures", "100, unlimited"]
    assert main(["human", "collect", str(sets["A"]), *timed, "--out", str(tmp_path / "timed"), "--quiet"]) == 0
    assert load_study(tmp_path / "timed").options.exposures == (100, None)
