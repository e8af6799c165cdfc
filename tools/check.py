"""Look for mistakes before training; see hrnet_mm/commands/check.py."""

from hrnet_mm.base.errors import run_tool
from hrnet_mm.commands.check import main

if __name__ == '__main__':
    run_tool(main)
