"""A network exported to ONNX and run by ONNX Runtime or OpenVINO, as anyone would do it.

Of ``hrnet_mm.deploy`` only the quiet import of NNCF and OpenVINO's one ``Core`` are used: these are
the peers that it is measured against.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.candidates import LeftOut
from hrnet_mm.base.torch_versions import is_older_than

CALIBRATION_IMAGES = 4
OPENVINO_HINTS = dict(fp32='f32', bf16='bf16', fp16='f16', int8='f32')


def run_by_onnxruntime(
    net: nn.Module, image: Tensor, precision: str
) -> Callable[[], tuple[Tensor, ...]]:
    """A function that runs the network on the image by ONNX Runtime.

    Args:
        net: in eval mode.
        image: (N, 3, H, W), float32.
        precision: ``'fp32'`` or ``'int8'``, quantised after calibration on random images.

    Raises:
        LeftOut: ONNX Runtime cannot run so.
        ModuleNotFoundError: it is not installed.
    """
    import onnxruntime

    if precision not in ('fp32', 'int8'):
        raise LeftOut(f'ONNX Runtime has no {precision} kernels for what PyTorch exports')
    provider = 'CUDAExecutionProvider' if image.is_cuda else 'CPUExecutionProvider'
    if provider not in onnxruntime.get_available_providers():
        raise LeftOut(f'the installed ONNX Runtime has no {provider}')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Else its threads keep a core busy while the next candidate is timed.
    options.add_session_config_entry('session.force_spinning_stop', '1')
    with TemporaryDirectory() as folder:
        path = _export(net, image, Path(folder), precision)
        session = onnxruntime.InferenceSession(path, options, providers=[provider])
    inputs = {session.get_inputs()[0].name: image.cpu().numpy()}
    return lambda: tuple(map(torch.from_numpy, session.run(None, inputs)))


def run_by_openvino(
    net: nn.Module, image: Tensor, precision: str
) -> Callable[[], tuple[Tensor, ...]]:
    """The same by OpenVINO, on a CPU and in any precision that the CPU has; int8 by NNCF."""
    if image.is_cuda:
        raise LeftOut('OpenVINO does not run on CUDA')
    from hrnet_mm.deploy.engines.open_vino_core import core

    if precision.upper() not in (*core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES'), 'FP32'):
        raise LeftOut(f'OpenVINO has no {precision} on this CPU')
    config = {
        'INFERENCE_PRECISION_HINT': OPENVINO_HINTS[precision],
        'INFERENCE_NUM_THREADS': torch.get_num_threads(),
        'PERFORMANCE_HINT': 'LATENCY',
    }
    with TemporaryDirectory() as folder:
        model = core().read_model(_export(net, image, Path(folder), 'fp32'))
        if precision == 'int8':
            model = _quantise_by_nncf(model, image)
        compiled = core().compile_model(model, 'CPU', config)
    request = compiled.create_infer_request()
    inputs = [image.numpy()]

    def run() -> tuple[Tensor, ...]:
        results = request.infer(inputs, share_inputs=True, share_outputs=True)
        return tuple(torch.from_numpy(value) for value in results.values())

    return run


def _export(net: nn.Module, image: Tensor, folder: Path, precision: str) -> Path:
    path = folder / 'network.onnx'
    with _quiet():
        # By tracing: PyTorch's newer exporter needs one more package. Before 2.5 there is no other.
        how = {} if is_older_than('2.5') else dict(dynamo=False)
        torch.onnx.export(net, (image,), str(path), **how)
        return _quantise(path, image) if precision == 'int8' else path


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice of exporters."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(logging.NOTSET)


def _quantise_by_nncf(model: Any, image: Tensor) -> Any:
    from hrnet_mm.deploy.engines.open_vino_core import share_core
    from hrnet_mm.deploy.engines.open_vino_int8 import import_nncf, quiet_nncf

    nncf = import_nncf()
    with quiet_nncf(), share_core():
        return nncf.quantize(model, nncf.Dataset(random_images(image)))


def random_images(image: Tensor) -> list[np.ndarray]:
    """What int8 is calibrated on: each like the image, the same for every candidate."""
    generator = np.random.default_rng(0)
    return list(generator.standard_normal((CALIBRATION_IMAGES, *image.shape), np.float32))


def _quantise(path: Path, image: Tensor) -> Path:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class RandomImages(CalibrationDataReader):
        def __init__(self) -> None:
            self.images = iter(random_images(image))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.images, None)
            return None if batch is None else {name: batch}

    prepared, quantised = path.with_name('prepared.onnx'), path.with_name('quantised.onnx')
    quant_pre_process(path, prepared)
    name = onnx.load(prepared).graph.input[0].name
    quantize_static(prepared, quantised, RandomImages(), per_channel=True)
    return quantised
