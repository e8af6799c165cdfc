"""Convert weights between projects; see hrnet_mm/commands/convert_checkpoint.py."""

from hrnet_mm.commands.program import run_program

if __name__ == '__main__':
    run_program('hrnet_mm.commands.convert_checkpoint')
