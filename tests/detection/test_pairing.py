"""Which image belongs to which prompt."""

import pytest

from jaxeval.detection.pairing import Pairing, paired
from jaxeval.errors import InputError


@pytest.mark.parametrize(
    "image",
    ["cat.png", "cat.JPG", "cat_0.png", "cat_0003.webp", "cat/0.png", "cat/samples/0000.png", "cat/12.jpg"],
)
def test_an_image_is_found_by_each_form_of_its_name(image):
    assert paired(["dog", "cat"], ["dog.png", image]) == Pairing((0, 1), (1, 1))


def test_prompts_may_be_called_as_files_are():
    assert paired(["a.png", "b.jpg"], ["b.jpg", "a.png"]).prompt_of_image == (1, 0)
    assert paired(["a.png"], ["a.webp", "a_1.png"]).prompt_of_image == (0, 0)
    assert paired(["a.png", "a.jpg"], ["a.jpg", "a.png"]).prompt_of_image == (1, 0)


def test_a_dot_in_a_name_is_no_extension():
    assert paired(["v1.5", "v1"], ["v1.png", "v1.5.png"]).prompt_of_image == (1, 0)


def test_geneval_folders():
    stems = [f"{number:05}" for number in range(3)]
    images = [f"{stem}/samples/{number:04}.png" for stem in stems for number in range(4)]
    found = paired(stems, images)
    assert found.images_per_prompt == (4, 4, 4)
    assert found.prompt_of_image == (0,) * 4 + (1,) * 4 + (2,) * 4


def test_other_files_in_the_folders_are_no_images_of_the_prompt():
    with pytest.raises(InputError, match=r"1 of 2 images of ours have no prompt: 00000/grid\.png; complete them"):
        paired(["00000"], ["00000/samples/0000.png", "00000/grid.png"], name="ours")
    found = paired(["00000"], ["00000/samples/0000.png", "00000/grid.png"], unmatched="skip")
    assert found.prompt_of_image == (0, -1)
    assert found.unmatched == ("1 of 2 images of the images have no prompt: 00000/grid.png (left out)",)


def test_a_prompt_without_images_is_an_error_or_counted():
    with pytest.raises(InputError, match="2 of 3 layouts have no image in ours: b, c"):
        paired(["a", "b", "c"], ["a.png"], name="ours", what="layout")
    assert paired(["a", "b", "c"], ["a.png"], unmatched="skip").images_per_prompt == (1, 0, 0)


def test_names_that_fit_two_prompts():
    # All images are called as prompts: nothing is a second image of `cat`.
    assert paired(["cat", "cat_1"], ["cat.png", "cat_1.png"]).prompt_of_image == (0, 1)
    assert paired(["cat", "cat_1"], ["cat_0.png", "cat_1_0.png"]).prompt_of_image == (0, 1)
    with pytest.raises(InputError, match=r"the image 'cat_1\.png' can be of the prompt 'cat_1' or 'cat'; say which"):
        paired(["cat", "cat_1"], ["cat_0.png", "cat_1.png", "cat_2.png"])
    images = ["cat_0.png", "cat_1.png", "cat_1_0.png"]
    assert paired(["cat", "cat_1"], images, pattern="*_#").prompt_of_image == (0, 0, 1)
    with pytest.raises(InputError, match=r"can be of the prompt 'a\.png' or 'a\.jpg'"):
        paired(["a.png", "a.jpg"], ["a.webp"])


@pytest.mark.parametrize(
    ("pattern", "image"),
    [("*x4", "catx4.png"), ("seed#/*", "seed12/cat.png"), ("*.png", "cat.png"), ("out/*/#_a", "out/cat/3_a.jpg")],
)
def test_patterns(pattern, image):
    assert paired(["dog", "cat"], [image], pattern=pattern, unmatched="skip").prompt_of_image == (1,)


def test_a_pattern_with_an_extension_means_it():
    assert paired(["cat"], ["cat.png", "cat.jpg"], pattern="*.png", unmatched="skip").prompt_of_image == (0, -1)


@pytest.mark.parametrize("pattern", ["", "cat", "*_*", "seed#"])
def test_a_pattern_has_one_star(pattern):
    with pytest.raises(InputError, match=r"must have one \*"):
        paired(["cat"], ["cat.png"], pattern=pattern)


def test_letters_of_patterns_mean_themselves():
    with pytest.raises(InputError, match=r"no image of the images belongs to a prompt .*matched by the pattern"):
        paired(["cat"], ["catXpng_(1).png"], pattern="*.png_(#)", unmatched="skip")
    assert paired(["cat"], ["cat (1).png"], pattern="* (#)").prompt_of_image == (0,)


def test_accents_are_compared_composed():
    assert paired(["caf\u00e9"], ["cafe\u0301_0.png"]).prompt_of_image == (0,)


def test_the_only_folder_is_left_out():
    found = paired(["00000", "00001"], ["run/00001/samples/0.png", "run/00000/samples/0.png"])
    assert found.prompt_of_image == (1, 0)
    assert found.unmatched == ("the images all lie in 'run', which was left out of their names",)


def test_nothing_matched_is_an_error_whatever_was_chosen():
    with pytest.raises(InputError, match=r"no image of ours belongs to a prompt \(x\.png against a, b, c and 1 more\)"):
        paired(["a", "b", "c", "d"], ["x.png"], unmatched="skip", name="ours")
    with pytest.raises(InputError, match="there are none against no prompts"):
        paired([], [], unmatched="skip")


def test_two_prompts_of_one_name_and_unknown_choices():
    with pytest.raises(InputError, match="two prompts are called 'a'"):
        paired(["a", "b", "a"], ["a.png"])
    with pytest.raises(InputError, match="unmatched is 'drop'; choose 'error' or 'skip'"):
        paired(["a"], ["a.png"], unmatched="drop")
