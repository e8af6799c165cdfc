"""What tools/export.py writes: the same maps, for any batch and size, in every precision."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import torch
from mmengine.config import Config
from torch import Tensor, nn

from hrnet_mm.base.difference import relative_difference
from hrnet_mm.base.errors import UserError
from hrnet_mm.commands.export_file import ExportSummary, export
from hrnet_mm.deploy.exported import open_export, read_head_file
from hrnet_mm.deploy.optimize import TOLERANCES
from hrnet_mm.deploy.table import FORMATS, format_of
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.predict.network_inputs import Calibration, calibration_files
from hrnet_mm.weights.checkpoint import Checkpoint
from hrnet_mm.weights.trust import trusting
from tests import forked_tools
from tests.deploy.helpers import SIZE, Tiny, Write
from tests.helpers import assert_same, needs_torch, run_tool
from tests.models_of_hosts import TinyModel, build


def models_of(done: ExportSummary, tiny: TinyModel) -> tuple[nn.Module, nn.Module]:
    """The host's model with the exported file in it, and as it is."""
    model = host_model(tiny).module
    with trusting():
        exported = open_export(done.files[0])
    return exported.replacement(model, torch.device('cpu')), model


def host_model(tiny: TinyModel) -> HostModel:
    cfg = Config.fromfile(tiny.config)
    return HostModel(cfg, Checkpoint(tiny.checkpoint), torch.device('cpu'), (nn.Module,))


@torch.no_grad()
def maps_of(model: nn.Module, image: Tensor) -> list[Tensor]:
    maps = model.extract_feat(image)
    return [maps] if isinstance(maps, Tensor) else list(maps)


@pytest.mark.parametrize(
    ('name', 'format'),
    [
        ('detection', 'onnx'),
        ('detection', 'openvino'),
        ('detection', 'torch_program'),
        ('bottom_up', 'onnx'),
        ('bottom_up', 'openvino'),
        pytest.param('bottom_up', 'aotinductor', marks=pytest.mark.slow),
    ],
)
def test_maps_are_the_models_for_any_batch_and_size(
    name: str, format: str, write: Write, tiny: Tiny
) -> None:
    done = write(name, format, size=(128, 160))
    fast, model = models_of(done, tiny(name))
    for size in [(1, 3, *SIZE), (3, 3, 128, 160), (2, 3, 193, 255)]:
        size = (*size[:2], *(max(side, done.description.least) for side in size[2:]))
        image = torch.randn(size)
        assert_same(maps_of(fast, image), maps_of(model, image), tolerance=1e-4)
    assert done.difference < 1e-5


@pytest.mark.parametrize(
    ('format', 'precision', 'limit'),
    [
        ('onnx', 'fp16', 1e-2),
        ('openvino', 'fp16', 1e-2),
        ('openvino', 'bf16', 1e-1),
        ('torch_program', 'bf16', 1e-1),
    ],
)
def test_halved_files_are_half_as_large_and_near(
    format: str, precision: str, limit: float, write: Write, tiny: Tiny
) -> None:
    done = write('segmentation', format, precision=precision)
    fast, model = models_of(done, tiny('segmentation'))
    weights = sum(x.numel() for part in (model.backbone, model.neck) for x in part.parameters())
    assert 2 * weights < sum(file.stat().st_size for file in done.files[:-1]) < 3.2 * weights
    image = torch.randn(1, 3, *SIZE)
    actual, expected = maps_of(fast, image), maps_of(model, image)
    assert all(x.dtype == torch.float32 for x in actual)
    assert 0 < relative_difference(actual, expected, 2) < limit


def test_int8_onnx_is_calibrated_on_a_folder(write: Write, photos: Path) -> None:
    whole = write('face', 'onnx')
    size = whole.files[0].stat().st_size
    done = write('face', 'onnx', precision='int8', calibration=photos, size=None)
    assert done.files[0].stat().st_size < 0.45 * size
    nodes = onnx.load(done.files[0]).graph.node
    made_by = {node.output[0]: node.op_type for node in nodes}
    inputs = [made_by.get(x.input[0]) for x in nodes if x.op_type == 'Conv']
    stem, rest = inputs[:2], inputs[2:]
    assert 'DequantizeLinear' not in stem and {*rest} == {'DequantizeLinear'}
    ended = {made_by[x.input[0]] for x in nodes if x.op_type == 'Relu'}
    assert ended == {'Conv', 'Add'} and [x.op_type for x in nodes].count('Relu') < len(rest)
    assert 0 < done.difference < 0.2


def test_calibration_looks_into_boxes(tiny: Tiny, photos: Path, tmp_path: Path) -> None:
    boxes = tmp_path / 'boxes.json'
    boxes.write_text(json.dumps({'a.png': [[8, 8, 40, 40]], 'b.png': []}))
    model = host_model(tiny('face'))
    images = calibration_files(photos)
    [inside] = Calibration(model, images, boxes)
    whole, _ = Calibration(model, images)
    assert inside.shape == whole.shape == (1, 3, 256, 256)
    assert not torch.equal(inside, whole)
    boxes.write_text(json.dumps({'b.png': []}))
    with pytest.raises(UserError, match='--boxes has no box in any image of --calibration'):
        list(Calibration(model, images, boxes))


def test_boxes_are_for_top_down_models(write: Write, photos: Path, tmp_path: Path) -> None:
    boxes = tmp_path / 'boxes.json'
    boxes.write_text(json.dumps({'a.png': [[8, 8, 40, 40]]}))
    with pytest.raises(UserError, match='--boxes is for top-down pose models'):
        write('segmentation', 'onnx', precision='int8', calibration=photos, boxes=boxes)


def test_the_note_in_the_file_says_what_it_is(write: Write) -> None:
    done = write('face', 'onnx')
    [note] = [p.value for p in onnx.load(done.files[0]).metadata_props if p.key == 'hrnet_mm']
    assert note == done.description.note()
    found = done.description
    assert (found.network, found.neck, found.precision) == ('w18_small', 'HRNetV2', 'fp32')
    assert len(found.checkpoint_sha256) == 64 and "default_scope = 'mmpose'" in found.config
    done = write('face', 'openvino')
    from hrnet_mm.deploy.engines.open_vino_core import core

    model = core().read_model(done.files[0])
    assert model.get_rt_info(['hrnet_mm']).astype(str) == done.description.note()


def test_the_example_is_what_the_hosts_pipeline_gives(write: Write) -> None:
    assert write('face', 'onnx', size=None).example == (1, 3, 256, 256)
    assert write('detection', 'onnx', size=None).example[:2] == (1, 3)


def test_a_neck_of_the_host_stays_outside(write: Write) -> None:
    done = write('bottom_up', 'onnx')
    assert done.description.neck is None
    assert 'FeatureMapProcessor' in (done.kept_neck or '')


def test_head_and_meta_of_the_checkpoint_travel_along(write: Write) -> None:
    done = write('face', 'onnx')
    contents, _, _ = read_head_file(done.files[0], done.files[-1])
    assert {key.split('.')[0] for key in contents['state_dict']} == {'head'}
    assert done.files[-1].name == 'face.onnx.head.pth'


def test_a_file_that_computes_something_else_is_not_written(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(TOLERANCES, 'fp32', 0.0)
    cfg, out = Config.fromfile(tiny('face').config), tmp_path / 'face.xml'
    with pytest.raises(UserError, match='the exported file differs by .* nothing was written'):
        export(cfg, tiny('face').checkpoint, out, FORMATS['openvino'], size=SIZE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('out', 'aot', 'message'),
    [
        ('x.engine', False, r'x.engine: the name must end in one of .onnx, .pt2, .xml'),
        ('x.onnx', True, '--aot writes a .pt2 file, not x.onnx'),
    ],
)
def test_names_without_a_format(out: str, aot: bool, message: str) -> None:
    with pytest.raises(UserError, match=message):
        format_of(Path(out), aot)


@pytest.mark.parametrize(
    ('format', 'options', 'message'),
    [
        ('onnx', dict(precision='bf16'), '--precision bf16: ONNX holds fp32, fp16, int8'),
        ('torch_program', dict(precision='int8'), 'int8: torch.export program holds fp32, fp16'),
        ('onnx', dict(precision='int8'), '--precision int8 and --calibration .* go together'),
        ('onnx', dict(size=(31, 64)), '--size 31x64: the network needs at least 32x32'),
        pytest.param(
            *('torch_program', dict(size=(64, 32)), '--size 64x32: .* at least 64x64'),
            marks=needs_torch(FORMATS['torch_program'].torch, 'torch.export program'),
        ),
        (
            'onnx',
            dict(precision='int8', calibration=Path('nowhere')),
            '--calibration: there is no folder nowhere',
        ),
    ],
)
def test_what_cannot_be_says_why(format: str, options: dict, message: str, write: Write) -> None:
    with pytest.raises(UserError, match=message):
        write('face', format, **options)


def test_an_empty_calibration_folder_is_named(write: Write, tmp_path: Path) -> None:
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='empty holds no images'):
        write('face', 'onnx', precision='int8', calibration=tmp_path / 'empty')


def test_a_missing_package_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('hrnet_mm.deploy.table.find_spec', lambda name: None)
    with pytest.raises(UserError, match='needs onnx and onnxruntime: pip install onnx onnxruntime'):
        write('face', 'onnx', size=(64, 64))  # which no test has exported
    with pytest.raises(UserError, match='needs openvino: pip install openvino'):
        write('face', 'openvino', size=(64, 64))


def test_a_backbone_of_the_host_is_refused_with_the_remedy(tiny: Tiny, tmp_path: Path) -> None:
    cfg = Config.fromfile(tiny('face').config)
    cfg.model.backbone = dict(type='ResNet', depth=18)
    cfg.model.neck = None
    cfg.model.head.in_channels = 512
    checkpoint = tmp_path / 'resnet.pth'
    torch.save({'state_dict': build(cfg.copy()).state_dict()}, checkpoint)
    with pytest.raises(UserError, match='is a ResNet of mmpose; hrnet_mm.HRNet .*--takeover'):
        export(cfg, str(checkpoint), tmp_path / 'x.onnx', FORMATS['onnx'])


@pytest.mark.slow
def test_tool_exports_and_infer_takes_the_file(tiny: Tiny, photos: Path, tmp_path: Path) -> None:
    model, out = tiny('face'), tmp_path / 'face.onnx'
    done = run_tool('export.py', model.config, model.checkpoint, out, '--size', '64x96')
    assert done.returncode == 0, done.stderr
    assert 'ONNX, fp32\n' in done.stdout and 'w18_small and HRNetV2: image (N, 3,' in done.stdout
    assert 'on images of 1 x 3 x 64 x 96 and' in done.stdout
    assert done.stdout.splitlines()[-1].endswith(f'hrnet predict {model.config} {out} photo.jpg')
    used = run_tool('infer.py', model.config, out, photos, '--out', tmp_path / 'out')
    assert used.returncode == 0, used.stderr
    assert used.stdout.splitlines()[-1].startswith('2 images, 2 instances, ')


@pytest.mark.slow
def test_tool_fails_with_one_sentence(tiny: Tiny, tmp_path: Path) -> None:
    model = tiny('face')
    arguments = model.config, model.checkpoint, tmp_path / 'x.trt'
    failed = forked_tools.run_tool('export.py', *arguments, cwd=tmp_path)
    assert failed.returncode == 2 and 'Traceback' not in failed.stderr
    assert 'x.trt: the name must end in one of .onnx, .pt2, .xml\n' in failed.stderr
    assert not list(tmp_path.iterdir())
