"""The weights of a checkpoint into a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.contents import weights_of
from hrnet_mm.weights.fit import check_whole, fit


def load_weights(model: nn.Module, checkpoint: dict[str, Any], path: str | Path) -> None:
    """Load a checkpoint's weights into a model, all of whose weights must be there.

    Args:
        model: changed in place.
        checkpoint: what a file holds: anyone's weights of an HRNet (``hrnet_mm.weights``), or
            the model's own.
        path: where it came from, for the messages.

    Raises:
        UserError: there are no weights, some are missing, of another shape, or NaN.
    """
    fitted = fit(weights_of(checkpoint, str(path)), model, str(path))
    check_whole(fitted, model.state_dict(), str(path))
    if broken := [key for key, weight in fitted.weights.items() if weight.isnan().any()]:
        raise UserError(f'{path} holds broken weights: {broken[0]} is NaN ({len(broken)} such)')
    # As it is, not as a plain dict: it may carry the versions of the modules that wrote it.
    model.load_state_dict(fitted.weights, strict=False)
