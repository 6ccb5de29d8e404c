"""GenEval: its file of prompts, each of its six tasks by hand, its numbers, and the traps of its runs."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from jaxeval.detection import FoundBoxes, Mask
from jaxeval.detection.detector import Detector
from jaxeval.detection.geneval import (
    PROMPTS,
    TASKS,
    GenevalGroup,
    GenevalOptions,
    GenevalPrompt,
    geneval_rows_to_colour,
    judge_geneval,
    read_geneval,
    score_geneval,
)
from jaxeval.detection.rules import FoundColour, ImageBoxes
from jaxeval.errors import InputError, WeightsMissingError

LINES = [
    {"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a photo of a bench"},
    {"tag": "two_object", "include": [{"class": "toothbrush", "count": 1}, {"class": "carrot", "count": 1}],
     "prompt": "a photo of a toothbrush and a carrot"},
    {"tag": "counting", "include": [{"class": "clock", "count": 2}], "exclude": [{"class": "clock", "count": 3}],
     "prompt": "a photo of two clocks"},
    {"tag": "colors", "include": [{"class": "hair drier", "count": 1, "color": "purple"}],
     "prompt": "a photo of a purple hair drier"},
    {"tag": "position", "include": [{"class": "fork", "count": 1}, {"class": "stop sign", "count": 1,
     "position": ["left of", 0]}], "prompt": "a photo of a stop sign left of a fork"},
    {"tag": "color_attr", "include": [{"class": "dining table", "count": 1, "color": "pink"}, {"class": "sandwich",
     "count": 1, "color": "black"}], "prompt": "a photo of a pink dining table and a black sandwich"},
]  # fmt: skip


def write(path, lines=LINES):
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


@pytest.fixture
def prompts(tmp_path):
    return {prompt.task: prompt for prompt in read_geneval(write(tmp_path / "evaluation_metadata.jsonl"))}


def boxes_of(*rows):
    """Rows of label, confidence and box."""
    return ImageBoxes(
        tuple(row[0] for row in rows),
        np.array([row[2] if len(row) > 2 else (0, 0, 20, 20) for row in rows], np.float64).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float64),
    )


def colours(*names):
    return {row: FoundColour(name, 0.8, "clip") for row, name in enumerate(names)}


def holds(prompt, *rows, told=None):
    return judge_geneval(prompt, boxes_of(*rows), told).holds


def test_the_file_is_read(prompts):
    assert prompts["position"] == GenevalPrompt(
        "00004",
        "position",
        "a photo of a stop sign left of a fork",
        (GenevalGroup("fork", 1), GenevalGroup("stop sign", 1, None, "left_of", 0)),
    )
    assert prompts["color_attr"].include == (
        GenevalGroup("dining table", 1, "pink"),
        GenevalGroup("sandwich", 1, "black"),
    )
    assert prompts["counting"].exclude == (GenevalGroup("clock", 3),)
    assert list(prompts) == list(TASKS)
    assert sum(TASKS.values()) == PROMPTS == 553


def test_folders_are_read_too(tmp_path, prompts):
    for number, line in enumerate(LINES):
        (tmp_path / f"{number:05d}").mkdir()
        (tmp_path / f"{number:05d}" / "metadata.jsonl").write_text(json.dumps(line))
    assert read_geneval(tmp_path) == tuple(prompts.values())
    (tmp_path / "00003" / "metadata.jsonl").unlink()
    with pytest.raises(InputError, match=r"00003/metadata\.jsonl cannot be read"):
        read_geneval(tmp_path)
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="has no folders 00000, 00001 and so on"):
        read_geneval(tmp_path / "other")


OBJECT = {"class": "cup", "count": 1}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ([], "line 1 is []; give an object with tag, include, prompt"),
        ({"tag": "colors", "prompt": "x"}, "line 1 has no 'include'; give it"),
        (
            {"tag": "colors", "prompt": "x", "include": [OBJECT], "id": 3},
            "line 1 has 'id', which GenEval does not know",
        ),
        ({"tag": 3, "prompt": "x", "include": [OBJECT]}, "line 1: tag is 3; give a text"),
        ({"tag": "colors", "prompt": "", "include": [OBJECT]}, "line 1: prompt is ''; give a text"),
        ({"tag": "colors", "prompt": "x\0", "include": [OBJECT]}, r"line 1: prompt is 'x\x00', which has a NUL"),
        (
            {"tag": "colors", "prompt": "y" * 2001, "include": [OBJECT]},
            f"line 1: prompt is a text of 2,001 letters that begins with '{'y' * 30}'; give a text of up to 2,000",
        ),
        ({"tag": "colors", "prompt": "x", "include": []}, "include is []; give a list of objects"),
        ({"tag": "colors", "prompt": "x", "include": OBJECT}, "include is {'class': 'cup', 'count': 1}; give a list"),
        ({"tag": "colors", "prompt": "x", "include": [OBJECT, 5]}, "include[1] is 5; give an object with class, count"),
        ({"tag": "colors", "prompt": "x", "include": [{"class": "cup"}]}, "include[0] has no 'count'; give it"),
        (
            {"tag": "colors", "prompt": "x", "include": [{"class": 1, "count": 1}]},
            "include[0].class is 1; give the name",
        ),
        ({"tag": "colors", "prompt": "x", "include": [OBJECT | {"count": 0}]}, "include[0].count is 0; give 1 to 16"),
        ({"tag": "colors", "prompt": "x", "include": [OBJECT | {"count": 17}]}, "include[0].count is 17; give 1 to 16"),
        ({"tag": "colors", "prompt": "x", "include": [OBJECT | {"count": True}]}, "include[0].count is True; give 1"),
        ({"tag": "colors", "prompt": "x", "include": [OBJECT | {"color": "gray"}]}, "color is 'gray'; give one of red"),
        (
            {"tag": "colors", "prompt": "x", "include": [OBJECT | {"colour": "red"}]},
            "has 'colour', which GenEval does not",
        ),
        ({"tag": "p", "prompt": "x", "include": [OBJECT | {"position": ["above", 0]}]}, "refers to object 0; give the"),
        ({"tag": "p", "prompt": "x", "include": [OBJECT, OBJECT | {"position": ["above", -1]}]}, "refers to object -1"),
        (
            {"tag": "p", "prompt": "x", "include": [OBJECT, OBJECT | {"position": ["near", 0]}]},
            "position is ['near', 0]",
        ),
        (
            {"tag": "p", "prompt": "x", "include": [OBJECT, OBJECT | {"position": "above"}]},
            "position is 'above'; give one",
        ),
        (
            {"tag": "p", "prompt": "x", "include": [OBJECT], "exclude": [OBJECT | {"color": "red"}]},
            "exclude[0] has 'color'",
        ),
    ],
)
def test_what_is_wrong_in_a_line_is_said(tmp_path, line, sentence):
    path = write(tmp_path / "metadata.jsonl", [line])
    with pytest.raises(InputError) as caught:
        read_geneval(path)
    assert str(caught.value).startswith(str(path))
    assert sentence in str(caught.value)


def test_other_files_are_none(tmp_path):
    for content, sentence in ((b"\n", "is empty"), (b"{", "line 1 is no JSON"), (b"\xff", "line 1 is not UTF-8")):
        path = tmp_path / "metadata.jsonl"
        path.write_bytes(content)
        with pytest.raises(InputError, match=sentence):
            read_geneval(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_geneval(tmp_path / "none.jsonl")


def test_one_text_with_two_meanings_is_refused(tmp_path):
    twice = [LINES[0], LINES[0] | {"tag": "colors"}]
    with pytest.raises(
        InputError, match="line 2 has the text 'a photo of a bench', which 00000 has with other objects"
    ):
        read_geneval(write(tmp_path / "metadata.jsonl", twice))
    assert len(read_geneval(write(tmp_path / "metadata.jsonl", [LINES[0]] * 2))) == 2


def test_single_object(prompts):
    prompt = prompts["single_object"]
    assert holds(prompt, ("bench", 0.31))
    assert holds(prompt, ("bench", 0.9), ("bench", 0.9), ("cat", 0.9))  # more than one will do
    assert not holds(prompt, ("bench", 0.3))  # a box must exceed the threshold
    assert not holds(prompt, ("bench", float(np.float32(0.3))))  # and that in single precision
    assert holds(prompt, ("bench", float(np.nextafter(np.float32(0.3), np.float32(1)))))
    assert not holds(prompt, ("cat", 0.9))
    assert not holds(prompt)


def test_two_objects(prompts):
    prompt = prompts["two_object"]
    assert holds(prompt, ("carrot", 0.5), ("toothbrush", 0.5))
    assert not holds(prompt, ("carrot", 0.5), ("carrot", 0.5))


def test_counting(prompts):
    prompt = prompts["counting"]
    assert holds(prompt, ("clock", 0.91), ("clock", 0.95), ("clock", 0.9), ("clock", 0.6))
    assert not holds(prompt, ("clock", 0.91), ("clock", 0.9))
    verdict = judge_geneval(prompt, boxes_of(("clock", 0.91), ("clock", 0.99), ("clock", 0.95)))
    assert not verdict.holds
    assert verdict.matched == (1, 2)
    assert verdict.refused == (0,)
    assert verdict.reasons == (
        "asked for less than 3 boxes of clock above a confidence of 0.9, found 3 (confidences 0.99 at 0,0 20x20, 0.95 "
        "at 0,0 20x20, 0.91 at 0,0 20x20)",
    )


def test_colours_of_the_most_confident_box_only(prompts):
    prompt = prompts["colors"]
    two = (("hair drier", 0.6), ("hair drier", 0.8))
    assert geneval_rows_to_colour(prompt, boxes_of(*two)) == (1,)
    assert holds(prompt, *two, told=colours("black", "purple"))
    assert not holds(prompt, *two, told=colours("purple", "black"))
    # Of equal ones the later stands first.
    assert geneval_rows_to_colour(prompt, boxes_of(("hair drier", 0.6), ("hair drier", 0.6))) == (1,)
    verdict = judge_geneval(prompt, boxes_of(*two), colours("purple", "black"))
    assert verdict.reasons == (
        "asked for purple hair drier, by the most confident one; the one at 0,0 20x20 is black (by CLIP, probability "
        "0.80)",
    )
    assert not holds(prompt, two[0], told={0: FoundColour(None, 0.0, "clip")})
    with pytest.raises(InputError, match="whether the hair drier at 0,0 20x20 is purple is not known"):
        holds(prompt, *two)


def test_positions(prompts):
    prompt = prompts["position"]
    fork, left, right = ("fork", 0.5, (100, 0, 20, 20)), ("stop sign", 0.5, (0, 0, 20, 20)), (200, 0, 20, 20)
    assert holds(prompt, fork, left)
    assert not holds(prompt, fork, ("stop sign", 0.5, right))
    # The most confident of each decides, wherever others lie.
    assert not holds(prompt, fork, left, ("stop sign", 0.6, right))
    assert holds(prompt, fork, left, ("stop sign", 0.4, right))
    verdict = judge_geneval(prompt, boxes_of(fork, ("stop sign", 0.5, right)))
    assert verdict.reasons == (
        "asked for stop sign left of fork; the one at 200,0 20x20 is right of the fork at 100,0 20x20",
    )
    assert judge_geneval(prompt, boxes_of(left)).reasons[1] == (
        "asked for stop sign left of fork, and there is no fork as it was asked for"
    )


def test_colours_of_two_objects(prompts):
    prompt = prompts["color_attr"]
    rows = (("dining table", 0.5), ("sandwich", 0.5))
    assert holds(prompt, *rows, told=colours("pink", "black"))
    assert not holds(prompt, *rows, told=colours("black", "pink"))
    assert not holds(prompt, rows[0], told=colours("pink"))


def test_no_more_than_sixteen_boxes_of_a_class_count():
    prompt = GenevalPrompt("0", "two_object", "x", (GenevalGroup("cup", 16),), (GenevalGroup("cup", 17),))
    many = [("cup", 0.5 + number / 100) for number in range(20)]
    assert holds(prompt, *many)
    assert judge_geneval(prompt, boxes_of(*many), options=GenevalOptions(most_objects=17)).holds is False


def test_other_thresholds(prompts):
    boxes = boxes_of(("bench", 0.25))
    assert not judge_geneval(prompts["single_object"], boxes).holds
    assert judge_geneval(prompts["single_object"], boxes, options=GenevalOptions(confidence=0.2)).holds


# Sets of images.

CLASSES = ("bench", "toothbrush", "carrot", "clock", "fork", "stop sign", "hair drier", "dining table", "sandwich")
PLAIN = [LINES[0], LINES[1], LINES[2], LINES[4]]


def set_of(rights, name="ours", tasks=PLAIN, grid=False):
    """Boxes of images, of which these of each prompt are right; the others have none."""
    images, image, label, boxes = [], [], [], []
    for number, (line, own) in enumerate(zip(tasks, rights, strict=True)):
        if grid:
            images.append(f"{number:05d}/grid.png")
        for sample, right in enumerate(own):
            images.append(f"{number:05d}/samples/{sample:04d}.png")
            if right:
                for place, group in enumerate(line["include"]):
                    for _ in range(group["count"]):
                        image.append(len(images) - 1)
                        label.append(CLASSES.index(group["class"]))
                        boxes.append((100.0 - 100 * place, 0.0, 20.0, 20.0))
    return FoundBoxes(
        name,
        tuple(images),
        CLASSES,
        np.array(image, np.int64),
        np.array(label, np.int64),
        np.array(boxes, np.float64).reshape(-1, 4),
        np.full(len(boxes), 0.95),
    )


RIGHTS = [[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1]]


def score(result, metric, category="", name="ours"):
    (found,) = [one for one in result.scores if (one.metric, one.category, one.set) == (metric, category, name)]
    return found


def test_numbers_are_those_of_its_summary(tmp_path):
    """The mean over tasks, and not over images: tasks have other numbers of images."""
    result = score_geneval(write(tmp_path / "metadata.jsonl", PLAIN), found=set_of(RIGHTS))
    assert result.task == "geneval"
    assert score(result, "geneval").value == pytest.approx((3 / 4 + 1 / 4 + 0 + 1) / 4)
    assert score(result, "correct").value == pytest.approx(6 / 14)
    assert score(result, "correct-prompts").value == pytest.approx(3 / 4)
    assert score(result, "correct", "two_object").value == 0.25
    assert result.scores[0].metric == "geneval"
    assert str(result.scores[0]).startswith("GenEval 0.5")
    assert (score(result, "geneval").n, score(result, "geneval").n_prompts) == (14, 4)
    assert len(result.outcomes) == 14
    assert result.manifest["counts"]["prompts"] == 4
    assert result.manifest["counts"]["sets"]["ours"]["most_images_of_a_prompt"] == 4


def ends(interval):
    """The limits of an interval that is there."""
    low, high = interval
    return low, high


def many_prompts(count):
    return [
        {"tag": task, "include": [{"class": label, "count": 1}], "prompt": f"{task} {number}"}
        for number in range(count)
        for task, label in (("single_object", "bench"), ("two_object", "carrot"))
    ]


def test_the_interval_of_the_mean_over_tasks(tmp_path):
    """Errors are those within tasks."""
    rng = np.random.default_rng(4)
    rows = [GenevalPrompt(f"{n:05d}", line["tag"], line["prompt"], (GenevalGroup(line["include"][0]["class"], 1),))
            for n, line in enumerate(many_prompts(40))]  # fmt: skip
    rights = rng.integers(0, 2, (80, 4)).tolist()
    result = score_geneval(rows, found=set_of(rights, tasks=many_prompts(40)))
    assert score(result, "geneval").value == pytest.approx(np.mean(rights))
    # Student's, of the errors of two independent tasks' means over prompts, where shares are near one half.
    means = np.array(rights).mean(1)
    errors = [stats.sem(means[task::2]) for task in (0, 1)]
    low, high = ends(score(result, "geneval").interval)
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 79) * np.hypot(*errors) / 2, rel=0.1)


def test_what_tasks_differ_by_is_no_error_of_their_mean():
    """All of one task and nothing of the other is one half for any prompts, about as sure as all of both."""
    rows = [GenevalPrompt(f"{n:05d}", line["tag"], line["prompt"], (GenevalGroup(line["include"][0]["class"], 1),))
            for n, line in enumerate(many_prompts(40))]  # fmt: skip
    half = score_geneval(rows, found=set_of([[1] * 4, [0] * 4] * 40, tasks=many_prompts(40)))
    low, high = ends(score(half, "geneval").interval)
    assert low < 0.5 < high
    assert high - low < 0.15


def test_differences_of_two_sets_pair_prompts(tmp_path):
    path = write(tmp_path / "metadata.jsonl", many_prompts(12))
    rng = np.random.default_rng(6)
    old = rng.integers(0, 2, (24, 4)).tolist()
    new = [[1, 1, *row[2:]] for row in old]
    tasks = many_prompts(12)
    result = score_geneval(path, found={"old": set_of(old, tasks=tasks), "new": set_of(new, tasks=tasks)})
    (difference,) = [one for one in result.differences if one.metric == "geneval"]
    changes = np.array(new).mean(1) - np.array(old).mean(1)
    assert difference.value == pytest.approx(changes.mean())
    low, high = ends(difference.interval)
    assert low < changes.mean() < high
    assert difference.p_value is not None
    assert difference.p_value < 0.01
    assert difference.n_prompts == 24
    metrics = {one.metric for one in result.differences if not one.category}
    assert metrics == {"geneval", "correct", "correct-prompts"}


def test_the_grid_of_its_generation_is_no_image(tmp_path):
    path = write(tmp_path / "metadata.jsonl", PLAIN)
    result = score_geneval(path, found=set_of(RIGHTS, grid=True))
    assert len(result.outcomes) == 14
    assert "ours: 4 images are no samples and left out, such as 00000/grid.png" in result.warnings
    assert score(result, "geneval").value == pytest.approx(0.5)


def test_flat_folders(tmp_path):
    found = set_of(RIGHTS)
    flat = dataclasses.replace(found, images=tuple(name.replace("/samples/", "_") for name in found.images))
    assert score(score_geneval(write(tmp_path / "m.jsonl", PLAIN), found=flat), "geneval").value == 0.5
    other = dataclasses.replace(found, images=tuple(name.replace("/samples/", "-seed") for name in found.images))
    with pytest.raises(InputError, match="no image of ours belongs to a prompt"):
        score_geneval(tmp_path / "m.jsonl", found=other)
    assert score(score_geneval(tmp_path / "m.jsonl", found=other, pattern="*-seed#"), "geneval").value == 0.5


def whole_run(count=PROMPTS, images=4):
    """As many prompts of each task as GenEval has, each of another class and text."""
    tasks = [task for task, number in TASKS.items() for _ in range(number)][:count]
    prompts = [
        GenevalPrompt(f"{n:05d}", task, f"prompt {n}", (GenevalGroup("bench", 1),)) for n, task in enumerate(tasks)
    ]
    lines = [{"include": [{"class": "bench", "count": 1}]}] * count
    return prompts, set_of([[1] * images] * count, tasks=lines)


def test_runs_that_are_not_whole_are_said():
    prompts, found = whole_run()
    assert score_geneval(prompts, found=found).warnings == (
        "the prompts are not those that GenEval has published; numbers do not compare with those of them",
    )
    prompts, found = whole_run(544)
    assert any("GenEval has 553 prompts in six tasks, and these are 544 in 6" in one
               for one in score_geneval(prompts, found=found).warnings)  # fmt: skip
    prompts, found = whole_run(553, 2)
    (warning,) = score_geneval(prompts, found=found).warnings[1:]
    assert warning == (
        "ours: GenEval's numbers are of 4 images of each of 553 prompts, and here are 2 of each of 553; "
        "numbers do not compare with those of all"
    )
    prompts, found = whole_run()
    short = dataclasses.replace(found, images=(*found.images[:-1], "x.png"))
    with pytest.raises(InputError, match=r"1 of 2,212 images of ours have no prompt: x\.png"):
        score_geneval(prompts, found=short)
    result = score_geneval(prompts, found=short, unmatched="skip")
    assert any("here are 3 of each of 1, 4 of each of 552;" in one for one in result.warnings)


def test_other_thresholds_and_ways_are_said(tmp_path):
    prompts, found = whole_run()
    result = score_geneval(prompts, found=found, options=GenevalOptions(confidence=0.5))
    assert "thresholds are not GenEval's; numbers do not compare with those under its own" in result.warnings
    assert result.manifest["parameters"]["confidence"] == 0.5
    images = tmp_path / "images" / "00000" / "samples"
    images.mkdir(parents=True)
    Image.new("RGB", (120, 20), (120, 20, 150)).save(images / "0000.png")
    path = write(tmp_path / "m.jsonl", [LINES[3]])
    found = set_of([[1]], tasks=[LINES[3]])
    result = score_geneval(path, tmp_path / "images", found=found, colours="named")
    assert score(result, "geneval").value == 1
    assert any("colours are told by 'named', and GenEval's by CLIP ViT-L/14" in one for one in result.warnings)
    assert any("ours: the detector gives no masks, by which GenEval paints out" in one for one in result.warnings)
    masked = dataclasses.replace(found, masks=(Mask(20, 120, (0, 20 * 120)),))
    result = score_geneval(path, tmp_path / "images", found=masked, colours="named")
    assert not any("masks" in one for one in result.warnings)
    # CLIP is the default, and nothing takes its place.
    with pytest.raises(WeightsMissingError, match="clip-vit-l-14"):
        score_geneval(path, tmp_path / "images", found=found, weights_dir=tmp_path / "none")


def test_a_detector_that_finds_nothing_is_said(tmp_path):
    path = write(tmp_path / "m.jsonl", PLAIN)
    result = score_geneval(path, found=set_of([[0, 0, 1, 0], [1] * 4, [1] * 4, [1] * 4]))
    assert any("ours: in 3 of 4 images of single objects nothing at all is found;" in one for one in result.warnings)
    result = score_geneval(path, found=set_of([[0, 0, 1, 1], [1] * 4, [1] * 4, [1] * 4]))
    assert not any("nothing at all" in one for one in result.warnings)


def test_classes_that_are_never_found_are_said(tmp_path):
    path = write(tmp_path / "m.jsonl", PLAIN)
    result = score_geneval(path, found=set_of([[1] * 4, [1] * 4, [1] * 4, [0] * 4]))
    assert any("2 of 6 classes that are asked for are found in no image: 'fork', 'stop sign';" in one
               for one in result.warnings)  # fmt: skip
    called = dataclasses.replace(set_of([[1] * 4] * 4), labels=("benches", *CLASSES[1:]))
    result = score_geneval(path, found=called)
    assert any("1 of 6 classes" in one and "'bench'; the detector may call them otherwise; did you mean 'bench" in one
               for one in result.warnings)  # fmt: skip
    result = score_geneval(path, found=called, labels={"bench": "benches"})
    assert not any("classes that are asked for" in one for one in result.warnings)
    assert score(result, "geneval").value == 1
    with pytest.raises(InputError, match="labels calls 'bench' 'bank', and ours has no such label"):
        score_geneval(path, found=called, labels={"bench": "bank"})


def test_cocos_names_are_known(tmp_path):
    line = {"tag": "single_object", "include": [{"class": "computer mouse", "count": 1}], "prompt": "a computer mouse"}
    path = write(tmp_path / "m.jsonl", [line])
    found = dataclasses.replace(set_of([[1] * 4], tasks=[LINES[0]]), labels=("mouse", *CLASSES[1:]))
    assert score(score_geneval(path, found=found), "geneval").value == 1
    both = dataclasses.replace(found, labels=("mouse", "computer mouse", *CLASSES[2:]))
    assert score(score_geneval(path, found=both), "geneval").value == 0


def black_images(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name)
    return folder


def test_with_a_detector_its_classes_are_checked_and_its_knowledge_too(tmp_path):
    def find(batch):
        return [([[1, 1, 5, 5]], [0.9], [0]) for _ in batch]

    path = write(tmp_path / "m.jsonl", [LINES[0]])
    images = black_images(tmp_path / "images", [f"00000/samples/{n:04d}.png" for n in range(4)])
    seen = black_images(tmp_path / "seen", ["one.png", "two.png"])
    names = ("one", "two")
    rules = {"format": "jaxeval rules 1", "prompts": [{"name": one, "rule": {"object": "bench"}} for one in names]}

    def run(*labels):
        return score_geneval(path, images, detector=Detector("d", find, labels=labels), check=rules, check_images=seen)

    assert score(run("bench", "cat"), "geneval", name=str(images)).value == 1
    with pytest.raises(
        InputError, match="the detector judges 0 of 2 images of the check as it must, and 90% are needed"
    ):
        run("cat", "bench")
    with pytest.raises(InputError, match=r"GenEval asks for 'bench', which the detector .* did you mean 'Bench'"):
        run("Bench", "cat")
    with pytest.raises(InputError, match="a check takes images and a detector"):
        score_geneval(path, found=set_of([[1] * 4], tasks=[LINES[0]]), check=rules, check_images=seen)
    with pytest.raises(InputError, match="there are no prompts"):
        score_geneval([], found=set_of([[1] * 4], tasks=[LINES[0]]))
