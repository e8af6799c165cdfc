"""Training by vectors of any width: what fits into whole ones, and the same bits on any threads."""

import pytest
import torch
from torch import nn

from hrnet_mm.kernels.batch_norm import NativeBatchNorm2d
from hrnet_mm.kernels.convolution import NativeConv2d
from hrnet_mm.kernels.recompute import NormRecomputation
from hrnet_mm.kernels.training import NativeBasicBlock, NativeBottleneck, use_native_training
from hrnet_mm.models import HRNet
from tests.helpers import needs_cp_of_norms, small_extra
from tests.kernels.layers import channels_last, results, skip_without, small_hrnet

pytestmark = pytest.mark.usefixtures('every_instruction_set')


@pytest.mark.parametrize('precision', [torch.float32, torch.bfloat16], ids=str)
def test_bits_depend_on_no_run_and_no_number_of_threads(precision: torch.dtype) -> None:
    skip_without(precision)
    block = small_hrnet(64).stage2[0].branches[0][0]
    x = channels_last(3, 64, 30, 22).to(precision)
    runs = []
    for threads in (1, 1, 2, 3):
        torch.set_num_threads(threads)
        with torch.autocast('cpu', enabled=precision == torch.bfloat16):
            runs.append(results(block, x))
    assert type(block) is NativeBasicBlock
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(run, runs[0], strict=True))


def test_every_layer_that_fits_changes_its_class() -> None:
    net = small_hrnet(16)
    assert type(net.layer1[0]) is NativeBottleneck
    kinds = {type(module) for module in net.modules()}
    assert {NativeConv2d, NativeBatchNorm2d, NativeBasicBlock, nn.Conv2d} <= kinds
    left = [m for m in net.modules() if type(m) is nn.Conv2d]
    assert all(conv.stride == (2, 2) for conv in left)


def test_channels_of_broken_vectors_stay_as_they_are() -> None:
    net = HRNet(extra=small_extra(18))
    use_native_training(net)
    assert type(net.stage2[0].branches[0][0].conv1) is nn.Conv2d
    assert type(net.layer1[0].conv2) is NativeConv2d


@needs_cp_of_norms
def test_widths_of_broken_vectors_have_pytorchs_checkpoints() -> None:
    kinds = []
    for width in (16, 18):
        net = HRNet(extra=small_extra(width), with_cp='norm')
        use_native_training(net)
        kinds.append(type(net.stage2[0].recomputation))
    assert kinds[0] is NormRecomputation is not kinds[1]
