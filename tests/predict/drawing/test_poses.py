from typing import Any

import numpy as np

from hrnet_mm.predict.drawing.poses import BOX_COLOR, draw_poses

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)
LINKS = [(0, 1), (1, 2)]


def draw(keypoints: list, box: tuple = (10, 10, 60, 60), **changes: Any) -> np.ndarray:
    instance = {'bbox': box, 'bbox_score': 1.0, 'keypoints': keypoints, **changes}
    colors = np.uint8([RED, GREEN, BLUE])
    image = np.zeros((80, 100, 3), np.uint8)
    return draw_poses(image, [instance], LINKS, colors[:2], colors, score_thr=0.3)


def test_keypoints_links_and_box_have_their_colors() -> None:
    drawn = draw([[20, 20, 0.9], [40, 20, 0.9], [40, 50, 0.9]])
    assert tuple(drawn[20, 20]) == RED
    assert tuple(drawn[20, 40]) == GREEN
    assert tuple(drawn[50, 40]) == BLUE
    # Of the links between them; smooth lines are a little darker.
    assert np.allclose(drawn[20, 30], RED, atol=30)
    assert np.allclose(drawn[35, 40], GREEN, atol=30)
    assert tuple(drawn[10, 30]) == BOX_COLOR


def test_what_scores_below_the_threshold_is_not_drawn() -> None:
    drawn = draw([[20, 20, 0.9], [40, 20, 0.2], [40, 50, 0.9]])
    assert tuple(drawn[20, 20]) == RED
    assert not drawn[20, 25:60].any()
    assert not draw([[20, 20, 0.9]] * 3, bbox_score=0.1).any()


def test_keypoints_and_boxes_far_outside_do_not_fail() -> None:
    drawn = draw([[-1e12, 20, 1], [40, 20, 1], [1e12, -1e12, 1]], box=(-1e9, -1e9, 3e9, 3e9))
    assert tuple(drawn[20, 40]) == GREEN


def test_the_image_itself_is_left_as_it_is() -> None:
    image = np.zeros((80, 100, 3), np.uint8)
    instance = {'bbox': [0, 0, 50, 50], 'bbox_score': 1, 'keypoints': [[20, 20, 1.0]]}
    none = np.zeros((0, 3), np.uint8)
    drawn = draw_poses(image, [instance], [], none, np.uint8([RED]), 0.3)
    assert drawn.any() and not image.any()


def test_dots_of_close_keypoints_stay_apart() -> None:
    face = np.mgrid[200:301:6, 200:301:6].reshape(2, -1).T  # 17 x 17 points, 6 pixels apart
    keypoints = [[x, y, 1.0] for x, y in face.tolist()]
    instance = {'bbox': [0, 0, 639, 639], 'bbox_score': 1, 'keypoints': keypoints}
    image = np.zeros((640, 640, 3), np.uint8)
    colors = np.full((len(face), 3), RED, np.uint8)
    drawn = draw_poses(image, [instance], [], np.zeros((0, 3), np.uint8), colors, 0.3)
    assert tuple(drawn[206, 206]) == RED
    assert not drawn[203:300:6, 203:300:6].any()  # between them
