"""Configs and limits that do harm to a run."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

from tests.robustness.conftest import CONFIGS


def config_with(folder: Path, config: str, hook: str, **options: object) -> Path:
    """The config with a hook of ``at_iteration.py``."""
    path = folder / f'{config}_{hook}.py'
    settings = ', '.join(f'{key}={value!r}' for key, value in options.items())
    path.write_text(
        f'_base_ = {str(CONFIGS / f"{config}.py")!r}\n'
        "custom_imports = dict(imports=['tests.robustness.at_iteration'])\n"
        f"custom_hooks = [dict(type='mmengine.{hook}', {settings})]\n"
    )
    return path


def allow_small_files_only() -> None:
    """Let writing fail where a checkpoint would be half-written."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def die_in_large_files() -> None:
    """Let the system kill the process where a checkpoint is half-written."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    allow_small_files_only()
