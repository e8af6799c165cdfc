"""Evaluate a checkpoint; see hrnet_mm/commands/test.py."""

from hrnet_mm.commands.program import run_program

if __name__ == '__main__':
    run_program('hrnet_mm.commands.test')
