from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from hrnet_mm.predict.canvas import GROUND, Labels, as_picture, shortened, text_size
from hrnet_mm.predict.drawing import (
    POSE_BOX_COLOR,
    draw_class_list,
    draw_instances,
    draw_label_map,
    draw_poses,
    is_background,
)

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)
COLORS = np.uint8([RED, GREEN, BLUE])
GRAY = 100
BYTES = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)


def poses(keypoints: list, box: tuple = (10, 10, 60, 60), **changes: Any) -> np.ndarray:
    instance = {'bbox': box, 'bbox_score': 1.0, 'keypoints': keypoints, **changes}
    image = np.zeros((80, 320, 3), np.uint8)
    drawn = draw_poses(image, [instance], [(0, 1), (1, 2)], COLORS[:2], COLORS, score_thr=0.3)
    assert not image.any()
    return drawn


def test_keypoints_links_and_box_have_their_colors() -> None:
    drawn = poses([[20, 20, 0.9], [40, 20, 0.9], [40, 50, 0.9]])
    assert tuple(drawn[20, 20]) == RED
    assert tuple(drawn[20, 40]) == GREEN
    assert tuple(drawn[50, 40]) == BLUE
    # Of the links between them; smooth lines are a little darker.
    assert np.allclose(drawn[20, 30], RED, atol=30)
    assert np.allclose(drawn[35, 40], GREEN, atol=30)
    assert tuple(drawn[10, 30]) == POSE_BOX_COLOR


def test_keypoints_below_the_threshold_are_not_drawn() -> None:
    drawn = poses([[20, 20, 0.9], [40, 20, 0.2], [40, 50, 0.9]])
    assert tuple(drawn[20, 20]) == RED
    assert not drawn[20, 25:60].any()
    assert not poses([[20, 20, 0.9]] * 3, bbox_score=0.1).any()


def test_keypoints_and_boxes_far_outside_do_not_fail() -> None:
    drawn = poses([[-1e12, 20, 1], [40, 20, 1], [1e12, -1e12, 1]], box=(-1e9, -1e9, 3e9, 3e9))
    assert tuple(drawn[20, 40]) == GREEN


def test_dots_of_close_keypoints_stay_apart() -> None:
    face = np.mgrid[200:301:6, 200:301:6].reshape(2, -1).T  # 17 x 17 points, 6 pixels apart
    keypoints = [[x, y, 1.0] for x, y in face.tolist()]
    instance = {'bbox': [0, 0, 639, 639], 'bbox_score': 1, 'keypoints': keypoints}
    image = np.zeros((640, 640, 3), np.uint8)
    colors = np.full((len(face), 3), RED, np.uint8)
    drawn = draw_poses(image, [instance], [], np.zeros((0, 3), np.uint8), colors, 0.3)
    assert tuple(drawn[206, 206]) == RED
    assert not drawn[203:300:6, 203:300:6].any()  # between them


def instance(box: tuple = (60, 60, 100, 100), label: int = 1, **changes: Any) -> dict[str, Any]:
    return {'bbox': box, 'score': 0.9, 'label': label, 'category': 'cat', **changes}


def mask_of(rows: slice, columns: slice) -> dict[str, Any]:
    mask = np.zeros((200, 320), np.uint8, order='F')
    mask[rows, columns] = 1
    return coco_mask.encode(mask)


def instances(*instances: dict[str, Any], score_thr: float = 0.3) -> np.ndarray:
    image = np.full((200, 320, 3), GRAY, np.uint8)
    drawn = draw_instances(image, instances, COLORS, score_thr)
    assert (image == GRAY).all()
    return drawn


def test_box_has_the_color_of_its_class() -> None:
    drawn = instances(instance(label=1), instance((180, 60, 50, 50), label=2))
    assert tuple(drawn[160, 100]) == GREEN
    assert tuple(drawn[110, 200]) == BLUE
    assert (drawn[100, 100] == GRAY).all()


def test_labels_stand_beside_their_boxes_in_the_picture() -> None:
    above, below = instances(instance()), instances(instance((60, 0, 100, 100)))
    assert tuple(above[58, 62]) == tuple(below[102, 62]) == GREEN
    assert (above[64, 66] == GRAY).all() and (below[3, 66] == GRAY).all()
    at_the_right = instances(instance((290, 60, 29, 50)))
    assert tuple(at_the_right[43, 319]) == GREEN
    beside = instances(instance((0, 0, 100, 199)))
    assert tuple(beside[2, 103]) == GREEN and (beside[3, 50] == GRAY).all()
    inside = instances(instance((0, 0, 319, 199)))
    assert tuple(inside[3, 3]) == GREEN


def test_labels_of_many_boxes_do_not_cover_each_other() -> None:
    canvas = np.zeros((300, 400, 3), np.uint8)
    boxes = [(30 + 40 * (i % 6), 100 + 3 * (i // 6), 20, 40) for i in range(12)]
    labels = Labels(canvas, boxes)
    for number in range(12):
        labels.write(number, 'cat', GREEN)
    places = labels._written
    assert places.min() >= 0 and (places[:, 2:] < [400, 300]).all()
    seen = np.zeros((300, 400), int)
    for x1, y1, x2, y2 in places:
        seen[y1 : y2 + 1, x1 : x2 + 1] += 1
    assert seen.max() == 1


def test_text_that_is_too_wide_is_shortened() -> None:
    short = shortened('a very long name of a class', 60, 0.4)
    assert short.startswith('a v') and short.endswith('..')
    assert text_size(short, 0.4)[0] <= 60
    assert shortened('cat', 60, 0.4) == 'cat'


def test_text_is_dark_on_bright_colors_and_bright_on_dark_ones() -> None:
    on_bright, on_dark = instances(instance(label=1)), instances(instance(label=2))
    assert on_bright[45:59, 62:120].reshape(-1, 3).sum(axis=1).min() < 60
    assert on_dark[45:59, 62:120].reshape(-1, 3).min(axis=1).max() > 200


def test_mask_is_half_transparent_with_a_contour() -> None:
    drawn = instances(instance(mask=mask_of(slice(80, 120), slice(70, 130))))
    assert np.abs(drawn[100, 100] - np.array([50, 178, 50])).max() <= 1
    assert tuple(drawn[80, 100]) == GREEN
    assert (drawn[70, 100] == GRAY).all()


def test_instances_below_the_threshold_are_not_drawn() -> None:
    low = instance(score=0.29, mask=mask_of(slice(80, 120), slice(70, 130)))
    assert (instances(low) == GRAY).all()
    assert (instances(low, score_thr=0.2) != GRAY).any()


def test_the_most_certain_is_on_top() -> None:
    certain, other = instance(label=0), instance(label=2, score=0.5)
    for both in ([certain, other], [other, certain]):
        assert tuple(instances(*both)[160, 100]) == RED


def test_boxes_of_instances_far_outside_do_not_fail() -> None:
    drawn = instances(instance((-1e9, -1e9, 3e9, 3e9)), instance((1e9, 1e9, 1, 1)))
    assert tuple(drawn[199, 100]) == GREEN


@pytest.mark.parametrize(('opacity', 'expected'), [(0, 100), (0.25, 75), (1, 0)])
def test_masks_are_as_opaque_as_is_asked_for(opacity: float, expected: int) -> None:
    found = instance(mask=mask_of(slice(80, 120), slice(70, 130)))
    image = np.full((200, 320, 3), GRAY, np.uint8)
    drawn = draw_instances(image, [found], COLORS, 0.3, opacity)
    assert drawn[100, 100, 0] == expected


NAMES = ('background', 'road', 'a car')


def label_map(shape: tuple[int, int], opacity: float = 0.5, **more: Any) -> np.ndarray:
    """The left half of an image is background, the right is road but for a pixel of a car."""
    labels = np.zeros(shape, np.uint8)
    labels[:, shape[1] // 2 :] = 1
    labels[0, -1] = 2
    counts = np.bincount(labels.ravel(), minlength=3) / labels.size
    classes = [dict(label=i, category=NAMES[i], share=counts[i]) for i in (1, 0, 2) if counts[i]]
    image = np.full((*shape, 3), GRAY, np.uint8)
    arguments = dict(labels=labels, classes=classes, class_names=NAMES, opacity=opacity) | more
    drawn = draw_label_map(image, colors=COLORS, **arguments)
    assert (image == GRAY).all()
    return drawn


def test_every_pixel_but_the_backgrounds_is_under_the_color_of_its_class() -> None:
    drawn = label_map((200, 400))
    assert (drawn[:, :200] == GRAY).all()
    assert np.abs(drawn[:, 200:399] - np.array([50, 178, 50])).max() <= 1
    assert drawn[0, 399].tolist() in ([178, 50, 50], [177, 50, 50])
    assert (label_map((200, 400), opacity=1)[:, 200:399] == GREEN).all()
    assert (label_map((200, 400), opacity=0)[:, :400] == GRAY).all()


@pytest.mark.parametrize('name', ['background', 'Background', '_background_', 'bg'])
def test_what_a_background_is_called(name: str) -> None:
    assert is_background(name)
    assert not is_background('road') and not is_background('0')


def test_a_legend_has_a_line_for_each_class_that_is_there() -> None:
    legend = label_map((200, 400))[:, 400:]
    assert lines(legend[:, 25:]) == 3
    squares = legend[:, 8]
    assert tuple(squares[10]) == GREEN and BLUE in map(tuple, squares)
    assert RED not in map(tuple, legend.reshape(-1, 3))  # the background has no colour
    assert (legend[150:] == GROUND).all()


def test_small_images_are_enlarged_by_a_whole_number() -> None:
    drawn = label_map((6, 8), opacity=1)
    assert (drawn[:240, 160:280] == GREEN).all() and tuple(drawn[39, 280]) == BLUE
    assert tuple(drawn[40, 319]) == GREEN and (drawn[:240, :160] == GRAY).all()
    pose = {'bbox': [2, 1, 4, 3], 'bbox_score': 1.0, 'keypoints': [[3, 2, 1.0]]}
    drawn = draw_poses(np.zeros((6, 8, 3), np.uint8), [pose], [], COLORS[:0], COLORS[:1], 0.3)
    assert drawn.shape == (240, 320, 3)
    assert tuple(drawn[100, 140]) == RED  # the middle of pixel (3, 2)
    assert tuple(drawn[40, 100]) == tuple(drawn[160, 160]) == POSE_BOX_COLOR
    found = instance((1, 1, 5, 4), mask=coco_mask.encode(np.ones((6, 8), np.uint8, order='F')))
    drawn = draw_instances(np.zeros((6, 8), np.uint8), [found], COLORS, 0.3)
    assert drawn.shape == (240, 320, 3) and tuple(drawn[200, 100]) == GREEN


@pytest.mark.parametrize('shape', [(1, 1), (1, 300), (3000, 2), (60, 4000), (333, 500)])
def test_pictures_of_one_size_of_images_are_of_one_size(shape: tuple[int, int]) -> None:
    """Of whatever is in them, as a video has to be."""
    sizes = {
        label_map(shape).shape,
        label_map(shape, labels=None, classes=[]).shape,
        label_map(shape, classes=[dict(label=1, category='road', share=0.001)] * 99).shape,
    }
    assert len(sizes) == 1


def class_list(height: int, width: int, score_thr: float) -> np.ndarray:
    classes = [
        {'category': 'tench, Tinca tinca', 'score': 0.8},
        {'category': 'goldfish', 'score': 0.1},
    ]
    image = np.full((height, width, 3), 90, np.uint8)
    drawn = draw_class_list(image, classes, ('goldfish', 'tench, Tinca tinca'), score_thr)
    assert (image == 90).all()
    return drawn


def lines(drawn: np.ndarray) -> int:
    """The number of lines: runs of rows with white ink at the left."""
    # A score of OpenCV 4 has rows that are less than white; the ground is darker than 100.
    ink = (drawn[:, :24].min(axis=2) > 150).any(axis=1)
    return int((ink[1:] & ~ink[:-1]).sum())


def test_classes_are_written_beside_the_image() -> None:
    drawn = class_list(300, 400, score_thr=0)
    assert (drawn[:, :400] == 90).all()
    assert lines(drawn[:, 400:]) == 2
    assert drawn.shape[0] == 300 and 500 < drawn.shape[1] < 600


def test_classes_that_score_less_are_not_written() -> None:
    assert lines(class_list(300, 400, score_thr=0.5)[:, 400:]) == 1
    assert (class_list(300, 400, score_thr=0.9)[:, 400:] == GROUND).all()


def test_the_classes_of_a_small_image_are_legible() -> None:
    drawn = class_list(10, 80, score_thr=0)
    assert (drawn[:40, :320] == 90).all() and (drawn[40:, :320] == GROUND).all()
    assert lines(drawn[:, 320:]) == 2


@pytest.mark.parametrize('number', [np.uint8, np.float32, np.float64])
def test_bytes_keep_their_values(number: type) -> None:
    assert (as_picture(BYTES.astype(number)) == BYTES).all()


@pytest.mark.parametrize('shape', [(4, 5), (4, 5, 1), (4, 5, 2)])
def test_one_or_two_channels_are_gray(shape: tuple[int, ...]) -> None:
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    first = image.reshape(4, 5, -1)[..., :1]
    assert as_picture(image).shape == (4, 5, 3)
    assert (as_picture(image) == first).all()


@pytest.mark.parametrize('channels', [4, 13])
def test_of_many_channels_the_first_three_are_shown(channels: int) -> None:
    image = np.dstack([BYTES, np.full((4, 5, channels - 3), 9, np.uint8)])
    assert (as_picture(image) == BYTES).all()


@pytest.mark.parametrize('number', [np.uint16, np.int16, np.int64, np.float16, np.float32])
def test_other_numbers_are_stretched(number: type) -> None:
    ramp = np.linspace(0, 1, 60).reshape(4, 5, 3)
    shown = as_picture((ramp * 3000 - 7 * (number != np.uint16)).astype(number))
    assert (shown.min(), shown.max()) == (0, 255)
    assert np.abs(shown - ramp * 255).max() < 1.1


def test_what_is_no_number_or_all_alike_is_shown_too() -> None:
    image = np.float32([[np.nan, 0.25], [np.inf, 0.75]])
    assert as_picture(image)[..., 0].tolist() == [[0, 0], [255, 255]]
    nan = np.full((2, 2), np.nan, np.float32)
    assert as_picture(nan).tolist() == np.zeros((2, 2, 3)).tolist()
    assert as_picture(np.full((2, 2), 0.5, np.float32)).max() == 0
