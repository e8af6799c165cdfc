"""An HRNet and its neck, re-parameterised for inference: the same function in fewer operations."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from hrnet_mm.deploy.fused.layers import (
    FusedConv,
    UpsampleSum,
    check_type,
    computes_like,
    fused_chain,
    fused_path,
)
from hrnet_mm.deploy.fused.necks import fused_neck
from hrnet_mm.models.hrmodule import ExchangeUnit, HRModule
from hrnet_mm.models.hrnet import HRNet, Transition


class FusedHRNet(nn.Module):
    """The inference form of an HRNet in eval mode and of the neck after it.

    Every batch norm is folded into its convolution (``folding``), bias, sum and ReLU follow it in
    place (``layers``), and an exchange unit ends in one sum. Equal to the original up to the
    rounding of float operations.

    Args:
        net: a backbone in eval mode; it is not changed.
        neck: one of the necks of ``hrnet_mm.models``, or None for the backbone's own maps.

    Raises:
        NotImplementedError: a part is of a type that may compute something else.
    """

    def __init__(self, net: HRNet, neck: nn.Module | None = None) -> None:
        super().__init__()
        if not computes_like(net, HRNet):
            raise NotImplementedError(f'{type(net).__name__} overrides what HRNet computes')
        self.in_channels = net.conv1.in_channels
        norms = [getattr(net, name) for name in net.stem_norms]
        self.stem = nn.Sequential(
            FusedConv(net.conv1, norms[0], relu=True), FusedConv(net.conv2, norms[1], relu=True)
        )
        self.layer1 = fused_chain(net.layer1)
        self.stages = nn.ModuleList()
        num_maps = 1
        for transition, stage in net._later_stages():
            self.stages.append(FusedStage(transition, num_maps, stage))
            num_maps = transition.num_branches
        self.neck = None if neck is None else fused_neck(neck)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, in_channels, H, W) -> what the neck, or without one the backbone, returns."""
        maps = [self.layer1(self.stem(image))]
        for stage in self.stages:
            maps = stage(maps)
        return tuple(maps) if self.neck is None else self.neck(maps)


class FusedStage(nn.Module):
    """A transition, whose new branches all start from the coarsest map, and a stage's HRModules.

    Args:
        transition: of the network.
        num_maps: the number of maps before it.
        stage: the HRModules after it.
    """

    def __init__(self, transition: Transition, num_maps: int, stage: nn.Sequential) -> None:
        super().__init__()
        check_type(transition, Transition)
        self.sources = [min(i, num_maps - 1) for i in range(transition.num_branches)]
        self.paths = nn.ModuleDict({i: fused_path(path) for i, path in transition.items()})
        self.modules_in_row = nn.ModuleList(FusedHRModule(module) for module in stage)

    def forward(self, maps: Sequence[Tensor]) -> Sequence[Tensor]:
        """Maps of the stage before -> maps of this stage, finest first."""
        maps = [
            self.paths[str(i)](maps[source]) if str(i) in self.paths else maps[source]
            for i, source in enumerate(self.sources)
        ]
        for module in self.modules_in_row:
            maps = module(maps)
        return maps


class FusedHRModule(nn.Module):
    """Branches, each followed by all that reads its result, then one sum per output.

    The sum is ``out_s = relu(sum_r f_rs(x_r))``, upsampling where r > s. Exact: the terms are added
    in another order than in training.
    """

    def __init__(self, module: HRModule) -> None:
        super().__init__()
        check_type(module, HRModule)
        unit = module.fuse_layers
        check_type(unit, ExchangeUnit, type(None))
        branches = [fused_chain(branch) for branch in module.branches]
        self.outputs = None if unit is None else unit.outputs
        if unit is not None:
            self.sum = UpsampleSum(unit.upsample, relu=True)
            branches = [BranchWithPaths(r, branch, unit) for r, branch in enumerate(branches)]
        self.branches = nn.ModuleList(branches)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N, C_i, H / 2**i, W / 2**i) -> the same of every output branch."""
        results = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        if self.outputs is None:
            return results
        sums = []
        for s in self.outputs:  # each takes the memory of map s
            own, _ = results[s]
            finer = [paths[s] for _, paths in results[:s]]
            coarser = [paths[s] for _, paths in results[s + 1 :]]
            sums.append(self.sum(own, finer, coarser))
        return sums


class BranchWithPaths(nn.Module):
    """Branch r, and every convolution of the exchange unit that reads its result.

    These convolutions run before any sum, because a sum takes the memory of a branch's map.
    """

    def __init__(self, r: int, branch: nn.Sequential, unit: ExchangeUnit) -> None:
        super().__init__()
        self.branch = branch
        self.paths = nn.ModuleDict(
            {str(s): fused_path(unit[str(s)][str(r)]) for s in unit.outputs if s != r}
        )

    def forward(self, x: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """(N, C_r, h, w) -> the branch's map, and for every other output s its f_rs."""
        x = self.branch(x)
        return x, {int(s): path(x) for s, path in self.paths.items()}
