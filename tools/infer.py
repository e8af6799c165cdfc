"""Predict on images, folders or videos; see hrnet_mm/commands/infer.py."""

from hrnet_mm.base.errors import run_tool
from hrnet_mm.commands.infer import main

if __name__ == '__main__':
    run_tool(main)
