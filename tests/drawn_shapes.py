"""Images of rectangles in plain colours, the detector that finds them, and files of what was asked for."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"apple": (200, 30, 30), "leaf": (30, 160, 40), "plum": (110, 40, 150)}

DETECTOR = '''
import numpy as np

COLOURS = {"apple": (200, 30, 30), "leaf": (30, 160, 40), "plum": (110, 40, 150)}


def find(batch):
    """The rectangle around the pixels of each colour; what is written in it is what it is called."""
    rows = []
    for image in batch:
        boxes, labels = [], []
        for label, colour in COLOURS.items():
            y, x = np.nonzero((image == colour).all(2))
            if len(y):
                boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
                labels.append(label)
        rows.append({"boxes": np.array(boxes).reshape(-1, 4), "scores": [0.9] * len(boxes), "labels": labels})
    return rows


def read(batch):
    return [{**row, "texts": [label.upper() for label in row["labels"]]} for row in find(batch)]
'''

# left, top, width, height of what each image shows
SHOWN = {
    "a": {"apple": (4, 6, 20, 16), "leaf": (40, 10, 12, 30)},
    "b": {"apple": (10, 10, 30, 30)},
    "c": {"plum": (2, 2, 50, 40), "leaf": (54, 20, 8, 8)},
    "d": {},
}


def write_images(folder: Path, *, without: str = "") -> Path:
    """One image of 64 x 48 pixels for each name, `a_0.png` and so on; an object may be left out of all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, shapes in SHOWN.items():
        pixels = np.full((48, 64, 3), 240, np.uint8)
        for label, (left, top, width, height) in shapes.items():
            if label != without:
                pixels[top : top + height, left : left + width] = COLOURS[label]
        Image.fromarray(pixels).save(folder / f"{name}_0.png")
    return folder


def write_detector(folder: Path, name: str = "detector_of_shapes") -> str:
    """A module of the user's own; returns its name."""
    (folder / f"{name}.py").write_text(DETECTOR)
    return name


def write_asked(folder: Path) -> dict[str, Path]:
    """What each image was asked for, as every task has it; image d was asked for an apple and shows nothing."""
    objects = [(name, label) for name, shapes in SHOWN.items() for label in shapes or ("apple",)]
    rules = [
        {"name": "a", "prompt": "an apple left of a leaf", "category": "place",
         "rule": {"object": "apple", "left_of": "leaf"}},
        {"name": "b", "prompt": "two apples", "category": "count", "rule": {"object": "apple", "exactly": 2}},
        {"name": "c", "prompt": "a purple plum", "category": "colour",
         "rule": {"object": {"label": "plum", "colour": "purple"}}},
        {"name": "d", "prompt": "no apple", "category": "count", "rule": {"not": {"object": "apple"}}},
    ]  # fmt: skip
    boxes = [
        f"{name}_0.png,{label},{','.join(map(str, box))}"
        for name, shapes in SHOWN.items()
        for label, box in (shapes or {"apple": (1, 1, 9, 9)}).items()
    ]
    geneval = [
        {"tag": "single_object", "include": [{"class": "apple", "count": 1}], "prompt": "a photo of an apple"},
        {"tag": "counting", "include": [{"class": "apple", "count": 1}], "exclude": [{"class": "apple", "count": 2}],
         "prompt": "a photo of one apple"},
    ]  # fmt: skip
    content = {
        "objects.csv": "name,label\n" + "".join(f"{name},{label}\n" for name, label in objects),
        "texts.csv": "name,text\na,apple leaf\nb,Apple!\nc,pear\nd,fig\n",
        "rules.json": json.dumps({"format": "jaxeval rules 1", "prompts": rules}),
        "layouts.csv": "image,label,x,y,width,height\n" + "\n".join(boxes) + "\n",
        "geneval.jsonl": "\n".join(map(json.dumps, geneval)) + "\n",
    }
    places = {}
    for name, text in content.items():
        places[name.partition(".")[0]] = folder / name
        (folder / name).write_text(text)
    return places
