"""What fills a model: the one object that commands hand to those who build and run models."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from mmengine.config import Config
from torch import nn

from hrnet_mm.weights.fit import load_weights
from hrnet_mm.weights.sources import read_source

MODULE = 'module.'  # before the names of weights in ema_state_dict


class FillsModel(Protocol):
    """A checkpoint, a checkpoint run by an engine, or an exported file.

    A command decides which of them it is. Who builds a model only asks for what is here, and knows
    neither engines nor formats.
    """

    load_from: str | None
    """The checkpoint that MMEngine's Runner loads by itself; None where there is none to load."""

    replaces_model: bool
    """Whether ``replacement`` gives another model than the one that it gets."""

    def read(self) -> dict[str, Any]:
        """The contents of the checkpoint: ``state_dict``, ``meta`` and more."""

    def put_into(
        self, model: nn.Module, contents: dict[str, Any], device: torch.device
    ) -> nn.Module:
        """Fill a model in eval mode with what was read, and return the model to be run.

        Raises:
            UserError: the contents do not fit the model.
        """

    def replacement(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model to be run in the place of one that is filled already."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, and what runs the model once it is filled.

    Attributes:
        load_from: a path, a URL, ``open-mmlab://NAME`` or ``hf-hub:OWNER/NAME``.
        engine: makes the faster model of a filled one in eval mode; None: it runs as it is.
    """

    load_from: str
    engine: Callable[[nn.Module], nn.Module] | None = None

    @property
    def replaces_model(self) -> bool:
        return self.engine is not None

    def read(self) -> dict[str, Any]:
        return read_source(self.load_from)

    def put_into(
        self, model: nn.Module, contents: dict[str, Any], device: torch.device
    ) -> nn.Module:
        load_weights(model, contents, self.load_from)
        return self.replacement(model, device)

    def replacement(self, model: nn.Module, device: torch.device) -> nn.Module:
        return model if self.engine is None else self.engine(model)


def tested_copy(cfg: Config, contents: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint with the copy of the weights that the host tests, where it has two.

    That is the averaged one, which EMAHook saves as ``state_dict``; mmpretrain's, with
    ``evaluate_on_ema=False``, tests the other.
    """
    hooks = cfg.get('custom_hooks') or []
    other = contents.get('ema_state_dict')
    if not other or all(hook.get('evaluate_on_ema', True) for hook in hooks):
        return contents
    weights = copy(contents['state_dict'])  # with the versions of the modules that wrote it
    weights.update(
        (key.removeprefix(MODULE), weight)
        for key, weight in other.items()
        if key.startswith(MODULE)
    )
    return {**contents, 'state_dict': weights}
