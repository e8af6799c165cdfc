"""An HRNet and its neck, re-parameterised for inference: the same function in fewer operations."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from hrnet_mm.deploy.blocks import convolutions_of, fused_chain
from hrnet_mm.deploy.layers import FusedConv, UpsampleSum
from hrnet_mm.deploy.merging import Fan
from hrnet_mm.deploy.necks import fused_neck
from hrnet_mm.deploy.parallel import Run, in_turn
from hrnet_mm.models.hrmodule import ExchangeUnit, HRModule
from hrnet_mm.models.hrnet import HRNet, Transition


class FusedHRNet(nn.Module):
    """The inference form of an HRNet in eval mode and of the neck after it.

    Every batch norm is folded into its convolution (``folding``), bias, sum and ReLU follow it in
    place (``layers``), an exchange unit ends in one sum, and convolutions on the same tensor can
    be one (``merging``). Equal to the original up to the rounding of float operations.

    Args:
        net: a backbone in eval mode; it is not changed.
        neck: one of the necks of ``hrnet_mm.models``, or None for the backbone's own maps.
        merge: whether convolutions on the same tensor become one.
    """

    def __init__(self, net: HRNet, neck: nn.Module | None = None, merge: bool = False) -> None:
        super().__init__()
        self.in_channels = net.conv1.in_channels
        norms = [getattr(net, name) for name in net.stem_norms]
        self.stem = nn.Sequential(
            FusedConv(net.conv1, norms[0], relu=True), FusedConv(net.conv2, norms[1], relu=True)
        )
        self.layer1 = fused_chain(net.layer1, merge)
        self.stages = nn.ModuleList()
        num_maps = 1
        for transition, stage in net._later_stages():
            self.stages.append(FusedStage(transition, num_maps, stage, merge))
            num_maps = transition.num_branches
        self.neck = None if neck is None else fused_neck(neck, merge)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, in_channels, H, W) -> what the neck, or without one the backbone, returns."""
        maps = [self.layer1(self.stem(image))]
        for stage in self.stages:
            maps = stage(maps)
        return tuple(maps) if self.neck is None else self.neck(maps)

    def run_branches(self, run: Run) -> None:
        """Choose how parallel branches are run: ``in_turn``, the default, or on streams."""
        for module in self.modules():
            if isinstance(module, FusedHRModule):
                module.run = run


class FusedStage(nn.Module):
    """A transition and the HRModules of a stage."""

    def __init__(
        self, transition: Transition, num_maps: int, stage: nn.Sequential, merge: bool
    ) -> None:
        super().__init__()
        self.transition = FusedTransition(transition, num_maps, merge)
        self.modules_in_row = nn.ModuleList(FusedHRModule(module, merge) for module in stage)

    def forward(self, maps: Sequence[Tensor]) -> Sequence[Tensor]:
        """Maps of the stage before -> maps of this stage, finest first."""
        maps = self.transition(maps)
        for module in self.modules_in_row:
            maps = module(maps)
        return maps


class FusedTransition(nn.Module):
    """A transition; all new branches start together from the coarsest map.

    Args:
        transition: of the network.
        num_maps: the number of maps before it.
        merge: whether convolutions on the same tensor become one.
    """

    def __init__(self, transition: Transition, num_maps: int, merge: bool) -> None:
        super().__init__()
        self.sources = [min(i, num_maps - 1) for i in range(transition.num_branches)]
        paths = {int(i): path for i, path in transition.items()}
        self.fans = nn.ModuleDict(
            {
                str(source): Fan(
                    {
                        i: convolutions_of(path)
                        for i, path in paths.items()
                        if self.sources[i] == source
                    },
                    merge,
                )
                for source in sorted({self.sources[i] for i in paths})
            }
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of the stage before -> maps of this stage, finest first."""
        adapted: dict[int, Tensor] = {}
        for source, fan in self.fans.items():
            adapted |= fan(maps[int(source)])
        return [adapted.get(i, maps[source]) for i, source in enumerate(self.sources)]


class FusedHRModule(nn.Module):
    """Parallel branches, each with all that reads its result, then one sum per output.

    Attributes:
        run: how the branches are run, see ``hrnet_mm.deploy.parallel``.
    """

    def __init__(self, module: HRModule, merge: bool) -> None:
        super().__init__()
        unit = module.fuse_layers
        branches = [fused_chain(branch, merge) for branch in module.branches]
        self.exchanges = unit is not None
        if unit is not None:
            self.sums = nn.ModuleList(ExchangeSum(s, unit) for s in unit.outputs)
            branches = [Sender(r, branch, unit, merge) for r, branch in enumerate(branches)]
        self.branches = nn.ModuleList(branches)
        self.run: Run = in_turn

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N, C_i, H / 2**i, W / 2**i) -> the same of every output branch."""
        results = self.run(self.branches, maps)
        if not self.exchanges:
            return results
        return self.run(self.sums, [results] * len(self.sums))


class Sender(nn.Module):
    """Branch r, and every convolution of the exchange unit that reads its result."""

    def __init__(self, r: int, branch: nn.Sequential, unit: ExchangeUnit, merge: bool) -> None:
        super().__init__()
        self.branch = branch
        paths = {s: unit[str(s)][str(r)] for s in unit.outputs if s != r}
        self.fan = Fan({s: convolutions_of(path) for s, path in paths.items()}, merge)

    def forward(self, x: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """(N, C_r, h, w) -> the branch's map, and for every other output s its f_rs."""
        x = self.branch(x)
        return x, self.fan(x)


class ExchangeSum(nn.Module):
    """``out_s = relu(sum_r f_rs(x_r))``, upsampling where r > s.

    Exact: the terms are added in another order than in training.
    """

    def __init__(self, s: int, unit: ExchangeUnit) -> None:
        super().__init__()
        self.s = s
        self.sum = UpsampleSum(unit.upsample, relu=True)

    def forward(self, senders: Sequence[tuple[Tensor, dict[int, Tensor]]]) -> Tensor:
        """What every branch sends -> (N, C_s, h, w), in the memory of branch s's map."""
        own, _ = senders[self.s]
        finer = [sent[self.s] for _, sent in senders[: self.s]]
        coarser = [sent[self.s] for _, sent in senders[self.s + 1 :]]
        return self.sum(own, finer, coarser)
