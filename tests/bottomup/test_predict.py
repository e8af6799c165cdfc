"""Bottom-up models as ``infer`` and ``load`` run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import hrnet_mm
from demo.people.synthetic_people import make_synthetic_people
from hrnet_mm.base.errors import UserError
from hrnet_mm.bottomup.codec import HeatmapsAndTags
from hrnet_mm.bottomup.heads import HigherHRNetHead
from hrnet_mm.commands.from_arguments import weights_from
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.predict.pose import PosePredictor
from hrnet_mm.registry import MODELS
from hrnet_mm.training.run import test as evaluate
from tests.helpers import CONFIGS
from tests.models_of_hosts import build

CONFIG = """
_base_ = '{configs}/pose/higherhrnet_w32_coco_512x512.py'
model = dict(
    backbone=dict(arch='w18_small', init_cfg=None),
    head=dict(
        type='hrnet_mm.PredictsTheTruth', in_channels=16, num_blocks=0, annotations='{file}'
    ),
    test_cfg=dict(flip_test=False),
)
test_pipeline = _base_.val_pipeline
test_pipeline[1].update(input_size=(128, 128))
test_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root='',
        ann_file='{file}',
        data_prefix=dict(img='{images}/'),
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(ann_file='{file}', outfile_prefix='{out}')
work_dir = '{out}'
launcher = 'none'
"""


@MODELS.register_module()
class PredictsTheTruth(HigherHRNetHead):
    """Maps of the people in the annotations, not quite there, and some keypoints too faint."""

    def __init__(self, annotations: str, **options: Any) -> None:
        super().__init__(**options)
        document = json.loads(Path(annotations).read_text())
        self.people: dict[int, list[list[float]]] = {}
        self.ids = {image['file_name']: image['id'] for image in document['images']}
        for person in document['annotations']:
            self.people.setdefault(person['image_id'], []).append(person['keypoints'])

    def forward(self, feats: Any) -> Any:
        return feats

    def predict(self, feats: Any, batch_data_samples: Any, test_cfg: Any = None) -> Any:
        [meta] = [sample.metainfo for sample in batch_data_samples]
        image = self.ids[Path(meta['img_path']).name]
        points = np.reshape(self.people[image], (-1, self.num_keypoints, 3))[..., :2]
        first = meta['input_center'] - 0.5 * meta['input_scale']
        size = np.array(meta['input_size'])
        rng = np.random.default_rng(image)
        points = (points - first) / meta['input_scale'] * size
        points += rng.normal(0, 1.5, points.shape) * rng.uniform(0, 3, (len(points), 1, 1))
        maps = maps_of(np.float32(points), size, rng)
        return super().predict([maps], batch_data_samples, test_cfg)


def maps_of(points: np.ndarray, size: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    """Heatmaps and tags (1, 2K, H / 2, W / 2) of people (P, K, 2)."""
    codec = HeatmapsAndTags(size.tolist(), (size // 2).tolist())
    certain = rng.random(points.shape[:2]) < rng.uniform(0.3, 1, (len(points), 1))
    certain[:, 0] = True  # else a later keypoint finds more people than there are so far
    heat = codec.encode(points, certain)['heatmaps'] * rng.uniform(0.3, 1, (17, 1, 1))
    heat = np.maximum(heat, 0.09 * codec.encode(points)['heatmaps'])
    tags = np.zeros_like(heat)
    for number, person in enumerate(points // 2):
        for k, (x, y) in enumerate(person.astype(int)):
            tags[k, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = 3 * number
    return torch.from_numpy(np.float32(np.concatenate([heat, tags])[None]))


def precision(file: Path, entries: list[dict[str, Any]]) -> float:
    truth = COCO(str(file))
    evaluation = COCOeval(truth, truth.loadRes(entries), 'keypoints')
    for step in (evaluation.evaluate, evaluation.accumulate, evaluation.summarize):
        step()
    return float(evaluation.stats[0])


def test_scores_of_people_are_those_that_are_tested(tmp_path: Path) -> None:
    """The mean before the missing keypoints are filled, as in the official code."""
    size = dict(image_size=(160, 128), crowds=True, progress=None)
    people = make_synthetic_people(tmp_path / 'people', 1, 8, **size)
    file, images = people / 'annotations/person_keypoints_val.json', people / 'val'
    config, checkpoint = tmp_path / 'x.py', tmp_path / 'x.pth'
    out = tmp_path / 'out'
    config.write_text(CONFIG.format(configs=CONFIGS, file=file, images=images, out=out))
    cfg = Config.fromfile(config)
    torch.save(dict(state_dict=build(cfg.copy()).state_dict(), meta={}), checkpoint)
    expected = evaluate(cfg, weights_from(str(checkpoint), None))['coco/AP']
    tested = json.loads((tmp_path / 'out.keypoints.json').read_text())

    model = hrnet_mm.load(config, checkpoint, device='cpu')
    saved = hrnet_mm.save_coco(model(images, stream=True), tmp_path / 'found.json', file)
    found = json.loads(saved.read_text())
    scores = [sorted((e['image_id'], e['score']) for e in entries) for entries in (found, tested)]
    np.testing.assert_allclose(*scores, atol=1e-6)
    assert precision(file, found) == pytest.approx(expected, abs=1e-9)
    filled = [dict(entry, score=np.mean(entry['keypoints'][2::3])) for entry in found]
    assert abs(precision(file, filled) - expected) > 1e-3
    first = model(images)[0]
    record = [person['score'] for person in first.to_json()['instances']]
    np.testing.assert_allclose(record, first.box_scores, atol=6e-5)


def test_a_box_is_around_the_keypoints_that_were_found() -> None:
    points = np.float32([[[10, 20], [0, 0], [30, 80]], [[5, 5], [7, 9], [0, 0]]])
    scores = np.float32([[0.9, 0, 0.5], [0, 0, 0]])
    predictor = object.__new__(PosePredictor)
    predictor.header = {'keypoint_names': ['a', 'b', 'c']}
    found = predictor._around_poses(InstanceData(keypoints=points, keypoint_scores=scores))
    boxes = [person['bbox'] for person in found.record['instances']]
    assert boxes == [[10, 20, 20, 60], [0, 0, 7, 9]]
    nobody = InstanceData(keypoints=points[:0], keypoint_scores=scores[:0])
    assert predictor._around_poses(nobody).record == {'instances': []}


def test_a_line_that_becomes_a_huge_image_is_refused() -> None:
    model = object.__new__(HostModel)
    model._after_loading = lambda loaded: dict(inputs=torch.zeros(1).expand(3, 512, 256000))
    line = dict(img=np.zeros((1, 500, 3), np.uint8))
    with pytest.raises(UserError, match='makes 256000 x 512 pixels of an image of 500 x 1'):
        model._prepared(line)
    model._prepared(dict(img=np.zeros((8000, 5000, 3), np.uint8)))
