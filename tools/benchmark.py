"""Time HRNets side by side; see benchmark/__main__.py."""

import sys
from pathlib import Path

# What is beside tools/ is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmark.__main__ import main
from hrnet_mm.base.errors import run_tool

if __name__ == '__main__':
    run_tool(main)
