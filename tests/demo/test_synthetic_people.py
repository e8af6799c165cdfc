from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from demo.people.body import KEYPOINTS, Limb, Pose, Proportions, build_skeleton
from demo.people.coco import mask_to_polygons
from demo.people.figure import SEGMENTATION_CLASSES, SEGMENTATION_PALETTE
from demo.people.preview import contact_sheet
from demo.people.scene import MIN_KEYPOINTS, make_scene
from demo.people.synthetic_people import make_synthetic_people

COUNTS = {'train': 24, 'val': 6}
SIZE = (320, 256)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data') / 'people'
    return make_synthetic_people(folder, COUNTS['train'], COUNTS['val'], SIZE, progress=None)


@pytest.fixture(scope='module')
def coco(dataset: Path) -> COCO:
    return COCO(str(dataset / 'annotations' / 'person_keypoints_train.json'))


@pytest.fixture(scope='module')
def people(coco: COCO) -> list[dict]:
    return coco.loadAnns(coco.getAnnIds())


@pytest.fixture(scope='module')
def scenes() -> list:
    return [make_scene(np.random.default_rng([0, 0, i]), SIZE) for i in range(COUNTS['train'])]


def keypoints_of(person: dict) -> np.ndarray:
    return np.reshape(person['keypoints'], (17, 3))


def labels_of(dataset: Path, coco: COCO, image_id: int) -> np.ndarray:
    stem = Path(coco.imgs[image_id]['file_name']).stem
    return cv2.imread(str(dataset / 'labels' / 'train' / f'{stem}.png'), cv2.IMREAD_UNCHANGED)


# COCO format


def test_every_image_file_has_its_record_and_somebody_in_it(dataset, coco):
    for split, count in COUNTS.items():
        assert len(list((dataset / split).glob('*.jpg'))) == count
        assert len(list((dataset / 'labels' / split).glob('*.png'))) == count
    for image_id, record in coco.imgs.items():
        image = cv2.imread(str(dataset / 'train' / record['file_name']))
        assert image.shape == (record['height'], record['width'], 3) == (SIZE[1], SIZE[0], 3)
        assert coco.getAnnIds(image_id)


def test_category_is_cocos_person(coco):
    (person,) = coco.loadCats(coco.getCatIds())
    assert (person['id'], person['name'], len(person['skeleton'])) == (1, 'person', 19)
    assert person['keypoints'] == list(KEYPOINTS) and len(KEYPOINTS) == 17


def test_polygons_cover_the_mask(scenes, coco, people):
    masks = [person.mask for scene in scenes for person in scene.people]
    assert len(masks) == len(people)
    for mask, person in zip(masks, people, strict=True):
        assert all(len(polygon) >= 6 for polygon in person['segmentation'])
        drawn = coco.annToMask(person).astype(bool)
        union = np.count_nonzero(drawn | mask)
        assert person['area'] == np.count_nonzero(mask)
        assert np.count_nonzero(drawn & mask) / union > 0.95
        assert abs(np.count_nonzero(drawn) - person['area']) < 0.04 * person['area'] + 4


def test_polygons_keep_holes_and_single_pixels():
    mask = np.zeros((24, 30), bool)
    mask[2:20, 3:25] = True
    mask[6:10, 6:12] = mask[12:18, 15:20] = False
    mask[22, 28] = True
    polygons = mask_to_polygons(mask)
    drawn = mask_api.decode(mask_api.merge(mask_api.frPyObjects(polygons, *mask.shape)))
    np.testing.assert_array_equal(drawn.astype(bool), mask)


def test_box_is_the_masks_own(scenes, people):
    masks = [person.mask for scene in scenes for person in scene.people]
    for mask, person in zip(masks, people, strict=True):
        x, y, width, height = person['bbox']
        assert mask[y : y + height, x : x + width].sum() == mask.sum()
        inner = mask[y : y + height, x : x + width]
        assert all(side.any() for side in (inner[0], inner[-1], inner[:, 0], inner[:, -1]))


@pytest.mark.parametrize('kind', ['keypoints', 'bbox', 'segm'])
def test_perfect_predictions_score_one(coco, people, kind):
    answers = {
        'keypoints': lambda person: {'keypoints': person['keypoints']},
        'bbox': lambda person: {'bbox': person['bbox']},
        'segm': lambda person: {'segmentation': coco.annToRLE(person)},
    }
    predictions = [
        {'image_id': person['image_id'], 'category_id': 1, 'score': 1.0, **answers[kind](person)}
        for person in people
    ]
    evaluation = COCOeval(coco, coco.loadRes(predictions), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


# Keypoints


def test_keypoints_lie_inside_the_image_or_are_zero(people):
    for person in people:
        x, y, visibility = keypoints_of(person).T
        labelled = visibility > 0
        assert np.all(x[~labelled] == 0) and np.all(y[~labelled] == 0)
        assert np.all((x[labelled] >= 0) & (x[labelled] <= SIZE[0] - 1))
        assert np.all((y[labelled] >= 0) & (y[labelled] <= SIZE[1] - 1))
        assert person['num_keypoints'] == labelled.sum() >= MIN_KEYPOINTS


def test_all_three_visibilities_occur(people):
    visibility = np.concatenate([keypoints_of(person)[:, 2] for person in people])
    assert set(visibility.astype(int)) == {0, 1, 2}
    assert np.mean(visibility == 2) > 0.5


def test_visible_keypoints_lie_on_their_own_person_and_part(scenes):
    classes = ['head'] * 5 + ['torso arm'] * 2 + ['arm'] * 4 + ['torso leg'] * 2 + ['leg'] * 4
    for scene in scenes:
        for person in scene.people:
            for (x, y, visibility), allowed in zip(person.keypoints, classes, strict=True):
                if visibility == 2:
                    pixel = round(y), round(x)
                    assert person.mask[pixel]
                    assert SEGMENTATION_CLASSES[scene.labels[pixel]] in allowed


def test_left_is_the_persons_own_left():
    hanging = Limb(0.0, 0.1, 0.1)
    for yaw, left_of in ((0.0, 1), (np.pi, -1)):
        pose = Pose(yaw, 0, 0, 0, 0, 0, (0, 0, 0), (hanging, hanging), (hanging, hanging))
        joints = build_skeleton(Proportions(), pose, 100.0).joints
        for part in ('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle'):
            assert left_of * (joints[f'left_{part}'][0] - joints[f'right_{part}'][0]) > 0, part


def test_whose_face_is_seen_has_his_left_shoulder_on_the_right(people):
    nose, left_eye, right_eye = range(3)
    left_shoulder, right_shoulder = 5, 6
    seen = {'front': 0, 'back': 0}
    for person in people:
        x, _, visibility = keypoints_of(person).T
        if min(visibility[[left_shoulder, right_shoulder]]) == 0:
            continue
        gap = x[left_shoulder] - x[right_shoulder]
        if min(visibility[[nose, left_eye, right_eye]]) == 2:
            seen['front'] += 1
            assert gap > 0
        elif max(visibility[[nose, left_eye, right_eye]]) == 0 < max(visibility[[3, 4]]):
            seen['back'] += 1
            assert gap < 0
    assert min(seen.values()) > 0


# Label maps


def test_all_classes_occur(dataset, coco):
    assert len(SEGMENTATION_CLASSES) == len(SEGMENTATION_PALETTE)
    maps = np.stack([labels_of(dataset, coco, image_id) for image_id in coco.imgs])
    assert maps.dtype == np.uint8 and maps.shape[1:] == (SIZE[1], SIZE[0])
    assert set(np.unique(maps)) == set(range(len(SEGMENTATION_CLASSES)))


def test_label_maps_agree_with_the_people(dataset, coco, people):
    for image_id in coco.imgs:
        own = [person for person in people if person['image_id'] == image_id]
        foreground = labels_of(dataset, coco, image_id) > 0
        assert sum(person['area'] for person in own) == np.count_nonzero(foreground)
        drawn = np.any([coco.annToMask(person) for person in own], axis=0)
        assert np.count_nonzero(drawn & foreground) > 0.95 * np.count_nonzero(drawn | foreground)


# Sizes and preview


@pytest.mark.parametrize('size', [(64, 64), (64, 200), (300, 64), (101, 97)])
def test_any_size_from_64_works(size):
    scene = make_scene(np.random.default_rng(0), size)
    assert scene.image.shape == (size[1], size[0], 3) and scene.people


def test_preview_shows_pictures_beside_label_maps(dataset):
    sheet = contact_sheet(dataset, 'val', count=3)
    assert sheet.shape == (2 * 2 * SIZE[1], 2 * 2 * 2 * SIZE[0], 3) and sheet.dtype == np.uint8


def test_crowds_are_two_to_five_people_who_overlap() -> None:
    scenes = [make_scene(np.random.default_rng(i), SIZE, crowds=True) for i in range(12)]
    assert {2, 4} <= {len(scene.people) for scene in scenes} <= {2, 3, 4, 5}
    shared = [np.sum([filled_box(p.mask) for p in scene.people], axis=0) > 1 for scene in scenes]
    assert np.mean([boxes.any() for boxes in shared]) > 0.5


def filled_box(mask: np.ndarray) -> np.ndarray:
    """The pixels of the box around a mask."""
    return mask.any(axis=0) & mask.any(axis=1)[:, None]
