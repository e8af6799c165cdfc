"""However a pickle of what checkpoints name is put together, it runs, crashes, hangs nothing."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.forked_tools import SERVER
from tests.robustness.generated_pickles import run

COUNT = int(os.environ.get('GENERATED_PICKLES', 300))
SEED = int(os.environ.get('GENERATED_PICKLES_SEED', 1))
BATCH = 150  # in a process of its own, as a crash ends it
SECONDS = 120  # that a batch may take


def run_quietly(folder: Path, numbers: range) -> None:
    with (folder / 'log').open('w') as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    run(folder, SEED, numbers)


@pytest.mark.slow
def test_no_generated_pickle_executes_crashes_or_hangs(tmp_path: Path) -> None:
    print(f'seed {SEED}')
    outcomes: Counter[tuple[str, str]] = Counter()
    surprises = []
    for first in range(0, COUNT, BATCH):
        numbers = range(first, min(first + BATCH, COUNT))
        folder = tmp_path / str(first)
        folder.mkdir()
        process = SERVER.Process(target=run_quietly, args=(folder, numbers))
        process.start()
        process.join(SECONDS)
        process.kill()
        process.join()
        lines = (folder / 'log').read_text(errors='replace').splitlines()
        for number, way, outcome in (json.loads(line) for line in lines if line.startswith('[')):
            outcomes[way, outcome] += 1
            if outcome not in ('refused', 'loaded'):
                surprises.append(f'seed {SEED}, number {number}, {way}: {outcome}')
        if process.exitcode:
            surprises.append(f'seed {SEED}: ended by {process.exitcode} after {lines[-1:]}')
    print(dict(outcomes))
    assert surprises == []
    for way in ('ours', 'unmapped', 'plain', 'reader'):
        assert outcomes[way, 'loaded'] + outcomes[way, 'refused'] == COUNT
        assert outcomes[way, 'loaded'] > COUNT // 20, 'nearly nothing gets as far as torch'
