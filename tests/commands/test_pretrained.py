"""A model, or a backbone, goes into a folder and comes back with every bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

import hrnet_mm
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.models import HRNet
from hrnet_mm.weights.convert import convert
from tests.helpers import RunsCode, equal, picture, randomize, small_extra

pytestmark = pytest.mark.usefixtures('unformatted_configs')

IMAGE = picture(61, 87, seed=7)


def changed(folder: Path, **fields: Any) -> Path:
    document = json.loads((folder / 'hrnet_mm.json').read_text())
    (folder / 'hrnet_mm.json').write_text(json.dumps(document | fields))
    return folder


@pytest.mark.parametrize(
    'options',
    [
        dict(arch='w18_small'),
        dict(arch=8, upsample='bilinear', align_corners=True, in_channels=5),
        dict(extra=small_extra(), out_indices=(0, 2), fusion='final'),
    ],
    ids=['name', 'width', 'extra'],
)
def test_a_backbone_comes_back(options: dict[str, Any], tmp_path: Path) -> None:
    net = randomize(HRNet(**options)).eval()
    folder = hrnet_mm.save_pretrained(net, tmp_path / 'a' / 'net')
    other = hrnet_mm.from_pretrained(str(folder))
    assert not other.training and equal(dict(other.state_dict()), dict(net.state_dict()))
    image = torch.rand(1, net.conv1.in_channels, 64, 96)
    with torch.no_grad():
        assert equal(other(image), net(image))
    assert sorted(file.name for file in folder.iterdir()) == [
        'README.md',
        'hrnet_mm.json',
        'model.safetensors',
    ]


@torch.no_grad()
def test_timms_weights_go_through_a_folder_and_back(tmp_path: Path) -> None:
    theirs = randomize(timm.create_model('hrnet_w18_small', num_classes=10)).eval()
    (tmp_path / 'timm').mkdir()
    save_file(dict(theirs.state_dict()), tmp_path / 'timm' / 'model.safetensors')
    net = hrnet_mm.from_pretrained(tmp_path / 'timm')
    folder = hrnet_mm.save_pretrained(net, tmp_path / 'ours')
    found, _ = convert(load_file(folder / 'model.safetensors'), 'timm')
    own = theirs.state_dict()
    assert {key.partition('.')[0] for key in own.keys() - found.keys()} == {
        'incre_modules',
        'downsamp_modules',
        'final_layer',
        'classifier',
    }
    assert all(torch.equal(weight, own[key]) for key, weight in found.items())
    theirs.load_state_dict(found, strict=False)
    image = torch.rand(1, 3, 64, 64)
    maps = theirs.stages(
        theirs.act2(theirs.bn2(theirs.conv2(theirs.act1(theirs.bn1(theirs.conv1(image))))))
    )
    for here, there in zip(hrnet_mm.from_pretrained(folder)(image), maps, strict=True):
        assert torch.equal(here, there)


@pytest.mark.parametrize('name', ['face', 'detection'])
def test_a_whole_model_comes_back(name: str, tiny: Any, tmp_path: Path) -> None:
    files = tiny(name)
    contents = safe_load(files.checkpoint)
    if name == 'detection':  # names that the config does not know
        contents['meta'] = {'dataset_meta': {'classes': tuple(map(str, range(80)))}}
    torch.save(contents, tmp_path / 'x.pth')
    options = dict(device='cpu', score_thr=0.1)
    model = hrnet_mm.load(files.config, tmp_path / 'x.pth', **options)
    scores = {'AP': 0.5, 'AR': 0.625}
    folder = hrnet_mm.save_pretrained(model, tmp_path / 'saved', scores, 'tools/test.py on nothing')
    other = hrnet_mm.from_pretrained(folder, **options)
    assert other.name == model.name == f'tiny_{name}'
    expected, found = model(IMAGE), other(IMAGE)
    assert found.to_json() == expected.to_json() and np.array_equal(found.boxes, expected.boxes)
    assert np.array_equal(found.plot(), expected.plot())
    card = (folder / 'README.md').read_text()
    for part in (
        '| AP | 0.5 |',
        '| AR | 0.625 |',
        'Measured: tools/test.py on nothing',
        f'# tiny_{name}',
    ):
        assert part in card
    # The folder is a checkpoint like any other.
    assert hrnet_mm.load(files.config, folder, device='cpu')(IMAGE).to_json() == expected.to_json()


def test_what_a_pose_model_knows_of_its_data_comes_back(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tiny('face')
    model = hrnet_mm.load(files.config, files.checkpoint, device='cpu')
    meta = dict(
        keypoint_id2name={number: f'point {number}' for number in range(98)},
        skeleton_links=[(0, 1)],
        skeleton_link_colors=np.uint8([[1, 2, 3]]),
        keypoint_colors=np.full((98, 3), 9, np.uint8),
        flip_indices=list(range(98)),
        sigmas=np.linspace(0, 1, 98, dtype=np.float32),
    )
    monkeypatch.setattr(model.predictor.model, 'meta', meta)
    other = hrnet_mm.from_pretrained(hrnet_mm.save_pretrained(model, tmp_path / 'x'), device='cpu')
    found = other.predictor.model.meta
    assert other(IMAGE).keypoint_names[97] == 'point 97'
    for key, value in meta.items():
        assert (
            np.array_equal(found[key], value) if key != 'keypoint_id2name' else found[key] == value
        )
    assert found['sigmas'].dtype == np.float32


def test_what_cannot_be_saved_is_told_so(tiny: Any, tmp_path: Path) -> None:
    files = tiny('segmentation')
    model = hrnet_mm.load(files.config, files.checkpoint, device='cpu')
    with pytest.raises(UserError, match='scores need a word on how they were measured'):
        hrnet_mm.save_pretrained(model, tmp_path / 'x', {'mIoU': 0.5})
    model.predictor.model.is_replaced = True
    with pytest.raises(UserError, match='is run by an engine, which has no weights'):
        hrnet_mm.save_pretrained(model, tmp_path / 'x')
    with pytest.raises(UserError, match='a Linear is neither a loaded model nor an HRNet'):
        hrnet_mm.save_pretrained(torch.nn.Linear(1, 1), tmp_path / 'x')
    net = HRNet(extra=small_extra(), norm_cfg=dict(type='GN', num_groups=2))
    with pytest.raises(UserError, match='only backbones with batch norm'):
        hrnet_mm.save_pretrained(net, tmp_path / 'x')
    assert not (tmp_path / 'x').exists()


@pytest.mark.parametrize(
    'fields',
    [
        dict(kind='other'),
        dict(config='../x.py'),
        dict(network=dict(norm_cfg=dict(type='os.system'))),
        dict(more=1),
        dict(dataset_meta={'__array__': [1], 'dtype': 'nothing'}),
    ],
    ids=str,
)
def test_a_description_of_another_kind_is_refused(fields: dict[str, Any], tmp_path: Path) -> None:
    folder = hrnet_mm.save_pretrained(HRNet(extra=small_extra()), tmp_path / 'x')
    with pytest.raises(UserError, match='hrnet_mm.json is no description of hrnet_mm'):
        hrnet_mm.from_pretrained(changed(folder, **fields))


def test_a_folder_without_anything_is_told_so(tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / 'nowhere', str(tmp_path / 'x.pth')):
        with pytest.raises(UserError, match=f'there is no checkpoint {source}'):
            hrnet_mm.from_pretrained(source)
    torch.save(RunsCode(tmp_path / 'made'), tmp_path / 'x.pth')
    with pytest.raises(UserError, match='is refused'):
        hrnet_mm.from_pretrained(tmp_path / 'x.pth')
    assert not (tmp_path / 'made').exists()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, filled as a download fills it; the hub itself is not reached."""
    constants = pytest.importorskip('huggingface_hub.constants')
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'hub'))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    repository = tmp_path / 'hub' / 'models--me--mine'
    (repository / 'refs').mkdir(parents=True)
    (repository / 'refs' / 'main').write_text('0' * 40)
    return repository / 'snapshots' / ('0' * 40)


def test_a_repository_of_the_hub(hub: Path, tiny: Any) -> None:
    files = tiny('segmentation')
    model = hrnet_mm.load(files.config, files.checkpoint, device='cpu')
    hrnet_mm.save_pretrained(model, hub)
    with pytest.raises(
        UserError, match='hf-hub:me/mine: its config, tiny_segmentation.py, is code'
    ):
        hrnet_mm.from_pretrained('hf-hub:me/mine', device='cpu')
    other = hrnet_mm.from_pretrained('hf-hub:me/mine', trust=True, device='cpu')
    assert np.array_equal(other(IMAGE).label_map, model(IMAGE).label_map)


def test_a_backbone_of_the_hub_needs_no_trust(hub: Path) -> None:
    net = HRNet(extra=small_extra())
    hrnet_mm.save_pretrained(net, hub)
    other = hrnet_mm.from_pretrained('hf-hub:me/mine@main')
    assert equal(dict(other.state_dict()), dict(net.state_dict()))
    (hub / 'hrnet_mm.json').unlink()  # anyone's weights
    other = hrnet_mm.from_pretrained('hf-hub:me/mine', out_indices=(0, 1, 2, 3))
    assert equal(dict(other.state_dict()), dict(net.state_dict()))
    with pytest.raises(UserError, match='hf-hub:me/other cannot be had'):
        hrnet_mm.from_pretrained('hf-hub:me/other')
