"""The fused network run by ONNX Runtime on a CPU."""

from __future__ import annotations

import onnxruntime
import torch
from torch import Tensor, nn

from hrnet_mm.deploy.engines.onnx_graph import to_onnx
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.table import Engine
from hrnet_mm.models import HRNet


def build(net: HRNet, neck: nn.Module | None, image: Tensor, dtype: torch.dtype) -> Engine:
    """For all shapes at once.

    Raises:
        NotImplementedError: the network has an operation that is not translated.
    """
    return SessionEngine(to_onnx(FusedHRNet(net, neck)).SerializeToString())


class SessionEngine:
    """Runs a model of ``hrnet_mm.deploy.engines.onnx_graph`` with as many threads as PyTorch has.

    Args:
        model: the bytes of its file.
        providers: what should run it before the CPU, where ONNX Runtime has it.
    """

    def __init__(self, model: bytes, *providers: str) -> None:
        self.model = model
        self.providers = providers
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Else its threads keep the cores busy while the head runs.
        options.add_session_config_entry('session.force_spinning_stop', '1')
        there = [name for name in providers if name in onnxruntime.get_available_providers()]
        self.session = onnxruntime.InferenceSession(
            model, options, [*there, 'CPUExecutionProvider']
        )

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps."""
        maps = self.session.run(None, {'image': image.contiguous().numpy()})
        return tuple(map(torch.from_numpy, maps))

    def __reduce__(self) -> tuple:
        return SessionEngine, (self.model, *self.providers)
