"""What every figure of `jaxeval.report` promises: a PNG with something on it, in a folder that it makes."""

import inspect
import typing
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from human.simulated import PAIR_HEADER, pair_rows, write
from image_sets import crops
from judged_images import write_judged
from pair_folders import write_pairs
from PIL import Image

import jaxeval
from jaxeval import report
from jaxeval.detection import DetectionEvaluation, find_boxes, score_objects
from jaxeval.errors import InputError
from jaxeval.evaluation import Evaluation
from jaxeval.human import HumanAnalysis, HumanCorrelation, analyse, correlate
from jaxeval.pairs import PairsEvaluation

FIGURES = [name for name in report.__all__ if name.startswith("draw_")]
EVERY = pytest.mark.parametrize("name", FIGURES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[type, Any]:
    """One of each thing that is drawn, by its type."""
    reference, little, much = write_pairs(tmp_path_factory.mktemp("pairs"))
    real, others = crops(70, (6, 6), seed=1), {"late": crops(70, (6, 6), seed=2), "early": crops(70, (6, 6), seed=3)}
    votes = tmp_path_factory.mktemp("votes") / "votes.csv"
    write(votes, PAIR_HEADER, pair_rows([0.5, 0.0, -0.5], raters=6, each=20, items=5, seed=0))
    asked = {str(PurePosixPath(name).with_suffix("")): "middle" for name in find_boxes(little, _middle).images}
    return {
        DetectionEvaluation: score_objects(asked, [little, much], detector=_middle),
        HumanAnalysis: analyse(votes, repeats=20),
        HumanCorrelation: correlate(*write_judged(tmp_path_factory.mktemp("judged")), repeats=50),
        PairsEvaluation: jaxeval.score_pairs(reference, {"little": little, "much": much}, metrics="psnr,mae"),
        Evaluation: jaxeval.evaluate(real, others, extractor="pixels", metrics="fd,vendi"),
    }


def _middle(batch: list[np.ndarray]) -> list[dict[str, Any]]:
    """A detector that finds something in the middle of every image."""
    sides = [(image.shape[1], image.shape[0]) for image in batch]
    return [{"boxes": [[x / 4, y / 4, 3 * x / 4, 3 * y / 4]], "scores": [0.8], "labels": ["middle"]} for x, y in sides]


def draw(name: str, made: dict[type, Any], place: Path) -> list[Path]:
    """The files that a figure wrote: the one that it was given, or those in the folder that it was given."""
    function = getattr(report, name)
    of, where, *_ = inspect.signature(function).parameters
    found = function(made[typing.get_type_hints(function)[of]], place / ("a" if where == "folder" else "a.png"))
    return found if isinstance(found, list) else [found]


@EVERY
def test_a_figure_is_a_picture_and_always_the_same(name, made, tmp_path):
    written = draw(name, made, tmp_path / "new" / "folder")
    again = draw(name, made, tmp_path / "again")
    assert written
    for path, other in zip(written, again, strict=True):
        assert path.suffix == ".png"
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        assert min(pixels.shape[:2]) > 50
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10
        assert path.read_bytes() == other.read_bytes()


@EVERY
def test_a_place_that_cannot_be_written_is_refused(name, made, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="file"):
        draw(name, made, tmp_path / "file")
