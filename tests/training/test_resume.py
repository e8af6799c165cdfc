"""What a resumed run begins with: its seed, its checkpoint, or the weights of the config."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from hrnet_mm.commands.from_arguments import apply_train_options
from hrnet_mm.training.resume import keep_seed, prepare_resume


@pytest.mark.parametrize('asked', [None, 3, 7])
def test_a_resumed_run_keeps_its_seed_and_the_rest_of_its_randomness(asked: int | None) -> None:
    rest = dict(diff_rank_seed=True, deterministic=True)
    cfg = Config(dict(randomness=rest if asked is None else dict(rest, seed=asked)))
    notes = keep_seed(cfg, dict(meta=dict(seed=7)))
    assert cfg.randomness == dict(rest, seed=7)
    told = ['the run began with the seed 7 and goes on with it, not with 3']
    assert notes == (told if asked == 3 else [])


@pytest.mark.parametrize('named', [False, True])
def test_another_seed_than_that_of_the_run_is_told(tmp_path, named: bool) -> None:
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(meta=dict(seed=7, iter=1), message_hub={}, state_dict={}), path)
    (tmp_path / 'last_checkpoint').write_text(str(path))
    load_from = str(path) if named else None
    cfg = Config(dict(work_dir=str(tmp_path), load_from=load_from, randomness=dict(seed=3)))
    assert prepare_resume(cfg) == ['the run began with the seed 7 and goes on with it, not with 3']
    assert cfg.randomness.seed == 7


def test_resumed_before_anything_is_saved_it_begins_with_the_weights_of_the_config(
    tmp_path: Path, load_tool
) -> None:
    """As a job that is put back into its queue, whose command always has ``--resume``."""
    args = load_tool('train').parse_args(['config.py', '--resume'])

    def prepared() -> tuple[Config, list[str]]:
        cfg = Config(dict(work_dir=str(tmp_path), load_from='weights.pth'))
        apply_train_options(cfg, args)
        return cfg, prepare_resume(cfg)

    cfg, [note] = prepared()
    assert (cfg.resume, cfg.load_from) == (False, 'weights.pth')
    assert note.endswith('training starts at the beginning, with the weights of weights.pth')
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(meta=dict(iter=1), message_hub={}, state_dict={}), path)
    cfg, notes = prepared()
    assert (cfg.resume, cfg.load_from) == (True, None)
    assert notes == [f'resuming {path}']
