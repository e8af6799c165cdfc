"""OpenVINO's one Core: signals after engines have gone, and processes that are forked."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from hrnet_mm.deploy import optimize
from hrnet_mm.deploy.fused.network import FusedHRNet
from tests.helpers import assert_same, small_net

openvino = pytest.importorskip('openvino')


def test_nothing_makes_another_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from hrnet_mm.deploy.engines import open_vino_core as one_core
    from hrnet_mm.deploy.table import FORMATS, NetworkToWrite

    def another() -> None:
        raise AssertionError('a second Core')

    monkeypatch.setattr(openvino, 'Core', another)
    net, image = small_net(), torch.randn(1, 3, 64, 64)
    optimize(net, image, backend='openvino')
    network = NetworkToWrite(FusedHRNet(net), image, 'fp32', (), '')
    FORMATS['openvino'].write(network, tmp_path / 'net.xml')
    files = [(tmp_path / name).read_bytes() for name in ('net.xml', 'net.bin')]
    engine, _ = FORMATS['openvino'].load(files, 'fp32', torch.device('cpu'))
    assert_same(engine(image), net(image))
    if find_spec('nncf') is not None:
        optimize(net, image, 'int8', 'openvino', [image])
    with one_core.share_core():
        assert openvino.Core() is one_core.core()
    assert openvino.Core is another


# In a process of its own: what it checks would end it.
SIGNALS = """
import gc, os, signal, sys, threading
import torch
from hrnet_mm.deploy import optimize
from hrnet_mm.deploy.optimize import UserError
from hrnet_mm.models import HRNet

net, image = HRNet('w18_small').eval(), torch.rand(1, 3, 64, 64)
build = lambda: optimize(net, image, backend='openvino')
engines = [build(), build()]
threads = [threading.Thread(target=lambda: engines.append(build())) for _ in range(2)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
if 'int8' in sys.argv:
    engines.append(optimize(net, image, 'int8', 'openvino', [image]))
kept = engines.pop()
while engines:
    engines.pop(0)
    gc.collect()
child = os.fork()
if child == 0:
    for use in (lambda: kept(image), build):
        try:
            use()
        except (RuntimeError, UserError) as error:
            print(f'{type(error).__name__}: {error}', flush=True)
    os._exit(0)
os.waitpid(child, 0)
signal.signal(signal.SIGCHLD, lambda *_: None)  # as DataLoader does
signal.raise_signal(signal.SIGCHLD)
del kept
gc.collect()
try:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a background job
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print('interrupted')
"""


@pytest.mark.slow
def test_signals_after_engines_have_gone_and_forks() -> None:
    int8 = ['int8'] if find_spec('nncf') is not None else []
    command = [sys.executable, '-W', 'ignore', '-c', SIGNALS, *int8]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    used, built, interrupted = done.stdout.splitlines()
    forked = 'OpenVINO cannot be used in a process that was forked from one that has used it'
    assert used.startswith(f'RuntimeError: {forked}')
    assert built.startswith(f"UserError: backend='openvino' cannot run the model: {forked}")
    assert interrupted == 'interrupted'


# In a process of its own, which holds no freed memory of other tests.
MANY_SHAPES = """
import gc, resource
import torch
from hrnet_mm.deploy import optimize
from hrnet_mm.models import HRNet

fast = optimize(HRNet('w18_small').eval(), torch.rand(1, 3, 160, 160), backend='openvino')
peaks = []
for shapes in (range(20), range(20, 90)):
    for i in shapes:
        fast(torch.rand(1, 3, 33 + 7 * i % 127, 33 + 31 * i % 125))
    gc.collect()
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(*peaks)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_every_shape() -> None:
    command = [sys.executable, '-W', 'ignore', '-c', MANY_SHAPES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    after_20, after_90 = map(float, done.stdout.split())
    assert after_90 - after_20 < 80  # MB; without a limit it is 180, with it 25
