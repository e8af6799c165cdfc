"""Write a model for other frameworks; see hrnet_mm/commands/export.py."""

from hrnet_mm.base.errors import run_tool
from hrnet_mm.commands.export import main

if __name__ == '__main__':
    run_tool(main)
