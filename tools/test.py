"""Evaluate a checkpoint; see hrnet_mm/commands/test.py."""

from hrnet_mm.base.errors import run_tool
from hrnet_mm.commands.test import main

if __name__ == '__main__':
    run_tool(main)
