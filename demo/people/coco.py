"""COCO records: categories, and masks and keypoints as annotations."""

import cv2
import numpy as np

from demo.people.body import KEYPOINTS

SKELETON = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
    (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip
PERSON = {
    'id': 1,
    'name': 'person',
    'supercategory': 'person',
    'keypoints': list(KEYPOINTS),
    'skeleton': [list(bone) for bone in SKELETON],
}
MIN_HOLE = 4  # pixels; smaller holes are filled
TOLERANCE = 0.5  # pixels by which a polygon may leave the mask's outline


def mask_to_polygons(mask: np.ndarray) -> list[list[float]]:
    """Outline a mask (H, W) by polygons [x0, y0, x1, y1, ...] whose union is the mask.

    COCO's polygons have no holes, so a piece with a hole (an arm akimbo) is cut in two through
    the hole. Coordinates are COCO's: pixel (0, 0) covers 0..1 in x and y.
    """
    # Twice the resolution puts the outline between the pixels' centres and their borders; the
    # margin lets contours close at the image's edge.
    doubled = cv2.copyMakeBorder(
        mask.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1), 1, 1, 1, 1, cv2.BORDER_CONSTANT
    )
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    holes = [
        contour
        for contour, (*_, parent) in zip(contours, hierarchy[0] if contours else (), strict=True)
        if parent >= 0 and cv2.contourArea(contour) >= 4 * MIN_HOLE
    ]
    if holes:
        largest = max(holes, key=cv2.contourArea)
        cut = int(largest[:, 0, 0].mean() / 2)
        columns = np.arange(mask.shape[1])
        return mask_to_polygons(mask & (columns < cut)) + mask_to_polygons(mask & (columns >= cut))

    polygons = []
    for contour, (*_, parent) in zip(contours, hierarchy[0] if contours else (), strict=True):
        if parent < 0:
            corners = cv2.approxPolyDP(contour, 2 * TOLERANCE, True)[:, 0]
            corners = corners if len(corners) >= 3 else contour[:, 0]
            polygons.append(((corners - 0.5) / 2).ravel().tolist())
    return polygons


def annotation(
    annotation_id: int, image_id: int, mask: np.ndarray, keypoints: np.ndarray
) -> dict[str, object]:
    """One person as a COCO record.

    Args:
        annotation_id: unique in the file.
        image_id: the image's id.
        mask: (H, W) bool, visible pixels, at least one.
        keypoints: (17, 3) of x, y, visibility.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return {
        'id': annotation_id,
        'image_id': image_id,
        'category_id': PERSON['id'],
        'bbox': [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
        'area': int(np.count_nonzero(mask)),
        'segmentation': mask_to_polygons(mask),
        'iscrowd': 0,
        'keypoints': [
            number for x, y, v in keypoints for number in (round(x, 1), round(y, 1), int(v))
        ],
        'num_keypoints': int(np.count_nonzero(keypoints[:, 2])),
    }
