"""What the page on a test tells agrees with what the evaluator measures, in every task."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.structures import BaseDataElement, InstanceData, PixelData

from hrnet_mm.report.evaluation.cases import Case, Extremes
from hrnet_mm.report.evaluation.task import Task

CLASSES = ('road', 'roof <b>', 'tree')


def collected(
    kind: type[Task],
    metric: BaseMetric,
    samples: Sequence[BaseDataElement],
    meta: dict[str, Any],
    processes: int = 1,
) -> tuple[Task, dict[str, float]]:
    """What a task collects of samples, and the metrics; of several processes each has a share."""
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = meta
    cfg = Config(dict(test_dataloader=dict(dataset=dict(type='BaseDataset')), default_scope=None))
    cfg.test_dataloader.dataset.type = type('Any', (), dict(_load_metainfo=lambda metainfo: meta))
    tasks = [kind(metric, cfg) for _ in range(processes)]
    for number, sample in enumerate(samples):
        evaluator.process([sample])
        tasks[number % processes].add(number, sample, metric.results[-1])
    metrics = evaluator.evaluate(len(samples))
    first, *others = tasks
    for other in others:
        first.merge(other.totals())
        first.cases.merge(other.cases)
    first.finish()
    return first, metrics


def column(task: Task, name: str, table: int = 0) -> list[Any]:
    [*tables] = task.tables()
    place = tables[table].header.index(name)
    return [row[place] for row in tables[table].rows]


# Segmentation


def label_maps(number: int, labelled: Callable[[int], bool] = lambda _: True) -> list[Any]:
    rng = np.random.default_rng(0)
    samples = []
    for index in range(number):
        truth = rng.integers(0, 3, (1, 24, 32))
        truth[:, :4] = 255
        found = np.where(rng.random(truth.shape) < 0.2 + 0.1 * index, truth, 1) % 255
        if not labelled(index):
            truth[:] = 255
        sample = BaseDataElement(metainfo=dict(img_path=f'/data/{index}/same.png'))
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(truth))
        sample.pred_sem_seg = PixelData(data=torch.from_numpy(found))
        samples.append(sample)
    return samples


@pytest.fixture
def segmentation() -> Callable[..., Any]:
    from mmseg.evaluation import IoUMetric

    from hrnet_mm.report.evaluation.segmentation import Segmentation

    def run(samples: Sequence[Any], processes: int = 1, **options: Any) -> Any:
        metric = IoUMetric(**options)
        meta = dict(classes=CLASSES, palette=[[255, 0, 0], [0, 255, 0], [0, 0, 255]])
        return collected(Segmentation, metric, samples, meta, processes)

    return run


def test_mean_iou_is_the_mean_of_the_classes(segmentation: Any) -> None:
    task, metrics = segmentation(label_maps(5), iou_metrics=['mIoU', 'mFscore'])
    for name in ('IoU', 'Acc', 'Fscore'):
        *classes, mean = column(task, name)
        assert len(classes) == 3 and mean == pytest.approx(np.mean(classes))
        assert round(mean, 2) == pytest.approx(metrics[f'm{name}'], abs=0.011)
    assert metrics['mIoU'] > 20


def test_processes_of_a_test_make_one_table(segmentation: Any) -> None:
    alone, _ = segmentation(label_maps(5))
    together, _ = segmentation(label_maps(5), processes=3)
    assert together.tables() == alone.tables()
    assert together.cases.worst() == alone.cases.worst()
    assert together.cases.best() == alone.cases.best()


def test_images_without_labels_are_not_ranked(segmentation: Any) -> None:
    task, _ = segmentation(label_maps(4, labelled=lambda index: index != 2))
    shown = task.cases.worst() + task.cases.best()
    assert sorted(case.file for case in shown) == [f'/data/{i}/same.png' for i in (0, 1, 3)]
    assert task.cases.worst()[0].file == '/data/0/same.png'


def test_label_maps_are_drawn_as_they_were(segmentation: Any) -> None:
    task, _ = segmentation(label_maps(2))
    label, prediction, _ = task.draw(np.full((24, 32, 3), 90, np.uint8), task.cases.worst()[0])
    assert label.shape == prediction.shape and not np.array_equal(label, prediction)
    assert {0, 255} <= set(label[: label.shape[0] // 8].ravel())  # what is ignored, hatched


# Classification


@pytest.fixture
def classification() -> Callable[..., Any]:
    from mmpretrain.evaluation import Accuracy
    from mmpretrain.structures import DataSample

    from hrnet_mm.report.evaluation.classification import Classification

    def run(number: int, classes: int = 3, processes: int = 1) -> Any:
        rng = np.random.default_rng(1)
        samples = []
        for index in range(number):
            label = int(rng.integers(classes - 1))  # the last has no image
            scores = rng.random(classes)
            scores[label] += 0.5
            sample = DataSample(metainfo=dict(img_path=f'{index}.jpg'))
            sample.set_gt_label(label).set_pred_score(torch.from_numpy(scores / scores.sum()))
            samples.append(sample)
        names = tuple(f'c{i}' for i in range(classes))
        metric = Accuracy(topk=(1, 2))
        return collected(Classification, metric, samples, dict(classes=names), processes)

    return run


def test_confusions_give_the_accuracy(classification: Any) -> None:
    task, metrics = classification(40)
    *rows, everything = column(task, 'recall %')
    assert everything == pytest.approx(metrics['accuracy/top1'])
    assert rows[2] is None and 0 < everything < 100
    matrix = np.array([row[1:] for row in task.tables()[1].rows])
    assert 100 * matrix.trace() / matrix.sum() == pytest.approx(metrics['accuracy/top1'])
    assert column(task, 'predicted')[:-1] == matrix.sum(axis=0).tolist()


def test_of_many_classes_the_most_confused_are_named(classification: Any) -> None:
    task, metrics = classification(60, classes=40, processes=2)
    assert column(task, 'recall %')[-1] == pytest.approx(metrics['accuracy/top1'])
    assert task.tables()[1].header == ('label', 'prediction', 'images')


# Poses


def pose_samples(people: Path, error: Callable[[int], float]) -> tuple[list[Any], Path]:
    from mmpose.structures import PoseDataSample

    file = people / 'annotations/person_keypoints_val.json'
    document = json.loads(file.read_text())
    images = {image['id']: image for image in document['images']}
    rng = np.random.default_rng(0)
    samples = []
    for index, annotation in enumerate(document['annotations']):
        image = images[annotation['image_id']]
        points = np.reshape(annotation['keypoints'], (1, -1, 3)).astype(np.float64)
        points[..., :2] += rng.normal(size=(1, 17, 2)) * error(index)
        sample = PoseDataSample(
            metainfo=dict(
                id=annotation['id'],
                img_id=image['id'],
                img_path=str(people / 'val' / image['file_name']),
                ori_shape=(image['height'], image['width']),
            )
        )
        x, y, w, h = annotation['bbox']
        sample.gt_instances = InstanceData(
            bboxes=np.array([[x, y, x + w, y + h]]),
            bbox_scores=np.ones(1),
            bbox_scales=np.array([[w, h]]),
        )
        sample.pred_instances = InstanceData(
            keypoints=points[..., :2], keypoint_scores=np.full((1, 17), 0.2)
        )
        samples.append(sample)
    return samples, file


@pytest.fixture
def coco_meta() -> dict[str, Any]:
    from mmpose.datasets import CocoDataset
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    return parse_pose_metainfo(CocoDataset.METAINFO)


@pytest.fixture
def poses(people: Path, coco_meta: dict[str, Any]) -> Callable[..., Any]:
    from mmpose.evaluation.metrics import CocoMetric

    from hrnet_mm.report.evaluation.pose import Pose

    def run(error: Callable[[int], float], **options: Any) -> Any:
        samples, file = pose_samples(people, error)
        return collected(Pose, CocoMetric(str(file), **options), samples, coco_meta)

    return run


@pytest.mark.parametrize('use_area', [True, False])
def test_similarities_of_keypoints_are_the_evaluations(poses: Any, use_area: bool) -> None:
    """Each person's OKS is the mean of what the table adds up; else there would be no table."""
    task, metrics = poses(lambda index: 0.8 * (index + 1), use_area=use_area)
    assert 0.1 < metrics['coco/AP'] < 1
    evaluation = task.evaluations[-1]
    people = [a for a in evaluation.cocoGt.anns.values() if np.any(a['keypoints'][2::3])]
    *rows, everything = column(task, 'mean similarity')
    labelled = column(task, 'labelled')
    assert labelled[-1] == sum(a['num_keypoints'] for a in people) == sum(labelled[:-1])
    total = sum(mean * count for mean, count in zip(rows, labelled, strict=False) if count)
    assert everything == pytest.approx(total / labelled[-1])


def test_perfect_poses_are_perfect_everywhere(poses: Any) -> None:
    task, metrics = poses(lambda index: 0)
    assert metrics['coco/AP'] == pytest.approx(1)
    assert set(column(task, 'mean similarity')) <= {1.0, None}
    assert all('mean OKS 1.000' in case.text for case in task.cases.worst())


def test_the_worst_image_is_that_of_the_worst_poses(poses: Any, people: Path) -> None:
    last = len(pose_samples(people, lambda _: 0)[0]) - 1
    task, _ = poses(lambda index: 30.0 if index == last else 0.1)
    bad = pose_samples(people, lambda _: 0)[0][last]
    worst = task.cases.worst()[0]
    assert worst.file == bad.img_path
    image = np.full((128, 160, 3), 90, np.uint8)
    label, prediction, remark = task.draw(image, worst)
    assert 'the best 0.2' in remark  # and all the same something is drawn
    assert (label != 90).any() and (prediction != 90).any()


# Landmarks


@pytest.mark.parametrize('item', ['bbox_size', None])
def test_distances_of_landmarks_give_the_nme(
    people: Path, coco_meta: dict[str, Any], item: str | None
) -> None:
    from mmpose.evaluation.metrics import NME

    from hrnet_mm.report.evaluation.landmarks import Landmarks

    samples, _ = pose_samples(people, lambda index: index + 1)
    truths, _ = pose_samples(people, lambda index: 0)
    for sample, truth in zip(samples, truths, strict=True):
        sample.gt_instances.keypoints = truth.pred_instances.keypoints
        sample.gt_instances.keypoints_visible = np.arange(17)[None] % 3 > 0
    mode = 'use_norm_item' if item else 'keypoint_distance'
    metric = NME(norm_mode=mode, norm_item=item, keypoint_indices=None if item else [5, 6])
    task, metrics = collected(Landmarks, metric, samples, coco_meta, processes=2)
    assert column(task, 'mean distance')[-1] == pytest.approx(metrics['NME'], rel=1e-5)
    assert column(task, 'mean distance')[0] is None  # nowhere labelled


def test_shares_of_near_keypoints_give_the_pck(people: Path, coco_meta: dict[str, Any]) -> None:
    from mmpose.evaluation.metrics import PCKAccuracy

    from hrnet_mm.report.evaluation.landmarks import Landmarks

    samples, _ = pose_samples(people, lambda index: 2 * index + 1)
    for sample, truth in zip(samples, pose_samples(people, lambda _: 0)[0], strict=True):
        sample.gt_instances.keypoints = truth.pred_instances.keypoints
        sample.gt_instances.keypoints_visible = np.ones((1, 17))
    task, metrics = collected(Landmarks, PCKAccuracy(thr=0.05), samples, coco_meta)
    *shares, _ = column(task, 'within 0.05, %')
    assert np.mean(shares) == pytest.approx(100 * metrics['PCK'], rel=1e-5)
    assert 0 < metrics['PCK'] < 1


def test_keypoints_of_mpii_are_counted_as_its_metric_does(people: Path) -> None:
    from mmpose.datasets import MpiiDataset
    from mmpose.datasets.datasets.utils import parse_pose_metainfo
    from mmpose.evaluation.metrics import MpiiPCKAccuracy

    from hrnet_mm.report.evaluation.landmarks import Landmarks

    samples, _ = pose_samples(people, lambda index: 2 * index + 1)
    for sample, truth in zip(samples, pose_samples(people, lambda _: 0)[0], strict=True):
        points = truth.pred_instances.keypoints[:, :16]
        gt = InstanceData(keypoints=points, keypoints_visible=np.ones((1, 16)))
        gt.head_size = np.array([12.0])
        sample.gt_instances, found = gt, sample.pred_instances
        sample.pred_instances = InstanceData(
            keypoints=found.keypoints[:, :16], keypoint_scores=found.keypoint_scores[:, :16]
        )
    meta = parse_pose_metainfo(MpiiDataset.METAINFO)
    task, metrics = collected(Landmarks, MpiiPCKAccuracy(), samples, meta)
    shares = column(task, 'within 0.5, %')
    assert shares[9] == pytest.approx(metrics['Head PCK'])
    assert (shares[13] + shares[12]) / 2 == pytest.approx(metrics['Shoulder PCK'])
    assert 0 < metrics['PCK'] < 100


# Detection


@pytest.fixture
def detections(tmp_path: Path) -> Callable[..., Any]:
    from mmdet.evaluation import CocoMetric
    from mmdet.structures import DetDataSample
    from pycocotools import mask as coco_mask

    from hrnet_mm.report.evaluation.detection import Detection
    from tests.check.sets import ANIMALS, HEIGHT, WIDTH, animals

    def run(metric: Sequence[str] = ('bbox',), nothing_found: bool = False) -> Any:
        data = animals(tmp_path / 'animals')
        file = data.annotations('val')
        document = json.loads(file.read_text())
        document['images'].append(dict(id=99, file_name='empty.jpg', width=WIDTH, height=HEIGHT))
        file.write_text(json.dumps(document))
        label_of = {category['id']: i for i, category in enumerate(document['categories'])}
        rng = np.random.default_rng(3)
        samples = []
        for image in document['images']:
            mine = [a for a in document['annotations'] if a['image_id'] == image['id']]
            kept = [] if nothing_found else [a for a in mine if not a['iscrowd']]
            kept = [a for a in kept if rng.random() < 0.8]
            boxes = np.array([a['bbox'] for a in kept], np.float32).reshape(-1, 4)
            boxes += rng.normal(size=boxes.shape) * 2
            labels = [label_of[a['category_id']] for a in kept]
            if len(labels) > 1:
                labels[0] = (labels[0] + 1) % len(ANIMALS)
            sample = DetDataSample(
                metainfo=dict(
                    img_id=image['id'],
                    img_path=str(data.root / 'val' / image['file_name']),
                    ori_shape=(HEIGHT, WIDTH),
                )
            )
            found = InstanceData(
                bboxes=torch.from_numpy(np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])),
                scores=torch.from_numpy(rng.random(len(kept))).float(),
                labels=torch.tensor(labels, dtype=torch.long),
            )
            polygons = [coco_mask.frPyObjects(a['segmentation'], HEIGHT, WIDTH) for a in kept]
            found.masks = [coco_mask.merge(polygon) for polygon in polygons]
            sample.pred_instances = found
            samples.append(sample)
        coco = CocoMetric(str(file), metric=list(metric))
        return collected(Detection, coco, samples, dict(classes=ANIMALS), processes=2)

    return run


def test_mean_average_precision_is_the_mean_of_the_classes(detections: Any) -> None:
    task, metrics = detections(('bbox', 'segm'))
    for kind, name in (('box', 'bbox'), ('mask', 'segm')):
        for what, key in (('AP', 'mAP'), ('AP50', 'mAP_50'), ('AP75', 'mAP_75')):
            *classes, mean = column(task, f'{kind} {what}')
            assert mean == pytest.approx(np.nanmean(classes))
            assert round(mean, 3) == pytest.approx(metrics[f'coco/{name}_{key}'], abs=1e-9)
    assert 0 < metrics['coco/bbox_mAP'] < 1
    assert metrics['coco/segm_mAP'] > metrics['coco/bbox_mAP']


def test_boxes_of_an_image_are_counted(detections: Any) -> None:
    task, _ = detections(('bbox', 'segm'))
    shown = task.cases.worst() + task.cases.best()
    assert len(shown) == 4  # the fifth is empty, and nothing is found in it
    assert all('labelled' in case.text and case.file for case in shown)
    labels = [case.label['instances'] for case in shown]
    assert sum(i['category'].endswith('(crowd)') for found in labels for i in found) == 1
    for case in shown:
        label, prediction, _ = task.draw(np.full((128, 160, 3), 90, np.uint8), case)
        assert (label != 90).any()
        assert (prediction != 90).any() == bool(case.prediction['instances'])


def test_the_evaluation_of_the_host_is_left_as_it_was(detections: Any) -> None:
    from mmdet.evaluation.metrics import coco_metric

    before = coco_metric.COCOeval
    detections()
    assert coco_metric.COCOeval is before


def test_nothing_found_anywhere_makes_a_page_without_classes(detections: Any) -> None:
    task, metrics = detections(nothing_found=True)
    assert metrics == {} and task.tables() == [] and task.cases.count == 0


# The worst and the best


def case(name: str) -> Case:
    return Case(name, '', {}, {})


@pytest.mark.parametrize('count', [0, 1, 3, 4, 5, 40])
def test_worst_and_best_are_those_of_sorting(count: int) -> None:
    scores = np.random.default_rng(count).integers(0, 9, count).tolist()
    parts = [Extremes(2), Extremes(2)]
    for number, score in enumerate(scores):
        parts[number % 2].offer((score,), number, lambda number=number: case(str(number)))
    parts[0].merge(parts[1])
    order = [str(i) for _, i in sorted(zip(scores, range(count), strict=True))]
    worst = [case.file for case in parts[0].worst()]
    best = [case.file for case in parts[0].best()]
    assert worst == order[: min(2, -(-count // 2))]
    assert best == order[::-1][: min(2, count // 2)]
