"""This package's networks for given weights: built from the shapes, whole, ready to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.models.archs import extra_of
from hrnet_mm.models.hrnet import HRNet
from hrnet_mm.models.necks import HRNetCls, HRNetV2, HRNetV2p
from hrnet_mm.weights.contents import Weights
from hrnet_mm.weights.names import COUNTER
from hrnet_mm.weights.width import backbone_of, number_of, stages_of

# The layout that our network of a task has its weights in.
OUR_LAYOUTS = {
    'pose': 'mmpose',
    'face': 'hrnet_mm-face',
    'seg': 'hrnet_mm-seg',
    'cls': 'mmpretrain-one-neck',
    'det': 'mmdet',
    'backbone': 'backbone',
}


class Assembled(nn.Module):
    """A backbone and what follows it, under the names that their weights have.

    Args:
        backbone: image (N, C, H, W) -> maps.
        follow: maps -> what the network gives; it uses the parts.
        parts: the other modules, by name.
    """

    def __init__(
        self, backbone: nn.Module, follow: Callable[[Any], Any], **parts: nn.Module
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.following = [follow]  # in a list, lest a module be registered under this name too
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(N, C, H, W) -> one tensor or several."""
        return self.following[0](self.backbone(image))


def our_network(task: str, weights: Weights) -> nn.Module:
    """Our network of a task, with weights in the layout that ``OUR_LAYOUTS`` names.

    A detector ends at its neck.

    Raises:
        UserError: some of its weights are missing or of another size.
    """
    prefix = '' if task == 'backbone' else 'backbone.'
    backbone_weights = backbone_of(weights, prefix)
    stages = stages_of(backbone_weights)
    backbone = HRNet(
        extra=extra_of(stages),
        in_channels=backbone_weights['conv1.weight'].shape[1],
        upsample=upsampling_of(task),
        out_indices=(0,) if task == 'pose' or gives_one_map(backbone_weights) else None,
    )
    if task == 'backbone':
        return loaded(backbone, weights)
    return loaded(_OURS[task](backbone, weights, stages[-1].channels), weights)


def gives_one_map(backbone: Weights) -> bool:
    """Whether a backbone's last exchange unit has the finest output only, as for poses."""
    last = number_of(backbone, 'stage4.{}.branches.0.0.conv1.weight') - 1
    return not any(key.startswith(f'stage4.{last}.fuse_layers.1.') for key in backbone)


def upsampling_of(task: str) -> str:
    """How the exchange units of a task's networks upsample."""
    return 'bilinear' if task in ('seg', 'face') else 'nearest'


def loaded(net: nn.Module, weights: Weights) -> nn.Module:
    """A network with weights, in evaluation mode. What it has no module for is left out.

    Raises:
        UserError: some of its weights are missing or of another size.
    """
    try:
        missing = net.load_state_dict(dict(weights), strict=False).missing_keys
    except RuntimeError as error:
        raise UserError(f'the weights fit no {type(net).__name__}: {error}') from error
    missing = [key for key in missing if not key.endswith(COUNTER)]
    if missing:
        raise UserError(
            f'the network cannot be run: {len(missing)} weights are missing, the first is '
            f'{missing[0]}'
        )
    return net.eval()


def conv_of(weights: Weights, name: str) -> nn.Conv2d:
    """A convolution of the size of the weights ``name``, which keeps the size of its map."""
    out_channels, in_channels, size, _ = weights[f'{name}.weight'].shape
    return nn.Conv2d(in_channels, out_channels, size, padding=size // 2)


def _pose(backbone: HRNet, weights: Weights, channels: tuple[int, ...]) -> Assembled:
    last = conv_of(weights, 'head.final_layer')
    return Assembled(
        backbone, lambda maps: last(maps[0]), head=nn.ModuleDict(dict(final_layer=last))
    )


def _face(backbone: HRNet, weights: Weights, channels: tuple[int, ...]) -> Assembled:
    neck, last = HRNetV2(channels), conv_of(weights, 'head.final_layer')
    head = nn.ModuleDict(dict(final_layer=last))
    return Assembled(backbone, lambda maps: last(neck(maps)[0]), neck=neck, head=head)


def _seg(backbone: HRNet, weights: Weights, channels: tuple[int, ...]) -> Assembled:
    neck, last = HRNetV2(channels), conv_of(weights, 'decode_head.conv_seg')
    head = nn.ModuleDict(dict(conv_seg=last))
    return Assembled(backbone, lambda maps: last(neck(maps)[0]), neck=neck, decode_head=head)


def _det(backbone: HRNet, weights: Weights, channels: tuple[int, ...]) -> Assembled:
    out_channels = len(weights['neck.reduction_conv.conv.weight'])
    neck = HRNetV2p(channels, out_channels, number_of(weights, 'neck.fpn_convs.{}.conv.weight'))
    return Assembled(backbone, neck, neck=neck)


def _cls(backbone: HRNet, weights: Weights, channels: tuple[int, ...]) -> Assembled:
    classes, features = weights['head.fc.weight'].shape
    neck, last = HRNetCls(channels, features), nn.Linear(features, classes)
    head = nn.ModuleDict(dict(fc=last))
    return Assembled(backbone, lambda maps: last(neck(maps)[0].mean((2, 3))), neck=neck, head=head)


_OURS = {'pose': _pose, 'face': _face, 'seg': _seg, 'det': _det, 'cls': _cls}
