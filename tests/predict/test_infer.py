import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.apis import inference_topdown

import hrnet_mm
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.inference import infer
from hrnet_mm.predict.canvas import canvas_of
from hrnet_mm.predict.predictor import make_predictor
from hrnet_mm.weights.checkpoint import Checkpoint
from tests.helpers import RunsCode, picture
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Document, Run, files_in

BOXES = [[10, 5, 60, 80], [40, 20, 50.5, 60.25]]


def assert_equals_mmpose(record: dict, image: np.ndarray, boxes: Any, model: Any) -> None:
    expected = inference_topdown(model, image, boxes, bbox_format='xywh')
    assert len(record['instances']) == len(expected)
    for instance, sample in zip(record['instances'], expected, strict=True):
        keypoints = np.array(instance['keypoints'])
        scores = sample.pred_instances.keypoint_scores[0]
        assert np.abs(keypoints[:, :2] - sample.pred_instances.keypoints[0]).max() < 0.006
        assert np.abs(keypoints[:, 2] - scores).max() < 1e-4
        assert instance['score'] == pytest.approx(scores.mean(), abs=1e-4)


def test_given_boxes_equal_mmpose(
    run: Run, document: Document, pose: TinyModel, folder: Path, mmpose_model: Any
) -> None:
    run(pose, folder / 'a.jpg', boxes=BOXES)
    [record] = document()['images']
    assert [instance['bbox'] for instance in record['instances']] == BOXES
    assert [instance['bbox_score'] for instance in record['instances']] == [1, 1]
    image = cv2.imread(str(folder / 'a.jpg'))
    assert_equals_mmpose(record, image, np.float32(BOXES), mmpose_model)


@pytest.mark.parametrize('batch_size', [1, 2, 8])
def test_whole_images_equal_mmpose(
    run: Run, document: Document, pose: TinyModel, folder: Path, mmpose_model: Any, batch_size: int
) -> None:
    summary = run(pose, folder, batch_size=batch_size, draw=False)
    assert (summary.count, summary.skipped, summary.instances) == (3, 0, 3)
    for record in document()['images']:
        image = cv2.imdecode(np.fromfile(folder / record['file'], np.uint8), cv2.IMREAD_COLOR)
        assert (record['height'], record['width']) == image.shape[:2]
        assert record['instances'][0]['bbox'] == [0, 0, record['width'], record['height']]
        assert_equals_mmpose(record, image, None, mmpose_model)


def test_boxes_of_a_file_go_to_their_images_across_batches(
    run: Run, document: Document, pose: TinyModel, folder: Path
) -> None:
    file = folder.parent / 'boxes.json'
    boxes = {'a.jpg': BOXES, 'b.bmp': [], 'c [1].PNG': [[1, 2, 30, 40, 0.5]]}
    file.write_text(json.dumps(boxes))
    run(pose, folder, boxes=file, batch_size=2)
    records = document()['images']
    assert [[i['bbox'] for i in record['instances']] for record in records] == [
        BOXES,
        [],
        [[1, 2, 30, 40]],
    ]
    assert records[2]['instances'][0]['bbox_score'] == 0.5


def test_predictions_name_their_origin_and_keypoints(
    run: Run, document: Document, pose: TinyModel, folder: Path, config: Path, checkpoint: Path
) -> None:
    run(pose, folder, draw=False)
    found = document()
    assert found['config'] == str(config)
    assert found['checkpoint'] == str(checkpoint)
    assert found['input'] == str(folder)
    assert found['keypoint_names'][0] == 'nose'
    assert len(found['keypoint_names']) == 17
    assert [image['file'] for image in found['images']] == [
        'a.jpg',
        'b.bmp',
        'süb folder/c [1].PNG',
    ]


def test_drawings_keep_names_and_the_form_of_the_image(
    run: Run, pose: TinyModel, folder: Path
) -> None:
    out = folder.parent / 'out'
    run(pose, folder, score_thr=-1)
    assert files_in(out) == ['a.jpg', 'b.bmp.png', 'predictions.json', 'süb folder/c [1].PNG']
    drawn = cv2.imread(str(out / 'b.bmp.png'))
    original = cv2.imread(str(folder / 'b.bmp'))
    assert drawn.shape == (320, 320, 3)  # 5 times the size
    assert (drawn != canvas_of(original)).any()


def test_no_draw_writes_predictions_only(run: Run, pose: TinyModel, folder: Path) -> None:
    run(pose, folder, draw=False)
    assert files_in(folder.parent / 'out') == ['predictions.json']


def test_video_is_drawn_as_a_video_of_the_same_speed(
    run: Run, document: Document, pose: TinyModel, video: Path
) -> None:
    out = video.parent / 'out'
    summary = run(pose, video, boxes=[[5, 5, 40, 40]], batch_size=2)
    assert str(summary).startswith('5 frames, 5 instances, ')
    assert files_in(out) == ['my clip.mp4', 'predictions.json']
    records = document()['images']
    assert [(r['file'], r['frame']) for r in records] == [('my clip.mp4', i) for i in range(5)]
    drawn = cv2.VideoCapture(str(out / 'my clip.mp4'))
    assert drawn.get(cv2.CAP_PROP_FPS) == 12.5
    frames = [drawn.read()[1] for _ in range(5)]
    assert frames[-1].shape == (240, 320, 3)
    assert drawn.read()[0] is False


def test_several_inputs_have_results_of_their_own(
    run: Run, document: Document, pose: TinyModel, folder: Path, video: Path, tmp_path: Path
) -> None:
    other = tmp_path / 'more/a.jpg'
    other.parent.mkdir()
    cv2.imwrite(str(other), picture(50, 400, seed=5))
    sources = [folder / 'a.jpg', video, other]
    summary = run(pose, sources)
    assert str(summary).startswith('7 pictures, 7 instances')
    names = ['more/a.jpg', 'my clip.mp4', 'photos/a.jpg']
    assert files_in(tmp_path / 'out') == [*names, 'predictions.json']
    assert [r['file'] for r in document()['images']] == [names[2], *[names[1]] * 5, names[0]]
    assert document()['input'] == [str(source) for source in sources]
    assert cv2.imread(str(tmp_path / 'out/more/a.jpg')).shape == (50, 400, 3)
    results = hrnet_mm.load(pose.config, pose.checkpoint, device='cpu')([*map(str, sources)])
    for result, record in zip(results, document()['images'], strict=True):
        assert result.to_json()['instances'] == record['instances']


def test_drawings_of_one_name_are_kept_apart(
    run: Run, document: Document, pose: TinyModel, tmp_path: Path
) -> None:
    (tmp_path / 'photos').mkdir()
    for name in ('x.bmp', 'x.bmp.png'):
        cv2.imwrite(str(tmp_path / 'photos' / name), picture(40, 40, seed=0))
    run(pose, tmp_path / 'photos')
    assert files_in(tmp_path / 'out') == ['predictions.json', 'x.bmp (2).png', 'x.bmp.png']
    assert [record['file'] for record in document()['images']] == ['x.bmp', 'x.bmp (2).png']


def test_an_opacity_is_of_areas(run: Run, pose: TinyModel, folder: Path) -> None:
    with pytest.raises(UserError, match='--opacity is of masks and label maps; of top-down pose'):
        run(pose, folder, opacity=0.3)


def test_skipped_images_are_counted(
    run: Run, document: Document, pose: TinyModel, folder: Path
) -> None:
    (folder / 'a.jpg').write_text('damaged')
    summary = run(pose, folder, draw=False)
    assert str(summary).startswith('2 images (1 skipped), 2 instances, ')
    assert len(document()['images']) == 2


@pytest.mark.parametrize('batch_size', [1, 8])
def test_an_image_that_fails_does_not_stop_the_others(
    run: Run, document: Document, pose: TinyModel, folder: Path, batch_size: int
) -> None:
    message = '2 of 3 images failed.*b.bmp: the box .* lies outside the image, which is 64 wide and'
    with pytest.raises(UserError, match=message):
        run(pose, folder, boxes=[[100, 10, 20, 20]], batch_size=batch_size)
    assert files_in(folder.parent / 'out') == ['a.jpg', 'predictions.json']
    assert [r['file'] for r in document()['images']] == ['a.jpg']
    assert cv2.imread(str(folder.parent / 'out' / 'a.jpg')).shape == (288, 384, 3)


def test_earlier_predictions_survive_a_failure(run: Run, pose: TinyModel, folder: Path) -> None:
    run(pose, folder / 'a.jpg')
    before = (folder.parent / 'out' / 'predictions.json').read_bytes()
    with pytest.raises(UserError, match='none of 3 images gave a result; the first: .*a.jpg: the'):
        run(pose, folder, boxes=[[200, 10, 20, 20]])
    assert (folder.parent / 'out' / 'predictions.json').read_bytes() == before


def test_inputs_are_never_overwritten(run: Run, pose: TinyModel, folder: Path) -> None:
    before = (folder / 'a.jpg').read_bytes()
    with pytest.raises(UserError, match=r'the drawing of .*a\.jpg would replace it'):
        run(pose, folder, out=folder)
    other = folder.parent / 'other/a.jpg'
    other.parent.mkdir()
    other.write_bytes(before)
    message = r'the drawing of .*other/a\.jpg would replace .*photos/other/a\.jpg; choose another'
    (folder / 'other').mkdir()
    (folder / 'other/a.jpg').write_bytes(before)
    with pytest.raises(UserError, match=message):
        run(pose, [other, folder / 'other/a.jpg'], out=folder)
    assert (folder / 'a.jpg').read_bytes() == before


def test_damaged_and_foreign_checkpoints_are_refused(
    run: Run, pose: TinyModel, folder: Path, checkpoint: Path, tmp_path: Path
) -> None:
    damaged, foreign = tmp_path / 'damaged.pth', tmp_path / 'foreign.pth'
    damaged.write_bytes(checkpoint.read_bytes()[:100_000])
    torch.save({'state_dict': {}, 'meta': RunsCode(tmp_path / 'made')}, foreign)
    for path in (damaged, foreign, tmp_path / 'missing.pth', tmp_path):
        with pytest.raises(UserError, match=path.name):
            run(TinyModel(pose.config, str(path)), folder)
    assert not (tmp_path / 'made').exists()
    assert not (tmp_path / 'out').exists()


def test_weights_that_give_no_numbers_are_told_so(
    run: Run, pose: TinyModel, folder: Path, checkpoint: Path
) -> None:
    contents = safe_load(checkpoint)
    contents['state_dict']['head.final_layer.bias'].fill_(float('inf'))
    broken = folder.parent / 'broken.pth'
    torch.save(contents, broken)
    with pytest.raises(UserError, match=r'a\.jpg: the model gives NaN: instances\[0\]'):
        run(TinyModel(pose.config, str(broken)), folder / 'a.jpg')


@pytest.mark.parametrize('scope', ['mmrotate', None])
def test_configs_of_other_hosts_are_refused(scope: str | None) -> None:
    cfg = Config(dict(default_scope=scope))
    with pytest.raises(UserError, match=f'default_scope={scope!r} cannot be run, only .* mmdet'):
        make_predictor(cfg, Checkpoint('x.pth'), torch.device('cpu'))


def test_models_of_other_kinds_are_refused(run: Run, pose: TinyModel, folder: Path) -> None:
    kinds = 'TopdownPoseEstimator or BottomupPoseEstimator can be run'
    with pytest.raises(UserError, match=f'is a PoseLifter; of mmpose, models of the kind {kinds}'):
        run(pose, folder, cfg_options={'model.type': 'PoseLifter'})


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'test_dataloader.dataset.pipeline': []}, 'test_dataloader of the config has no pipeline'),
        (
            {'test_dataloader.dataset.pipeline': [{'type': 'GetBBoxCenterScale'}]},
            'cannot be read as an image by GetBBoxCenterScale: missing key',
        ),
    ],
)
def test_pipelines_that_load_no_image_are_told_so(
    run: Run, pose: TinyModel, folder: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(pose, folder / 'a.jpg', cfg_options=options)


def test_device_that_is_not_there_is_told_so(run: Run, pose: TinyModel, folder: Path) -> None:
    with pytest.raises(UserError, match='--device cuda:99: this machine has no such device'):
        run(pose, folder, device='cuda:99')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a = (', 'x.py .*never closed'),
        ("_base_ = './nowhere.py'", 'nowhere.py'),
    ],
)
def test_broken_configs_are_told_so(tmp_path: Path, folder: Path, text: str, message: str) -> None:
    (tmp_path / 'x.py').write_text(text)
    (tmp_path / 'x.pth').touch()
    with pytest.raises((UserError, FileNotFoundError), match=message):
        infer(tmp_path / 'x.py', tmp_path / 'x.pth', str(folder), out=tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
