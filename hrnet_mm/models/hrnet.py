"""HRNet: high-resolution representations kept through the whole network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule, PretrainedInit
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hrnet_mm.models.archs import Stage, is_positive_int, stages_from_arch, stages_from_extra
from hrnet_mm.models.blocks import ResidualBlock, ResidualChain
from hrnet_mm.models.hrmodule import HRModule, Upsample
from hrnet_mm.models.layers import LayerFactory
from hrnet_mm.models.recompute import Recomputation
from hrnet_mm.registry import MODELS, SCOPE

STEM_CHANNELS = 64
FUSIONS = ('full', 'across_stages', 'final')
DEFAULT_INIT = [
    dict(type='Kaiming', layer='Conv2d'),
    dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
]


class Transition(nn.ModuleDict):
    """Starts the new, coarser branches of a stage and adapts the channels of the old ones.

    ``self[i]`` holds the layers that make map i; where nothing changes there are none.
    """

    def __init__(
        self, in_channels: Sequence[int], out_channels: Sequence[int], layers: LayerFactory
    ) -> None:
        super().__init__()
        self.num_branches = len(out_channels)
        num_old = len(in_channels)
        for i, channels in enumerate(out_channels):
            if i >= num_old:
                self[str(i)] = layers.downsample_chain(
                    in_channels[-1], channels, num_steps=i - num_old + 1, relu_at_end=True
                )
            elif channels != in_channels[i]:
                self[str(i)] = layers.conv_norm(in_channels[i], channels, 3, relu=True)

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        """Maps of the stage before -> maps of this stage, finest first."""
        sources = [min(i, len(x) - 1) for i in range(self.num_branches)]
        return [
            self[str(i)](x[source]) if str(i) in self else x[source]
            for i, source in enumerate(sources)
        ]


@MODELS.register_module()
class HRNet(BaseModule):
    """High-resolution network (arXiv 1908.07919).

    Starts from a high-resolution stream, adds high-to-low streams one by one, connects them in
    parallel and exchanges information across them. Equal to the copies in mmpose, mmdet, mmseg,
    mmpretrain and timm given the same weights; parameter names are OpenMMLab's, so its published
    checkpoints load as they are.

    Args:
        arch: a published variant (``'w32'``, see ``hrnet_mm.models.archs.ARCHS``) or the width of
            the first branch as an integer. Default: ``'w32'``.
        extra: the hosts' description of the four stages, in place of ``arch``.
        in_channels: channels of the image.
        out_indices: the branches to return, 0 the finest; only what they need is built. Default:
            all of them.
        upsample: ``'nearest'`` (pose, detection, classification), ``'bilinear'`` (segmentation),
            or an ``Upsample``. Default: what ``extra['upsample']`` says, or ``'nearest'``.
        align_corners: for bilinear upsampling.
        fusion: where exchange units are: after every module (``'full'``), at the end of every
            stage (``'across_stages'``) or at the end of the network (``'final'``); the paper's
            ablation of repeated fusion (arXiv 1902.09212, section 4.5).
        conv_cfg: the convolution layers, by mmcv's registry. Default: Conv2d.
        norm_cfg: the norm layers. Default: ``dict(type='BN')``.
        norm_eval: keep batch norms in eval mode while training.
        frozen_stages: freeze the stem (0) and the stages up to this one; -1 freezes nothing.
        with_cp: compute activations again in the backward pass to save memory: of each residual
            block (True), of each ``'branch'``, of each HR ``'module'``, or only what is cheap,
            ``'norm'``: norms, ReLUs and sums, and no convolution twice. See docs/speed.md.
        zero_init_residual: start every residual block as the identity.
        pretrained: a checkpoint, deprecated spelling of ``init_cfg=dict(type='Pretrained', ...)``.
        init_cfg: MMEngine's initialisation. Default: Kaiming, as the official classification and
            mmdet, mmseg; pose from scratch wants ``dict(type='Normal', std=0.001, ...)``.
            ``dict(type='Pretrained', checkpoint=...)`` takes anyone's HRNet weights, see
            ``hrnet_mm.weights.pretrained.Pretrained``.

    Attributes:
        container: of the maps that are returned.

    Raises:
        ValueError, TypeError: naming the argument, its value and what would be right.

    Example:
        >>> import torch
        >>> from hrnet_mm.models import HRNet
        >>> net = HRNet('w18').eval()
        >>> [tuple(y.shape) for y in net(torch.rand(1, 3, 64, 64))]
        [(1, 18, 16, 16), (1, 36, 8, 8), (1, 72, 4, 4), (1, 144, 2, 2)]
    """

    container: type[tuple[Tensor, ...]] | type[list[Tensor]] = tuple

    def __init__(
        self,
        arch: str | int | None = None,
        extra: Mapping[str, Any] | None = None,
        in_channels: int = 3,
        out_indices: Sequence[int] | None = None,
        upsample: str | Upsample | None = None,
        align_corners: bool = False,
        fusion: str = 'full',
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        norm_eval: bool = False,
        frozen_stages: int = -1,
        with_cp: bool | str = False,
        zero_init_residual: bool = False,
        pretrained: str | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(_init_cfg(init_cfg, pretrained))
        stages = _parse_stages(arch, extra)
        _check_choice('fusion', fusion, FUSIONS)
        _check_choice('frozen_stages', frozen_stages, range(-1, 5))
        if not is_positive_int(in_channels):
            raise ValueError(f'in_channels={in_channels!r} must be a positive integer')
        self.out_indices = _parse_out_indices(out_indices, stages[-1])
        self.out_channels = tuple(stages[-1].channels[i] for i in self.out_indices)
        self.strides = tuple(2 ** (i + 2) for i in self.out_indices)
        self.norm_eval = norm_eval
        self.frozen_stages = frozen_stages
        self.zero_init_residual = zero_init_residual

        layers = LayerFactory(conv_cfg, norm_cfg or dict(type='BN'))
        norm1 = layers.add_conv_norm(self, 1, in_channels, STEM_CHANNELS, 3, stride=2)
        norm2 = layers.add_conv_norm(self, 2, STEM_CHANNELS, STEM_CHANNELS, 3, stride=2)
        self.stem_norms = (norm1, norm2)
        recomputation = Recomputation.of(with_cp)
        first, *later = stages
        self.layer1 = ResidualChain(
            first.block,
            first.num_blocks[0],
            STEM_CHANNELS,
            first.channels[0],
            layers,
            recomputation.by_blocks(),
        )
        upsampling = _parse_upsample(upsample, align_corners, extra)
        channels = first.channels
        for index, stage in enumerate(later, start=2):
            self.add_module(f'transition{index - 1}', Transition(channels, stage.channels, layers))
            modules = (
                HRModule(stage, layers, upsampling, outputs, recomputation)
                for outputs in self._exchange_outputs(stage, fusion, is_last=index == len(stages))
            )
            self.add_module(f'stage{index}', nn.Sequential(*modules))
            channels = stage.channels
        self._freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...] | list[Tensor]:
        """Image (N, in_channels, H, W), H and W at least 32, to one map per ``out_indices``.

        Returns:
            Map i is (N, 2**i * C, H / 2**(i + 2), W / 2**(i + 2)), sizes rounded up.
        """
        maps = [self.layer1(self._stem(x))]
        for transition, stage in self._later_stages():
            maps = stage(transition(maps))
        return self.container(maps)

    def _stem(self, x: Tensor) -> Tensor:
        """Two strided 3x3 convolutions: (N, in_channels, H, W) -> (N, 64, H / 4, W / 4)."""
        norm1, norm2 = (getattr(self, name) for name in self.stem_norms)
        x = F.relu(norm1(self.conv1(x)), inplace=True)
        return F.relu(norm2(self.conv2(x)), inplace=True)

    def _later_stages(self) -> Iterator[tuple[Transition, nn.Sequential]]:
        for i in (2, 3, 4):
            yield getattr(self, f'transition{i - 1}'), getattr(self, f'stage{i}')

    def _exchange_outputs(
        self, stage: Stage, fusion: str, is_last: bool
    ) -> list[Sequence[int] | None]:
        """For each module of a stage, the branches its exchange unit computes; None: no unit."""
        every_branch = range(stage.num_branches)
        between = every_branch if fusion == 'full' else None
        at_end = self.out_indices if is_last else None if fusion == 'final' else every_branch
        return [between] * (stage.num_modules - 1) + [at_end]

    def train(self, mode: bool = True) -> HRNet:
        """Set the mode, keeping frozen stages and, with ``norm_eval``, batch norms in eval mode."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze(self) -> None:
        if self.frozen_stages < 0:
            return
        names = ['conv1', 'conv2', *self.stem_norms]
        for i in range(1, self.frozen_stages + 1):
            names += ['layer1' if i == 1 else f'stage{i}', *([f'transition{i}'] if i < 4 else [])]
        for name in names:
            getattr(self, name).eval().requires_grad_(False)

    def init_weights(self) -> None:
        """Initialise by ``init_cfg``; loaded weights are kept from ``zero_init_residual``."""
        first_time, given = not self.is_init, self.init_cfg
        cfgs = given if isinstance(given, list) else [given] if given else []
        checkpoints = [cfg for cfg in cfgs if cfg['type'] in ('Pretrained', PretrainedInit)]
        # Of this package's scope; and of this type, by which alone MMEngine knows to load it last.
        ours = [dict(cfg, type='Pretrained', _scope_=SCOPE) for cfg in checkpoints]
        self.init_cfg = [cfg for cfg in cfgs if cfg not in checkpoints] + ours
        try:
            super().init_weights()
        finally:
            self.init_cfg = given
        if first_time and self.zero_init_residual and not checkpoints:
            for module in self.modules():
                if isinstance(module, ResidualBlock):
                    nn.init.zeros_(module.last_norm.weight)


def _parse_stages(arch: str | int | None, extra: Mapping[str, Any] | None) -> tuple[Stage, ...]:
    if extra is None:
        return stages_from_arch('w32' if arch is None else arch)
    if arch is not None:
        raise ValueError(f'arch={arch!r} and extra={extra!r} exclude each other: give one of them')
    return stages_from_extra(extra)


def _parse_out_indices(out_indices: Sequence[int] | None, last: Stage) -> tuple[int, ...]:
    every_branch = range(last.num_branches)
    if out_indices is None:
        return tuple(every_branch)
    chosen = tuple(out_indices) if isinstance(out_indices, list | tuple | range) else ()
    if not chosen or list(chosen) != sorted(set(chosen) & set(every_branch)):
        raise ValueError(
            f'out_indices={out_indices!r} must be a tuple of some of {tuple(every_branch)}, '
            'ascending and without repeats'
        )
    return chosen


def _parse_upsample(
    mode: str | Upsample | None, align_corners: bool, extra: Mapping[str, Any] | None
) -> Upsample:
    if isinstance(mode, Upsample):
        return mode
    hosts = (extra or {}).get('upsample')
    if hosts is not None:
        if mode is not None:
            raise ValueError(
                f"upsample={mode!r} and extra['upsample']={hosts!r} exclude each other: give one"
            )
        if not isinstance(hosts, Mapping) or set(hosts) - {'mode', 'align_corners'}:
            raise ValueError(
                f"extra['upsample']={hosts!r} must be a dict of mode and align_corners"
            )
        mode, align_corners = hosts.get('mode'), bool(hosts.get('align_corners'))
    mode = 'nearest' if mode is None else mode
    _check_choice('upsample', mode, ('nearest', 'bilinear'))
    if mode == 'nearest' and align_corners:
        raise ValueError("align_corners=True needs upsample='bilinear', not 'nearest'")
    return Upsample(mode, align_corners if mode == 'bilinear' else None)


def _check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    if isinstance(value, bool) or value not in choices:
        raise ValueError(f'{name}={value!r} must be one of {", ".join(map(repr, choices))}')


def _init_cfg(init_cfg: Any, pretrained: str | None) -> Any:
    if pretrained is None:
        return DEFAULT_INIT if init_cfg is None else init_cfg
    if init_cfg is not None:
        raise ValueError(
            f'pretrained={pretrained!r} and init_cfg={init_cfg!r} exclude each other: give init_cfg'
        )
    if not isinstance(pretrained, str):
        raise TypeError(f'pretrained={pretrained!r} must be the path or URL of a checkpoint')
    return dict(type='Pretrained', checkpoint=pretrained)
