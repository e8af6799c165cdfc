from hrnet_mm.commands.program import run_program

if __name__ == '__main__':
    run_program('benchmark.command')
