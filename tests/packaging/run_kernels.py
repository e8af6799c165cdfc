"""Run in a process of its own: what the installed package's kernels are, and whose OpenMP they use.

Prints JSON. The first argument is what to import first.
"""

import importlib
import json
import os
import sys
import warnings
from pathlib import Path

import_first = sys.argv[1]
importlib.import_module(import_first)

import torch  # noqa: E402

from hrnet_mm.base.errors import UserError  # noqa: E402
from hrnet_mm.kernels.compiler import INSTRUCTION_SETS  # noqa: E402
from hrnet_mm.kernels.cpu import instructions  # noqa: E402
from hrnet_mm.kernels.library import load_library  # noqa: E402

warnings.simplefilter('error')
THREADS = 3


def libraries() -> list[str]:
    """The files of OpenMP that this process has loaded."""
    paths = {line.split()[-1] for line in Path('/proc/self/maps').read_text().splitlines()}
    openmp = ('libgomp', 'libomp', 'libiomp')
    return sorted(path for path in paths if Path(path).name.startswith(openmp))


def run_torch() -> int:
    """The threads of this process after an operation of PyTorch on all of its own."""
    torch.rand(2000, 2000).relu_()
    return len(os.listdir('/proc/self/task'))


def run_kernels() -> dict[str, float]:
    """The error of a convolution by the kernels, and the threads of this process after it."""
    x, weight = (
        torch.randn(*size).to(memory_format=torch.channels_last)
        for size in ((2, 64, 60, 50), (64, 64, 3, 3))
    )
    y = torch.empty_like(x)
    pointers = (x.data_ptr(), weight.data_ptr(), y.data_ptr())
    load_library().convolve(4, 0, 0, 2, 60, 50, 64, 64, 0, *pointers, THREADS)
    threads = len(os.listdir('/proc/self/task'))
    expected = torch.nn.functional.conv2d(x.double(), weight.double(), padding=1)
    return dict(error=float((y - expected).abs().max() / expected.abs().max()), threads=threads)


def run_in_a_fork() -> dict[str, object]:
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, json.dumps(run_kernels() | dict(libraries=libraries())).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as file:
        return json.loads(file.read())


def choices() -> dict[str, list[object]]:
    """The file, the lanes, bf16 and int8 arithmetic for each ``HRNET_MM_INSTRUCTIONS``."""
    found = {}
    for name in ('', *sorted(instructions() & {*INSTRUCTION_SETS}), 'avx9'):
        os.environ['HRNET_MM_INSTRUCTIONS'] = name
        load_library.cache_clear()
        try:
            kernels = load_library()
        except UserError as error:
            found[name] = [str(error)]
        else:
            found[name] = [kernels._name, kernels.lanes(), kernels.has_bf16(), kernels.has_int8()]
    del os.environ['HRNET_MM_INSTRUCTIONS']
    load_library.cache_clear()
    return found


torch.set_num_threads(THREADS)
found = dict(choices=choices(), libraries_before=libraries(), fork=run_in_a_fork())
found |= dict(threads_of_torch=run_torch(), kernels=run_kernels(), libraries=libraries())
print(json.dumps(found | dict(threads_in_the_end=run_torch())))
