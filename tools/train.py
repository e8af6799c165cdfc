"""Train a model from a config; see hrnet_mm/commands/train.py."""

from hrnet_mm.base.errors import run_tool
from hrnet_mm.commands.train import main

if __name__ == '__main__':
    run_tool(main)
