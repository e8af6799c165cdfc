"""No file that is given as a checkpoint runs code, hangs or crashes the program."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked_tools import LONGEST
from tests.helpers import ROOT
from tests.robustness.hostile_files import payloads


@pytest.mark.slow
def test_damaged_and_hostile_files_are_refused_with_a_sentence(tmp_path: Path) -> None:
    """Truncations, flipped bits, calls of all that does harm, opcodes that no pickler writes."""
    done = subprocess.run(
        [sys.executable, '-m', 'tests.robustness.hostile_files', str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f'ended by {done.returncode} at {lines[-1:]}\n{done.stderr}'
    outcomes = dict(json.loads(line) for line in lines if line.startswith('['))
    assert len(outcomes) >= 200
    surprises = {k: v for k, v in outcomes.items() if v not in ('refused', 'loaded')}
    assert surprises == {}
    assert [name for name in outcomes if 'hostile' in name and outcomes[name] == 'loaded'] == []
    assert outcomes['whole.pth'] == outcomes['legacy.pth'] == 'loaded'
    assert [*tmp_path.glob('payload*'), *tmp_path.parent.parent.glob('payload*')] == []


def test_payloads_do_run_where_a_pickle_is_trusted(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    pickle.loads(pickle.dumps(next(payloads(tmp_path)))).close()
    assert [path.name for path in tmp_path.iterdir()] == ['payload0']
