"""Train a model from a config; see hrnet_mm/commands/train.py."""

from hrnet_mm.commands.program import run_program

if __name__ == '__main__':
    run_program('hrnet_mm.commands.train')
