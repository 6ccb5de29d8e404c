"""What the user asks of `score_pairs`, checked once for images and videos alike."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxeval.errors import InputError, WeightsMissingError
from jaxeval.images import PixelLayout, PixelRules
from jaxeval.ops.image_quality.colour import COLOURS
from jaxeval.pairs.batches import Chosen
from jaxeval.pairs.measures import PairMeasure, pair_measures

STORED_LUMA = ("y", "y-rounded")  # the colours that videos store as whole codes: nothing is left to round


class PairSettings:
    """What the user asked for, checked once for images and videos alike.

    Args:
      metrics, convention, colour, crop_border, data_range, weights_dir: of `score_pairs`.
      rules: its `alpha`, `exif`, `gray` and `modcrop`.

    Raises:
      InputError: one of them is wrong.
    """

    def __init__(
        self,
        metrics: str | Sequence[str],
        convention: str | None,
        colour: str,
        crop_border: int,
        data_range: float | None,
        weights_dir: str | os.PathLike[str] | None,
        rules: PixelRules | None = None,
    ):
        self.measures, self._in_groups = pair_measures(metrics)
        if colour not in COLOURS:
            raise InputError(f"colour {colour!r} is not known; choose from {', '.join(COLOURS)}")
        if crop_border < 0:
            raise InputError(f"crop border {crop_border} must be 0 or more")
        if data_range is not None and not (np.isfinite(data_range) and data_range > 0):
            raise InputError(f"data range {data_range} must be a positive number, such as 255")
        self.colour, self.crop_border, self.data_range = colour, crop_border, data_range
        self.rules = PixelRules() if rules is None else rules
        self._weights_dir = weights_dir
        self.conventions = choose_conventions(self.measures, convention)

    def suited(
        self, layouts: Iterable[PixelLayout], example: Mapping[PixelLayout, str]
    ) -> tuple[list[Chosen], list[dict[str, str]]]:
        """The measures that take all of these images, and what was left out of a group because they do not.

        Raises:
          InputError: a measure that was asked for by name does not take an image; or none is left.
          WeightsMissingError: a measure that was asked for by name needs weights that are not there.
        """
        layouts = list(layouts)
        for layout in layouts:
            if min(layout.height, layout.width) - 2 * self.crop_border < 1:
                raise InputError(f"crop border {self.crop_border} leaves nothing of {example[layout]} ({layout})")
            ranged = [measure.name for measure in self.measures if not measure.of_light]
            if layout.is_float and ranged and self.data_range is None:
                raise InputError(
                    f"{example[layout]} is {layout}, whose range is not known, and {ranged[0]} needs it; say it "
                    "(--data-range 1.0)"
                )
        chosen, left_out = [], []
        for measure in self.measures:
            reason = next(filter(None, (self._refusal(measure, one, example[one]) for one in layouts)), None)
            in_group = measure.name in self._in_groups
            if reason is None:
                try:
                    chosen.append(self._loaded(measure))
                except WeightsMissingError as error:
                    if not in_group:
                        raise
                    left_out.append({"metric": measure.name, "sentence": f"{measure.name}: {error}"})
            elif in_group:
                left_out.append({"metric": measure.name, "sentence": reason})
            else:
                raise InputError(f"{reason}; leave {measure.name} out")
        if not chosen:
            raise InputError(f"no metric can be computed: {left_out[0]['sentence']}")
        return chosen, left_out

    def _loaded(self, measure: PairMeasure) -> Chosen:
        options = {}
        if measure.conventions:
            options["convention"] = self.conventions[measure.name]
        if measure.takes_colour:
            options["colour"] = self.colour
        return Chosen(measure, measure.load(self._weights_dir, **options), options, self.data_range)

    def _refusal(self, measure: PairMeasure, layout: PixelLayout, example: str) -> str | None:
        if measure.of_light and not layout.is_float:
            return f"{measure.name} needs linear light in float values (EXR, TIFF, arrays), but {example} is {layout}"
        least = measure.smallest(self.conventions.get(measure.name))
        if min(layout.height, layout.width) - 2 * self.crop_border < least:
            crop = f" after {self.crop_border} are cropped along every edge" if self.crop_border else ""
            return f"{measure.name} needs sides of at least {least} pixels{crop}, but {example} is {layout}"
        if layout.channels not in measure.colours:
            return f"{measure.name} needs colour, but {example} is {layout}"
        return None

    @property
    def of_stored_luma(self) -> bool:
        """Whether of videos the luma plane is compared as it is stored."""
        return self.colour in STORED_LUMA

    def record(self) -> dict[str, Any]:
        """The settings as plain values, for the manifest."""
        return {
            "metrics": [measure.name for measure in self.measures],
            "conventions": self.conventions,
            "colour": self.colour,
            "crop_border": self.crop_border,
            "data_range": self.data_range,
            **dataclasses.asdict(self.rules),
        }


def choose_conventions(measures: Sequence[PairMeasure], convention: str | None) -> dict[str, str]:
    """The convention of each measure that has several.

    Args:
      measures: those that are wanted.
      convention: a name, given to each measure that has it; or `measure=NAME`, comma-separated; or None.

    Raises:
      InputError: no wanted measure has it.
    """
    chosen = {measure.name: measure.conventions[0] for measure in measures if measure.conventions}
    known = {measure.name: measure.conventions for measure in measures if measure.conventions}
    for part in filter(None, (piece.strip() for piece in (convention or "").split(","))):
        own, _, value = part.rpartition("=")
        own = own.strip().replace("_", "-")
        takers = [name for name, all_of_it in known.items() if value.strip() in all_of_it and own in ("", name)]
        if not takers:
            choices = "; ".join(f"{name}: {', '.join(values)}" for name, values in known.items())
            raise InputError(
                f"convention {part!r} is not one of a wanted metric"
                + (f"; there are {choices}" if choices else "; none of the wanted metrics has conventions")
            )
        chosen.update(dict.fromkeys(takers, value.strip()))
    return chosen
