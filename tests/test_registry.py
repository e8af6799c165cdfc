"""The hosts find the package by its scope, without an import; importing it is cheap."""

import subprocess
import sys

import pytest

# The hosts may need the fix for torchvision and stand-ins; neither brings the registry with it.
START = 'import sys, hrnet_mm.compat\nassert "hrnet_mm.registry" not in sys.modules\n'
REGISTRIES = ('mmengine', 'mmpose', 'mmdet', 'mmseg', 'mmpretrain')


def run_python(code: str) -> str:
    """What the code prints last; the hosts of the fork print lines of their own before."""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize('host', REGISTRIES)
def test_host_registries_build_by_scope_without_import(host: str) -> None:
    printed = run_python(
        f'{START}from {host}.registry import HOOKS, MODELS\n'
        "net = MODELS.build(dict(type='hrnet_mm.HRNet', arch='w18_small'))\n"
        "necks = [MODELS.build(dict(type=f'hrnet_mm.{name}', **options)) for name, options in [\n"
        "    ('HRNetV1', {}), ('HRNetV2', dict(in_channels=net.out_channels)),\n"
        "    ('HRNetV2p', dict(in_channels=net.out_channels, out_channels=8)),\n"
        "    ('HRNetCls', dict(in_channels=net.out_channels))]]\n"
        "hook = HOOKS.build(dict(type='hrnet_mm.ExactResumeHook'))\n"
        'print(*(type(m).__module__ for m in (net, *necks, hook)))'
    )
    assert printed.split() == [
        'hrnet_mm.models.hrnet',
        *['hrnet_mm.models.necks'] * 4,
        'hrnet_mm.training.hooks.exact_resume',
    ]


def test_parts_that_need_mmpose_are_imported_once_they_are_asked_for() -> None:
    printed = run_python(
        f'{START}from mmengine.registry import MODELS\n'
        "MODELS.build(dict(type='hrnet_mm.HRNet', arch=8))\n"
        "before = 'mmpose' in sys.modules\n"
        "cfg = dict(type='hrnet_mm.HigherHRNetHead', in_channels=8, num_keypoints=3)\n"
        'head = MODELS.build(cfg)\n'
        "print(before, 'mmpose' in sys.modules, type(head).__module__)"
    )
    assert printed == 'False True hrnet_mm.bottomup.heads'


def test_bare_import_brings_neither_torch_nor_mmengine() -> None:
    printed = run_python(
        "import sys, hrnet_mm\nprint([m for m in ('torch', 'mmengine') if m in sys.modules])"
    )
    assert printed == '[]'


def test_import_brings_no_host_and_changes_no_settings_of_the_process() -> None:
    printed = run_python(
        'import os, sys, mmcv.cnn\nbefore = dict(os.environ)\nimport hrnet_mm.models\n'
        "hosts = {'mmpose', 'mmdet', 'mmseg', 'mmpretrain'} & {*sys.modules}\n"
        'print(dict(os.environ) == before, None in sys.modules.values(), hosts)'
    )
    assert printed == 'True False set()'
