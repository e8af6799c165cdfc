"""The weights of a checkpoint into a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from hrnet_mm.cli import UserError


def load_weights(model: nn.Module, checkpoint: dict[str, Any], path: Path) -> None:
    """Load a checkpoint's weights into a model, all of whose weights must be there.

    Args:
        model: changed in place.
        checkpoint: MMEngine's form with ``'state_dict'``, or that dict itself.
        path: where it came from, for the messages.

    Raises:
        UserError: there are no weights, some are missing, or of another shape.
    """
    weights = checkpoint.get('state_dict', checkpoint)
    if not isinstance(weights, dict):
        raise UserError(f'{path} does not hold the weights of a model')
    consume_prefix_in_state_dict_if_present(weights, 'module.')
    try:
        missing = model.load_state_dict(weights, strict=False).missing_keys
    except RuntimeError as error:
        _, *problems = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise UserError(
            f'{path} does not fit the config: {problems[0]} ({len(problems)} such weights)'
        ) from error
    if missing:
        raise UserError(
            f'{path} does not fit the config: {len(missing)} of {len(model.state_dict())} weights '
            f'are missing, the first is {missing[0]}'
        )
