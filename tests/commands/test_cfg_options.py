"""--cfg-options: what is typed arrives as it is meant, or is refused with what to type."""

from __future__ import annotations

import copy
import shlex
from argparse import ArgumentParser
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config, DictAction

from hrnet_mm.base.config import read_config
from hrnet_mm.base.config_changes import apply_options
from hrnet_mm.base.errors import UserError
from hrnet_mm.commands.cfg_options import ConfigOptions, as_typed, parse_value
from tests.helpers import ROOT

POSE = ROOT / 'configs/pose/hrnet_w32_coco_256x192.py'
SEG = ROOT / 'configs/seg/fcn_hrnetv2_w18_small_cityscapes_512x1024.py'


@cache
def read(config: Path) -> Config:
    return read_config(config)


def changed(config: Path, *pairs: str) -> Config:
    """The config as ``--cfg-options`` change it."""
    cfg = copy.deepcopy(read(config))
    apply_options(cfg, options_of(*pairs))
    return cfg


def options_of(*pairs: str) -> dict[str, Any]:
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions)
    return parser.parse_args(['--cfg-options', *pairs]).cfg_options


@pytest.mark.parametrize(
    'text',
    ['1', '-1', '1e-3', '.5', 'inf', 'True', 'false', 'None', 'w48', 'a/b.pth', 'epoch_{}.pth']
    + ['[1,2]', '(1,)', '()', '[]', '[(1,2),[a,b],c]', 'a,b', 'open-mmlab://msra/x', '(200,128)']
    + ['img_[0-9].png', 'http://x/y?z=1'],
)
def test_plain_values_are_read_as_mmengine_does(text: str) -> None:
    expected = DictAction._parse_iterable(text)
    actual = parse_value(text)
    assert actual == expected and type(actual) is type(expected)


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('"a, b"', 'a, b'),
        ('/my data/coco', '/my data/coco'),  # MMEngine takes the spaces out
        ('"0.5"', '0.5'),
        ('[a b,"c,d"]', ['a b', 'c,d']),
        ("O'Brien", "O'Brien"),
        ('photos (1)/a.jpg', 'photos (1)/a.jpg'),
        ('2024_01', '2024_01'),  # MMEngine: 202401
        ('007', '007'),
        ('""', ''),
        ('a=b', 'a=b'),
        ('[[1,2],]', [[1, 2]]),
    ],
)
def test_texts_stay_what_they_are(text: str, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ('pair', 'message'),
    [
        ('a=dict(b=1)', 'a=dict(b=1): a dict is not typed as one: write each of its keys as KEY.S'),
        ('a={b: 1}', 'a dict is not typed as one'),
        ('a=[dict(b=1),2]', 'a dict is not typed as one'),
        ('a=list((1,2))', 'a dict is not typed as one'),
        ('a=[1,2', '] is missing at its end'),
        ('a=1,2]', '] closes no bracket'),
        ('a=(1,2]', '] closes no bracket'),
        ('a="b', '" is missing at its end'),
        ('a="b"c', 'something stands behind the text in quotes'),
        ('a=[1]2', 'something stands behind the brackets'),
        ('a=', 'a value is missing; an empty text is typed as KEY=\'""\''),
        ('a=[1,,2]', 'a value is missing'),
        ('a', 'not KEY=VALUE, as model.backbone.arch=w48 is; other arguments go before'),
        ('=1', "'' is no key"),
        ('a..b=1', "'a..b' is no key"),
        ('a b=1', "'a b' is no key"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(
    pair: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        options_of(pair)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert f'argument --cfg-options: {pair}: ' in error and message in error


def test_keys_that_replace_one_another_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options_of('model.backbone=None', 'model.backbone.arch=w48')
    assert 'contradicts model.backbone=...' in capsys.readouterr().err
    assert options_of('a.b=1', 'a.bc=2', 'a.b=3') == {'a.b': 3, 'a.bc': 2}


@pytest.mark.parametrize(
    ('config', 'pair', 'message'),
    [
        (POSE, 'modle.x=1', 'has no key modle; did you mean model?'),
        (POSE, 'model.test_cfg.flip_tset=False', 'no flip_tset in the config; did you mean flip_t'),
        (POSE, 'default_hooks.visualisation.enable=True', 'did you mean visualization?'),
        (POSE, 'train_dataloader.batch_sise=2', 'did you mean batch_size?'),
        (POSE, 'train_dataloader.dataset.pipeline.9.prob=0', 'its numbers are 0 to 7, not 9'),
        (POSE, 'train_dataloader.dataset.pipeline.-1.prob=0', 'its numbers are 0 to 7, not -1'),
        (POSE, 'train_dataloader.dataset.pipeline.x.prob=0', 'its numbers are 0 to 7, not x'),
        (POSE, 'default_hooks.0.interval=1', 'default_hooks is a dict in the config, no list'),
        (
            POSE,
            'train_cfg.max_epochs.x=1',
            'train_cfg.max_epochs is 210 in the config and has no k',
        ),
        (POSE, 'train_cfg.max_epochs=20%', 'it is 210 in the config, and 20% is no number'),
        (POSE, 'train_cfg.max_epochs=1_000', 'it is 210 in the config, and 1_000 is no number'),
        (POSE, 'resume=yes', 'it is False in the config; write True or False, not yes'),
        (POSE, 'model.backbone.init_cfg=none', 'the type Pretrained stands there'),
        (POSE, 'load_from=none', 'write None'),
        (POSE, 'model.backbone=w48', 'the type hrnet_mm.HRNet stands there, whose keys'),
        (POSE, 'train_dataloader.dataset.pipeline=[1]', 'a list of dicts stands there'),
        (POSE, 'codec.sigma=3', 'change model.head.decoder.sigma and train_dataloader.dataset.p'),
        (
            POSE,
            'data_root=/x',
            'data_root is a variable of the config, .* change it by --data-root',
        ),
        (POSE, 'train_pipeline.2.prob=0', 'change train_dataloader.dataset.pipeline.2.prob'),
        (SEG, 'optimizer.lr=1', 'change optim_wrapper.optimizer.lr'),
        (SEG, 'data_preprocessor.size=(64,64)', 'change model.data_preprocessor.size'),
    ],
)
def test_options_that_would_change_nothing_are_refused(
    config: Path, pair: str, message: str
) -> None:
    with pytest.raises(UserError, match=rf'--cfg-options {pair.partition("=")[0]}: .*{message}'):
        changed(config, pair)


@pytest.mark.parametrize(
    ('config', 'pair', 'value'),
    [
        (POSE, 'model.backbone.arch=24', 24),
        (POSE, 'model.backbone.with_cp=norm', 'norm'),  # a new key of a type
        (POSE, 'model.backbone.init_cfg=None', None),
        (POSE, 'model.head.decoder.input_size.0=96', 96),  # MMEngine: no attribute 'copy'
        (POSE, 'train_dataloader.dataset.pipeline.2.prob=-0.5', -0.5),
        (POSE, 'model.backbone.extra.stage5.num_blocks=[4]', [4]),
        (POSE, 'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult=0.1', 0.1),
        (POSE, 'param_scheduler=[]', []),
        (POSE, 'randomness.seed=3', 3),
        (SEG, 'model.decode_head.loss_decode.reduction=none', 'none'),
    ],
)
def test_all_else_is_changed_and_nothing_besides(config: Path, pair: str, value: object) -> None:
    key = pair.partition('=')[0]
    before, after = read(config).to_dict(), changed(config, pair).to_dict()
    first, *path = key.split('.')
    here = after.pop(first)
    before.pop(first, None)
    assert after == before
    for name in path:
        here = here[int(name)] if isinstance(here, list | tuple) else here[name]
    assert here == value


def test_a_key_below_none_makes_the_dict_and_delete_empties_one(tmp_path: Path) -> None:
    path = tmp_path / 'config.py'
    path.write_text("model = dict(init_cfg=None, x=dict(type='A', a=1))\nmine = 3\n")
    options = options_of('model.x.type=B', 'model.x._delete_=True', 'model.init_cfg.type=C')
    cfg = read_config(path, {**options, 'mine': 4})
    assert cfg.to_dict() == dict(model=dict(init_cfg=dict(type='C'), x=dict(type='B')), mine=4)


def test_options_can_be_typed_again() -> None:
    pairs = ['a.arch=w48', 'b="0.5"', 'c=[1,(a,None)]', 'd="None"', "e=it's here", 'f="a,b"', 'g=1']
    typed = as_typed(options_of(*pairs))
    flag, *again = shlex.split(typed)
    assert flag == '--cfg-options' and options_of(*again) == options_of(*pairs)
    assert again[0] == 'a.arch=w48'
    assert as_typed(None) == ''


def test_dicts_from_python_are_merged() -> None:
    cfg = read_config(POSE, {'model.backbone': dict(arch='w48'), 'model.test_cfg': dict(a=1)})
    assert cfg.model.backbone.arch == 'w48' and cfg.model.backbone.type == 'hrnet_mm.HRNet'
    assert cfg.model.test_cfg.a == 1 and cfg.model.test_cfg.flip_test
