"""Which training a checkpoint and a work folder are of: others may have left theirs there, too."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

ID = 'training_id'  # in MMEngine's message hub, and so in every checkpoint
LAST_TRAINING = 'last_training'  # a file in the work folder with the ID of who trained there last
UNNAMED = 'unnamed'  # of checkpoints without ID, and of the trainings that go on from them


def id_of(runner: Runner) -> str:
    """The ID of a training, which it keeps when it is resumed; to be asked for before it begins."""
    hub = runner.message_hub
    if ID not in hub.runtime_info:
        hub.update_info(ID, UNNAMED if runner.iter > 0 else uuid.uuid4().hex)
    return hub.get_info(ID)


def id_in(checkpoint: Mapping[str, Any]) -> str:
    """The ID of the training that saved a checkpoint."""
    hub = checkpoint.get('message_hub')
    info = hub.get('runtime_info') if isinstance(hub, Mapping) else None
    return str(info.get(ID, UNNAMED)) if isinstance(info, Mapping) else UNNAMED


def last_training_in(work_dir: Path) -> str:
    """The ID of the training that has last been at work in a folder; '' where none said so."""
    path = work_dir / LAST_TRAINING
    return path.read_text(errors='replace').strip() if path.is_file() else ''
