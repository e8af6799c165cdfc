"""The machine and the versions that a measurement belongs to."""

from __future__ import annotations

import os
import platform
import textwrap
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from hrnet_mm import __version__
from hrnet_mm.doctor import pip_names

WIDTH = 100  # columns of the screen
# That this process may run on.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
CPU_INFO = Path('/proc/cpuinfo')
BUSY = 0.5  # other programs' average number of running threads from which on times are doubtful


def machine_of(device: str, threads: int) -> dict[str, Any]:
    """Processor, cores, threads, versions and the flags that change the speed."""
    found: dict[str, Any] = dict(
        cpu=_cpu_model(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        cores=CORES,
        threads=threads,
        load=round(os.getloadavg()[0], 2),
        system=platform.platform(),
        python=platform.python_version(),
        versions=_versions(),
    )
    if torch.device(device).type == 'cuda':
        found |= dict(
            gpu=torch.cuda.get_device_name(device),
            cuda=torch.version.cuda,
            cudnn=torch.backends.cudnn.version(),
            cudnn_benchmark=torch.backends.cudnn.benchmark,
            cudnn_tf32=torch.backends.cudnn.allow_tf32,
            matmul_tf32=torch.backends.cuda.matmul.allow_tf32,
        )
    return found


def describe(machine: dict[str, Any]) -> str:
    """The lines above a table, at most 100 columns wide."""
    cores = f'cores {machine["cores"]}, threads {machine["threads"]}'
    where = f'{machine["cpu"]} ({machine["instructions"]}), {cores}'
    if 'gpu' in machine:
        tuned = 'on' if machine['cudnn_benchmark'] else 'off'
        where = f'{machine["gpu"]}, CUDA {machine["cuda"]}, cudnn.benchmark {tuned}; {where}'
    versions = ', '.join(f'{name} {number}' for name, number in machine['versions'].items())
    lines = [*textwrap.wrap(where, WIDTH), *textwrap.wrap(versions, WIDTH)]
    if machine['load'] > BUSY:
        lines.append(
            f'Other programs are running (load {machine["load"]}): the times are not to be trusted.'
        )
    return '\n'.join(lines)


def _cpu_model() -> str:
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    names = pip_names()
    packages = dict(
        torch='torch',
        mmpose='mmpose',
        mmdet=names['mmdet'],
        mmseg=names['mmseg'],
        timm='timm',
        onnxruntime='onnxruntime',
        openvino='openvino',
    )
    found = dict(hrnet_mm=__version__)
    for module, package in packages.items():
        try:
            found[module] = version(package)
        except PackageNotFoundError:
            found[module] = '-'
    return found
