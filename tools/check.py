"""Look for mistakes before training; see hrnet_mm/commands/check.py."""

from hrnet_mm.commands.program import run_program

if __name__ == '__main__':
    run_program('hrnet_mm.commands.check')
