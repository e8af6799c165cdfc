"""The network is one graph: torch.compile finds no break, torch.export keeps the sizes free."""

import pytest
import torch
from torch import Tensor, nn
from torch.export import export

from hrnet_mm.models import HRNet, HRNetCls, HRNetV1, HRNetV2, HRNetV2p
from hrnet_mm.models.hrmodule import Upsample
from tests.helpers import CHANNELS, assert_same, needs_torch, relative_difference, small_extra


class EveryNeck(nn.Module):
    """One backbone and each neck on it, so that one compilation covers them all."""

    def __init__(self, **options) -> None:
        super().__init__()
        self.backbone = HRNet(extra=small_extra(), **options)
        self.necks = nn.ModuleList(
            [HRNetV1(), HRNetV2(CHANNELS), HRNetV2p(CHANNELS, 16), HRNetCls(CHANNELS)]
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = self.backbone(image)
        return [y for neck in self.necks for y in neck(maps)]


@needs_torch('2.6', 'torch.export for any size')
@pytest.mark.parametrize('upsample', ['nearest', 'bilinear'])
def test_export_keeps_batch_and_size_free(upsample: str) -> None:
    net = EveryNeck(upsample=upsample).eval()
    shapes = (dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC),)
    exported = export(net, (torch.randn(2, 3, 128, 128),), dynamic_shapes=shapes).module()
    for size in [(3, 3, 160, 192), (1, 3, 255, 191)]:
        image = torch.randn(*size)
        with torch.no_grad():
            assert_same(exported(image), net(image), tolerance=1e-6)


class Resized(nn.Module):
    """A map that is halved, and brought to its size again."""

    def forward(self, x: Tensor) -> Tensor:
        upsample = Upsample('bilinear', False, by_powers_of_two=True)
        return upsample(x[:, :, ::2, ::2], x.shape[2:], 1)


@needs_torch('2.6', 'torch.export for any size')
def test_export_upsamples_by_powers_of_two_at_any_size() -> None:
    shapes = (dict.fromkeys((2, 3), torch.export.Dim.DYNAMIC),)
    exported = export(Resized(), (torch.randn(1, 3, 8, 8),), dynamic_shapes=shapes).module()
    for size in [(6, 10), (9, 6), (9, 11)]:
        x = torch.randn(1, 3, *size)
        assert relative_difference(exported(x), Resized()(x)) < 1e-6


@pytest.mark.slow
@needs_torch('2.5', 'torch.compile of the full graph')
def test_inductor_compiles_the_full_graph() -> None:
    net = EveryNeck().eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        compiled = torch.compile(net, fullgraph=True)
        assert_same(compiled(image), net(image), tolerance=1e-5)


@pytest.mark.slow
@needs_torch('2.6', 'torch.compile of the full graph that trains')
@pytest.mark.parametrize('with_cp', [False, True, 'norm'])
def test_training_graph_is_whole(with_cp: bool | str) -> None:
    plain, traced = EveryNeck(), EveryNeck(with_cp=with_cp)
    traced.load_state_dict(plain.state_dict())
    image = torch.randn(2, 3, 64, 64)
    compiled = torch.compile(traced, fullgraph=True, backend='aot_eager')
    for run in (plain, compiled):
        sum(y.square().mean() for y in run(image)).backward()
    for a, b in zip(traced.parameters(), plain.parameters(), strict=True):
        assert relative_difference(a.grad, b.grad) < 1e-4
    for a, b in zip(traced.buffers(), plain.buffers(), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-7)
