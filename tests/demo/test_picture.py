"""Labels are drawn as they are in the dataset, beside what a model predicts."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from pycocotools import mask as coco_mask

from demo.people.synthetic_people import make_synthetic_people
from demo.picture import GAP, TITLE_HEIGHT, ZOOM, compare, read_labelled
from hrnet_mm.base.config import read_config, set_data_root
from tests.helpers import CONFIGS
from tests.models_of_hosts import build

DEMOS = dict(
    mmpose='hrnet_small_synthetic_128x96.py',
    mmdet='mask_rcnn_hrnetv2p_w18_small_synthetic_320x256.py',
    mmseg='fcn_hrnetv2_w18_small_synthetic_320x256.py',
    bottomup='higherhrnet_small_synthetic_192x192.py',
)
WIDTH, HEIGHT = 96, 64


@pytest.fixture(scope='module')
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('comparison') / 'people'
    return make_synthetic_people(folder, 0, 3, image_size=(WIDTH, HEIGHT), progress=None)


def config_of(scope: str, people: Path) -> Config:
    cfg = read_config(CONFIGS / 'demo' / DEMOS[scope])
    set_data_root(cfg, str(people))
    return cfg


def labels_of(scope: str, people: Path, zoom: int = 1) -> list[dict]:
    dataset = config_of(scope, people).test_dataloader.dataset
    return [record for *_, record in read_labelled(scope, dataset, 9, zoom)]


def test_masks_and_label_maps_show_the_same_people(people: Path) -> None:
    for instances, parts in zip(
        labels_of('mmdet', people), labels_of('mmseg', people), strict=True
    ):
        masks = [coco_mask.decode(person['mask']) for person in instances['instances']]
        drawn, labelled = np.any(masks, axis=0), parts['label_map'] > 0
        assert (drawn & labelled).sum() / (drawn | labelled).sum() > 0.9


def test_all_labels_grow_with_the_image(people: Path) -> None:
    poses, large_poses = (labels_of('mmpose', people, zoom) for zoom in (1, 3))
    for record, large in zip(poses, large_poses, strict=True):
        for person, giant in zip(record['instances'], large['instances'], strict=True):
            assert np.allclose(giant['bbox'], np.multiply(person['bbox'], 3))
            assert np.allclose(giant['keypoints'], np.multiply(person['keypoints'], [3, 3, 1]))
    maps, large_maps = (labels_of('mmseg', people, zoom) for zoom in (1, 3))
    for record, large in zip(maps, large_maps, strict=True):
        assert (large['label_map'][1::3, 1::3] == record['label_map']).all()


@pytest.mark.parametrize('scope', DEMOS)
def test_one_picture_has_pairs_under_titles(scope: str, people: Path, tmp_path: Path) -> None:
    cfg = config_of(scope, people)
    torch.manual_seed(0)
    checkpoint, out = tmp_path / 'random.pth', tmp_path / 'new' / 'demo.png'
    torch.save(build(cfg).state_dict(), checkpoint)
    compare(cfg, checkpoint, out, num_images=3)
    assert [path.name for path in out.parent.iterdir()] == ['demo.png']
    picture = cv2.imread(str(out))
    # Small images are enlarged, and a legend may stand beside them.
    height, width = (picture.shape[0] - TITLE_HEIGHT) // 2, picture.shape[1] // 4
    assert picture.shape == (TITLE_HEIGHT + 2 * height, 4 * width, 3)
    assert height >= ZOOM * HEIGHT + GAP and width >= ZOOM * WIDTH + GAP
    labelled, predicted = np.split(picture[TITLE_HEIGHT : TITLE_HEIGHT + height, : 2 * width], 2, 1)
    assert (labelled != predicted).any()  # random weights find nobody
