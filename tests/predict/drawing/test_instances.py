from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from hrnet_mm.predict.drawing.instances import draw_instances

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)
COLORS = np.uint8([RED, GREEN, BLUE])
GRAY = 100


def instance(box: tuple = (60, 60, 100, 100), label: int = 1, **changes: Any) -> dict[str, Any]:
    return {'bbox': box, 'score': 0.9, 'label': label, 'category': 'cat', **changes}


def mask_of(rows: slice, columns: slice) -> dict[str, Any]:
    mask = np.zeros((200, 300), np.uint8, order='F')
    mask[rows, columns] = 1
    return coco_mask.encode(mask)


def draw(*instances: dict[str, Any], score_thr: float = 0.3) -> np.ndarray:
    image = np.full((200, 300, 3), GRAY, np.uint8)
    drawn = draw_instances(image, instances, COLORS, score_thr)
    assert (image == GRAY).all()
    return drawn


def test_box_has_the_color_of_its_class() -> None:
    drawn = draw(instance(label=1), instance((180, 60, 50, 50), label=2))
    assert tuple(drawn[160, 100]) == GREEN
    assert tuple(drawn[110, 200]) == BLUE
    assert (drawn[100, 100] == GRAY).all()


def test_label_stands_above_the_box_or_inside_at_the_upper_edge() -> None:
    above, inside = draw(instance()), draw(instance((60, 0, 100, 100)))
    assert tuple(above[58, 62]) == GREEN
    assert (above[64, 66] == GRAY).all()
    assert tuple(inside[2, 62]) == GREEN


def test_label_of_a_box_at_the_right_edge_stays_in_the_image() -> None:
    drawn = draw(instance((290, 60, 9, 50)))
    assert tuple(drawn[58, 260]) == GREEN


def test_text_is_dark_on_bright_colors_and_bright_on_dark_ones() -> None:
    on_bright, on_dark = draw(instance(label=1)), draw(instance(label=2))
    assert on_bright[45:59, 62:120].reshape(-1, 3).sum(axis=1).min() < 60
    assert on_dark[45:59, 62:120].reshape(-1, 3).min(axis=1).max() > 200


def test_mask_is_half_transparent_with_a_contour() -> None:
    drawn = draw(instance(mask=mask_of(slice(80, 120), slice(70, 130))))
    assert drawn[100, 100].tolist() == [GRAY // 2, GRAY // 2 + 127, GRAY // 2]
    assert tuple(drawn[80, 100]) == GREEN
    assert (drawn[70, 100] == GRAY).all()


def test_what_scores_below_the_threshold_is_not_drawn() -> None:
    low = instance(score=0.29, mask=mask_of(slice(80, 120), slice(70, 130)))
    assert (draw(low) == GRAY).all()
    assert (draw(low, score_thr=0.2) != GRAY).any()


def test_the_most_certain_is_on_top() -> None:
    certain, other = instance(label=0), instance(label=2, score=0.5)
    for instances in ([certain, other], [other, certain]):
        assert tuple(draw(*instances)[160, 100]) == RED


def test_boxes_far_outside_do_not_fail() -> None:
    drawn = draw(instance((-1e9, -1e9, 3e9, 3e9)), instance((1e9, 1e9, 1, 1)))
    assert tuple(drawn[199, 100]) == GREEN
