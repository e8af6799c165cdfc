"""On a CPU, fast training is by our own kernels: in a real run, and without a compiler."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn

from hrnet_mm.kernels import library
from hrnet_mm.kernels.convolution import NativeConv2d
from hrnet_mm.models import HRNet
from hrnet_mm.training.hooks import fast_training
from tests.helpers import small_extra
from tests.kernels.compilers import copying, machine, script, stand_in_library


@pytest.fixture(autouse=True)
def _memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lasts as long as the process is not for the tests after these."""
    monkeypatch.setattr(fast_training, 'keep_freed_memory', lambda: True)


class Trainee(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = HRNet(extra=small_extra(16), out_indices=(0,))

    def forward(self, inputs: list[Tensor], mode: str = 'tensor') -> dict[str, Tensor]:
        (y,) = self.backbone(torch.stack(inputs))
        return dict(loss=(y - 1).square().mean())


def train(folder: Path) -> Runner:
    images = [dict(inputs=image) for image in torch.randn(4, 3, 64, 64)]
    runner = Runner(
        model=Trainee(),
        work_dir=str(folder),
        train_dataloader=dict(
            dataset=images,
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        custom_hooks=[dict(type='hrnet_mm.FastTrainingHook')],
        experiment_name=folder.name,
    )
    runner.train()
    return runner


def native_convolutions(model: nn.Module) -> int:
    return sum(type(module) is NativeConv2d for module in model.modules())


def log_of(folder: Path) -> str:
    (log,) = folder.rglob('*.log')
    return log.read_text()


@pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler')
def test_a_run_is_trained_by_the_kernels_and_its_checkpoint_is_plain(tmp_path: Path) -> None:
    runner = train(tmp_path)
    changed = native_convolutions(runner.model)
    assert changed > 10
    assert f'{changed} convolutions are trained by our own kernels' in log_of(tmp_path)
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
    Trainee().load_state_dict(saved['state_dict'], strict=True)
    assert saved['optimizer']['param_groups'][0].get('fused') is None


def writing_no_library(folder: Path) -> Path:
    return script(folder / 'g++', 'echo no library > "$out"')


def forgetting_a_function(folder: Path) -> Path:
    return copying(folder, stand_in_library(folder / 'built.so', without='norm_backward'))


@pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler')
@pytest.mark.parametrize(
    ('compiler_of', 'reason'),
    [
        (writing_no_library, 'cannot be loaded'),
        (forgetting_a_function, 'undefined symbol: norm_backward'),
    ],
)
def test_what_keeps_the_kernels_away_is_one_line_and_pytorch_trains(
    compiler_of: Callable[[Path], Path], reason: str, tmp_path: Path
) -> None:
    """All else that may go wrong is a RuntimeError as well: tests/kernels/test_library.py."""
    with machine(compiler_of(tmp_path), tmp_path / 'cache'):
        assert_trained_by_pytorch(tmp_path, reason)


def test_without_a_compiler_a_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, 'find_compiler', lambda: None)
    with machine(tmp_path / 'no compiler', tmp_path / 'cache'):
        assert_trained_by_pytorch(tmp_path, 'there is no C++ compiler')


def assert_trained_by_pytorch(folder: Path, reason: str) -> None:
    runner = train(folder)
    assert native_convolutions(runner.model) == 0
    end = ": PyTorch's own convolutions are used"
    (warning,) = (line for line in log_of(folder).splitlines() if line.endswith(end))
    assert 'WARNING' in warning and reason in warning
