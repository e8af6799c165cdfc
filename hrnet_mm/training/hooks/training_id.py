"""The ID of a training, which tells its checkpoints and work folder from those of others."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

ID = 'training_id'  # the key in MMEngine's message hub, which every checkpoint holds
LAST_TRAINING = 'last_training'  # a file in the work folder: the ID of the training there last
UNNAMED = 'unnamed'  # the ID of checkpoints without one, and of trainings that go on from them


def training_id(runner: Runner) -> str:
    """The ID of a Runner's training; the first call, before it begins, draws one.

    A resumed training keeps the ID that it had.
    """
    hub = runner.message_hub
    if ID not in hub.runtime_info:
        hub.update_info(ID, UNNAMED if runner.iter > 0 else uuid.uuid4().hex)
    return hub.get_info(ID)


def training_id_in(checkpoint: Mapping[str, Any]) -> str:
    """The ID of the training that saved a checkpoint."""
    hub = checkpoint.get('message_hub')
    info = hub.get('runtime_info') if isinstance(hub, Mapping) else None
    return str(info.get(ID, UNNAMED)) if isinstance(info, Mapping) else UNNAMED


def last_training_in(work_dir: Path) -> str:
    """The ID of the training that has last been at work in a folder; '' where none said so."""
    path = work_dir / LAST_TRAINING
    return path.read_text(errors='replace').strip() if path.is_file() else ''
