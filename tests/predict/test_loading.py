"""Images are loaded as the config says: infer.py predicts what test.py does, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.config import Config

import hrnet_mm
from hrnet_mm.base.errors import UserError
from hrnet_mm.commands.export_file import export
from hrnet_mm.deploy.table import FORMATS
from hrnet_mm.inference import Detector
from hrnet_mm.predict.canvas import canvas_of
from hrnet_mm.predict.result import Result
from tests.helpers import needs_uint16, picture
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Document, Run, Tiny
from tests.predict.image_kinds import (
    CLASSIFICATION,
    KINDS,
    POSE,
    SIZES,
    as_deep,
    as_png,
    as_turned,
    make_segmentor,
    runner_samples,
    save_model,
)

DEEP = pytest.param('deep', marks=needs_uint16)


@pytest.mark.parametrize('name', [DEEP if name == 'deep' else name for name in KINDS])
def test_label_maps_are_those_of_the_runner(name: str, run: Run, tmp_path: Path) -> None:
    model = make_segmentor(tmp_path, KINDS[name])
    samples = list(runner_samples(model))
    assert len(samples) == len(SIZES)
    named_alone = KINDS[name].suffix == '.npy'
    run(model, tmp_path / ('images/0.npy' if named_alone else 'images'))
    for sample in samples[: 1 if named_alone else None]:
        file = Path(sample.img_path).name
        labels = cv2.imread(str(tmp_path / f'out/{file}.labels.png'), cv2.IMREAD_UNCHANGED)
        expected = sample.pred_sem_seg.data[0].numpy()
        assert labels.shape == expected.shape
        assert (labels == expected).all()
    assert max(len(np.unique(sample.pred_sem_seg.data)) for sample in samples) > 1


def called(files: TinyModel, photos: Path, boxes: Any = None, **options: Any) -> list[Result]:
    """The results of a loaded model for a data root, an image in a forward pass as the Runner's."""
    model = hrnet_mm.load(files.config, files.checkpoint, device='cpu', batch_size=1, **options)
    return model(sorted((photos / 'images').iterdir()), boxes=boxes)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A data root with images in three sizes and two boxes on each, in COCO's form."""
    (tmp_path / 'images').mkdir()
    images, boxes = [], []
    for number, (height, width) in enumerate(SIZES):
        as_png(tmp_path / f'images/{number}.png', picture(height, width, seed=number))
        images.append(dict(id=number, file_name=f'{number}.png', width=width, height=height))
        for box in ([3, 5, 30, 40], [8, 2, 25.5, 33]):
            boxes.append(
                dict(
                    id=len(boxes),
                    image_id=number,
                    category_id=1,
                    bbox=box,
                    segmentation=[[3, 3, 9, 3, 9, 9]],
                    area=99,
                    iscrowd=0,
                    keypoints=[9, 9, 2] * 17,
                    num_keypoints=17,
                )
            )
    document = dict(images=images, annotations=boxes, categories=[dict(id=1, name='person')])
    (tmp_path / 'boxes.json').write_text(json.dumps(document))
    return tmp_path


def test_poses_are_those_of_the_runner_whatever_a_step_writes(
    run: Run, document: Document, photos: Path
) -> None:
    (photos / 'pose.py').write_text(POSE.format(root=str(photos)))
    model = save_model(photos / 'pose.py', 'head.final_layer', 0.1)
    run(model, photos / 'images', boxes=photos / 'boxes.json', score_thr=9)
    samples = list(runner_samples(model))
    instances = [found for record in document()['images'] for found in record['instances']]
    assert len(instances) == len(samples) == 2 * len(SIZES)
    for found, sample in zip(instances, samples, strict=True):
        expected = sample.pred_instances.keypoints[0]
        assert np.abs(np.array(found['keypoints'])[:, :2] - expected).max() < 0.006
    boxes = [[[3, 5, 30, 40], [8, 2, 25.5, 33]]] * len(SIZES)
    results = called(model, photos, boxes=boxes)
    for result, pair in zip(results, zip(samples[::2], samples[1::2], strict=True), strict=True):
        found = [sample.pred_instances for sample in pair]
        assert np.array_equal(result.keypoints, np.concatenate([f.keypoints for f in found]))
        assert np.array_equal(result.scores, np.concatenate([f.keypoint_scores for f in found]))
    gray = cv2.imread(str(photos / 'images/0.png'), cv2.IMREAD_GRAYSCALE)
    assert (cv2.imread(str(photos / 'out/0.png')) == canvas_of(gray)).all()


def test_classes_are_those_of_the_runner(run: Run, document: Document, photos: Path) -> None:
    (photos / 'classifier.py').write_text(CLASSIFICATION.format(root=str(photos)))
    model = save_model(photos / 'classifier.py', 'head.fc', 10)
    run(model, photos / 'images')
    results = called(model, photos)
    for record, sample, result in zip(
        document()['images'], runner_samples(model), results, strict=True
    ):
        scores = sample.pred_score.numpy()
        assert np.array_equal(result.probabilities, scores)
        found = {part['label']: part['score'] for part in record['classes']}
        assert found == pytest.approx({label: scores[label] for label in found}, abs=1e-4)
        assert record['classes'][0]['label'] == scores.argmax()


@needs_uint16
def test_instances_are_those_of_the_runner(
    run: Run,
    document: Document,
    photos: Path,
    tiny: Tiny,
) -> None:
    for file in (photos / 'images').iterdir():
        as_deep(file, cv2.imread(str(file)))
    dataset = 'test_dataloader.dataset'
    options = {
        f'{dataset}.pipeline.0.color_type': 'unchanged',
        'model.data_preprocessor.mean': [24_000.0] * 3,
        'model.data_preprocessor.std': [12_000.0] * 3,
    }
    run(tiny('detection'), photos / 'images', cfg_options=options)
    results = called(tiny('detection'), photos, cfg_options=dict(options))
    options |= {
        f'{dataset}.data_root': str(photos),
        f'{dataset}.ann_file': 'boxes.json',
        f'{dataset}.data_prefix.img': 'images/',
        'test_dataloader.num_workers': 0,
        'test_dataloader.persistent_workers': False,
    }
    total = 0
    samples = runner_samples(tiny('detection'), **options)
    for record, sample, result in zip(document()['images'], samples, results, strict=True):
        expected = sample.pred_instances
        assert [i['label'] for i in record['instances']] == expected.labels.tolist()
        scores = [instance['score'] for instance in record['instances']]
        assert scores == pytest.approx(expected.scores.tolist(), abs=1e-4)
        for name, theirs in dict(boxes='bboxes', scores='scores', masks='masks').items():
            assert np.array_equal(getattr(result, name), expected[theirs])
        total += len(scores)
    assert total > 0


@needs_uint16
def test_drawings_of_deep_images_show_them(run: Run, tmp_path: Path) -> None:
    """Under the colours of the classes is the image, stretched to 8 bit, and not noise."""
    model = make_segmentor(tmp_path, KINDS['deep'])
    run(
        model,
        tmp_path / 'images/0.png',
        cfg_options={'test_dataloader.dataset.metainfo.palette': [[0] * 3] * 5},
    )
    drawn = cv2.imread(str(tmp_path / 'out/0.png')).astype(float) / 0.5
    expected = canvas_of(picture(*SIZES[0], seed=0))
    height, width = expected.shape[:2]
    assert np.abs(drawn[:height, :width] - expected).mean() < 6


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('deep', "clip.mp4: the config loads images with color_type='unchanged', of the channels"),
        ('derived loader', 'clip.mp4: LoadBrighter, by which the config loads images, opens files'),
        ('own loader', 'clip.mp4: ReadNumbers, by which the config loads images, opens files'),
    ],
)
def test_videos_that_no_loader_takes_are_told_so(
    run: Run, tmp_path: Path, video: Path, name: str, message: str
) -> None:
    model = make_segmentor(tmp_path, KINDS[name])
    with pytest.raises(UserError, match=message):
        run(model, video)


def test_videos_become_gray_for_a_model_of_gray_images(
    run: Run, tmp_path: Path, video: Path
) -> None:
    model = make_segmentor(tmp_path, KINDS['gray'])
    run(model, video)
    capture = cv2.VideoCapture(str(video))
    cv2.imwrite(str(tmp_path / 'first.png'), capture.read()[1])
    run(model, tmp_path / 'first.png')
    first = (tmp_path / 'out/my clip.mp4.labels/000000.png').read_bytes()
    assert (tmp_path / 'out/first.png.labels.png').read_bytes() == first


def test_channels_that_the_model_does_not_take_are_told_so(run: Run, tmp_path: Path) -> None:
    model = make_segmentor(tmp_path, KINDS['rgba'])
    as_png(tmp_path / 'color.png', picture(50, 60, seed=0))
    with pytest.raises(UserError, match='gives images of 3 channels, the model takes 4'):
        run(model, tmp_path / 'color.png')


def test_a_package_that_decodes_and_is_absent_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_segmentor(tmp_path, KINDS['pillow'])
    monkeypatch.setattr('hrnet_mm.predict.loading.find_spec', lambda name: None)
    with pytest.raises(UserError, match="imdecode_backend='pillow', for which the package PIL is"):
        run(model, tmp_path / 'images')


@pytest.mark.parametrize('name', ['gray', 'rgba', DEEP, 'own loader'])
def test_exports_are_compared_on_images_of_the_models_channels(name: str, tmp_path: Path) -> None:
    model = make_segmentor(tmp_path, KINDS[name])
    cfg = Config.fromfile(model.config)
    done = export(cfg, model.checkpoint, tmp_path / 'x.onnx', FORMATS['onnx'])
    assert done.example[1] == KINDS[name].channels
    assert done.difference < 1e-4


def test_a_detector_that_turns_photos_otherwise_is_told_so(
    run: Run, tmp_path: Path, pose: TinyModel, tiny: Tiny
) -> None:
    (tmp_path / 'photos').mkdir()
    as_turned(tmp_path / 'photos/a.jpg', picture(50, 70, seed=0))
    as_png(tmp_path / 'photos/b.png', picture(50, 70, seed=0))
    detector = Detector(Path(tiny('detection').config), tiny('detection').checkpoint)
    ignored = {'test_dataloader.dataset.pipeline.0.color_type': 'color_ignore_orientation'}
    with pytest.raises(UserError, match="1 of 2 .* loads 50 x 70 pixels, the pose model's 70 x 50"):
        run(pose, tmp_path / 'photos', detector=detector, cfg_options=ignored)
