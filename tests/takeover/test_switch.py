"""Taking the hosts' places and giving them back, in one process and by an import."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from mmengine.config import Config
from torch import nn

from hrnet_mm.takeover.switch import HOSTS, take, taken, undo
from tests.helpers import ROOT, small_extra
from tests.takeover.upstream import build, is_ours, model_config, registry_of


def classes_in_place(host: str) -> dict[str, type[nn.Module]]:
    """The host's HRNet wherever its users may find it, and its necks of HRNet."""
    registry = registry_of(host)
    models = import_module(f'{host}.models')
    return dict(
        registry=registry.get('HRNet'),
        models=models.HRNet,
        backbones=models.backbones.HRNet,
        **{name: registry.get(name) for name in ('HRFPN', 'HRFuseScales')},
    )


@pytest.mark.parametrize('host', HOSTS)
def test_undo_restores_the_identical_classes_however_often(host: str) -> None:
    before = classes_in_place(host)
    for _ in range(2):
        take(host)
        in_place = classes_in_place(host)
        assert in_place['registry'] is not before['registry']
        assert in_place['registry'] is in_place['models'] is in_place['backbones']
        take(host)
        assert classes_in_place(host) == in_place
        undo(host)
        assert classes_in_place(host) == before
        undo(host)
        assert classes_in_place(host) == before


def test_taken_lasts_as_long_as_its_block_even_if_it_fails() -> None:
    before = classes_in_place('mmpose')
    with pytest.raises(KeyboardInterrupt), taken('mmpose'):
        assert classes_in_place('mmpose') != before
        raise KeyboardInterrupt
    assert classes_in_place('mmpose') == before


def test_taken_leaves_what_was_taken_before_it() -> None:
    with taken('mmpose'):
        with taken('mmpose', 'mmseg'):
            in_place = classes_in_place('mmpose')
        assert classes_in_place('mmpose') == in_place
        assert not is_ours(classes_in_place('mmseg')['registry'])
    assert not is_ours(classes_in_place('mmpose')['registry'])


def test_takes_only_the_hosts_named() -> None:
    with taken('mmdet'):
        ours = {host: is_ours(classes_in_place(host)['registry']) for host in HOSTS}
    assert ours == dict(mmpose=False, mmdet=True, mmseg=False, mmpretrain=False)


def test_scope_prefix_finds_ours_from_another_host() -> None:
    cfg = dict(type='mmdet.HRNet', extra=small_extra())
    with taken('mmdet'):
        assert is_ours(type(registry_of('mmpose').build(cfg)))
    assert not is_ours(type(registry_of('mmpose').build(cfg)))


def test_models_built_before_stay_what_they_are() -> None:
    cfg = dict(type='HRNet', extra=small_extra())
    theirs = build('mmpose', cfg)
    with taken('mmpose'):
        assert not is_ours(type(theirs))
    ours = build('mmpose', cfg, take=True)
    assert is_ours(type(ours))


def test_the_hosts_descendants_of_hrnet_still_work() -> None:
    """mmpose's HRFormer inherits from mmpose's HRNet, which calls itself by its name."""
    folder = 'body_2d_keypoint/topdown_heatmap/coco'
    cfg = model_config('mmpose', f'{folder}/td-hm_hrformer-small_8xb32-210e_coco-256x192.py')
    with taken('mmpose'):
        former = build('mmpose', cfg.backbone | dict(init_cfg=None))
        former.init_weights()
    assert type(former).__name__ == 'HRFormer'


def test_configs_that_import_the_class_get_ours(tmp_path: Path) -> None:
    path = tmp_path / 'new_style.py'
    path.write_text(
        f'from mmpose.models import HRNet\nbackbone = dict(type=HRNet, extra={small_extra()})\n'
    )
    with taken('mmpose'):
        assert is_ours(type(registry_of('mmpose').build(Config.fromfile(path).backbone)))
    assert not is_ours(type(registry_of('mmpose').build(Config.fromfile(path).backbone)))


def test_unknown_host_is_refused() -> None:
    for action in (take, undo):
        with pytest.raises(ValueError, match="'mmdetection' is no host"):
            action('mmdetection')


def output_of(code: str, **environment: str) -> str:
    """What a new process prints; its code may ask ``ours(host)``."""
    report = (
        'from importlib import import_module\n'
        'import hrnet_mm.compat\n'  # compiled libraries may be absent
        'def ours(host):\n'
        "    cls = import_module(f'{host}.registry').MODELS.get('HRNet')\n"
        "    return cls is not None and cls.__module__.startswith('hrnet_mm')\n"
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', report + code],
        cwd=ROOT,
        env=os.environ | dict(OMP_NUM_THREADS='1') | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_importing_the_package_takes_every_host() -> None:
    code = (
        'from mmengine.utils import import_modules_from_strings\n'
        "import_modules_from_strings(['hrnet_mm.takeover'])\n"
        f'print([ours(host) for host in {HOSTS}])'
    )
    assert '[True, True, True, True]' in output_of(code)


@pytest.mark.slow
def test_importing_one_module_takes_one_host() -> None:
    """By its old name, which imports the module of today."""
    code = (
        'import hrnet_mm.takeover.mmseg, sys\n'
        "print('mmpose' in sys.modules, ours('mmseg'), ours('mmdet'))"
    )
    assert 'False True False' in output_of(code)


@pytest.mark.slow
def test_a_missing_and_a_broken_host_are_skipped_and_named(tmp_path: Path) -> None:
    broken = tmp_path / 'mmseg' / '__init__.py'
    broken.parent.mkdir()
    broken.write_text("assert False, 'MMCV==9.9 is used but incompatible'\n")
    code = (
        "import sys; sys.modules['mmpretrain'] = None\n"  # as if it were not installed
        'import hrnet_mm.takeover\n'
        "print(ours('mmpose'), ours('mmdet'))"
    )
    output = output_of(code, PYTHONPATH=f'{tmp_path}:{ROOT}')
    assert 'True True' in output
    assert 'mmpretrain skipped (not installed)' in output
    assert 'mmseg skipped (AssertionError: MMCV==9.9 is used but incompatible)' in output


@pytest.mark.slow
def test_missing_hosts_are_refused_by_name_and_when_there_is_no_other() -> None:
    code = (
        f'import sys; sys.modules |= dict.fromkeys({HOSTS})\n'
        'from hrnet_mm.takeover.switch import take\n'
        'for hosts in (["mmseg"], []):\n'
        '    try: take(*hosts)\n'
        "    except ImportError as error: print('refused:', error)\n"
    )
    output = output_of(code)
    assert output.count('refused: ') == 2
    assert 'refused: hrnet_mm.takeover finds no host: mmpose skipped (not installed)' in output
