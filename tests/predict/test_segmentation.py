from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmseg.apis import inference_model, init_model
from mmseg.datasets import CityscapesDataset

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame, read_image
from hrnet_mm.predict.canvas import canvas_of
from hrnet_mm.predict.results import write_label_map
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Document, Run, Tiny, files_in

NAMES = CityscapesDataset.METAINFO['classes']


@pytest.fixture(scope='module')
def segmentor(tiny: Tiny) -> TinyModel:
    return tiny('segmentation')


@pytest.fixture(scope='module')
def host_segmentor(segmentor: TinyModel) -> torch.nn.Module:
    return init_model(segmentor.config, segmentor.checkpoint, device='cpu')


def label_map_of(host: torch.nn.Module, image: np.ndarray) -> np.ndarray:
    labels = inference_model(host, image).pred_sem_seg.data[0].numpy()
    assert len(np.unique(labels)) > 1
    return labels


@pytest.mark.parametrize('batch_size', [None, 3])
def test_label_maps_of_all_sizes_equal_mmseg(
    run: Run,
    document: Document,
    with_gray: Path,
    segmentor: TinyModel,
    host_segmentor: torch.nn.Module,
    batch_size: int | None,
) -> None:
    summary = run(segmentor, with_gray, batch_size=batch_size)
    assert str(summary).startswith('4 images, ') and 'instance' not in str(summary)
    for record in document()['images']:
        expected = label_map_of(host_segmentor, read_image(with_gray / record['file']))
        assert record['label_map'] == f'{record["file"]}.labels.png'
        data = np.fromfile(with_gray.parent / 'out' / record['label_map'], np.uint8)
        labels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        assert labels.dtype == np.uint8
        assert (labels == expected).all()


def test_shares_are_of_the_pixels_and_the_largest_comes_first(
    run: Run,
    document: Document,
    folder: Path,
    segmentor: TinyModel,
    host_segmentor: torch.nn.Module,
) -> None:
    run(segmentor, folder / 'a.jpg')
    labels = label_map_of(host_segmentor, read_image(folder / 'a.jpg'))
    [record] = document()['images']
    shares = [part['share'] for part in record['classes']]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert {part['label'] for part in record['classes']} == set(np.unique(labels).tolist())
    for part in record['classes']:
        assert part['category'] == NAMES[part['label']]
        assert part['share'] == pytest.approx((labels == part['label']).mean(), abs=1e-6)


def test_drawing_has_the_colors_of_the_dataset(
    run: Run, folder: Path, segmentor: TinyModel, host_segmentor: torch.nn.Module
) -> None:
    run(segmentor, folder / 'b.bmp')
    image = read_image(folder / 'b.bmp')
    palette = np.array(CityscapesDataset.METAINFO['palette'])[:, ::-1]
    colors = np.kron(palette[label_map_of(host_segmentor, image)], np.ones((5, 5, 1)))
    drawn = cv2.imread(str(folder.parent / 'out' / 'b.bmp.png'))[:320, :320]
    assert np.abs(drawn - (0.5 * canvas_of(image) + 0.5 * colors)).max() < 1
    run(segmentor, folder / 'b.bmp', opacity=1)
    drawn = cv2.imread(str(folder.parent / 'out' / 'b.bmp.png'))[:320, :320]
    assert (drawn == colors).all()


def test_video_has_a_label_map_for_every_frame(
    run: Run, document: Document, video: Path, segmentor: TinyModel
) -> None:
    summary = run(segmentor, video, batch_size=2)
    out = video.parent / 'out'
    assert str(summary).startswith('5 frames, ')
    names = [record['label_map'] for record in document()['images']]
    assert names == [f'my clip.mp4.labels/{i:06d}.png' for i in range(5)]
    assert cv2.imread(str(out / names[4]), cv2.IMREAD_UNCHANGED).shape == (48, 64)
    drawn = cv2.VideoCapture(str(out / 'my clip.mp4'))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 5


def test_label_maps_and_drawings_never_meet(run: Run, folder: Path, segmentor: TinyModel) -> None:
    first, second = folder.parent / 'out', folder.parent / 'second'
    run(segmentor, folder)
    run(segmentor, first, out=second)  # the drawings, and not the label maps between them
    drawings = {'a.jpg', 'b.bmp.png', 'süb folder/c [1].PNG'}
    label_maps = {f'{name}.labels.png' for name in drawings}
    assert set(files_in(second)) == drawings | label_maps | {'predictions.json'}


def test_more_than_256_classes_are_written_as_they_are(tmp_path: Path) -> None:
    labels = np.arange(600, dtype=np.uint16).reshape(20, 30)
    name = write_label_map(tmp_path, Frame(Path('x.jpg'), 'x.jpg', {}), labels)
    assert (cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED) == labels).all()


def test_depth_estimators_are_told_so(run: Run, folder: Path, segmentor: TinyModel) -> None:
    with pytest.raises(UserError, match='DepthEstimator, gives .*pred_depth_map, no pred_sem_seg'):
        run(segmentor, folder, cfg_options={'model.type': 'DepthEstimator'})
