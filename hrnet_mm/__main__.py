"""Run the command ``hrnet`` as ``python -m hrnet_mm``."""

from hrnet_mm.commands.hrnet import main

if __name__ == '__main__':
    # Else workers that multiprocessing spawns do not import this file, and lack the stand-ins.
    __spec__ = None
    main()
