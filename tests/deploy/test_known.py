"""What is not known is refused: other types, methods, fields; never passed over."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.deploy import optimize
from hrnet_mm.deploy.engines.own_kernels import NativeEngine
from hrnet_mm.deploy.export import check_same
from hrnet_mm.deploy.fused import network, translator
from hrnet_mm.deploy.fused.layers import Pool, UpsampleSum
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.trunk import Trunk, find_trunk
from hrnet_mm.kernels.library import find_compiler
from hrnet_mm.models import ExchangeUnit, HRNet, HRNetV2
from hrnet_mm.models.blocks import BasicBlock
from hrnet_mm.models.hrmodule import Upsample
from tests.helpers import CHANNELS, assert_same, ready, small_neck, small_net

TRANSLATORS = {  # the module, its class, and the package that it needs
    'own_kernels_plan': ('Planner', 'torch'),
    'onnx_runtime': ('ToONNX', 'onnxruntime'),
    'open_vino': ('ToOpenVINO', 'openvino'),
}


@pytest.fixture(params=TRANSLATORS)
def translate(request: pytest.FixtureRequest) -> type[translator.Translator]:
    name, package = TRANSLATORS[request.param]
    pytest.importorskip(package)
    return getattr(importlib.import_module(f'hrnet_mm.deploy.engines.{request.param}'), name)


class Doubling(Upsample):
    """Computes something else, with the same fields."""

    def __call__(self, x: Tensor, size: tuple[int, int], doublings: int) -> Tensor:
        return 2 * super().__call__(x, size, doublings)


@dataclass(frozen=True)
class Antialiased(Upsample):
    antialias: bool = False


def with_upsample(net: HRNet, upsample: Upsample) -> HRNet:
    for module in net.modules():
        if isinstance(module, ExchangeUnit):
            module.upsample = upsample
    return net


@pytest.mark.parametrize('upsample', [Doubling(), Antialiased()], ids=lambda x: type(x).__name__)
def test_a_subclass_of_an_operation_is_refused(
    upsample: Upsample, translate: type[translator.Translator]
) -> None:
    fused = FusedHRNet(with_upsample(small_net(), upsample))
    with pytest.raises(NotImplementedError, match=f'{type(upsample).__name__} has no translation'):
        translate(fused)


def test_a_field_that_a_translator_does_not_name_is_refused(
    translate: type[translator.Translator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(translator.METHODS, Antialiased, 'upsample')
    fused = FusedHRNet(with_upsample(small_net(), Antialiased()))
    with pytest.raises(NotImplementedError, match='Antialiased with antialias has no translation'):
        translate(fused)
    fused = FusedHRNet(small_net(), small_neck('v2p'))
    next(m for m in fused.modules() if isinstance(m, Pool)).ceil_mode = True
    with pytest.raises(NotImplementedError, match='Pool with ceil_mode has no translation'):
        translate(fused)


class OtherNet(HRNet):
    def _stem(self, x: Tensor) -> Tensor:
        return super()._stem(x / 255)


class OtherBlock(BasicBlock):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1


class OtherUnit(ExchangeUnit):
    def forward(self, x: list[Tensor]) -> list[Tensor]:
        return super().forward(x)[::-1]


def other_net(net: HRNet) -> str:
    net.__class__ = OtherNet
    return 'OtherNet overrides what HRNet computes'


def forward_of_one(net: HRNet) -> str:
    net.forward = lambda x: (x,)
    return 'HRNet overrides what HRNet computes'


def other_block(net: HRNet) -> str:
    net.stage2[0].branches[0][0].__class__ = OtherBlock
    return 'OtherBlock is not known'


def other_unit(net: HRNet) -> str:
    net.stage4[0].fuse_layers.__class__ = OtherUnit
    return 'OtherUnit is not known'


def other_activation(net: HRNet) -> str:
    net.stage4[0].fuse_layers['2']['0'][0][2] = nn.LeakyReLU().eval()
    return 'LeakyReLU is not known'


@pytest.mark.parametrize(
    'change', [other_net, forward_of_one, other_block, other_unit, other_activation]
)
def test_a_network_that_computes_something_else_is_refused(change) -> None:
    net = small_net()
    message = change(net)
    with pytest.raises(UserError, match=f"backend='eager' cannot run the model: {message}"):
        optimize(net, torch.randn(1, 3, 64, 64), backend='eager')


def test_a_neck_that_computes_something_else_stays_outside() -> None:
    class OtherNeck(HRNetV2):
        def forward(self, inputs: list[Tensor]) -> tuple[Tensor]:
            return (-super().forward(inputs)[0],)

    class Named(HRNetV2):
        """Computes the same."""

        def __init__(self) -> None:
            super().__init__(CHANNELS)

    model = nn.Module()
    for neck, known in [(OtherNeck(CHANNELS), False), (Named(), True)]:
        model.backbone, model.neck = small_net(), ready(neck)
        assert (find_trunk(model.eval()).neck is neck) == known


def test_grouped_convolutions_are_computed_or_refused() -> None:
    net = small_net(in_channels=4, conv_cfg=dict(type='Conv2d', groups=2))
    image = torch.randn(1, 4, 64, 64)
    for backend in ('eager', 'onnxruntime'):
        assert_same(optimize(net, image, backend=backend)(image), net(image))
    for backend in ('native', 'openvino'):
        with pytest.raises(UserError, match='groups=2.* has no (translation|kernel)'):
            optimize(net, image, backend=backend)


def test_what_differs_at_odd_sizes_only_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    net = with_upsample(small_net(), Upsample('bilinear', False, by_powers_of_two=True))
    in_one_step = Upsample('bilinear', False)
    monkeypatch.setattr(network, 'UpsampleSum', lambda _, relu: UpsampleSum(in_one_step, relu))
    image = torch.randn(1, 3, 64, 64)
    with pytest.raises(UserError, match='a map differs by .* on an image of 33 x 47'):
        optimize(net, image, backend='eager')
    with pytest.raises(UserError, match=r'differs by .* on images of \(2, 3, 33, 47\)'):
        check_same(Trunk(net, net), FusedHRNet(net), image, 'fp32', min_side=32)


def test_the_comparison_leaves_nothing_in_the_engine() -> None:
    if find_compiler() is None:
        pytest.skip('needs a C++ compiler')
    net, image = small_net(), torch.randn(1, 3, 128, 128)
    engine = optimize(net, image, backend='native').engine.engine
    fresh = NativeEngine(FusedHRNet(net))
    fresh(image)
    assert engine.plans.keys() == fresh.plans.keys()
    assert len(engine.weights) == len(fresh.weights)
