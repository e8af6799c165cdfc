"""The fused network run by OpenVINO on a CPU."""

from __future__ import annotations

import threading

import openvino
import torch
from torch import Tensor, nn

from hrnet_mm.deploy.backends.table import Engine
from hrnet_mm.deploy.graphs.openvino import to_openvino
from hrnet_mm.deploy.network import FusedHRNet
from hrnet_mm.models import HRNet

NAMES = {torch.float32: 'f32', torch.bfloat16: 'bf16', torch.float16: 'f16'}
CAPABILITIES = {torch.float32: 'FP32', torch.bfloat16: 'BF16', torch.float16: 'FP16'}


def build(net: HRNet, neck: nn.Module | None, image: Tensor, dtype: torch.dtype) -> Engine:
    """For all shapes at once; a shape's first run takes longer.

    Raises:
        NotImplementedError: the network has an operation that is not translated, or the CPU has
            no arithmetic of this precision (OpenVINO would silently take another).
    """
    core = openvino.Core()
    if CAPABILITIES[dtype] not in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
        raise NotImplementedError(f'this CPU has no {NAMES[dtype]} arithmetic')
    options = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': NAMES[dtype],
        'INFERENCE_NUM_THREADS': torch.get_num_threads(),
        'CPU_DENORMALS_OPTIMIZATION': 'NO',
    }
    return OpenVINOEngine(core.compile_model(to_openvino(FusedHRNet(net, neck)), 'CPU', options))


class OpenVINOEngine:
    """Calls a compiled model."""

    def __init__(self, model: openvino.CompiledModel) -> None:
        self.request = model.create_infer_request()
        self.lock = threading.Lock()

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        with self.lock:
            # What it returns are copies: the next call writes to OpenVINO's own memory.
            maps = self.request.infer([image.contiguous().numpy()], share_inputs=True)
        return tuple(map(torch.from_numpy, maps.values()))
