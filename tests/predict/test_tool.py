"""tools/infer.py as a user runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from mmpose.apis import init_model
from mmpose.registry import MODELS

from hrnet_mm.base.errors import UserError
from hrnet_mm.takeover.switch import undo
from tests.forked_tools import run_tool
from tests.predict.helpers import Run, Tiny

HOST_CONFIG = """
_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
stages = {f'stage{i}': dict(num_channels=tuple(8 * 2**j for j in range(i))) for i in (2, 3, 4)}
model = dict(backbone=dict(extra=stages, init_cfg=None), head=dict(in_channels=8))
"""


@pytest.mark.slow
def test_tool_ends_with_one_line_that_counts(config: Path, checkpoint: Path, folder: Path) -> None:
    done = run_tool(
        'infer.py', config, checkpoint, folder, '--bbox', '1', '2', '30', '40', cwd=folder.parent
    )
    assert done.returncode == 0, done.stderr
    last_line = done.stdout.splitlines()[-1]
    assert last_line.startswith('3 images, 3 instances, ')
    assert last_line.endswith(' images/s: work_dirs/infer/tiny pose')
    assert (folder.parent / 'work_dirs/infer/tiny pose/predictions.json').is_file()


@pytest.mark.slow
def test_tool_fails_with_one_sentence(config: Path, folder: Path) -> None:
    failed = run_tool('infer.py', config, 'nowhere.pth', folder, cwd=folder.parent)
    assert failed.returncode == 1
    assert 'error: there is no checkpoint nowhere.pth\n' in failed.stderr
    assert 'Traceback' not in failed.stderr


@pytest.mark.slow
def test_tool_runs_a_detector_then_pose(
    config: Path, checkpoint: Path, folder: Path, tiny: Tiny
) -> None:
    detector = tiny('detection')
    done = run_tool(
        *('infer.py', config, checkpoint, folder, '--device', 'cpu'),
        *('--detector', detector.config, detector.checkpoint),
        *('--det-class', 'mouse', '--det-score-thr', '0.1'),
        cwd=folder.parent,
    )
    assert done.returncode == 0, done.stderr
    last_line = done.stdout.splitlines()[-1]
    assert last_line.startswith('3 images, ') and ' 0 instances' not in last_line


def test_a_threshold_where_nothing_has_a_score_is_refused(
    run: Run, tiny: Tiny, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match='--score-thr: the model gives no scores'):
        run(tiny('segmentation'), folder, score_thr=0.5)
    assert not (tmp_path / 'out').exists()


def test_takeover_runs_a_hosts_config_on_ours(
    load_tool: Callable[[str], ModuleType], folder: Path, tmp_path: Path
) -> None:
    config, checkpoint = tmp_path / 'host.py', tmp_path / 'host.pth'
    config.write_text(HOST_CONFIG)
    model = init_model(config, device='cpu')
    torch.nn.init.normal_(model.head.final_layer.weight, std=0.1)
    torch.save(model.state_dict(), checkpoint)

    def keypoints(*more: str) -> torch.Tensor:
        arguments = [config, checkpoint, folder, '--out', tmp_path / 'out', '--device=cpu']
        load_tool('infer').main([*map(str, arguments), '--no-draw', *more])
        images = json.loads((tmp_path / 'out/predictions.json').read_text())['images']
        return torch.tensor([image['instances'][0]['keypoints'] for image in images])

    expected = keypoints()
    assert MODELS.get('HRNet').__module__ == 'mmpose.models.backbones.hrnet'
    try:
        actual = keypoints('--takeover')
        assert MODELS.get('HRNet').__module__ == 'hrnet_mm.takeover.for_mmpose'
    finally:
        undo()
    assert torch.allclose(actual, expected, atol=1e-3)
