"""Post-training quantisation: a network whose convolutions multiply 8-bit integers."""

from __future__ import annotations

import inspect
import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from types import ModuleType

from torch import Tensor

from hrnet_mm.base.errors import UserError
from hrnet_mm.deploy.engines.open_vino_core import openvino, share_core, without_telemetry


def quantized(model: openvino.Model, images: Iterable[Tensor], for_any_cpu: bool) -> openvino.Model:
    """The model with 8-bit convolutions.

    NNCF chooses a step for every output channel of the filters, and one for every map, which
    reaches from the smallest to the largest number that occurs in it on the images. Its default,
    the mean of the images' largest numbers, clips the peaks by which a pose is found. It would also
    correct biases; measured, that gains nothing here.

    What stays in float32 was found by measurement, a group of layers at a time: the stem, whose
    two convolutions make a fifth of the squared error, more than any other group of few, and what
    is added, see :func:`_keep_sums_exact`.

    Args:
        model: of ``hrnet_mm.deploy.engines.open_vino.to_openvino``; it is not changed.
        images: like those to come, each (N, C, H, W) float32 as the network gets it. From about 30
            on, more of them change little. All are held in memory.
        for_any_cpu: give filters 7 bits. A CPU without 8-bit dot products (VNNI) adds pairs of
            products in 16 bits, which overflow otherwise.

    Raises:
        UserError: NNCF is not installed.
        ValueError: there are no images.
    """
    nncf = import_nncf()
    images = [image.cpu().numpy() for image in images]
    if not images:
        raise ValueError('quantisation needs images for calibration, and there are none')
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    quantize = inspect.unwrap(nncf.quantize)  # what wraps it would report every call
    with quiet_nncf(), share_core():
        model = quantize(
            model,
            nncf.Dataset(images),
            subset_size=len(images),
            ignored_scope=nncf.IgnoredScope(names=_stem(model)),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                disable_bias_correction=True,
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                overflow_fix=nncf.OverflowFix.ENABLE if for_any_cpu else None,
            ),
        )
    _keep_sums_exact(model)
    return model


def import_nncf() -> ModuleType:
    """NNCF, imported so that it reports nothing.

    Raises:
        UserError: it is not installed.
    """
    try:
        with without_telemetry():
            import nncf
    except ModuleNotFoundError as error:
        raise UserError(f'int8 needs nncf (pip install nncf): {error}') from error
    return nncf


@contextmanager
def quiet_nncf() -> Iterator[None]:
    """Keep NNCF's progress bars and advice from the terminal."""
    logger = logging.getLogger('nncf')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def _stem(model: openvino.Model) -> list[str]:
    """The names of the first two convolutions, which all others follow."""
    nodes = model.get_ordered_ops()
    return [x.get_friendly_name() for x in nodes if x.get_type_name() == 'Convolution'][:2]


def _keep_sums_exact(model: openvino.Model) -> None:
    """Round no term of the sum that ends an exchange unit, and no sum of some of its terms.

    NNCF rounds both inputs of every addition. Where one is the output of a convolution of the same
    size, the sum is then done within it, on integers. The others, upsampled maps and sums, are
    added in float32 anyway: there the rounding takes time and accuracy and gives nothing.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() != 'FakeQuantize':
            continue
        value, readers = node.input_value(0), node.output(0).get_target_inputs()
        nodes = [reader.get_node() for reader in readers]
        within = {x.get_type_name() for x in nodes} == {'Add'} and _ends_convolution(value)
        if all(map(_is_summed, nodes)) and not within:
            for reader in readers:
                reader.replace_source_output(value)


def _is_summed(node: openvino.Node) -> bool:
    """Whether a node adds a map, asks for its size, or enlarges it for nodes that do."""
    kind = node.get_type_name()
    if kind in ('Add', 'ShapeOf'):
        return True
    readers = (reader.get_node() for reader in node.output(0).get_target_inputs())
    return kind in ('Interpolate', 'FakeQuantize') and all(map(_is_summed, readers))


def _ends_convolution(value: openvino.Output) -> bool:
    """Whether a value is a convolution's output plus its bias."""
    sources = (source.get_node() for source in value.get_node().input_values())
    return any(source.get_type_name() == 'Convolution' for source in sources)
