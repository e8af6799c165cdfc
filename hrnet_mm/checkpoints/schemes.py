"""MMEngine's own loading of checkpoints, by our readers: safe, checked, from more places."""

from __future__ import annotations

from typing import Any

from mmengine.runner import CheckpointLoader

from hrnet_mm.checkpoints.sources import HUB, WEB, ZOOS, read_source


def use_our_readers(trust: bool = False) -> None:
    """Let everything that MMEngine loads in this process go through ``read_source``.

    That is ``load_from``, ``resume`` and the ``init_cfg`` of any model. What changes: files are
    read with ``weights_only=True`` on every version of torch, a refused or damaged one costs a
    sentence, the hash in the name of a download is checked, and safetensors and ``hf-hub:`` are
    known. The tools call it before they build a Runner.

    Args:
        trust: run what checkpoints ask to be run (``--trust-checkpoint``).
    """

    def load_from_source(filename: str, map_location: Any = None) -> dict[str, Any]:
        # Not mapped into memory: training may later write a checkpoint of the same name.
        return read_source(filename, trust=trust, mmap=False, map_location=map_location or 'cpu')

    CheckpointLoader.register_scheme(['', *WEB, *ZOOS, HUB], load_from_source, force=True)
