"""HigherHRNet equals a second construction of it, with the official code's parameter names.

The construction is written from the papers (arXiv 1908.07919, 1908.10357) with plain layers and
shares nothing with the one that it is compared with.
"""

from __future__ import annotations

import pytest
import torch
from mmpose.models.heads import AssociativeEmbeddingHead as MMPoseHead
from mmpose.registry import MODELS
from torch import Tensor, nn

from hrnet_mm.models import HRNet

K = 17


def conv_bn(c_in: int, c_out: int, kernel: int, stride: int = 1, relu: bool = False) -> nn.Module:
    conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out), *([nn.ReLU()] if relu else []))


class Block(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3, 1x1."""

    def __init__(self, c_in: int, c_out: int, inner: int = 0) -> None:
        super().__init__()
        widths = [c_in, inner, inner, c_out] if inner else [c_in, c_out, c_out]
        for i, (a, b) in enumerate(zip(widths[:-1], widths[1:], strict=True), start=1):
            kernel = 1 if inner and i != 2 else 3
            setattr(self, f'conv{i}', nn.Conv2d(a, b, kernel, padding=kernel // 2, bias=False))
            setattr(self, f'bn{i}', nn.BatchNorm2d(b))
        self.depth = len(widths) - 1
        self.downsample = conv_bn(c_in, c_out, 1) if c_in != c_out else None

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i in range(1, self.depth + 1):
            y = getattr(self, f'bn{i}')(getattr(self, f'conv{i}')(y))
            y = y if i == self.depth else torch.relu(y)
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class Exchange(nn.Module):
    """Four blocks on each stream, and every stream added to every other, or to the first only."""

    def __init__(self, widths: list[int], num_outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(Block(c, c) for _ in range(4))) for c in widths
        )
        rows = [[self.path(widths, j, i) for j in range(len(widths))] for i in range(num_outputs)]
        self.fuse_layers = nn.ModuleList(nn.ModuleList(row) for row in rows)

    @staticmethod
    def path(widths: list[int], j: int, i: int) -> nn.Module:
        if j == i:
            return nn.Identity()
        if j > i:
            return nn.Sequential(
                *conv_bn(widths[j], widths[i], 1), nn.Upsample(scale_factor=2 ** (j - i))
            )
        last = conv_bn(widths[j], widths[i], 3, 2)
        return nn.Sequential(
            *(conv_bn(widths[j], widths[j], 3, 2, True) for _ in range(i - j - 1)), last
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [
            torch.relu(sum(f(x) for f, x in zip(row, maps, strict=True)))
            for row in self.fuse_layers
        ]


class Official(nn.Module):
    """HRNet of width C, then HigherHRNet's two outputs."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 64, 3, 2)
        self.conv2, self.bn2 = conv_bn(64, 64, 3, 2)
        self.layer1 = nn.Sequential(Block(64, 256, 64), *(Block(256, 256, 64) for _ in range(3)))
        self.transition1 = nn.ModuleList(
            [conv_bn(256, c, 3, relu=True), nn.Sequential(conv_bn(256, 2 * c, 3, 2, True))]
        )
        for stage, modules in ((2, 1), (3, 4), (4, 3)):
            widths = [c * 2**i for i in range(stage)]
            if stage > 2:
                new = nn.Sequential(conv_bn(widths[-2], widths[-1], 3, 2, True))
                kept = [nn.Identity() for _ in widths[:-1]]
                setattr(self, f'transition{stage - 1}', nn.ModuleList([*kept, new]))
            outputs = [stage] * (modules - 1) + [1 if stage == 4 else stage]
            setattr(self, f'stage{stage}', nn.Sequential(*(Exchange(widths, n) for n in outputs)))
        self.final_layers = nn.ModuleList([nn.Conv2d(c, 2 * K, 1), nn.Conv2d(c, K, 1)])
        doubled = nn.ConvTranspose2d(c + 2 * K, c, 4, stride=2, padding=1, bias=False)
        blocks = (nn.Sequential(Block(c, c)) for _ in range(4))
        first = nn.Sequential(doubled, nn.BatchNorm2d(c), nn.ReLU())
        self.deconv_layers = nn.ModuleList([nn.Sequential(first, *blocks)])

    def forward(self, image: Tensor) -> list[Tensor]:
        x = torch.relu(self.bn1(self.conv1(image)))
        x = self.layer1(torch.relu(self.bn2(self.conv2(x))))
        maps = [f(x) for f in self.transition1]
        for stage in (2, 3, 4):
            if stage > 2:
                *kept, new = getattr(self, f'transition{stage - 1}')
                maps = [*maps, new(maps[-1])]
            maps = getattr(self, f'stage{stage}')(maps)
        low = self.final_layers[0](maps[0])
        high = self.deconv_layers[0](torch.cat([maps[0], low], 1))
        return [low, self.final_layers[1](high)]


@torch.no_grad()
def randomized(net: nn.Module) -> nn.Module:
    for name, value in net.state_dict().items():
        if name.endswith('running_var'):
            value.uniform_(0.5, 1.5)
        elif value.ndim == 1:
            value.uniform_(-0.5, 1.0)
        elif value.ndim > 1:
            value.normal_(std=(1.5 / value[0].numel()) ** 0.5)
    return net.eval()


def built(head: str, width: int) -> tuple[HRNet, nn.Module]:
    backbone = HRNet(width, out_indices=(0,))
    return backbone, MODELS.build(dict(type=head, in_channels=width, num_keypoints=K))


@pytest.mark.parametrize('width', [32, 48])
@torch.no_grad()
def test_equals_the_official_network(width: int) -> None:
    torch.manual_seed(width)
    theirs = randomized(Official(width))
    backbone, head = built('hrnet_mm.HigherHRNetHead', width)
    model = nn.Sequential(backbone, head).eval()
    in_head = ('final_layers', 'deconv_layers')
    weights = {
        ('1.' if name.startswith(in_head) else '0.') + name: value
        for name, value in theirs.state_dict().items()
    }
    model.load_state_dict(weights, strict=True)
    image = torch.randn(1, 3, 64, 96)
    expected, made = theirs(image), model(image)
    assert [tuple(maps.shape) for maps in made] == [(1, 2 * K, 16, 24), (1, K, 32, 48)]
    for ours, official in zip(made, expected, strict=True):
        assert official.std() > 1e-2
        assert (ours - official).abs().max() <= 1e-6 * official.abs().max()


@torch.no_grad()
def test_an_odd_size_is_rounded_up_at_a_quarter_and_doubled() -> None:
    backbone, head = built('hrnet_mm.HigherHRNetHead', 8)
    low, high = head.eval()(backbone.eval()(torch.randn(1, 3, 65, 99)))
    assert (low.shape[2:], high.shape[2:]) == ((17, 25), (34, 50))


@torch.no_grad()
def test_more_steps_double_again() -> None:
    steps = dict(type='hrnet_mm.HigherHRNetHead', in_channels=8, num_keypoints=3, num_steps=2)
    maps = MODELS.build(steps | dict(norm_cfg=dict(type='GN', num_groups=2)))(
        [torch.randn(2, 8, 5, 7)]
    )
    assert [tuple(x.shape) for x in maps] == [(2, 6, 5, 7), (2, 3, 10, 14), (2, 3, 20, 28)]


@torch.no_grad()
def test_associative_embedding_equals_mmpose() -> None:
    theirs = MMPoseHead(8, K, deconv_out_channels=None)
    _, ours = built('hrnet_mm.AssociativeEmbeddingHead', 8)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    maps = torch.randn(2, 8, 16, 24)
    assert torch.equal(ours([maps])[0], torch.cat(theirs([maps]), dim=1))
