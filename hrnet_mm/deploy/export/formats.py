"""Which formats there are, what each can hold, and what it needs."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from hrnet_mm.base.errors import UsageError, UserError
from hrnet_mm.deploy.table import INT8
from hrnet_mm.kernels.library import find_compiler


@dataclass(frozen=True)
class Format:
    """A format; the module of its name has ``write`` and ``load``.

    Attributes:
        title: its name for people.
        suffixes: of its files; the first is of the one the user names.
        precisions: those it can hold.
        packages: that must be installed.
        int8_packages: that int8 needs besides.
        compiles: whether it needs a C++ compiler.
        runs_code: whether the file may run code when it is loaded.
        least: the shortest side of an image, in multiples of what the network needs.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    precisions: tuple[str, ...]
    packages: tuple[str, ...] = ()
    int8_packages: tuple[str, ...] = ()
    compiles: bool = False
    runs_code: bool = False
    least: int = 1

    @property
    def module(self) -> ModuleType:
        return importlib.import_module(f'hrnet_mm.deploy.export.{self.name}')

    def files(self, out: Path) -> list[Path]:
        """Its files, the first of which is ``out``."""
        return [out.with_suffix(suffix) for suffix in self.suffixes]

    def check(self, out: Path, precision: str) -> None:
        """Make sure that this machine can write and read it.

        Raises:
            UserError: it cannot hold this precision, or something is not installed.
        """
        if precision not in self.precisions:
            possible = ', '.join(self.precisions)
            raise UsageError(
                f'--precision {precision}: {self.title} holds {possible} ({out.name} ends in '
                f'{out.suffix})'
            )
        packages = self.packages + (self.int8_packages if precision == INT8 else ())
        missing = [name for name in packages if find_spec(name) is None]
        if missing:
            raise UserError(f'{out} needs {" and ".join(missing)}: pip install {" ".join(missing)}')
        if self.compiles and find_compiler() is None:
            raise UserError(f'{self.title} needs a C++ compiler (g++ or clang++)')


FORMATS = {
    format.name: format
    for format in (
        Format('onnx', 'ONNX', ('.onnx',), ('fp32', 'fp16', INT8), ('onnx', 'onnxruntime')),
        Format(
            'openvino',
            'OpenVINO IR',
            ('.xml', '.bin'),
            ('fp32', 'fp16', 'bf16', INT8),
            ('openvino',),
            ('nncf',),
        ),
        # torch.export asks for a map of 2 x 2 where the network is content with one pixel.
        Format(
            'torch_program',
            'torch.export program',
            ('.pt2',),
            ('fp32', 'fp16', 'bf16'),
            runs_code=True,
            least=2,
        ),
        Format(
            'aotinductor',
            'AOTInductor package',
            ('.pt2',),
            ('fp32', 'fp16', 'bf16'),
            compiles=True,
            runs_code=True,
            least=2,
        ),
    )
}
SUFFIXES = tuple(sorted({format.suffixes[0] for format in FORMATS.values()}))
PRECISIONS = tuple(dict.fromkeys(p for format in FORMATS.values() for p in format.precisions))


def format_named(name: str, out: Path) -> Format:
    """The format of a file that is said to be of one.

    Args:
        name: of the format.
        out: the file; its ending must be that of the format, so that the file that is named is the
            one that is run.

    Raises:
        UserError: there is no such format, or its files end in something else.
    """
    fitting = {f.name: f for f in FORMATS.values() if f.suffixes[0] == out.suffix}
    if name not in fitting:
        formats = ' or '.join(fitting) or 'no format'
        raise UserError(
            f'{out.name} ends as {formats} does; what belongs to it says that it is {name!r:.60}'
        )
    return fitting[name]


def format_of(out: Path, aot: bool) -> Format:
    """The format that the ending of a file's name asks for.

    Args:
        out: the file.
        aot: for ``.pt2``: compiled by AOTInductor, not the program itself.

    Raises:
        UserError: no format has that ending, or ``aot`` does not go with it.
    """
    matching = [format for format in FORMATS.values() if format.suffixes[0] == out.suffix]
    if not matching:
        raise UsageError(f'{out}: the name must end in one of {", ".join(SUFFIXES)}')
    if aot and len(matching) == 1:
        raise UsageError(f'--aot writes a .pt2 file, not {out.name}')
    return matching[-1 if aot else 0]
