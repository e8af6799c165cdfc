"""What setup.cfg cannot say: the package carries configs/, tools/, a start-up file and kernels.

mim and MMEngine look for an installed package's configs, tools and indexes in its folder ``.mim``.
Those files are in the source tree once, at its root: a wheel gets copies of them and an editable
install links. ``hrnet_mm_startup.pth`` goes beside the package: Python runs it when it starts.

A wheel that is built on Linux, on x86 and with a C++ compiler carries the kernels compiled for
every instruction set. Elsewhere, with ``HRNET_MM_PURE_WHEEL=1``, and in an editable install the
package has their sources only, and they are compiled on first use.
"""

import os
import runpy
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

MIM_FOLDER = Path('hrnet_mm/.mim')
MIM_CONTENT = ('configs', 'tools', 'model-index.yml', 'dataset-index.yml')
# Tools whose code lies beside the package and is not installed.
OF_THE_CHECKOUT = ('benchmark.py', 'complexity.py', 'demo.py', 'make_dataset.py')
STARTUP = 'hrnet_mm_startup.pth'
KERNELS = Path('hrnet_mm/kernels')
PURE = 'HRNET_MM_PURE_WHEEL'


class WheelWithKernels(bdist_wheel):
    """Build a wheel for this platform with compiled kernels, or one for all without any."""

    def run(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            kernels = compile_kernels(Path(folder))
            self.get_finalized_command('build_py').kernels = kernels
            self.root_is_pure = not kernels
            self.distribution.has_ext_modules = lambda: bool(kernels)
            super().run()

    def get_tag(self) -> tuple[str, str, str]:
        python, abi, platform = super().get_tag()
        # The kernels know nothing of Python.
        return (python, abi, platform) if self.root_is_pure else ('py3', 'none', platform)


def compile_kernels(folder: Path) -> list[Path]:
    """The files of a wheel for this platform; none where it is to be pure, which is no error."""
    if sysconfig.get_platform() != 'linux-x86_64':
        return []
    if os.environ.get(PURE, '') not in ('', '0'):
        return []
    try:
        # By its path, as the package imports what is not installed where a wheel is built.
        return runpy.run_path(str(KERNELS / 'compiler.py'))['compile_for_wheel'](folder)
    except (OSError, RuntimeError) as error:
        note = 'a wheel without compiled kernels is built, which are then compiled on first use'
        print(f'{note}: {error}', file=sys.stderr)
        return []


class BuildWithMim(build_py):
    """Build the Python modules, and what mim, MMEngine and Python's start-up need."""

    kernels: list[Path] = []

    def run(self) -> None:
        if not self.editable_mode:
            # Modules of an earlier build that have moved since would go into the wheel.
            shutil.rmtree(Path(self.build_lib) / 'hrnet_mm', ignore_errors=True)
        super().run()
        if self.editable_mode:
            link_mim_content()
            # An editable wheel takes nothing from build_lib; its own content is in install_lib.
            self.copy_file(STARTUP, self.get_finalized_command('install').install_lib)
        else:
            for target, source in self.mim_mapping().items():
                self.mkpath(os.path.dirname(target))
                self.copy_file(source, target)
            self.copy_file(STARTUP, self.build_lib)
            for path in self.kernels:
                self.copy_file(path, Path(self.build_lib) / KERNELS)

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *self.mim_mapping().values(), STARTUP]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs = super().get_outputs(include_bytecode)
        return [*dict.fromkeys([*outputs, *self.mim_mapping()])]

    def get_output_mapping(self) -> dict[str, str]:
        return super().get_output_mapping() | self.mim_mapping()

    def mim_mapping(self) -> dict[str, str]:
        """The files of ``.mim`` in the built package, and where they come from."""
        folder = Path(self.build_lib) / MIM_FOLDER
        return {str(folder / source): str(source) for source in mim_sources()}


def mim_sources() -> list[Path]:
    found = (path for name in MIM_CONTENT for path in (Path(name), *Path(name).rglob('*')))
    return sorted(
        path
        for path in found
        if path.is_file()
        and '__pycache__' not in path.parts
        and not (path.parts[0] == 'tools' and path.name in OF_THE_CHECKOUT)
    )


def link_mim_content() -> None:
    """Fill ``.mim`` of the source tree with links, or with copies where links are not allowed."""
    MIM_FOLDER.mkdir(exist_ok=True)
    for name in MIM_CONTENT:
        link = MIM_FOLDER / name
        if link.is_dir() and not link.is_symlink():
            shutil.rmtree(link)
        link.unlink(missing_ok=True)
        try:
            link.symlink_to(Path('../..') / name, target_is_directory=Path(name).is_dir())
        except OSError:
            copy = shutil.copytree if Path(name).is_dir() else shutil.copy2
            copy(name, link)


setup(cmdclass={'build_py': BuildWithMim, 'bdist_wheel': WheelWithKernels})
