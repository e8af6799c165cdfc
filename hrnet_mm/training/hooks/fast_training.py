"""Faster training: the layout of maps, their precision, our own kernels, compiled regions."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from hrnet_mm.base.torch_versions import is_older_than, require_torch
from hrnet_mm.kernels.cpu import computes_in
from hrnet_mm.kernels.memory import keep_freed_memory
from hrnet_mm.kernels.training import use_native_training
from hrnet_mm.models.blocks import ResidualChain
from hrnet_mm.models.hrmodule import HRModule
from hrnet_mm.registry import HOOKS
from hrnet_mm.training.hooks.channels_last import lay_out_moments, use_channels_last
from hrnet_mm.training.hooks.fused_step import fuse_steps
from hrnet_mm.training.model_parts import backbone_and_neck, model_of, optim_wrappers

# It compiles all Python in a forward pass, and can be told to leave evaluation alone.
COMPILING_TORCH = '2.6'
PRECISIONS = {'fp32': None, 'bf16': torch.bfloat16}
# All regions share one code object: it is compiled for each structure and each shape of images.
RECOMPILE_LIMIT = 64


@HOOKS.register_module()
class FastTrainingHook(Hook):
    """Trains the backbone and neck of any host's model faster; what it saves stays the same.

    Maps lie channels-last in memory. On a CPU, convolutions and batch norms run by the kernels of
    ``hrnet_mm.kernels``, memory is kept from step to step, and Adam, AdamW and SGD update the
    weights in one pass. On a GPU, every HRModule and layer1 is compiled by itself: those of one
    structure share their code, so that three or four regions are compiled instead of a network.
    Evaluation runs as without the hook. What is gained where: docs/speed.md.

    Args:
        precision: the type in which backbone and neck compute: ``'fp32'``, or ``'bf16'`` with
            weights, sums and statistics in float32. The head and the losses compute in float32. On
            a CPU without bf16 arithmetic it is fp32.
        compile: whether to compile; None: on a GPU only, as it gains nothing on a CPU, and by
            torch 2.6 or newer.

    Raises:
        ValueError: there is no such precision or choice.
        UserError: ``compile=True``, and PyTorch is older.

    Example:
        >>> custom_hooks = [dict(type='hrnet_mm.FastTrainingHook', precision='bf16')]
    """

    def __init__(self, precision: str = 'fp32', compile: bool | None = None) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f'precision={precision!r} must be one of {", ".join(PRECISIONS)}')
        if compile not in (None, True, False):
            raise ValueError(f'compile={compile!r} must be True, False or None')
        if compile:
            require_torch(COMPILING_TORCH, 'FastTrainingHook(compile=True)')
        self.precision = precision
        self.compile = compile
        self.num_regions = 0

    def before_train(self, runner: Runner) -> None:
        model = model_of(runner)
        device = next(model.parameters()).device.type
        if device == 'cpu':
            keep_freed_memory()
            _use_kernels(model, runner)
        use_channels_last(model)
        optimizers = [wrapper.optimizer for wrapper in optim_wrappers(runner)]
        fused = fuse_steps(optimizers) if device == 'cpu' else []
        lay_out_moments(optimizer for optimizer in optimizers if optimizer not in fused)
        for optimizer in fused:
            runner.logger.info(f'{type(optimizer).__name__} updates the weights in one pass')
        if device == 'cpu' and not computes_in(self.precision):
            runner.logger.warning(
                f'this CPU has no {self.precision} arithmetic: it trains in fp32, which is faster'
            )
        elif PRECISIONS[self.precision] is not None:
            use_autocast(model, PRECISIONS[self.precision])
        if device == 'cuda' if self.compile is None else self.compile:
            lack = _lacks_for_compiling(device)
            if lack:
                runner.logger.warning(f'nothing is compiled: {lack}')
                return
            self.num_regions = compile_regions(model)
            runner.logger.info(f'{self.num_regions} regions are compiled when they first run')

    def before_val_epoch(self, runner: Runner) -> None:
        if self.num_regions:
            torch.compiler.set_stance('force_eager')  # else it would be compiled once more

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        if self.num_regions:
            torch.compiler.set_stance('default')


def _lacks_for_compiling(device: str) -> str | None:
    if is_older_than(COMPILING_TORCH):
        return f'it needs torch {COMPILING_TORCH} or newer; this is {torch.__version__}'
    if device == 'cuda' and find_spec('triton') is None:
        return 'triton is not installed'
    return None


def _use_kernels(model: nn.Module, runner: Runner) -> None:
    try:
        changed = use_native_training(model)
    except RuntimeError as error:
        runner.logger.warning(f"{error}: PyTorch's own convolutions are used")
        return
    runner.logger.info(f'{changed} convolutions are trained by our own kernels')


def compile_regions(model: nn.Module, **options: Any) -> int:
    """Compile every HRModule and residual chain outside of them in place, each a full graph.

    Args:
        model: any that holds an HRNet.
        options: of ``torch.compile``.

    Returns:
        The number of regions.
    """
    require_torch(COMPILING_TORCH, 'the compiling of regions')
    torch._dynamo.config.recompile_limit = max(
        RECOMPILE_LIMIT, torch._dynamo.config.recompile_limit
    )
    modules = [module for module in model.modules() if isinstance(module, HRModule)]
    inner = {branch for module in modules for branch in module.branches}
    chains = [m for m in model.modules() if isinstance(m, ResidualChain) and m not in inner]
    for region in (*modules, *chains):
        region.compile(fullgraph=True, **options)
    return len(modules) + len(chains)


def use_autocast(model: nn.Module, dtype: torch.dtype) -> None:
    """Let the backbone and the neck train in ``dtype``; what comes out of them is float32."""
    parts = backbone_and_neck(model)
    for part in parts:
        autocast = Autocast(dtype)
        part.register_forward_pre_hook(autocast.enter)
        part.register_forward_hook(autocast.leave, always_call=True, prepend=True)
    if parts:
        parts[-1].register_forward_hook(float32_maps)


class Autocast:
    """``torch.autocast`` around the forward pass of a module while it trains."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.entered: list[torch.autocast] = []

    def enter(self, module: nn.Module, inputs: Any) -> None:
        device = next(module.parameters()).device.type
        context = torch.autocast(device, self.dtype, enabled=module.training)
        context.__enter__()
        self.entered.append(context)

    def leave(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        self.entered.pop().__exit__(None, None, None)


def float32_maps(module: nn.Module, inputs: Any, maps: Any) -> Any:
    """The maps of a backbone or neck, in the container that it gave, as float32."""
    return maps.float() if isinstance(maps, Tensor) else type(maps)(x.float() for x in maps)
