"""What is timed of a candidate, over and over: a forward pass, or a training step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.candidates import Candidate, LeftOut, dtype_of
from benchmark.other_engines import random_images, run_by_onnxruntime, run_by_openvino
from hrnet_mm.base.torch_versions import grad_scaler
from hrnet_mm.kernels.memory import keep_freed_memory
from hrnet_mm.kernels.training import use_native_training
from hrnet_mm.training.hooks.fast_training import compile_regions
from hrnet_mm.training.hooks.fused_step import fuse_steps

Outputs = tuple[Tensor, ...]
Forward = Callable[[], Outputs]
INFERENCE_ONLY = ('freeze', 'optimised', 'onnxruntime', 'openvino')
OTHER_ENGINES = ('optimised', 'onnxruntime', 'openvino')  # they may have int8
COMPILE_OPTIONS: dict[str, dict] = dict(
    compile={}, freeze=dict(options=dict(freezing=True)), max_autotune=dict(mode='max-autotune')
)
ENGINES = dict(onnxruntime=run_by_onnxruntime, openvino=run_by_openvino)
LEARNING_RATE = 1e-4  # small, so that many steps towards random targets keep all numbers bounded


@dataclass(frozen=True)
class Step:
    """A forward pass or a training step, ready to run.

    Attributes:
        call: what is timed.
        outputs: computes what candidates are compared by; in training it also leaves gradients.
        gradient: in training, of the first convolution, which all layers take part in.
        backend: what runs it, where that was chosen for it.
    """

    call: Callable[[], object]
    outputs: Forward
    gradient: Callable[[], Tensor] | None = None
    backend: str = ''


def inference_step(candidate: Candidate, net: nn.Module, image: Tensor) -> Step:
    """One forward pass without gradients.

    Args:
        candidate: how the network is run.
        net: with the weights of the workload, on the image's device; it may be changed.
        image: (N, 3, H, W), float32.

    Raises:
        LeftOut: this candidate cannot run so.
    """
    if candidate.with_cp:
        raise LeftOut('there is no backward pass to recompute activations in')
    if 'native' in candidate.switches:
        raise LeftOut('it only trains; ours+optimised:native infers')
    if candidate.precision == 'int8' and candidate.execution not in OTHER_ENGINES:
        raise LeftOut(f'PyTorch has no int8 form of it; {", ".join(OTHER_ENGINES)} have')
    net.eval()
    if candidate.execution in OTHER_ENGINES and candidate.switches:
        raise LeftOut('the engine itself chooses layout and precision of its weights')
    if candidate.execution == 'optimised':
        return optimised_step(candidate, net, image)
    if candidate.execution in ENGINES:
        forward = ENGINES[candidate.execution](net, image, candidate.precision)
    else:
        forward = torch.no_grad()(_forward_of_torch(candidate, net, image))
    return Step(call=forward, outputs=forward)


def optimised_step(candidate: Candidate, net: nn.Module, image: Tensor) -> Step:
    """What ``hrnet_mm.deploy`` makes of a network in eval mode."""
    if candidate.network != 'ours':
        raise LeftOut('hrnet_mm.deploy takes our HRNet; with hrnet_mm.takeover the hosts build it')
    from hrnet_mm.deploy import optimize

    precision, backend = candidate.precision, candidate.backend
    calibration = map(torch.from_numpy, random_images(image)) if precision == 'int8' else None
    optimised = optimize(net, image, precision, backend, calibration)
    features = optimised.backbone
    if features.precision != precision:
        raise LeftOut(f'{features.precision} is faster on this CPU')
    forward = partial(optimised, image)
    return Step(call=forward, outputs=forward, backend=features.backend)


def training_step(candidate: Candidate, net: nn.Module, image: Tensor) -> Step:
    """Forward, mean squared error to random targets, backward, one step of Adam.

    Arguments and errors are those of :func:`inference_step`.
    """
    if candidate.execution in INFERENCE_ONLY or 'cast' in candidate.switches:
        raise LeftOut('it only infers')
    if candidate.precision == 'int8':
        raise LeftOut('there is no training in int8')
    net.train()
    if 'native' in candidate.switches:
        _train_by_our_kernels(net)
    forward = _forward_of_torch(candidate, net, image)
    error = RandomTargets()
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    if 'native' in candidate.switches:
        fuse_steps([optimizer])
    step = TrainingStep(optimizer, lambda: error(forward()), candidate.precision)
    first = next(net.parameters())

    def outputs_and_gradients() -> Outputs:
        outputs = forward()
        step.backward(error(outputs))
        return outputs

    def gradient() -> Tensor:
        return first.grad / step.scaler.get_scale()

    return Step(call=step, outputs=outputs_and_gradients, gradient=gradient)


def _train_by_our_kernels(net: nn.Module) -> None:
    if next(net.parameters()).device.type != 'cpu':
        raise LeftOut('its kernels are for CPUs')
    try:
        use_native_training(net.to(memory_format=torch.channels_last))
    except RuntimeError as error:
        raise LeftOut(str(error)) from error
    keep_freed_memory()  # as FastTrainingHook does; the other candidates gain nothing by it


class TrainingStep:
    """Loss, backward, and a step of an optimizer, with the loss scaled where float16 needs it.

    Args:
        optimizer: of the parameters that learn.
        loss: computes it anew.
        precision: of PRECISIONS.
    """

    def __init__(self, optimizer: Optimizer, loss: Callable[[], Tensor], precision: str) -> None:
        self.loss = loss
        self.optimizer = optimizer
        device_type = optimizer.param_groups[0]['params'][0].device.type
        is_half = precision == 'fp16'
        self.scaler = grad_scaler(device_type, init_scale=2.0**10, enabled=is_half)

    def __call__(self) -> None:
        self.backward(self.loss())
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def backward(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()


class RandomTargets:
    """The sum of mean squared errors to targets that are the same for every candidate."""

    def __init__(self) -> None:
        self.targets: list[Tensor] = []

    def __call__(self, outputs: Outputs) -> Tensor:
        if not self.targets:
            generator = torch.Generator().manual_seed(1)
            self.targets = [torch.randn(y.shape, generator=generator).to(y.device) for y in outputs]
        pairs = zip(outputs, self.targets, strict=True)
        return sum(F.mse_loss(y.float(), target) for y, target in pairs)


def _forward_of_torch(candidate: Candidate, net: nn.Module, image: Tensor) -> Forward:
    if 'channels_last' in candidate.switches:
        net.to(memory_format=torch.channels_last)  # as ChannelsLastHook: the weights decide
    dtype = dtype_of(candidate.precision)
    if 'cast' in candidate.switches:
        net.to(dtype)
        image = image.to(dtype)
    run: Callable[[Tensor], Outputs] = net
    if candidate.execution == 'regions':
        if compile_regions(net) == 0:
            raise LeftOut('only ours has regions that are compiled by themselves')
    elif candidate.execution != 'eager':
        run = torch.compile(net, **COMPILE_OPTIONS[candidate.execution])
    mixed = '' if 'cast' in candidate.switches else candidate.precision

    def forward() -> Outputs:
        with mixed_precision(mixed, image.device.type):
            return run(image)

    return forward


def mixed_precision(precision: str, device_type: str) -> AbstractContextManager:
    """Autocast to bf16 or fp16; nothing for anything else."""
    if precision not in ('bf16', 'fp16'):
        return nullcontext()
    return torch.autocast(device_type, dtype_of(precision))
