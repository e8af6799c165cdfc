"""Draw the synthetic people; see demo/make_dataset.py."""

import sys
from pathlib import Path

from hrnet_mm.commands.program import run_program

if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # what is beside tools/
    run_program('demo.make_dataset')
