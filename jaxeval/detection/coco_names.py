"""The names of COCO's 80 categories, in its order."""

# By COCO's own numbers from 1 on, of which ten have no category.
_NAMES = """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, -, stop
sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, -, backpack,
umbrella, -, -, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball
glove, skateboard, surfboard, tennis racket, bottle, -, wine glass, cup, fork, knife, spoon, bowl, banana,
apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, -,
dining table, -, -, toilet, -, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster,
sink, refrigerator, -, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"""

_BY_NUMBER = tuple(" ".join(_NAMES.split()).split(", "))

COCO_NAMES: tuple[str, ...] = tuple(name for name in _BY_NUMBER if name != "-")
"""The 80 names, without gaps, as networks of YOLO's kind number them from 0."""

COCO_NAMES_BY_NUMBER: tuple[str, ...] = ("N/A", *("N/A" if name == "-" else name for name in _BY_NUMBER))
"""The names by COCO's own numbers, 0 to 90, as those of torchvision and of Transformers' DETR do."""
