import numpy as np

from hrnet_mm.predict.drawing.class_list import draw_class_list

CLASSES = [
    {'category': 'tench, Tinca tinca', 'score': 0.8},
    {'category': 'goldfish', 'score': 0.1},
]


def draw(height: int, width: int, score_thr: float) -> np.ndarray:
    image = np.full((height, width, 3), 90, np.uint8)
    drawn = draw_class_list(image, CLASSES, score_thr)
    assert (image == 90).all()
    return drawn


def lines(drawn: np.ndarray) -> int:
    """The number of scores, which stand at the left: runs of rows with white ink."""
    ink = (drawn[:, :24].min(axis=2) > 200).any(axis=1)
    return int((ink[1:] & ~ink[:-1]).sum())


def test_a_line_for_each_class_on_dark_ground() -> None:
    drawn = draw(300, 400, score_thr=0)
    assert lines(drawn) == 2
    assert drawn[0, 0].tolist() == [30, 30, 30]
    assert (drawn[200:] == 90).all() and (drawn[:, 390:] == 90).all()


def test_classes_that_score_less_are_not_written() -> None:
    assert lines(draw(300, 400, score_thr=0.5)) == 1
    assert (draw(300, 400, score_thr=0.9) == 90).all()


def test_small_images_hold_what_fits() -> None:
    drawn = draw(10, 30, score_thr=0)
    assert drawn.shape == (10, 30, 3) and (drawn != 90).any()
