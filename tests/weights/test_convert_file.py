"""tools/convert_checkpoint.py: one file in, one file out, and an account of every key."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hrnet_mm.base.errors import UserError
from hrnet_mm.commands import convert_checkpoint
from hrnet_mm.weights.convert_file import convert_file, lines_of, plain
from hrnet_mm.weights.read import read_checkpoint
from tests.helpers import RunsCode, run_tool, small_net
from tests.weights import hosts, official, official_bottomup


def run_main(*arguments: object) -> None:
    convert_checkpoint.main(list(map(str, arguments)))


@pytest.fixture
def source(tmp_path: Path) -> str:
    meta = dict(dataset_meta=dict(sigmas=np.ones(17)), epoch=210, CLASSES=('person',))
    contents = dict(state_dict=hosts.filled(hosts.pose(4)), meta=meta, optimizer={})
    torch.save(contents, tmp_path / 'epoch_210.pth')
    return str(tmp_path / 'epoch_210.pth')


def test_other_projects_get_a_plain_state_dict(source: str, tmp_path: Path) -> None:
    convert_file(source, tmp_path / 'out' / 'official.pth', 'official')
    written = read_checkpoint(tmp_path / 'out' / 'official.pth')
    assert written.keys() == official.pose(4).keys()
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['official.pth']


def test_hosts_get_their_form_with_what_the_file_knew_of_its_data(
    source: str, tmp_path: Path
) -> None:
    convert_file(source, tmp_path / 'out.pth', 'mmpose')
    written = read_checkpoint(tmp_path / 'out.pth')
    assert written['state_dict'].keys() == hosts.pose(4).state_dict().keys()
    assert written['meta']['dataset_meta']['sigmas'].tolist() == [1] * 17
    assert written['meta']['CLASSES'] == ('person',)
    assert written.keys() == {'state_dict', 'meta'}


def test_safetensors_are_written_where_the_name_says_so(source: str, tmp_path: Path) -> None:
    done = convert_file(source, tmp_path / 'x.safetensors', 'timm')
    written = load_file(tmp_path / 'x.safetensors')
    weights = read_checkpoint(source)['state_dict']
    assert all(torch.equal(written[new], weights[old]) for old, new in done.report.mapped.items())
    assert written.keys() == set(done.report.mapped.values())
    umask_of_others = (tmp_path / 'epoch_210.pth').stat().st_mode
    assert (tmp_path / 'x.safetensors').stat().st_mode == umask_of_others


@pytest.mark.parametrize('suffix', ['pth', 'pt', 'safetensors'])
def test_same_weights_give_the_same_bytes(source: str, tmp_path: Path, suffix: str) -> None:
    digests = set()
    for name in ('a', 'b'):
        path = tmp_path / f'{name}.{suffix}'
        digests.add(convert_file(source, path, 'official').sha256)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_verifying_runs_the_librarys_network_and_ours(source: str, tmp_path: Path) -> None:
    done = convert_file(source, tmp_path / 'x.pth', 'official', size=64)
    [found] = done.comparisons
    assert (found.reference, found.other) == ('mmpose', 'hrnet_mm')
    assert found.difference <= 1e-6


@pytest.mark.parametrize(
    ('weights', 'to', 'reference', 'others'),
    [
        (official.classification, 'mmpretrain', 'timm', {'hrnet_mm', 'mmpretrain'}),
        (official.classification, 'mmseg', 'timm', {'hrnet_mm', 'timm'}),
        (official.landmarks, 'mmpose', 'hrnet_mm', {'hrnet_mm', 'mmpose'}),
        (official.segmentation, 'mmseg', 'hrnet_mm', {'hrnet_mm', 'mmseg'}),
        (official.detection, 'mmdet', 'hrnet_mm', {'hrnet_mm', 'mmdet'}),
        (official.pose, 'mmseg', 'hrnet_mm', {'hrnet_mm'}),
        (lambda width: hosts.filled(hosts.seg(width)), 'hrnet_mm', 'mmseg', {'hrnet_mm'}),
    ],
)
def test_networks_that_are_compared(
    weights, to: str, reference: str, others: set[str], tmp_path: Path
) -> None:
    torch.save(weights(4), tmp_path / 'x.pth')
    done = convert_file(str(tmp_path / 'x.pth'), tmp_path / 'y.pth', to, size=64)
    assert {found.reference for found in done.comparisons} == {reference}
    assert {found.other for found in done.comparisons} == others
    assert max(found.difference for found in done.comparisons) <= 1e-6


def test_report_counts_and_lists(tmp_path: Path) -> None:
    torch.save(official.segmentation(4), tmp_path / 'x.pth')
    done = convert_file(str(tmp_path / 'x.pth'), tmp_path / 'y.pth', 'mmseg')
    lines = list(lines_of(done.report))
    total = len(official.segmentation(4))
    assert f'mapped   {total - 2}' in lines
    assert lines[lines.index('dropped  1') + 1].strip() == 'loss.criterion.weight'
    assert lines[lines.index('folded   1') + 1].strip() == 'model.last_layer.0.bias'
    assert 'missing  0' in lines
    assert '         model.conv1.weight -> backbone.conv1.weight' in lines
    assert len(list(lines_of(done.report, every_key=True))) > total


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(to='caffe'), "'caffe' is no family or layout of weights; known are mmpose"),
        (dict(to='timm', from_='mine'), "'mine' is no family or layout"),
        (dict(to='timm', entry='ema'), "no entry 'ema'; it has state_dict, meta"),
        (
            dict(to='timm', prefix='teacher.'),
            r"--prefix teacher\.: no key of .*epoch_210\.pth begins with 'teacher\.'; its networks "
            r"begin with 'backbone\.'",
        ),
        (dict(to='timm', prefix='backb'), r"no key of .* begins with 'backb\.'"),
        (dict(to='timm', from_='official-pose'), 'are not those of official-pose, but of mmpose'),
        (dict(to='timm', size=100), '--verify 100: the image.s side must be a multiple of 32'),
        (dict(to='timm', out='x.onnx'), r'x\.onnx: weights are written as \.pth, \.pt'),
        (dict(to='timm', out='epoch_210.pth'), 'is the file to be read; write to another one'),
        (dict(to='timm', source='gone.pth'), 'there is no checkpoint gone.pth'),
    ],
)
def test_mistakes_cost_a_sentence_and_no_file(
    source: str, tmp_path: Path, options: dict, message: str
) -> None:
    out = tmp_path / options.pop('out', 'x.pth')
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=message):
        convert_file(**dict(source=source, out=out) | options)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_prefix_chooses_one_of_two_networks_and_the_rest_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    networks = {name: hosts.filled(hosts.pose(4)) for name in ('student', 'teacher')}
    both = {
        f'{name}.{key}': weight + (name == 'teacher')
        for name, weights in networks.items()
        for key, weight in weights.items()
    }
    torch.save(both, tmp_path / 'both.pth')
    run_main(tmp_path / 'both.pth', tmp_path / 'x.pth', '--to', 'mmpose', '--prefix', 'teacher')
    written = read_checkpoint(tmp_path / 'x.pth')['state_dict']
    assert all(torch.equal(written[key], both[f'teacher.{key}']) for key in networks['teacher'])
    assert f'outside  {len(networks["student"])} keys are not below teacher' in (
        capsys.readouterr().out.splitlines()
    )


def test_weights_that_compute_something_else_are_not_written(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hrnet_mm.weights import convert_file as module

    def wrong(*args, **options):
        converted, report = convert(*args, **options)
        converted['final_layer.bias'] = converted['final_layer.bias'] + 1
        return converted, report

    convert = module.convert
    monkeypatch.setattr(module, 'convert', wrong)
    with pytest.raises(UserError, match='do not compute the same in hrnet_mm as in mmpose'):
        convert_file(source, tmp_path / 'x.pth', 'official', size=64)
    assert not (tmp_path / 'x.pth').exists()


def test_only_plain_values_of_a_trusted_file_are_kept(tmp_path: Path) -> None:
    meta = dict(epoch=1, names=['a', RunsCode(tmp_path / 'made')], hook=RunsCode(tmp_path / 'made'))
    assert plain(meta) == dict(epoch=1, names=['a'])
    torch.save(dict(state_dict=official.pose(4), meta=meta), tmp_path / 'x.pth')
    with pytest.raises(UserError, match='asks for'):
        convert_file(str(tmp_path / 'x.pth'), tmp_path / 'y.pth', 'mmpose')
    assert not (tmp_path / 'made').exists()


def test_the_tool_prints_what_it_did(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'x.safetensors'
    run_main(source, out, '--to', 'official', '--verify', 64)
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert lines[0].endswith('mmpose -> official-pose')
    assert 'verified in hrnet_mm against the original in mmpose: largest' in printed
    assert lines[-2:] == [f'sha256   {hashlib.sha256(out.read_bytes()).hexdigest()}', str(out)]


@pytest.mark.parametrize(
    ('weights', 'to', 'line'),
    [
        (official_bottomup.dekr, 'mmpose', 'verified the backbone, not the head, in hrnet_mm ag'),
        (official.detection, 'mmdet', 'verified all up to the neck, not the heads, in mmdet ag'),
        (official_bottomup.higher, 'hrnet_mm', 'verified in hrnet_mm against the original in hr'),
        (lambda _: small_net().state_dict(), 'mmpose', 'verified the backbone, not the'),
        (lambda _: small_net().state_dict(), 'timm', 'verified in hrnet_mm against the'),
    ],
)
def test_the_tool_says_what_of_the_networks_it_ran(
    weights: Any, to: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(weights(4), tmp_path / 'x.pth')
    run_main(tmp_path / 'x.pth', tmp_path / 'y.pth', '--to', to, '--verify', 64)
    assert any(found.startswith(line) for found in capsys.readouterr().out.splitlines())


def test_the_tool_runs_what_a_file_asks_for_only_if_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = dict(model=official.pose(4), x=RunsCode(tmp_path / 'made'))
    torch.save(contents, tmp_path / 'x.pth')
    arguments = (tmp_path / 'x.pth', tmp_path / 'y.pth', '--to', 'mmpose')
    with pytest.raises(UserError, match=r'asks for os\.makedirs'):
        run_main(*arguments)
    assert not (tmp_path / 'made').exists() and not (tmp_path / 'y.pth').exists()
    run_main(*arguments, '--trust-checkpoint')
    assert (tmp_path / 'made').exists()
    assert 'x.pth may run now' in capsys.readouterr().err
    assert 'state_dict' in read_checkpoint(tmp_path / 'y.pth')


@pytest.mark.slow
def test_the_tool_fails_with_one_sentence(tmp_path: Path) -> None:
    failed = run_tool(
        'convert_checkpoint.py', 'gone.pth', 'y.pth', '--to', 'official', cwd=tmp_path
    )
    assert failed.returncode == 1
    assert failed.stderr.startswith('error: there is no checkpoint gone.pth\n')
    assert not any(tmp_path.iterdir())


def test_what_is_named_often_is_kept_once() -> None:
    """60 levels of a list that names the one below twice would be 2**60 values."""
    value: list[object] = [1, object()]
    for _ in range(60):
        value = [value, value]
    kept = plain({'x': value})['x']
    for _ in range(60):
        assert kept[0] is kept[1]
        kept = kept[0]
    assert kept == [1]
