"""The stand-in for xtcocotools: its statistics, bit for bit."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmpose.evaluation.metrics import CocoMetric, coco_metric

from hrnet_mm.standins.coco_evaluation import BODY_SIGMAS, COCO, COCOeval
from tests.standins.reference import HAS_XTCOCOTOOLS, References

# How many keypoints each part of a whole body has, in the order of its sigmas.
PARTS = dict(keypoints=17, foot_kpts=6, face_kpts=68, lefthand_kpts=21, righthand_kpts=21)
WHOLE_BODY = ('body', 'foot', 'face', 'lefthand', 'righthand', 'wholebody')
SIGMAS = np.random.default_rng(5).uniform(0.02, 0.1, sum(PARTS.values()))
IMAGES = 8


@pytest.fixture(scope='module')
def references() -> Iterator[References]:
    references = References(Path(__file__).with_name('coco_statistics.npz'), HAS_XTCOCOTOOLS)
    yield references
    references.save()


def people(
    parts: dict[str, int], first_id: int = 0, seed: int = 0
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations of a few images, and predictions that find most of the people, some twice.

    Among them: crowds, people without visible keypoints, people without the flag ``iscrowd``,
    predictions without a visible keypoint, images without people and images without predictions.
    """
    rng = np.random.default_rng(seed)
    images = [
        dict(id=i, width=640, height=480, file_name=f'{i}.jpg', crowdIndex=(i % 5) / 4)
        for i in range(IMAGES)
    ]
    truths, predictions = [], []
    for i in range(IMAGES - 1):
        for number in range(int(rng.integers(1, 5))):
            x, y, w, h = rng.uniform(0, 300, 2).tolist() + rng.uniform(15, 250, 2).tolist()
            truth = dict(id=first_id + len(truths), image_id=i, category_id=1, bbox=[x, y, w, h])
            truth['area'] = w * h * float(rng.uniform(0.3, 0.8))
            if number:
                truth['iscrowd'] = int(rng.random() < 0.15)
            copies = int(rng.integers(0, 3)) if i else 0
            founds = [
                dict(image_id=i, category_id=1, score=float(rng.random())) for _ in range(copies)
            ]
            for part, count in parts.items():
                points = np.stack(
                    (
                        rng.uniform(x, x + w, count),
                        rng.uniform(y, y + h, count),
                        rng.integers(0, 3, count) * (rng.random() < 0.9),
                    ),
                    axis=1,
                ).round(2)
                truth[part] = points.reshape(-1).tolist()
                for found in founds:
                    moved = points + rng.normal(
                        0, 0.03 * np.sqrt(w * h) * rng.random(), points.shape
                    )
                    moved[:, 2] = rng.uniform(0.1, 1, count) * (rng.random() < 0.9)
                    found[part] = moved.reshape(-1).tolist()
                    if number % 2:
                        found[f'{part.removesuffix("_kpts")}_score'] = float(rng.random())
            truth['num_keypoints'] = int(np.count_nonzero(np.array(truth['keypoints'])[2::3] == 2))
            truths.append(truth)
            predictions += founds
    for found in predictions:
        if rng.random() < 0.5:
            found['wholebody_score'] = float(rng.random())
    categories = [dict(id=1, name='person', supercategory='person')]
    return dict(images=images, annotations=truths, categories=categories), predictions


def statistics(
    classes: tuple[type, type],
    folder: Path,
    contents: tuple[dict[str, Any], list[dict[str, Any]]],
    kind: str,
    **options: Any,
) -> dict[str, np.ndarray]:
    file = folder / 'annotations.json'
    file.write_text(json.dumps(contents[0]))
    truths = classes[0](str(file))
    found = truths.loadRes(copy.deepcopy(contents[1]))
    evaluation = classes[1](truths, found, kind, **options)
    evaluation.params.useSegm = None  # as mmpose does
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return dict(stats=np.array(evaluation.stats), recall=evaluation.eval['recall'])


def compiled() -> tuple[type, type]:
    modules = import_module('xtcocotools.coco'), import_module('xtcocotools.cocoeval')
    return modules[0].COCO, modules[1].COCOeval


def sigmas_of(kind: str) -> np.ndarray:
    """The share of ``SIGMAS`` that belongs to a type of keypoints."""
    ends = np.cumsum(list(PARTS.values()))
    starts = dict(zip(PARTS, ends - list(PARTS.values()), strict=True))
    if kind == 'keypoints_wholebody':
        return SIGMAS
    part = f'{kind.removeprefix("keypoints_")}_kpts'
    part = part if part in PARTS else 'keypoints'
    return SIGMAS[starts[part] : starts[part] + PARTS[part]]


KINDS = ['keypoints', 'keypoints_crowd', 'bbox', *(f'keypoints_{part}' for part in WHOLE_BODY)]


@pytest.mark.filterwarnings('ignore:.*score')
@pytest.mark.parametrize('use_area', [True, False], ids=['area', 'box'])
@pytest.mark.parametrize('first_id', [0, 1])
@pytest.mark.parametrize('kind', KINDS)
def test_statistics_equal_those_of_xtcocotools(
    references: References, tmp_path: Path, kind: str, first_id: int, use_area: bool
) -> None:
    parts = PARTS if kind.removeprefix('keypoints_') in WHOLE_BODY else dict(keypoints=17)
    contents = people(parts, first_id, seed=KINDS.index(kind))
    if kind == 'bbox':
        for found in contents[1]:
            x, y = found['keypoints'][0::3], found['keypoints'][1::3]
            found['bbox'] = [min(x), min(y), max(x) - min(x), max(y) - min(y)]
    if not use_area:  # as in CrowdPose's annotations
        for truth in contents[0]['annotations']:
            del truth['area']
    options = dict(sigmas=sigmas_of(kind), use_area=use_area)
    expected = references.of(
        f'{kind}-{first_id}-{use_area}',
        lambda: statistics(compiled(), tmp_path, contents, kind, **options),
    )
    found = statistics((COCO, COCOeval), tmp_path, contents, kind, **options)
    np.testing.assert_array_equal(found['stats'], expected['stats'])
    if kind != 'keypoints_crowd':  # of its hard images alone
        np.testing.assert_array_equal(found['recall'], expected['recall'])
    assert expected['stats'].max() > 0.05  # the predictions are not all wrong


def test_the_default_is_a_body_with_the_sigmas_of_coco(tmp_path: Path) -> None:
    contents = people(dict(keypoints=17))
    default = statistics((COCO, COCOeval), tmp_path, contents, 'keypoints')
    given = statistics((COCO, COCOeval), tmp_path, contents, 'keypoints', sigmas=BODY_SIGMAS)
    np.testing.assert_array_equal(default['stats'], given['stats'])
    assert COCOeval().params.iouType == 'keypoints'


def test_annotations_are_not_changed_by_an_evaluation(tmp_path: Path) -> None:
    file = tmp_path / 'annotations.json'
    file.write_text(json.dumps(people(PARTS)[0]))
    truths = COCO(str(file))
    before = copy.deepcopy(truths.dataset)
    evaluation = COCOeval(truths, truths.loadRes(people(PARTS)[1]), 'keypoints_wholebody', SIGMAS)
    with pytest.warns(UserWarning, match='wholebody_score'):
        evaluation.evaluate()
    assert truths.dataset == before


def test_no_predictions_are_an_evaluation_too(tmp_path: Path) -> None:
    contents, _ = people(dict(keypoints=17))
    assert statistics((COCO, COCOeval), tmp_path, (contents, []), 'keypoints')['stats'].max() == 0


def test_mmposes_metric_of_a_model_that_finds_nobody_is_0(tmp_path: Path) -> None:
    contents, _ = people(dict(keypoints=17), first_id=1)
    file = tmp_path / 'annotations.json'
    file.write_text(json.dumps(contents))
    metric = CocoMetric(ann_file=str(file), score_mode='bbox', nms_mode='none')
    metric.dataset_meta = dict(dataset_name='coco', num_keypoints=17, sigmas=BODY_SIGMAS)
    labels = dict(bbox_scores=np.ones(1), bbox_scales=np.array([[120.0, 200.0]]))
    found = dict(
        keypoints=np.zeros((0, 17, 2)), keypoint_scores=np.zeros((0, 17)), bbox_scores=np.zeros(0)
    )
    for _ in range(2):
        metric.process([], [dict(id=0, img_id=0, gt_instances=labels, pred_instances=found)])
        assert metric.evaluate(size=1)['coco/AP'] == 0


def test_selected_keypoints_areas_and_contents_in_memory(tmp_path: Path) -> None:
    contents, _ = people(dict(keypoints=17))
    file = tmp_path / 'annotations.json'
    file.write_text(json.dumps(contents))
    selected = COCO(str(file), test_index=[0, 5])
    assert selected.anns[0]['keypoints'] == [
        *contents['annotations'][0]['keypoints'][:3],
        *contents['annotations'][0]['keypoints'][15:18],
    ]
    area = contents['annotations'][0]['area']
    in_memory = COCO(str(file), ann_data=contents)
    assert 0 in in_memory.getAnnIds(areaRng=[area, area + 1])
    assert 0 not in in_memory.getAnnIds(areaRng=[area - 1, area])
    assert in_memory.anns[0]['iscrowd'] is False
    assert in_memory.getAnnIds(imgIds=[0], iscrowd=False)


def test_mmposes_metric_gives_the_same_numbers(
    references: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents, predictions = people(dict(keypoints=17), first_id=1)
    file = tmp_path / 'annotations.json'
    file.write_text(json.dumps(contents))
    info = dict(dataset_name='coco', num_keypoints=17, sigmas=BODY_SIGMAS)

    def run(classes: tuple[type, type]) -> dict[str, np.ndarray]:
        monkeypatch.setattr(coco_metric, 'COCO', classes[0])
        monkeypatch.setattr(coco_metric, 'COCOeval', classes[1])
        metric = CocoMetric(ann_file=str(file))
        metric.dataset_meta = info
        for number, found in enumerate(predictions):
            points = np.array(found['keypoints']).reshape(1, -1, 3)
            sample = dict(
                id=number,
                img_id=found['image_id'],
                gt_instances=dict(bbox_scores=np.ones(1), bbox_scales=np.array([[120.0, 200.0]])),
                pred_instances=dict(keypoints=points[..., :2], keypoint_scores=points[..., 2]),
            )
            metric.process([], [sample])
        scores = metric.evaluate(size=len(predictions))
        return {name.replace('/', ' '): np.array(value) for name, value in scores.items()}

    expected = references.of('metric', lambda: run(compiled()))
    assert run((COCO, COCOeval)) == expected
    assert expected['coco AP'] > 0.05
