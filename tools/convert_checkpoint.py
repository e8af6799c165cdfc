"""Convert weights between projects; see hrnet_mm/commands/convert_checkpoint.py."""

from hrnet_mm.base.errors import run_tool
from hrnet_mm.commands.convert_checkpoint import main

if __name__ == '__main__':
    run_tool(main)
