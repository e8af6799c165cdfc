"""Run the command ``hrnet`` as ``python -m hrnet_mm``."""

from hrnet_mm.commands.hrnet import main

main()
