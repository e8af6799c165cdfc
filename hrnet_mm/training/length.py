"""How long a training is when ``--epochs`` says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.config import length_of
from hrnet_mm.base.errors import UserError
from hrnet_mm.training.loaders import images_of_a_step, number_of_samples
from hrnet_mm.training.schedule import scale_schedule


def set_epochs(cfg: Config, epochs: int) -> list[str]:
    """Scale a config's schedule, see :func:`~hrnet_mm.training.schedule.scale_schedule`.

    A training that counts iterations gets as many as so many epochs of its data have; the data
    are read for it.

    Args:
        cfg: the config, which is changed, with the data and the batch that it is trained with.
        epochs: their number.

    Returns:
        Sentences for the user.

    Raises:
        UserError: the config cannot be scaled so, or its data cannot be read.
    """
    length = length_of(cfg)
    notes, number = [], epochs
    if length is not None and not length.by_epoch:
        samples, batch = number_of_samples(cfg), images_of_a_step(cfg)
        number = -(-epochs * samples // batch)
        notes = [f'{samples} samples in steps of {batch} are {number} iterations']
    try:
        notes += scale_schedule(cfg, number)
    except UserError as error:
        raise UserError(f'--epochs {epochs}: {error}') from error
    return [f'--epochs {epochs}: {note}' for note in notes]


def sentence_on_length(cfg: Config, checkpoint: Mapping[str, Any]) -> str:
    """What is wrong where a resumed training would have another length than it began with.

    MMEngine takes the schedules of the checkpoint, whatever those of the config are.

    Args:
        cfg: the config.
        checkpoint: the training's.

    Returns:
        The sentence; '' if nothing is wrong or the checkpoint does not say.
    """
    length = length_of(cfg)
    hub = checkpoint.get('message_hub')
    info = hub.get('runtime_info') if isinstance(hub, Mapping) else None
    before = info.get(length.key) if isinstance(info, Mapping) and length is not None else None
    if length is None or not isinstance(before, int) or before == length.number:
        return ''
    return (
        f'the training began with {before} {length.unit} and not {length.number}, and its learning '
        f'rates follow the schedule of {before}'
    )
