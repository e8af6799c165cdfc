"""Bad training data cost a sentence that names the file, or are counted; odd data are read right.

What inference does with bad input is in tests/predict.
"""

import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image

from hrnet_mm.base.config import read_config
from hrnet_mm.base.errors import UserError
from hrnet_mm.check import make_sure
from hrnet_mm.training.run import train
from tests.forked_tools import error_of
from tests.helpers import ROOT
from tests.robustness.trainings import CONFIGS

pytestmark = pytest.mark.usefixtures('unformatted_configs')
ONE_EPOCH = ('--no-validate', '--cfg-options', 'train_cfg.max_epochs=1')
ANNOTATIONS = 'annotations/person_keypoints_train.json'


@pytest.fixture
def data(people: Path, tmp_path: Path) -> Path:
    """People of its own for a test to spoil."""
    return shutil.copytree(people, tmp_path / 'données 人')


def spoil(data: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = data / ANNOTATIONS
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def update_all(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: [entry.update(fields) for entry in document['annotations']]


def drop(name: str, key: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document[name][1].pop(key)


def save_as(mode: str, image: Image.Image, path: Path) -> None:
    if mode == '16 bit':
        cv2.imwrite(str(path), np.asarray(image)[..., ::-1].astype(np.uint16) * 257)
    else:
        image.convert(mode).save(path)


@pytest.mark.parametrize(
    ('mode', 'suffix', 'tolerance'),
    [('16 bit', '.png', 0), ('RGBA', '.png', 0), ('L', '.png', 0), ('CMYK', '.jpg', 3)],
)
def test_images_of_every_kind_are_read_as_their_colors(
    tmp_path: Path, mode: str, suffix: str, tolerance: float
) -> None:
    smooth = np.linspace(0, 255, 64 * 48 * 3).reshape(64, 48, 3).astype(np.uint8)
    image = Image.fromarray(smooth)
    (tmp_path / 'train').mkdir()
    save_as(mode, image, tmp_path / f'train/image{suffix}')
    if mode == 'L':
        smooth = np.asarray(image.convert('L'))[..., None].repeat(3, axis=2)
    for config in ('pose', 'seg'):
        sample = loaded(config, tmp_path, suffix)
        assert sample.shape == smooth.shape and sample.dtype == np.uint8
        assert np.abs(sample[..., ::-1].astype(float) - smooth).mean() <= tolerance


def loaded(config: str, root: Path, suffix: str) -> np.ndarray:
    """The only image of a folder as the host's first transform gives it, BGR."""
    document = dict(
        images=[dict(id=0, file_name=f'image{suffix}', width=48, height=64)],
        annotations=[
            dict(id=0, image_id=0, category_id=1, bbox=[0, 0, 48, 64], keypoints=[9, 9, 2] * 17)
        ],
        categories=[dict(id=1, name='person')],
    )
    (root / 'annotations').mkdir(exist_ok=True)
    (root / ANNOTATIONS).write_text(json.dumps(document))
    cfg = read_config(CONFIGS / f'{config}.py')
    init_default_scope(cfg.default_scope)
    dataset = cfg.train_dataloader.dataset
    dataset.update(data_root=str(root), pipeline=dataset.pipeline[:1])
    if config == 'seg':
        dataset.update(img_suffix=suffix, data_prefix=dict(img_path='train'))
    return DATASETS.build(dataset)[0]['img']


@pytest.mark.slow
@pytest.mark.parametrize(
    ('content', 'workers', 'reason'),
    [
        (b'no image', 0, 'cannot be read as an image'),
        (b'no image', 1, 'cannot be read as an image'),
        (None, 0, 'cannot be opened: No such file or directory'),
    ],
    ids=['corrupt', 'corrupt-in-a-worker', 'absent'],
)
def test_unreadable_image_is_named(
    start, data: Path, tmp_path: Path, content: bytes | None, workers: int, reason: str
) -> None:
    for image in (data / 'train').iterdir():
        image.unlink() if content is None else image.write_bytes(content)
    options = '--no-check', *ONE_EPOCH, f'train_dataloader.num_workers={workers}'
    error = error_of(start('pose', tmp_path / 'run', '--data-root', data, *options))
    file, _, told = error.partition('.jpg ')
    assert Path(f'{file}.jpg').parent == data / 'train'
    assert told == reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ('file', 'told'),
    [
        ('labels/train/000002.png', 'cannot be read as an image'),
        ('val/000000.jpg', 'cannot be read as an image'),
    ],
)
def test_unreadable_label_map_and_validation_image_are_named(
    start, data: Path, tmp_path: Path, file: str, told: str
) -> None:
    (data / file).write_bytes(b'')
    run = start('seg', tmp_path / 'run', '--data-root', data, '--no-check')
    assert error_of(run) == f'{data / file} {told}'


@pytest.mark.slow
def test_image_too_large_to_decode_is_named(start, data: Path, tmp_path: Path) -> None:
    """A PNG that claims 32 000 x 32 000 pixels: OpenCV would decode, and crash on what it gave."""
    for image in (data / 'train').iterdir():
        small = cv2.imencode('.png', np.zeros((8, 8, 3), np.uint8))[1].tobytes()
        header = b'IHDR' + (32_000).to_bytes(4, 'big') * 2 + small[24:29]
        checked = header + zlib.crc32(header).to_bytes(4, 'big')
        image.write_bytes(small[:12] + checked + small[33:])
    options = '--no-check', *ONE_EPOCH
    error = error_of(start('pose', tmp_path / 'run', '--data-root', data, *options))
    assert '.jpg claims 32000 x 32000 pixels; images of more than 268435455 pixels are' in error


@pytest.mark.slow
def test_people_that_cannot_be_trained_on_are_counted(start, data: Path, tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        outside, invisible, flat, other, bare, *_ = document['annotations']
        outside['bbox'] = [5000, 5000, 50, 50]
        invisible.update(keypoints=[0] * 51, num_keypoints=0)
        flat['bbox'] = [10, 10, 0, 50]
        other['image_id'] = 999
        del bare['keypoints']

    spoil(data, change)
    image = next((data / 'train').iterdir())
    Image.open(image).resize((1, 1)).save(image)
    run = start('pose', tmp_path / 'run', '--data-root', data, *ONE_EPOCH)
    assert run.wait() == 0, run.output
    total = len(json.loads((data / ANNOTATIONS).read_text())['annotations'])
    assert (
        f'{total - 5} annotated people of {data / ANNOTATIONS} are trained on; left out: '
        '2 with a box of no area inside its image'
    ) in run.output
    for reason in (
        'with no visible keypoint',
        'of an image that is not listed',
        'without keypoints',
    ):
        assert f'1 {reason}' in run.output


def refusals(config: Path, data: Path, options: dict[str, Any] | None = None) -> list[str]:
    """What the check says and, without it, the start of a training, which leaves nothing."""
    work_dir, sentences = data.with_name('run'), []
    for run in (lambda cfg: make_sure(cfg, print, ('train',)), train):
        cfg = read_config(config, options, str(data))
        cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
        cfg.visualizer = None  # MMEngine keeps one of a name for the whole process
        cfg.work_dir = str(work_dir)
        with pytest.raises(UserError) as refused:
            run(cfg)
        sentences.append(str(refused.value))
        assert not work_dir.exists()
    return sentences


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        (update_all(bbox=[-90, 5, 50, 50]), '13 with a box of no area inside its image'),
        (
            update_all(keypoints=[0] * 51),
            'annotation that can be used: 13 with no visible keypoint',
        ),
        (lambda document: document.update(annotations=[]), 'can be used: it is empty'),
        (lambda document: document.pop('annotations'), "lacks the list 'annotations'"),
        (drop('annotations', 'image_id'), "number 1 of 'annotations' lacks 'image_id'"),
        (drop('images', 'width'), "number 1 of 'images' lacks 'width'"),
        (update_all(bbox=[1, 2]), "has the 'bbox' [1, 2], not [x, y, width, height]"),
    ],
)
def test_annotations_that_cannot_be_used_are_explained(
    data: Path, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    spoil(data, change)
    for sentence in refusals(CONFIGS / 'pose.py', data):
        assert told in sentence and str(data) in sentence


@pytest.mark.parametrize(
    ('metainfo', 'classes'),
    [
        (dict(classes=('helmet', 'vest')), "'helmet', 'vest'"),
        (None, "'person', 'bicycle', 'car', 'motorcycle', 'airplane', ... (80)"),
    ],
)
def test_class_names_of_another_annotation_file_are_explained(
    data: Path, metainfo: dict[str, Any] | None, classes: str
) -> None:
    spoil(data, lambda document: document['categories'][0].update(name='worker'))
    config = ROOT / 'configs/demo/faster_rcnn_hrnetv2p_w18_small_synthetic_320x256.py'
    told = (
        f"{data / ANNOTATIONS} has none of the config's classes: the file has 'worker', "
        f'the config {classes} (train_dataloader.dataset.ann_file in the config)'
    )
    for sentence in refusals(config, data, {'train_dataloader.dataset.metainfo': metainfo}):
        assert told in sentence


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        (b'', 'is not JSON (Expecting value: line 1 column 1 (char 0))'),
        (b'\xff\xfe\x00', 'is not JSON ('),
        (b'[]', 'holds a list, not a dict of images and annotations'),
    ],
)
def test_annotation_file_that_is_none_is_explained(data: Path, content: bytes, told: str) -> None:
    (data / ANNOTATIONS).write_bytes(content)
    for sentence in refusals(CONFIGS / 'pose.py', data):
        assert sentence.startswith(f'{data / ANNOTATIONS} {told}')
        assert sentence.endswith('(train_dataloader.dataset.ann_file in the config)')


@pytest.mark.slow
def test_folder_without_images_is_explained(start, data: Path, tmp_path: Path) -> None:
    for image in (data / 'train').iterdir():
        image.rename(image.with_suffix('.jpeg'))
    error = error_of(start('seg', tmp_path / 'run', '--data-root', data, '--no-check'))
    assert error.startswith(
        'a dataset has no sample; the config has BaseSegDataset with data_root='
    )
    assert not (tmp_path / 'run').exists()
