"""What is measured: a task's network, its size, and whether it trains or infers."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hrnet_mm.base.errors import UserError
from hrnet_mm.models.archs import stages_from_arch

UPSAMPLE = dict(pose='nearest', seg='bilinear', det='nearest', backbone='nearest')  # by task
MODES = ('infer', 'train')
PRECISIONS = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16, int8=torch.int8)
STEP = 32  # pixels; what the hosts pad images to
WIDTH = 100  # columns of the screen


class LeftOut(Exception):
    """A contestant that cannot take part in a case; the message says why."""


@dataclass(frozen=True)
class Case:
    """One thing that all contestants do.

    Attributes:
        task: ``'pose'`` is the backbone's finest map alone, ``'seg'`` all maps and the HRNetV2
            neck, ``'det'`` all maps and the HRNetV2p neck, ``'backbone'`` all maps and no neck.
        arch: a published variant or the width of the first branch, as ``HRNet`` takes it.
        size: height and width of the images, multiples of 32.
        batch: images in one call.
        mode: ``'infer'``, one forward pass, or ``'train'``, one step.
        device: as torch names it.
        upsample: ``'nearest'`` or ``'bilinear'``; default: what the task's paper has.
    """

    task: str = 'pose'
    arch: str | int = 'w32'
    size: tuple[int, int] = (256, 192)
    batch: int = 1
    mode: str = 'infer'
    device: str = 'cpu'
    upsample: str = ''

    def __post_init__(self) -> None:
        stages_from_arch(self.arch)
        if not self.upsample:
            object.__setattr__(self, 'upsample', UPSAMPLE[self.task])

    def __str__(self) -> str:
        height, width = self.size
        return (
            f'{self.task} {self.arch} {height}x{width}, batch {self.batch}, {self.mode}, '
            f'{self.device}'
        )

    @property
    def device_type(self) -> str:
        return torch.device(self.device).type

    def image(self) -> torch.Tensor:
        """The same random images for every contestant: (batch, 3, height, width)."""
        generator = torch.Generator().manual_seed(0)
        return torch.randn(self.batch, 3, *self.size, generator=generator).to(self.device)


def padded(size: tuple[int, int]) -> tuple[int, int]:
    """A size rounded up to what every copy of HRNet takes, as the hosts pad their images."""
    height, width = (-(-side // STEP) * STEP for side in size)
    return height, width


def parse_arch(text: str) -> str | int:
    """``'w32'`` or, for a width of one's own, ``'24'``.

    Raises:
        UserError: there is no such HRNet.
    """
    arch = int(text) if text.isdigit() else text
    try:
        stages_from_arch(arch)
    except ValueError as error:
        raise UserError(str(error).replace('arch=', '--arch ', 1)) from error
    return arch
