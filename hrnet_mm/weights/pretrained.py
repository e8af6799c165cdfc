"""Anyone's HRNet weights as the start of a training: ``init_cfg`` and ``load_from``."""

from __future__ import annotations

import logging
from copy import copy
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, PretrainedInit, is_model_wrapper
from mmengine.model.weight_init import update_init_info
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.registry import HOOKS, WEIGHT_INITIALIZERS
from hrnet_mm.weights.fit import Fitted, fit, fit_whole, size_of
from hrnet_mm.weights.read import starting_with, weights_of
from hrnet_mm.weights.recognise import StateDict, networks_in
from hrnet_mm.weights.sources import read_source


@WEIGHT_INITIALIZERS.register_module()
class Pretrained(PretrainedInit):
    """What ``init_cfg=dict(type='Pretrained', checkpoint=...)`` means to our HRNet.

    The same as mmengine's. In addition the checkpoint may be anyone's (see
    ``hrnet_mm.weights.layouts``) and come from any place of ``hrnet_mm.weights.sources``. It is
    read with ``weights_only=True``, and must hold the HRNet that the config builds.

    Args:
        checkpoint: a path, a URL, ``open-mmlab://...`` or ``hf-hub:...``.
        prefix: take the weights whose keys begin with it, ``'backbone.'``. Only a file with several
            networks needs a prefix. If no key begins with it, all weights are taken.
        map_location: accepted as by mmengine's; the weights are read on the CPU.
    """

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into an HRNet.

        Raises:
            UserError: the weights cannot be reached or read, or belong to another network.
        """
        print_log(f'load HRNet from: {self.checkpoint}', logger='current')
        contents = read_source(self.checkpoint, mmap=False)
        whole = weights_of(contents, self.checkpoint)
        weights = starting_with(whole, self.prefix) or whole
        load_state_dict(
            module, starting_weights(weights, module, self.checkpoint), logger='current'
        )
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())


@HOOKS.register_module()
class AnyWeightsHook(Hook):
    """Lets ``load_from`` take anyone's HRNet weights: head, neck and backbone, as far as they fit.

    tools/train.py and tools/test.py add this hook. With other tools, name it in the config.

    Args:
        whole: all of the model's weights must be there, unchanged, as for an evaluation.

    Example:
        >>> custom_hooks = [dict(type='hrnet_mm.AnyWeightsHook')]
    """

    priority = 'HIGHEST'  # before hooks that keep a copy of the weights, as EMAHook does

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        model, where = unwrapped(runner.model), str(runner._load_from or 'the checkpoint')
        if len(networks_in(model.state_dict())) != 1:
            return
        bring = fit_whole if self.whole else starting_weights
        checkpoint['state_dict'] = bring(weights_of(checkpoint, where), model, where)


def starting_weights(weights: StateDict, model: nn.Module, where: str) -> dict[str, Tensor]:
    """Anyone's weights as a model's state dict, to start a training from.

    The first convolution is adapted to the model's image channels. Of a head of another size the
    model keeps its own weights, and one warning lists them.

    Raises:
        UserError: the weights hold no HRNet, or another one than the model's.
    """
    fitted, own = fit(weights, model, where, adapt=True), model.state_dict()
    for key in fitted.misfits:
        if fitted.report.target.in_backbone(key):
            sizes = f'{size_of(fitted.weights[key])} there and {size_of(own[key])} here'
            raise UserError(f'{where} does not fit the config: {key} is {sizes}')
    _log(fitted, own, where)
    start = copy(fitted.weights)  # with the versions of modules that MMEngine's weights carry
    start.update((key, own[key]) for key in fitted.misfits)
    return start


def unwrapped(model: nn.Module) -> nn.Module:
    """A model without the wrappers, such as DataParallel's, that MMEngine puts around it."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def _log(fitted: Fitted, own: StateDict, where: str) -> None:
    """Log what was renamed, adapted and left out."""
    report = fitted.report
    if report.source != report.target:  # else they are the model's own, as when it is resumed
        print_log(
            f'{where}: {report.source.layout.name} weights of a {fitted.arch}; '
            f"{len(fitted.weights)} for the model's {len(own)}, {len(report.renamed)} renamed",
            logger='current',
        )
    if fitted.adapted:
        theirs, ours = fitted.adapted
        message = f'the first convolution is adapted from {theirs} to {ours} image channels'
        print_log(f'{where}: {message}', logger='current')
    if fitted.misfits:
        sizes = (
            f'{key} ({size_of(fitted.weights[key])} there, {size_of(own[key])} here)'
            for key in fitted.misfits
        )
        message = f'these weights have another size and start anew: {", ".join(sizes)}'
        print_log(f'{where}: {message}', logger='current', level=logging.WARNING)
