"""What detectors give back: layouts, arrays of any library, masks and texts, and what is no finding."""

import numpy as np
import pytest
from planted_rectangles import BLACK, Rectangles, plain, row_of

from jaxeval.detection import (
    Detector,
    Mask,
    find_boxes,
)
from jaxeval.errors import InputError


@pytest.mark.parametrize("batch_size", [1, 2, 7, 50])
def test_batches_change_nothing(pictures, batch_size):
    detector = Rectangles()
    assert plain(find_boxes(pictures, detector, batch_size=batch_size)) == plain(find_boxes(pictures, Rectangles()))
    assert sum(detector.batches) == 7
    assert max(detector.batches) == min(batch_size, 7)


@pytest.mark.parametrize(
    ("layout", "box"),
    [
        ("xyxy", [2, 3, 6, 8]),
        ("xywh", [2, 3, 4, 5]),
        ("cxcywh", [4, 5.5, 4, 5]),
        ("normalised-xyxy", [0.1, 0.3, 0.3, 0.8]),
        ("normalised-xywh", [0.1, 0.3, 0.2, 0.5]),
        ("normalised-cxcywh", [0.2, 0.55, 0.2, 0.5]),
    ],
)
def test_every_layout_of_a_box_is_the_same_box(layout, box):
    def detector(batch):
        return row_of(batch, boxes=[box])

    vars(detector).update(box_layout=layout)
    # Parts of sides are halves and tenths in float64: an error of an ulp or two of 8.
    np.testing.assert_allclose(find_boxes(BLACK, detector).boxes, [[2, 3, 4, 5]] * 2, rtol=0, atol=4e-15)


def as_jax(values):
    import jax.numpy as jnp

    return jnp.asarray(values)


class Tensor:
    """Behaves as a tensor of torch on another device: an array only once it is detached and on the host."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def detach(self):
        return self

    def cpu(self):
        return np.asarray(self.values)


@pytest.mark.parametrize("of", [list, np.asarray, as_jax, Tensor])
@pytest.mark.parametrize("form", ["mapping", "tuple", "object"])
def test_arrays_of_any_library_in_any_form_are_taken(of, form):
    class Row:
        boxes, scores, labels = of([[1.0, 2.0, 4.0, 6.0]]), of([0.5]), of([1])

    parts = {"boxes": Row.boxes, "scores": Row.scores, "labels": Row.labels}
    row = {"mapping": parts, "tuple": tuple(parts.values()), "object": Row()}[form]
    detector = Detector("named", lambda batch: [row for _ in batch], labels=("cat", "dog"))
    found = find_boxes(BLACK, detector)
    assert found.boxes.tolist() == [[1, 2, 3, 4]] * 2
    assert found.label.tolist() == [1, 1]
    assert found.scores.tolist() == [0.5, 0.5]


@pytest.mark.parity
def test_torch_is_taken_without_being_imported_here(torch):
    def detector(batch):
        half = torch.tensor([0.5], dtype=torch.bfloat16, requires_grad=True)
        masks = [torch.ones(10, 20, dtype=torch.bool)]
        boxes = torch.tensor([[1, 2, 4, 6.0]], dtype=torch.bfloat16)
        return [{"boxes": boxes, "scores": half, "labels": ["a"], "masks": masks} for _ in batch]

    found = find_boxes(BLACK, detector)
    assert found.scores.tolist() == [0.5, 0.5]
    assert found.boxes.tolist() == [[1, 2, 3, 4]] * 2
    assert found.masks is not None
    assert [mask and mask.runs for mask in found.masks] == [(0, 200)] * 2


class BrainFloats:
    """Behaves as a tensor of torch of bfloat16, which NumPy does not take."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Got unsupported ScalarType BFloat16")

    def detach(self):
        return self

    def cpu(self):
        return self

    def float(self):
        return np.asarray(self.values, np.float32)


@pytest.mark.parametrize("scores", [BrainFloats([0.5]), [BrainFloats(0.5)]])
def test_tensors_that_numpy_does_not_take_are_taken_as_floats(scores):
    found = find_boxes(BLACK, lambda batch: row_of(batch, boxes=BrainFloats([[1, 2, 4, 6]]), scores=scores))
    assert found.scores.tolist() == [0.5, 0.5]
    assert found.boxes.tolist() == [[1, 2, 3, 4]] * 2


def test_masks_are_kept_as_runs_whatever_they_were():
    pixels = np.zeros((1, 10, 20), bool)
    pixels[0, 2:6, 1:4] = True
    forms = [pixels, pixels.astype(np.uint8), pixels[:, None].astype(np.float32) * 0.4 + 0.3]
    for masks in forms:
        found = find_boxes(BLACK, lambda batch, masks=masks: row_of(batch, masks=masks))
        assert found.masks is not None
        assert all(mask is not None and (mask.pixels() == pixels[0]).all() for mask in found.masks)
    already = Mask(10, 20, (200,))
    found = find_boxes(BLACK, lambda batch: row_of(batch, masks=[already]))
    assert found.masks == (already, already)


def test_rows_may_be_made_one_after_the_other(pictures):
    def generating(batch):
        yield from Rectangles()(batch)

    assert plain(find_boxes(pictures, generating)) == plain(find_boxes(pictures, Rectangles()))


def test_texts_come_along():
    assert find_boxes(BLACK, lambda batch: row_of(batch, texts=["EXIT"])).texts == ("EXIT", "EXIT")


class Raising:
    """As lazy results are: what is wrong shows when a part is asked for."""

    scores, labels = (0.5,), ("cat",)

    @property
    def boxes(self):
        raise KeyError("weights")


class RaisingRows:
    def __len__(self):
        return 2

    def __iter__(self):
        raise OSError("gone")


BAD_ROWS = {
    "two rows": (lambda batch: row_of(batch)[:1], "gives 1 rows for 2 images from 0 on; one for each image"),
    "no list": (lambda batch: row_of(batch)[0], "gives a dict for 2 images from 0 on; a list with one row for each"),
    "none": (lambda batch: None, "gives a NoneType for 2 images"),
    "no scores": (lambda batch: [{"boxes": [], "labels": []}] * 2, "of 0, a row without scores"),
    "a number": (lambda batch: [3, 4], "of 0, a int; a mapping"),
    "five numbers": (lambda batch: row_of(batch, boxes=[[1, 2, 3, 4, 5]]), r"of 0, boxes of shape \[1, 5\]; \[n, 4\]"),
    "ragged": (lambda batch: row_of(batch, boxes=[[1, 2, 3, 4], [1]]), "of 0, boxes that are no array"),
    "texts for boxes": (lambda batch: row_of(batch, boxes=[["1", "2", "3", "4"]]), "boxes of type <U1"),
    "nan": (lambda batch: row_of(batch, boxes=[[1, 2, np.nan, 4]]), "of 0, boxes that are not finite"),
    "infinite score": (lambda batch: row_of(batch, scores=[np.inf]), "of 0, scores that are not finite"),
    "score above": (lambda batch: row_of(batch, scores=[1.5]), "of 0, the score 1.5; scores are from 0 to 1, unless"),
    "score below": (lambda batch: row_of(batch, scores=[-0.1]), "of 0, the score -0.1"),
    "two scores": (lambda batch: row_of(batch, scores=[0.1, 0.2]), r"of 0, scores of shape \[2\] for 1 boxes"),
    "no size": (
        lambda batch: row_of(batch, boxes=[[4, 2, 1, 6]]),
        "of 0, a box of width -3 and height 4 by",
    ),
    "number": (lambda batch: row_of(batch, labels=[3]), "label 3, a number, and no names; give the callable an attr"),
    "half": (lambda batch: row_of(batch, labels=[0.5]), "labels of type float64; names or whole numbers"),
    "mixed": (
        lambda batch: row_of(batch, labels=["a", 1]),
        "names and numbers",
    ),
    "blank": (lambda batch: row_of(batch, labels=[" "]), "a label without a letter"),
    "few labels": (lambda batch: row_of(batch, labels=[]), r"labels of shape \[0\] for 1 boxes"),
    "texts": (lambda batch: row_of(batch, texts=[3]), "texts that are not a list of texts"),
    "surrogate": (lambda batch: row_of(batch, texts=["\ud800"]), "half of a character"),
    "mask shape": (
        lambda batch: row_of(batch, masks=np.zeros((1, 4, 4), bool)),
        r"masks of shape \[1, 4, 4\]",
    ),
    "mask values": (lambda batch: row_of(batch, masks=np.full((1, 10, 20), 255, np.uint8)), "masks with the value 255"),
    "text masks": (
        lambda batch: row_of(batch, masks=np.full((1, 10, 20), "x")),
        "of 0, masks of type <U1; give True and False, or probabilities",
    ),
    "objects as masks": (lambda batch: row_of(batch, masks=np.full((1, 10, 20), None)), "of 0, masks of type object"),
    "complex masks": (lambda batch: row_of(batch, masks=np.full((1, 10, 20), 1j)), "of 0, masks of type complex128"),
    "masks below": (lambda batch: row_of(batch, masks=np.full((1, 10, 20), -1, np.int8)), "masks with the value -1"),
    "half a label": (lambda batch: row_of(batch, labels=["\ud800"]), "of 0, a label with half of a character"),
    "a generator that raises": (
        lambda batch: (1 // 0 for _ in batch),
        r"fails on 2 images from 0 on \(ZeroDivisionError: (integer )?division",
    ),
    "a generator without end": (lambda batch: iter(lambda: row_of(batch)[0], None), "gives more than 2 rows for 2 im"),
    "a property that raises": (lambda batch: [Raising()] * 2, r"fails on 0 \(KeyError: 'weights'\)"),
    "rows that raise": (lambda batch: RaisingRows(), r"fails on 2 images from 0 on \(OSError: gone\)"),
    "raises": (lambda batch: 1 // 0, r"fails on 2 images from 0 on \(ZeroDivisionError"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_what_is_no_finding_is_refused_by_detector_and_image(case):
    find, message = BAD_ROWS[case]
    with pytest.raises(InputError, match=message) as caught:
        find_boxes(BLACK, Detector("mine", find))
    assert str(caught.value).startswith("the detector mine ")
    assert "\n" not in str(caught.value)


def test_numbers_of_labels_out_of_range_say_the_range():
    detector = Detector("mine", lambda batch: row_of(batch, labels=[2]), labels=("cat", "dog"))
    with pytest.raises(InputError, match="gives, of 0, label 2; its 2 labels have the numbers from 0 to 1"):
        find_boxes(BLACK, detector)
    one = Detector("mine", lambda batch: row_of(batch, labels=[2]), labels=("cat", "dog"), first_label=1)
    assert find_boxes(BLACK, one).label.tolist() == [1, 1]


def test_unbounded_scores_are_taken_where_they_are_declared():
    def detector(batch):
        return row_of(batch, scores=[17.5])

    with pytest.raises(InputError, match="unbounded_scores"):
        find_boxes(BLACK, detector)
    vars(detector).update(unbounded_scores=True)
    assert find_boxes(BLACK, detector).scores.tolist() == [17.5, 17.5]


def test_what_rounding_of_a_softmax_gives_is_no_error():
    above = float(np.nextafter(np.float32(1), np.float32(2)))
    assert find_boxes(BLACK, lambda batch: row_of(batch, scores=[above])).scores.tolist() == [above, above]


def test_one_label_for_several_numbers_is_one_category():
    detector = Detector("mine", lambda batch: row_of(batch, labels=[3]), labels=("N/A", "cat", "N/A", "dog"))
    found = find_boxes(BLACK, detector)
    assert found.labels == ("N/A", "cat", "dog")
    assert found.label.tolist() == [2, 2]


def test_texts_of_some_images_only_are_refused():
    def detector(batch):
        return [*row_of(batch[:1], texts=["EXIT"]), *row_of(batch[1:])]

    with pytest.raises(InputError, match="gives texts of some images and none of 1"):
        find_boxes(BLACK, detector)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"labels": ("a", "")}, "the detector mine has label number 1 ''"),
        ({"identity": {"weights": float("inf")}}, "the detector mine has an identity of other than plain values"),
    ],
)
def test_detectors_are_checked_when_they_are_made(parts, message):
    with pytest.raises(InputError, match=message):
        Detector("mine", row_of, **parts)
