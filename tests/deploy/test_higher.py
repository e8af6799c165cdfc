"""HigherHRNet's head: its layers in every engine and in files, the grouping of people in Python."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn

from hrnet_mm.deploy import optimize
from hrnet_mm.deploy.engines.own_kernels_plan import half_of
from hrnet_mm.deploy.fused.higher import FusedHigher
from hrnet_mm.deploy.table import BACKENDS
from hrnet_mm.deploy.trunk import find_trunk
from hrnet_mm.models.higher import HigherResolution
from tests.deploy.helpers import EVERY_ENGINE, Tiny, Write
from tests.helpers import assert_same, ready, small_net


class Model(nn.Module):
    """Backbone and head, as a host's."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.backbone = small_net(out_indices=(0,))
        self.head = ready(HigherResolution(8, num_keypoints=5, num_blocks=1, **options))
        for weight in self.head.parameters():
            nn.init.normal_(weight, std=0.3)
        self.eval().requires_grad_(False)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return self.head(self.backbone(image))


@pytest.mark.parametrize('engine', EVERY_ENGINE)
@pytest.mark.parametrize('num_steps', [1, 2])
def test_an_engine_predicts_the_same(engine: str, num_steps: int) -> None:
    if missing := BACKENDS[engine].what_is_missing(torch.device('cpu')):
        pytest.skip(missing)
    model = Model(num_steps=num_steps)
    fast = optimize(model, torch.rand(1, 3, 64, 64), backend=engine)
    assert isinstance(fast.head, HigherResolution) and not fast.state_dict()
    for size in [(1, 3, 64, 64), (3, 3, 97, 131)]:
        image = torch.randn(size)
        assert_same(fast(image), model(image), tolerance=1e-5)
    assert len(model.state_dict()) == len(Model(num_steps=num_steps).state_dict())


def test_bf16_of_our_kernels_is_near() -> None:
    if missing := BACKENDS['native'].what_is_missing(torch.device('cpu'), 'bf16'):
        pytest.skip(missing)
    fast = optimize(Model(), torch.rand(1, 3, 64, 64), 'bf16', backend='native')
    assert 0 < fast.backbone.difference < 0.1


def test_a_copy_of_a_process_predicts_the_same() -> None:
    fast = optimize(Model(), torch.rand(1, 3, 64, 64), backend='eager')
    image = torch.randn(1, 3, 64, 96)
    assert_same(pickle.loads(pickle.dumps(fast))(image), fast(image))


def test_a_head_without_steps_is_one_convolution() -> None:
    head = ready(HigherResolution(8, num_keypoints=5, num_steps=0))
    maps = [torch.randn(1, 8, 9, 7)]
    assert_same(FusedHigher(head)(maps), head(maps))


def test_a_head_with_other_norms_stays_in_python() -> None:
    model = Model(norm_cfg=dict(type='GN', num_groups=2))
    assert find_trunk(model).neck is None
    fast = optimize(model, torch.rand(1, 3, 64, 64), backend='eager')
    image = torch.randn(1, 3, 64, 64)
    assert fast.head is model.head
    assert_same(fast(image), model(image), tolerance=1e-5)


def test_our_kernels_know_one_transposed_convolution() -> None:
    with pytest.raises(NotImplementedError, match='has no kernel'):
        half_of(nn.ConvTranspose2d(8, 8, 2, stride=2), row=0, lanes=16)


def test_a_file_holds_the_head(write: Write, tiny: Tiny) -> None:
    done = write('higher', 'onnx')
    assert done.description.neck == 'HigherHRNetHead'
    [holds] = [line for line in done.lines() if line.startswith('holds')]
    assert 'the grouping of people and what prepares images stay in Python' in holds
