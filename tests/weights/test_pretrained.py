"""init_cfg and load_from take anyone's weights as they are."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import PretrainedInit
from mmengine.runner import CheckpointLoader, Runner
from safetensors.torch import save_file
from torch import Tensor, nn

import hrnet_mm.weights.pretrained  # noqa: F401  (registers AnyWeightsHook)
from hrnet_mm.base.errors import UserError
from hrnet_mm.models import HRNet
from hrnet_mm.weights.fit import adapt_input
from hrnet_mm.weights.sources import use_our_readers
from hrnet_mm.weights.trust import trusting
from tests.helpers import RunsCode, small_extra
from tests.weights import hosts, official

OURS = hosts.OURS
FILES = {
    **official.FILES,
    **{
        layout: lambda width, model=model: hosts.filled(model(width))
        for layout, model in hosts.MODELS.items()
    },
}


def saved(path: Path, weights: dict[str, Tensor], **beside: Any) -> str:
    torch.save(dict(state_dict=weights, **beside), path)
    return str(path)


def initialised(checkpoint: str, width: int = 4, **options: Any) -> HRNet:
    """An HRNet of one map, as for poses, which every file has the weights of."""
    init_cfg = dict(type='Pretrained', checkpoint=checkpoint, **options.pop('pretrained', {}))
    net = HRNet(extra=small_extra(width), **dict(out_indices=(0,), init_cfg=init_cfg) | options)
    net.init_weights()
    return net


def has(net: nn.Module, weights: dict[str, Tensor], prefix: str = '') -> bool:
    return all(
        torch.equal(weight, weights[prefix + key]) for key, weight in net.state_dict().items()
    )


@pytest.mark.parametrize('layout', FILES)
def test_init_cfg_takes_every_layout(layout: str, tmp_path: Path) -> None:
    weights = FILES[layout](4)
    path = saved(tmp_path / 'x.pth', weights)
    known = 'stage2.0.branches.0.0.conv1.weight'
    [prefix] = [key.removesuffix(known) for key in weights if key.endswith(known)]
    for pretrained in ({}, dict(prefix='backbone'), dict(prefix='backbone.')):
        assert has(initialised(path, pretrained=pretrained), weights, prefix)


@pytest.mark.parametrize('wrapper', ['module.', 'model.', 'module.model.', '_orig_mod.'])
def test_init_cfg_sees_through_wrappers(wrapper: str, tmp_path: Path) -> None:
    weights = official.pose(4)
    wrapped = {wrapper + key: weight for key, weight in weights.items()}
    torch.save(dict(model=wrapped, optimizer=dict(state={})), tmp_path / 'x.pt')
    assert has(initialised(str(tmp_path / 'x.pt')), weights)


def test_init_cfg_takes_safetensors_and_other_spellings(tmp_path: Path) -> None:
    weights = official.classification(4)
    path = str(tmp_path / 'model.safetensors')
    save_file(weights, path)
    assert has(initialised(path), weights)
    by_class = dict(type=PretrainedInit, checkpoint=path)
    normal = dict(type='Normal', std=0.1, layer='Conv2d')
    for options in (dict(init_cfg=by_class), dict(init_cfg=[by_class, normal])):
        net = initialised(path, **options)
        assert has(net, weights) and net.init_cfg == options['init_cfg']
    net = initialised(path, init_cfg=None, pretrained={})
    assert not has(net, weights)
    net = HRNet(extra=small_extra(4), pretrained=path)
    net.init_weights()
    assert has(net, weights)


def test_one_of_several_networks_is_chosen_by_prefix(tmp_path: Path) -> None:
    networks = {name: official.pose(4) for name in ('student', 'teacher')}
    weights = {f'{name}.{key}': w for name, own in networks.items() for key, w in own.items()}
    path = saved(tmp_path / 'x.pth', weights)
    assert has(initialised(path, pretrained=dict(prefix='teacher')), networks['teacher'])
    with pytest.raises(UserError, match='2 HRNets'):
        initialised(path)


@pytest.mark.parametrize('channels', [1, 4])
def test_first_convolution_is_adapted_to_the_images(channels: int, tmp_path: Path) -> None:
    weights = official.pose(4)
    net = initialised(saved(tmp_path / 'x.pth', weights), in_channels=channels)
    expected = weights | {'conv1.weight': adapt_input(weights['conv1.weight'], channels)}
    assert net.conv1.weight.shape[1] == channels and has(net, expected)


def test_other_width_is_told_with_both_names(tmp_path: Path) -> None:
    with torch.device('meta'):
        weights = HRNet('w18').state_dict()
    path = saved(tmp_path / 'x.pth', {key: torch.zeros(w.shape) for key, w in weights.items()})
    net = HRNet('w18_small', init_cfg=dict(type='Pretrained', checkpoint=path))
    with pytest.raises(UserError, match=r'x\.pth: this is a w18, the config builds a w18_small'):
        net.init_weights()


def test_file_without_hrnet_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / 'resnet.pth', nn.Conv2d(3, 4, 3).state_dict())
    with pytest.raises(UserError, match=r'resnet\.pth holds no HRNet; its first keys are: weight'):
        initialised(path)


@pytest.fixture
def load_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Callable[[nn.Module, str], nn.Module]:
    """Load a checkpoint as the Runner of our tools does; warnings are in ``caplog.messages``."""
    caplog.set_level(logging.WARNING)

    def load(model: nn.Module, checkpoint: str, **options: Any) -> nn.Module:
        use_our_readers()
        hooks = [dict(type='hrnet_mm.AnyWeightsHook', **options)]
        work_dir = str(tmp_path / 'work')
        runner = Runner(model, work_dir, load_from=checkpoint, custom_hooks=hooks)
        runner.logger.addHandler(caplog.handler)
        runner.load_or_resume()
        return model

    return load


@pytest.mark.parametrize(
    ('weights', 'model'),
    [
        (official.pose, hosts.pose),
        (official.landmarks, hosts.face),
        (official.segmentation, lambda width, hrnet: hosts.seg(width, hrnet, neck=True)),
        (official.segmentation, hosts.seg),
        (official.ocr, hosts.ocr),
        (official.classification, hosts.cls),
        (
            lambda width: hosts.filled(hosts.seg(width)),
            lambda width, hrnet: hosts.seg(width, hrnet, neck=True),
        ),
        (lambda width: hosts.filled(hosts.face(width)), hosts.face),
    ],
)
def test_load_from_takes_head_and_all(
    weights, model, load_from, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    net = model(4, OURS)
    before = {key: weight.clone() for key, weight in net.state_dict().items()}
    load_from(net, saved(tmp_path / 'x.pth', weights(4)))
    unchanged = [
        key for key, weight in net.state_dict().items() if torch.equal(weight, before[key])
    ]
    assert not unchanged and not caplog.messages


def test_load_from_takes_what_is_no_state_dict_of_mmengine(load_from, tmp_path: Path) -> None:
    weights = official.pose(4)
    save_file(
        {f'module.{key}': weight for key, weight in weights.items()}, tmp_path / 'x.safetensors'
    )
    net = load_from(hosts.pose(4, OURS), str(tmp_path / 'x.safetensors'))
    assert torch.equal(net.head.final_layer.bias, weights['final_layer.bias'])
    assert has(net.backbone, weights)


def test_head_of_another_size_is_skipped_with_one_warning(
    load_from, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    net, weights = hosts.pose(4, OURS, joints=14), official.pose(4, joints=17)
    before = net.head.final_layer.weight.clone()
    load_from(net, saved(tmp_path / 'x.pth', weights))
    assert torch.equal(net.head.final_layer.weight, before) and has(net.backbone, weights)
    [warning] = caplog.messages
    assert 'head.final_layer.weight (17x4x1x1 there, 14x4x1x1 here)' in warning
    assert 'head.final_layer.bias (17 there, 14 here)' in warning


def test_evaluation_wants_every_weight(load_from, tmp_path: Path) -> None:
    weights = official.pose(4)
    path = saved(tmp_path / 'x.pth', weights)
    net = load_from(hosts.pose(4, OURS), path, whole=True)
    assert torch.equal(net.head.final_layer.weight, weights['final_layer.weight'])
    with pytest.raises(UserError, match=r'size mismatch for head\.final_layer\.weight.*\(2 such'):
        load_from(hosts.pose(4, OURS, joints=14), path, whole=True)
    with pytest.raises(UserError, match=r'size mismatch for backbone\.conv1\.weight'):
        load_from(hosts.pose(4, OURS, in_channels=1), path, whole=True)
    with pytest.raises(UserError, match=r'2 of \d+ weights are missing, the first is head\.final'):
        path = saved(tmp_path / 'y.pth', official.classification(4))
        load_from(hosts.pose(4, OURS), path, whole=True)


def test_load_from_of_another_width_is_refused(load_from, tmp_path: Path) -> None:
    path = saved(tmp_path / 'x.pth', official.pose(8))
    with pytest.raises(UserError, match=r'x\.pth: this is a network of .* blocks of 8, 16'):
        load_from(hosts.pose(4, OURS), path)


def test_load_from_leaves_other_models_alone(load_from, tmp_path: Path) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 2)

    source = Net()
    net = load_from(Net(), saved(tmp_path / 'x.pth', source.state_dict()))
    assert torch.equal(net.fc.weight, source.fc.weight)


def test_init_cfg_runs_no_code_but_that_of_a_trusted_file(tmp_path: Path) -> None:
    path = saved(tmp_path / 'x.pth', official.pose(4), hook=RunsCode(tmp_path / 'made'))
    with pytest.raises(UserError, match=r'asks for os\.makedirs'):
        initialised(path)
    assert not (tmp_path / 'made').exists()
    with trusting():
        initialised(path)
    assert (tmp_path / 'made').exists()


def test_load_from_runs_no_code(load_from, tmp_path: Path) -> None:
    path = saved(tmp_path / 'x.pth', official.pose(4), hook=RunsCode(tmp_path / 'made'))
    with pytest.raises(UserError, match=r'asks for os\.makedirs'):
        load_from(hosts.pose(4, OURS), path)
    assert not (tmp_path / 'made').exists()
    use_our_readers()
    with trusting():
        CheckpointLoader.load_checkpoint(path)
    assert (tmp_path / 'made').exists()
