"""The hosts' own Inferencer classes take our configs and checkpoints of their models."""

from pathlib import Path

import cv2
import numpy as np
from mmdet.apis import DetInferencer
from mmpose.apis import MMPoseInferencer
from mmpretrain.apis import ImageClassificationInferencer
from mmseg.apis import MMSegInferencer

from tests.predict.helpers import Tiny


def drawn_pixels(out: Path, image: Path) -> int:
    [drawing] = (path for path in out.rglob('*') if path.suffix in ('.jpg', '.png'))
    original = cv2.imread(str(image))
    drawn = cv2.resize(cv2.imread(str(drawing)), original.shape[1::-1])
    return int((np.abs(drawn.astype(int) - original) > 40).any(axis=2).sum())


def test_mmpose(tiny: Tiny, folder: Path, tmp_path: Path) -> None:
    face, image = tiny('face'), folder / 'a.jpg'
    inferencer = MMPoseInferencer(
        face.config, face.checkpoint, device='cpu', det_model='whole_image', show_progress=False
    )
    [result] = inferencer(str(image), out_dir=str(tmp_path / 'out'), kpt_thr=-1)
    [[instance]] = result['predictions']
    assert np.shape(instance['keypoints']) == (98, 2)
    assert drawn_pixels(tmp_path / 'out' / 'visualizations', image) > 100


def test_mmpose_with_a_detector(tiny: Tiny, folder: Path) -> None:
    face, detector = tiny('face'), tiny('detection')
    inferencer = MMPoseInferencer(
        *(face.config, face.checkpoint),
        device='cpu',
        det_model=detector.config,
        det_weights=detector.checkpoint,
        det_cat_ids=list(range(80)),
        show_progress=False,
    )
    [result] = inferencer(str(folder / 'a.jpg'), bbox_thr=0.1)
    [instances] = result['predictions']
    assert len(instances) > 1


def test_mmdet(tiny: Tiny, folder: Path, tmp_path: Path) -> None:
    model, image = tiny('detection'), folder / 'a.jpg'
    inferencer = DetInferencer(model.config, model.checkpoint, device='cpu', show_progress=False)
    result = inferencer(str(image), out_dir=str(tmp_path / 'out'), pred_score_thr=0.05)
    [found] = result['predictions']
    assert len(found['bboxes']) == len(found['masks']) == 6
    assert drawn_pixels(tmp_path / 'out' / 'vis', image) > 100


def test_mmseg(tiny: Tiny, folder: Path, tmp_path: Path) -> None:
    model, image = tiny('segmentation'), folder / 'a.jpg'
    inferencer = MMSegInferencer(model.config, model.checkpoint, device='cpu')
    result = inferencer(str(image), out_dir=str(tmp_path / 'out'), show=False)
    assert result['predictions'].shape == (96, 128)
    assert len(np.unique(result['predictions'])) > 1
    assert drawn_pixels(tmp_path / 'out' / 'vis', image) > 100


def test_mmpretrain(tiny: Tiny, folder: Path, tmp_path: Path) -> None:
    model, image = tiny('classification'), folder / 'a.jpg'
    inferencer = ImageClassificationInferencer(model.config, model.checkpoint, device='cpu')
    [result] = inferencer(str(image), show_dir=str(tmp_path / 'out'))
    assert result['pred_scores'].shape == (1000,)
    assert result['pred_class'] == inferencer.classes[result['pred_label']]
    assert drawn_pixels(tmp_path / 'out', image) > 100
