"""The paper's table: whole models of the hosts train and infer, in the paper's layout."""

import pytest
import torch

from benchmark.host_models import HostBenchmark
from benchmark.measure import Isolated, Measured, start
from benchmark.paper_models import PAPER_TASKS, PaperModel
from benchmark.paper_table import PaperResult, paper_document, paper_lines

SMALL = dict(
    mmpose='demo/hrnet_small_synthetic_128x96.py',
    mmseg='seg/fcn_hrnetv2_w18_small_cityscapes_512x1024.py',
    mmdet='mmdet::hrnet/faster-rcnn_hrnetv2p-w18-1x_coco.py',
)


def small_benchmark(host: str, trains: bool, precision: str = 'fp32') -> HostBenchmark:
    model = PaperModel('HRNet', 'ours', SMALL[host])
    return HostBenchmark(model, host, trains, (64, 96), 2, precision, 'cpu')


@pytest.mark.parametrize('host', SMALL)
def test_trains_by_the_losses_of_the_host(host: str) -> None:
    benchmark = small_benchmark(host, trains=True)
    net = benchmark.network()
    step = benchmark.step(net).call
    weight = net.backbone.conv1.weight
    before = weight.detach().clone()
    assert torch.isfinite(step.loss())
    step.optimizer.param_groups[0]['lr'] = 1.0
    step()
    assert weight.requires_grad != torch.equal(weight, before)  # mmdet freezes the stem


@pytest.mark.parametrize(
    ('host', 'precision'),
    # mmcv has no non-maximum suppression in bf16, which mmdet needs.
    [*((host, 'fp32') for host in SMALL), ('mmpose', 'bf16'), ('mmseg', 'bf16')],
)
def test_infers_with_all_heads(host: str, precision: str) -> None:
    benchmark = small_benchmark(host, trains=False, precision=precision)
    net = benchmark.network()
    seen = []
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(lambda module, inputs, output: seen.append(output))
    benchmark.step(net).call()
    assert len(seen) > 30 and all(torch.isfinite(output).all() for output in seen)
    wanted = torch.float32 if precision == 'fp32' else torch.bfloat16
    assert {output.dtype for output in seen} == {wanted}


@pytest.mark.parametrize('name', PAPER_TASKS)
def test_every_column_names_a_model_that_can_be_built(name: str) -> None:
    task = PAPER_TASKS[name]
    for model in task.models:
        benchmark = HostBenchmark(model, task.host, False, (64, 64), 1, 'fp32', 'meta')
        with torch.device('meta'):
            assert sum(p.numel() for p in benchmark.network().parameters()) > 2e7


def test_starts_like_any_other_benchmark() -> None:
    started = start(small_benchmark('mmpose', trains=False))
    assert started.params > 1e5 and started.outputs == () and started.step_bytes is None


def known_result(name: str) -> PaperResult:
    names = [f'{model.name}, {model.owner}' for model in PAPER_TASKS[name].models]
    alone = Isolated(3 * 2**29, 2**31, 5.0, 1.0)
    training = Measured(
        isolated=dict.fromkeys(names, alone),
        seconds=dict.fromkeys(names, [0.5, 0.5, 2.0]),
        left_out={names[1]: 'why'},
    )
    measured = {True: training, False: Measured(seconds={names[0]: [0.25]})}
    batches = {True: (32, 256, 192), False: (1, 512, 384)}
    return PaperResult(name, PAPER_TASKS[name], batches, measured)


def test_has_the_layout_of_the_paper() -> None:
    lines = paper_lines(known_result('pose')).splitlines()
    assert lines[0].endswith('a training step on 32x256x192, inference on 1x512x384 pixels')
    assert lines[2].split() == ['SB-ResNet-152', *['HRNetV1-W48'] * 3]
    assert lines[3].split() == ['mmpose', 'mmpose', 'ours', 'optimised']
    rows = {' '.join(line.split()[:-4]): line.split()[-4:] for line in lines[4:10]}
    assert rows['training memory'] == ['1.50G'] * 4
    assert lines[5].split() == ['the', 'paper', '14.8G', '-', '7.3G', '-']
    assert rows['training second/iteration'] == ['0.500'] * 4
    assert lines[10].split() == ['inference', 'second/image', '0.250', '-', '-', '-']
    assert lines[11].split() == ['the', 'paper', '0.030', '(0.012)', '-', '0.058', '(0.017)']
    assert lines[-1] == 'left out: HRNetV1-W48, mmpose: why'


@pytest.mark.parametrize('name', PAPER_TASKS)
def test_fits_the_screen(name: str) -> None:
    text = paper_lines(known_result(name))
    assert all(len(line) <= 100 for line in text.splitlines())
    assert all(model.name in text for model in PAPER_TASKS[name].models)


def test_the_document_has_every_sample() -> None:
    document = paper_document(known_result('seg'))
    first, *_ = document['models']
    assert first['training']['seconds'] == [0.5, 0.5, 2.0]
    assert first['training']['isolated']['peak_bytes'] == 3 * 2**29
    assert first['paper'] == ('14.4G', '1.60G', '0.837', '0.397')
