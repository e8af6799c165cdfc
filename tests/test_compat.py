import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from hrnet_mm.checkpoints.loading import read_checkpoint
from hrnet_mm.cli import UserError


def test_torchvision_imports_and_a_second_import_is_harmless() -> None:
    code = (
        'import hrnet_mm.compat, importlib, torchvision\n'
        'importlib.reload(hrnet_mm.compat)\n'
        'import torchvision.transforms.functional\n'
        'print(torchvision.__version__)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_mmengine_history_loads_with_weights_only(tmp_path) -> None:
    history = HistoryBuffer([0.5, 0.25], [1, 2])
    values = dict(array=np.arange(3), scalar=np.float32(0.5), flag=np.bool_(True))
    torch.save(dict(message_hub=dict(loss=history), **values), tmp_path / 'epoch.pth')
    loaded = read_checkpoint(tmp_path / 'epoch.pth')
    assert loaded['message_hub']['loss'].mean() == history.mean()
    assert np.array_equal(loaded['array'], values['array'])
    assert loaded['scalar'] == values['scalar'] and loaded['flag']


class AsksForAttribute:
    """Pickles as getattr(HistoryBuffer, <name>), which would reach far if it were answered."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self):
        return getattr, (HistoryBuffer, self.name)


def test_only_the_four_history_methods_are_answered(tmp_path) -> None:
    torch.save(dict(mean=AsksForAttribute('mean')), tmp_path / 'good.pth')
    assert read_checkpoint(tmp_path / 'good.pth')['mean'] is HistoryBuffer.mean
    torch.save(dict(bad=AsksForAttribute('__init_subclass__')), tmp_path / 'bad.pth')
    with pytest.raises(UserError, match=r"bad\.pth .*'__init_subclass__'"):
        read_checkpoint(tmp_path / 'bad.pth')
