"""What a check says of bottom-up configs and data before a training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from demo.people.synthetic_people import make_synthetic_people
from hrnet_mm.check.everything import check
from tests.configs.tiny import tiny_config


@pytest.fixture(scope='module')
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('bottomup') / 'people'
    return make_synthetic_people(folder, 4, 1, image_size=(128, 96), progress=None)


def config(people: Path) -> Config:
    cfg = tiny_config('pose/higherhrnet_w32_coco_512x512.py', people)
    cfg.model.backbone.init_cfg = None
    return cfg


def stops(cfg: Config) -> str:
    return '\n'.join(finding.text for finding in check(cfg, ['train']) if finding.level == 'stop')


def test_the_configs_as_they_are_pass(people: Path) -> None:
    assert stops(config(people)) == ''
    single = tiny_config('pose/ae_hrnet_w32_coco_512x512.py', people)
    single.model.backbone.init_cfg = None
    assert stops(single) == ''


def test_targets_of_other_sizes_than_the_maps_are_named(people: Path) -> None:
    cfg = config(people)
    encoders = cfg.train_dataloader.dataset.pipeline[3].encoder
    encoders[0].heatmap_size = (16, 16)
    assert 'targets of (16, 16) and (64, 64), but the network makes maps of (32, 32)' in stops(cfg)
    encoders.pop(0)
    assert 'targets of (64, 64), but the network makes maps of (32, 32) and (64, 64)' in stops(cfg)


def test_another_size_in_the_augmentation_is_named(people: Path) -> None:
    cfg = config(people)
    cfg.train_dataloader.dataset.pipeline[1].input_size = (256, 256)
    assert 'pipeline[1].input_size is (256, 256), but model.head.decoder.input_size' in stops(cfg)


def test_an_image_of_more_people_than_the_codec_takes_is_named(people: Path) -> None:
    cfg = config(people)
    dataset = cfg.train_dataloader.dataset
    document = json.loads(Path(dataset.ann_file).read_text())
    first = document['annotations'][0]
    document['annotations'] += [first | dict(id=10**6 + i) for i in range(32)]
    crowded = people / 'crowded.json'
    crowded.write_text(json.dumps(document))
    dataset.ann_file = str(crowded)
    text = stops(cfg)
    assert 'takes max_num_people=30; write 33, there and in model.head.decoder' in text
    assert 'has 33 people with keypoints' in text
    for codec in dataset.pipeline[3].encoder:
        codec.max_num_people = 33
    assert stops(cfg) == ''


def test_a_crowd_of_another_size_than_its_image_is_named(people: Path) -> None:
    cfg = config(people)
    dataset = cfg.train_dataloader.dataset
    document = json.loads(Path(dataset.ann_file).read_text())
    crowd = dict(iscrowd=1, keypoints=[0] * 51, num_keypoints=0)
    crowd['segmentation'] = dict(counts=[1, 99], size=[10, 10])
    document['annotations'].append(document['annotations'][0] | crowd | dict(id=10**6))
    file = people / 'with_a_crowd.json'
    file.write_text(json.dumps(document))
    dataset.ann_file = str(file)
    assert 'annotation 1000000 has a segmentation with the size [10, 10]' in stops(cfg)


def test_images_of_several_shapes_in_a_batch_are_named(people: Path) -> None:
    cfg = config(people)
    cfg.val_dataloader.batch_size = 2
    [found] = [finding.text for finding in check(cfg, ['val']) if finding.level == 'stop']
    assert found.startswith('val_dataloader.batch_size is 2, but its images are of several shapes')


def test_a_network_that_rescores_people_of_other_keypoints_is_named(people: Path) -> None:
    cfg = tiny_config('pose/dekr_hrnet_w32_coco_512x512.py', people)
    cfg.model.backbone.init_cfg = None
    assert [finding for finding in check(cfg, ['val']) if finding.level == 'stop'] == []
    cfg.model.head.rescore_cfg.in_channels = 59
    [found] = [finding.text for finding in check(cfg, ['val']) if finding.level == 'stop']
    assert 'is 59, but the 17 keypoints and 19 links of val_dataloader.dataset make 74' in found
    cfg.model.head.rescore_cfg = None
    assert [finding for finding in check(cfg, ['val']) if finding.level == 'stop'] == []
