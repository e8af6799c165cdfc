"""A pose config small enough to train in seconds."""

from pathlib import Path

import pytest

from tests.helpers import CONFIGS
from tests.models_of_hosts import POSE_TRAINING


@pytest.fixture(scope='session')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('config') / 'tiny_pose.py'
    path.write_text(POSE_TRAINING.format(configs=CONFIGS))
    return path
