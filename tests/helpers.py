"""What tests of several rooms share: paths, tools as processes, pictures and small networks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import config
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from yapf.yapflib import yapf_api

from hrnet_mm.base.images import read_image
from hrnet_mm.base.torch_versions import is_older_than
from hrnet_mm.models import HRNet, HRNetCls, HRNetV1, HRNetV2, HRNetV2p, archs

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
TOOLS = ROOT / 'tools'

# Where `FormatCode` of MMEngine's configs is looked up: the fork imports it at each call.
FORMATTER = config if hasattr(config, 'FormatCode') else yapf_api

# Where a host's own tool runs, nothing stands in.
needs_compiled = pytest.mark.skipif(
    not any(Path(find_spec('mmcv').origin).parent.glob('_ext.*'))
    or not list(distributions(name='xtcocotools')),
    reason="mmpose's own tools need mmcv's compiled operators and xtcocotools",
)


def needs_torch(version: str, ability: str) -> pytest.MarkDecorator:
    """Skips a test of what torch can do since a version: ``needs_torch('2.6', 'torch.export')``."""
    return pytest.mark.skipif(
        is_older_than(version), reason=f'{ability} needs torch {version} or newer'
    )


needs_uint16 = needs_torch('2.3', 'an image of 16 bits as a tensor')
needs_float16 = needs_torch('2.4', 'float16 on a CPU')
needs_cp_of_norms = needs_torch('2.5', "with_cp='norm'")


# Processes


def run_tool(
    tool: str, *arguments: object, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a tool as a user does, e.g. ``run_tool('infer.py', 'config.py', 'x.pth', 'photos')``.

    A shell script, ``'dist_train.sh'``, finds the programs of this Python's environment. The
    ``variables`` are set in the tool's environment.
    """
    start = () if tool.endswith('.sh') else (sys.executable, '-W', 'ignore')
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ['PATH']))
    return subprocess.run(
        list(map(str, [*start, TOOLS / tool, *arguments])),
        cwd=cwd,
        env=os.environ | {'OMP_NUM_THREADS': '1', 'PATH': programs} | variables,
        capture_output=True,
        text=True,
    )


@contextmanager
def ctrl_c_stops() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt: it is ignored below a background job."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port on which a server of the test may listen, and which no other program is given.

    The system gives none away that is bound; a server that reuses addresses, as PyTorch's does, may
    bind it once more.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(('127.0.0.1', 0))
        yield holder.getsockname()[1]


@contextmanager
def web_server(handler: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on this machine, by its address; what is downloaded is kept below ``home``."""
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setenv('TORCH_HOME', str(home))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


class Calls:
    """Pickles as a call of anything with anything, and with a state if one is given."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments, *([] if state is None else [state]))

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


class RunsCode(Calls):
    """Unpickled without care, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(os.makedirs, str(folder), 0o777, True)


def equal(a: Any, b: Any) -> bool:
    """Whether two values of a checkpoint are the same, bit for bit."""
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, HistoryBuffer):
        return all(map(np.array_equal, a.data, b.data))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


# Pictures


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """Smooth coloured blobs, (height, width, 3) uint8 BGR."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def load_in_color(path: Path, decoded: np.ndarray | None = None) -> dict[str, Any]:
    """What a config gives that loads images as most do."""
    return dict(img=read_image(path) if decoded is None else decoded)


# Networks

CHANNELS = [8, 16, 32, 64]
TOLERANCE = 1e-5

NECKS = {
    'none': lambda: None,
    'v1': HRNetV1,
    'v2': lambda: HRNetV2(CHANNELS),
    'v2-aligned': lambda: HRNetV2(CHANNELS, 24, align_corners=True),
    'v2p': lambda: HRNetV2p(CHANNELS, 16),
    'v2p-max-norm-stride': lambda: HRNetV2p(
        CHANNELS, 16, 3, pooling_type='MAX', norm_cfg=dict(type='BN'), stride=2
    ),
    'cls': lambda: HRNetCls(CHANNELS, 64),
}


def extra_of(arch: str | int) -> dict[str, Any]:
    """The hosts' ``extra`` of a variant."""
    return archs.extra_of(archs.stages_from_arch(arch))


def small_extra(width: int = 8) -> dict[str, Any]:
    """One module a stage and one block a branch: every kind of layer, little work."""
    extra = extra_of(width)
    for i, stage in enumerate(extra.values(), start=1):
        stage |= dict(num_modules=1, num_blocks=(1,) * i)
    return extra


def randomize(net: nn.Module) -> nn.Module:
    """Give norms weights and statistics that a mistake cannot hide behind."""
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net


def small_net(**options: Any) -> HRNet:
    """Every kind of layer once."""
    return ready(HRNet(extra=small_extra(), **options))


def ready(net: nn.Module) -> nn.Module:
    """In eval mode, with random statistics."""
    return randomize(net).eval()


def small_neck(name: str) -> nn.Module | None:
    neck = NECKS[name]()
    return None if neck is None else ready(neck)


@torch.no_grad()
def maps_of(net: nn.Module, neck: nn.Module | None, image: Tensor) -> Sequence[Tensor]:
    maps = net(image)
    return maps if neck is None else neck(maps)


def loss_of(net: nn.Module, image: Tensor) -> Tensor:
    return sum(y.square().mean() for y in net(image))


def train_three_steps(net: nn.Module, images: list[Tensor]) -> dict[str, Tensor]:
    """Three SGD steps; the last step's gradients and the final running statistics."""
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4)
    for image in images:
        optimizer.zero_grad()
        loss_of(net, image).backward()
        optimizer.step()
    gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
    statistics = {name: buffer.double() for name, buffer in net.named_buffers()}
    return gradients | statistics


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest magnitude of ``expected``."""
    scale = expected.abs().max()
    assert torch.isfinite(expected).all() and scale > 0
    return float((actual - expected).abs().max() / scale)


def assert_same(
    actual: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float = TOLERANCE
) -> None:
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape and a.dtype == e.dtype
        assert relative_difference(a, e) < tolerance
