import pickle
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader, Runner
from mmpose.datasets.transforms import BottomupGetHeatmapMask
from mmpose.visualization import PoseLocalVisualizer
from torch.utils.data import DataLoader, Dataset

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.fixes import draw_keypoints, name_owned_memory
from hrnet_mm.weights.read import read_checkpoint
from tests.helpers import Calls, RunsCode, web_server


def test_torchvision_imports_and_a_second_import_is_harmless() -> None:
    code = (
        'import hrnet_mm.fixes, importlib, torchvision\n'
        'importlib.reload(hrnet_mm.fixes)\n'
        'import torchvision.transforms.functional\n'
        'print(torchvision.__version__)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def asks_for(attribute: str) -> Calls:
    """Pickles as a getattr that would reach far if it were answered."""
    return Calls(getattr, HistoryBuffer, attribute)


def test_only_the_names_of_the_four_history_methods_are_answered(tmp_path) -> None:
    torch.save(dict(mean=asks_for('mean')), tmp_path / 'good.pth')
    assert read_checkpoint(tmp_path / 'good.pth')['mean'] == 'mean'
    torch.save(dict(bad=asks_for('__init_subclass__')), tmp_path / 'bad.pth')
    with pytest.raises(UserError, match=r"bad\.pth .*'__init_subclass__'"):
        read_checkpoint(tmp_path / 'bad.pth')
    with pytest.raises(pickle.UnpicklingError, match='__init_subclass__'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'bad.pth'), map_location='cpu')


def test_an_array_without_elements_is_read_and_no_memory_is_asked_for(tmp_path) -> None:
    torch.save(dict(skeleton_links=np.zeros((0, 2), np.uint8)), tmp_path / 'face.pth')
    assert read_checkpoint(tmp_path / 'face.pth')['skeleton_links'].shape == (0, 2)
    torch.save(dict(bad=Calls(bytes, 10**12)), tmp_path / 'bad.pth')
    with pytest.raises(UserError, match=r'bad\.pth .*bytes\(1000000000000'):
        read_checkpoint(tmp_path / 'bad.pth')


class Net(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, inputs: torch.Tensor, mode: str) -> dict[str, torch.Tensor]:
        return dict(loss=self.layer(inputs).square().mean())


class Numbers(Dataset):
    metainfo = dict(sigmas=np.arange(3.0), links=np.zeros((0, 2), np.uint8), names=('a', 'b'))

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return dict(inputs=torch.full((2,), float(index)))


def runner(folder: Path, epochs: int, **options: object) -> Runner:
    return Runner(
        Net(),
        str(folder),
        train_dataloader=DataLoader(Numbers()),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        experiment_name=f'{folder.name}{epochs}',
        **options,
    )


def test_mmengines_own_runner_resumes_its_history_bit_for_bit(tmp_path: Path) -> None:
    first = runner(tmp_path, 2)
    first.train()
    second = runner(tmp_path, 3, resume=True)
    second.load_or_resume()
    assert second.epoch == 2
    histories = [run.message_hub.log_scalars for run in (first, second)]
    assert histories[0].keys() == histories[1].keys() and 'train/loss' in histories[1]
    for key, history in histories[0].items():
        again = histories[1][key]
        assert type(again) is HistoryBuffer
        for before, after in zip(history.data, again.data, strict=True):
            assert type(after) is np.ndarray and after.dtype == before.dtype
            assert after.tobytes() == before.tobytes()
    second.train()
    meta = safe_load(tmp_path / 'epoch_3.pth')['meta']['dataset_meta']
    assert np.array_equal(meta['sigmas'], Numbers.metainfo['sigmas'])
    assert pickle.loads(pickle.dumps(meta['sigmas'])).__class__ is np.ndarray


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the files of ``tmp_path`` can be downloaded."""
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with web_server(handler, tmp_path / 'downloaded', monkeypatch) as address:
        yield address


@pytest.mark.parametrize('place', ['local', 'remote'])
def test_mmengine_loads_tensors_and_runs_no_code(place: str, tmp_path: Path, address: str) -> None:
    folder = address if place == 'remote' else tmp_path
    torch.save(dict(state_dict=dict(weight=torch.ones(2))), tmp_path / 'good.pth')
    torch.save(dict(state_dict=RunsCode(tmp_path / 'made')), tmp_path / 'bad.pth')
    good = CheckpointLoader.load_checkpoint(f'{folder}/good.pth', map_location='cpu')
    assert good['state_dict']['weight'].tolist() == [1, 1]
    with pytest.raises(pickle.UnpicklingError, match='makedirs'):
        CheckpointLoader.load_checkpoint(f'{folder}/bad.pth', map_location='cpu')
    assert not (tmp_path / 'made').exists()


def test_damaged_download_is_not_kept(tmp_path: Path, address: str) -> None:
    (tmp_path / 'x.pth').write_text('<html>log in first</html>')
    with pytest.raises(pickle.UnpicklingError):
        CheckpointLoader.load_checkpoint(f'{address}/x.pth', map_location='cpu')
    torch.save(dict(weight=torch.ones(2)), tmp_path / 'x.pth')
    assert CheckpointLoader.load_checkpoint(f'{address}/x.pth')['weight'].tolist() == [1, 1]


def test_bottom_up_training_masks_people_without_keypoints(monkeypatch) -> None:
    monkeypatch.delattr(np, 'NPY_OWNDATA', raising=False)  # as numpy 2.3 is
    name_owned_memory()
    transform = BottomupGetHeatmapMask()
    square = [[2.0, 2.0, 6.0, 2.0, 6.0, 6.0, 2.0, 6.0]]
    results = dict(
        img_shape=(10, 10),
        input_size=(10, 10),
        warp_mat=np.eye(2, 3),
        heatmaps=np.zeros((1, 10, 10), np.float32),
        invalid_segs=[square],
    )
    mask = transform.transform(results)['heatmap_mask']
    assert (mask == 0).sum() == 16


@pytest.mark.parametrize('backend', ['opencv', 'matplotlib'])
def test_mmpose_draws_a_keypoint(backend: str) -> None:
    draw_keypoints()  # mmpose's class exists by now
    visualizer = PoseLocalVisualizer(name=f'keypoint by {backend}', backend=backend)
    visualizer.set_image(np.zeros((20, 30, 3), np.uint8))
    for radius in (np.array([4]), np.array([4.0])):
        visualizer.draw_circles(np.array([15.0, 10.0]), radius=radius, face_colors=(255, 0, 0))
    drawn = visualizer.get_image()[..., 0] > 100
    assert drawn[10, 15] and not drawn[10, 22] and 10 < drawn.sum() < 80
