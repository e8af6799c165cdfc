"""Files that do not belong together, are damaged, or are for another model, cost a sentence."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.commands.export_file import export
from hrnet_mm.commands.from_arguments import weights_from
from hrnet_mm.deploy.exported import head_path, open_export
from hrnet_mm.deploy.table import FORMATS
from hrnet_mm.inference import infer
from hrnet_mm.takeover.switch import taken
from hrnet_mm.weights.checkpoint import Checkpoint
from tests.deploy.helpers import Predict, Tiny, Write
from tests.helpers import assert_same, small_extra
from tests.models_of_hosts import build


def test_a_checkpoint_is_no_export(tiny: Tiny) -> None:
    for source in (tiny('face').checkpoint, 'hf-hub:timm/hrnet_w18.ms_aug_in1k'):
        assert weights_from(source) == Checkpoint(str(source))


def test_a_moved_or_renamed_pair_still_works(write: Write, tmp_path: Path) -> None:
    done = write('face', 'openvino')
    for file in done.files:
        new = file.name.replace('face', 'other')
        file.rename(tmp_path / new)
    assert open_export(tmp_path / 'other.xml').description == done.description


def test_an_exported_file_is_an_engine_already(write: Write, tiny: Tiny, photos: Path) -> None:
    done = write('face', 'onnx')
    with pytest.raises(UserError, match='--fast makes an engine of a checkpoint'):
        infer(Path(tiny('face').config), done.files[0], str(photos), fast='fp32')


@pytest.mark.parametrize(
    ('lost', 'message'),
    [
        ('face.xml', 'there is no exported file .*face.xml'),
        ('face.bin', 'there is no .*face.bin, which is a part of .*face.xml'),
        ('face.xml.head.pth', 'there is no .*face.xml.head.pth, which .* keep the two together'),
    ],
)
def test_a_missing_part_is_named(lost: str, message: str, write: Write, tmp_path: Path) -> None:
    done = write('face', 'openvino')
    (tmp_path / lost).unlink()
    with pytest.raises(UserError, match=message):
        open_export(done.files[0])


def test_parts_of_two_exports_are_refused(write: Write, tmp_path: Path) -> None:
    first = write('face', 'onnx').files[-1]
    kept = shutil.copy(first, tmp_path / 'kept.pth')
    done = write('face', 'onnx', precision='fp16')
    shutil.copy(kept, first)
    with pytest.raises(UserError, match='face.onnx and face.onnx.head.pth are not of the same'):
        open_export(done.files[0])


def test_a_plain_checkpoint_is_no_head(write: Write, tiny: Tiny) -> None:
    done = write('face', 'onnx')
    shutil.copy(tiny('face').checkpoint, done.files[-1])
    with pytest.raises(UserError, match='head.pth is not written by tools/export.py'):
        open_export(done.files[0])


def test_a_damaged_file_is_refused(write: Write) -> None:
    done = write('face', 'onnx')
    with done.files[0].open('r+b') as file:
        file.seek(1000)
        file.write(b'damage')
    with pytest.raises(UserError, match='are not of the same export'):
        open_export(done.files[0])


def test_what_may_run_code_must_be_trusted(tmp_path: Path, write: Write) -> None:
    done = write('face', 'onnx')
    program = tmp_path / 'face.pt2'
    head = torch.load(done.files[-1])
    head['export']['format'] = 'torch_program'
    torch.save(head, head_path(program))
    program.write_bytes(b'a pickle that nobody reads')
    with pytest.raises(UserError, match='may run code .* add --trust-checkpoint'):
        weights_from(program)


@pytest.fixture(scope='module')
def face(tiny: Tiny) -> nn.Module:
    """The model whose network is in the exported files, built anew."""
    return build(Config.fromfile(tiny('face').config)).eval()


@pytest.fixture
def lying(write: Write) -> Callable[..., Path]:
    """An exported file with a head file that says something else of it."""

    def lying(meta: object = None, **lies: object) -> Path:
        out = write('face', 'onnx').files[0]
        head = torch.load(head_path(out))
        head['export'] |= lies
        head['meta'] = head['meta'] if meta is None else meta
        torch.save(head, head_path(out))
        return out

    return lying


LIES = [
    (dict(format='openvino'), "face.onnx ends as onnx does; .* says that it is 'openvino'"),
    (dict(format='torch_program'), "says that it is 'torch_program'"),
    (dict(format='../../onnx'), "says that it is '../../onnx'"),
    (dict(format='native'), "says that it is 'native'"),
    (dict(format=['onnx']), r'another version of it: format=..onnx..'),
    (dict(precision='bf16'), 'ONNX holds fp32, fp16, int8'),
    (dict(precision=10**30), 'precision=1000000'),
    (dict(container='dict'), "maps in a 'dict'"),
    (dict(container=None), 'container=None'),
    (dict(least=-1), 'images of -1 pixels'),
    (dict(least=True), 'least=True'),
    (dict(least='32'), "least='32'"),
    (dict(in_channels=3.0), 'in_channels=3.0'),
    (dict(checkpoint=None), 'checkpoint=None'),
    (dict(config=b'x'), "config=b'x'"),
    (dict(sha256=None), 'sha256=None'),
    (dict(sha256=[]), 'is of 0 files, and .*face.onnx has 1'),
    (dict(sha256=['0' * 64] * 2), 'is of 2 files'),
    (dict(sha256=[None]), 'are not of the same export'),
    (dict(sha256=['0' * 64]), 'are not of the same export'),
    (dict(meta=[1]), 'is not written by tools/export.py'),
]


@pytest.mark.parametrize(('lies', 'message'), LIES, ids=str)
def test_a_head_file_that_lies_is_refused(
    lies: dict[str, object], message: str, lying: Callable[..., Path]
) -> None:
    with pytest.raises(UserError, match=message):
        open_export(lying(**lies))


@pytest.mark.parametrize(
    ('lies', 'message'),
    [
        (dict(in_channels=4), 'takes images of 4 channels, the config builds a network for 3'),
        (dict(in_channels=10**30), 'takes images of 1000000'),
        (dict(network='w48'), 'holds a w48, the config builds a w18_small'),
        (dict(neck='HRNetV2p'), 'holds the neck HRNetV2p, the config has HRNetV2'),
        (dict(neck=None), 'head.pth does not fit the config: .* missing'),
    ],
    ids=str,
)
def test_a_head_file_that_lies_about_the_network_is_refused(
    lies: dict[str, object], message: str, lying: Callable[..., Path], face: nn.Module
) -> None:
    with pytest.raises(UserError, match=message):
        open_export(lying(**lies)).replacement(face, torch.device('cpu'))


def test_a_head_file_without_an_entry_is_refused(write: Write) -> None:
    out = write('face', 'onnx').files[0]
    head = torch.load(head_path(out))
    del head['export']['neck']
    torch.save(head, head_path(out))
    with pytest.raises(UserError, match='another version of it: neck=None'):
        open_export(out)


def test_the_bytes_that_were_hashed_are_run(write: Write, face: nn.Module) -> None:
    """Whatever takes their place on the disk between the two."""
    out = write('face', 'onnx').files[0]
    exported, image = open_export(out), torch.rand(1, 3, 64, 96)
    expected = exported.replacement(face, torch.device('cpu')).extract_feat(image)
    out.write_bytes(b'another file')
    fast = exported.replacement(face, torch.device('cpu:0'))
    assert_same(fast.extract_feat(image), expected)
    assert_same(copy.deepcopy(fast).extract_feat(image), expected)
    assert_same(pickle.loads(pickle.dumps(fast)).extract_feat(image), expected)
    with torch.no_grad():
        empty, eager = fast.extract_feat(image[:0]), face.extract_feat(image[:0])
    assert [x.shape for x in empty] == [x.shape for x in eager]


def test_another_network_or_head_is_refused(write: Write, tiny: Tiny, predict: Predict) -> None:
    done = write('face', 'onnx')
    with pytest.raises(UserError, match='head.pth does not fit the config: .* missing'):
        predict(tiny('segmentation').config, done.files[0])
    config = Path(tiny('face').config)
    wider = config.with_name('wider.py')
    wider.write_text(config.read_text().replace('w18_small', 'w18'))
    with pytest.raises(UserError, match='holds a w18_small, the config builds a w18'):
        predict(str(wider), done.files[0])
    other = config.with_name('other.py')
    other.write_text(
        config.read_text().replace('in_channels=240', 'in_channels=240, out_channels=5')
    )
    with pytest.raises(UserError, match='head.pth does not fit the config: size mismatch for head'):
        predict(str(other), done.files[0])


def test_an_image_that_the_file_does_not_take_is_refused(write: Write, face: nn.Module) -> None:
    done = write('face', 'onnx')
    fast = open_export(done.files[0]).replacement(face, torch.device('cpu'))
    for shape in [(1, 3, 31, 64), (1, 4, 64, 64), (3, 64, 64)]:
        with pytest.raises(
            ValueError, match=r'must be \(N, 3, H, W\) of floats, H and W at least 32'
        ):
            fast.extract_feat(torch.randn(shape))


HOSTS_OWN = """
_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
model = dict(
    backbone=dict(_delete_=True, type='HRNet', in_channels=3, extra={extra}),
    head=dict(in_channels=8))
"""


def test_a_hosts_own_config_runs_what_was_taken_over(tmp_path: Path, predict: Predict) -> None:
    path, checkpoint = tmp_path / 'hosts.py', str(tmp_path / 'hosts.pth')
    path.write_text(HOSTS_OWN.format(extra=small_extra()))
    cfg = Config.fromfile(path)
    torch.save({'state_dict': build(cfg.copy()).state_dict()}, checkpoint)
    out = tmp_path / 'hosts.onnx'
    with pytest.raises(UserError, match='is a HRNet of mmpose; hrnet_mm.HRNet .*--takeover'):
        export(cfg, checkpoint, out, FORMATS['onnx'])
    with taken('mmpose'):
        export(cfg, checkpoint, out, FORMATS['onnx'])
    actual, expected = (predict(str(path), weights)['images'] for weights in (out, checkpoint))
    assert actual == expected
