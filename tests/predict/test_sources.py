"""What a model can be called with: paths, arrays, Pillow's images, addresses, videos, a camera."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import ref

import cv2
import numpy as np
import pytest
from PIL import Image

import hrnet_mm
from hrnet_mm.base import images
from hrnet_mm.base.errors import UserError
from hrnet_mm.predict.result import Result
from tests.helpers import picture, web_server
from tests.predict.helpers import Loaded
from tests.predict.image_kinds import as_turned


def same(result: Result, other: Result) -> bool:
    return np.array_equal(result.keypoints, other.keypoints) and len(result) == len(other) == 1


def test_a_path_is_a_str_or_a_path(loaded: Loaded, folder: Path) -> None:
    model, path = loaded('pose'), folder / 'a.jpg'
    expected = model(cv2.imread(str(path)))
    assert same(model(path), expected) and same(model(str(path)), expected)
    assert (model(path).file, model(path).path) == ('a.jpg', path)
    assert (expected.file, expected.path) == ('array', None)
    assert (expected.width, expected.height) == (128, 96)


def test_several_images_are_a_list(loaded: Loaded, folder: Path) -> None:
    model = loaded('pose')
    names = ['a.jpg', 'b.bmp', 'süb folder/c [1].PNG']
    assert [result.file for result in model(folder)] == names
    assert [result.file for result in model(f'{folder}/*.*')] == names[:2]
    listed = model([folder / 'b.bmp', picture(40, 50, seed=1), str(folder / 'a.jpg')])
    assert [Path(result.file).name for result in listed] == ['b.bmp', 'array 1', 'a.jpg']
    assert model([]) == []


def test_a_list_may_hold_folders_globs_and_videos(
    loaded: Loaded, folder: Path, video: Path
) -> None:
    results = loaded('pose')([video, picture(40, 50, seed=1), f'{folder}/*.jpg', folder])
    assert [result.frame for result in results[:5]] == [0, 1, 2, 3, 4]
    names = [result.file for result in results[5:]]
    assert names == ['array 1', 'a.jpg', 'a.jpg', 'b.bmp', 'süb folder/c [1].PNG']
    (folder / 'b.bmp').write_text('no image')
    with pytest.raises(UserError, match=r'b\.bmp cannot be read as an image'):
        loaded('pose')([folder, folder])
    assert len(loaded('pose')([folder, folder], skip_unreadable=True)) == 4


def test_a_detector_looks_at_what_was_downloaded(
    folder: Path, loaded: Loaded, pose: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the file once more, when the pose model's loader has gone on."""
    handler = type('Handler', (Photos,), {'folder': folder})
    finds = dict(detector=loaded('detection'), det_class='mouse', det_score_thr=0.1)
    with web_server(handler, tmp_path / 'home', monkeypatch) as address:
        model = hrnet_mm.load(pose.config, pose.checkpoint, device='cpu', **finds)
        found = model(f'{address}/a.jpg')
        assert found.to_json()['instances'] == model(folder / 'a.jpg').to_json()['instances'] != []


@pytest.mark.parametrize('source', ['file', 'folder', 'array', 'list', 'generator', 'video'])
def test_every_source_can_be_streamed(
    source: str, loaded: Loaded, folder: Path, video: Path
) -> None:
    image = picture(40, 50, seed=1)
    sources = dict(
        file=folder / 'a.jpg',
        folder=folder,
        array=image,
        list=[image] * 9,
        generator=(image for _ in range(9)),
        video=video,
    )
    results = loaded('pose')(sources[source], stream=True)
    assert iter(results) is results
    numbers = dict(file=1, folder=3, array=1, list=9, generator=9, video=5)
    assert sum(len(result) for result in results) == numbers[source]


def test_a_video_is_a_list_of_frames(loaded: Loaded, video: Path) -> None:
    results = loaded('pose')(video)
    assert [result.frame for result in results] == [0, 1, 2, 3, 4]
    assert {result.file for result in results} == {'my clip.mp4'}
    assert results[0].plot().shape == (240, 320, 3)
    assert 'my clip.mp4, frame 3, 64 x 48' in repr(results[3])


def test_a_stream_keeps_no_more_than_a_batch(loaded: Loaded) -> None:
    kept: list[Any] = []

    def many() -> Any:
        for seed in range(40):
            image = picture(20, 30, seed).view(np.ndarray)
            kept.append(ref(image))
            yield image

    most = 0
    for result in loaded('pose')(many(), stream=True):
        kept.append(ref(result))
        most = max(most, sum(reference() is not None for reference in kept))
    assert len(kept) == 80 and most <= 12


def test_files_are_loaded_again_to_be_drawn(loaded: Loaded, folder: Path) -> None:
    """So that a list of results does not hold all photos."""
    result = loaded('pose')(folder / 'a.jpg')
    assert np.array_equal(result.image, cv2.imread(str(folder / 'a.jpg')))
    cv2.imwrite(str(folder / 'a.jpg'), picture(20, 30, seed=0))
    with pytest.raises(UserError, match=r'a\.jpg is not the image any more that the result is of'):
        result.plot()


def test_an_array_may_change_once_it_was_looked_at(loaded: Loaded) -> None:
    image = picture(40, 50, seed=1)
    result, before = loaded('pose')(image), image.copy()
    image[:] = 0
    assert np.array_equal(result.image, before)


def test_pillows_images_are_the_arrays_in_them(loaded: Loaded) -> None:
    model, image = loaded('pose'), picture(61, 87, seed=3)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    rgb = Image.fromarray(image[..., ::-1])
    assert same(model(rgb), model(image))
    assert same(model(Image.fromarray(grey)), model(grey))
    assert same(model(rgb.convert('RGBA')), model(image))
    assert same(model(Image.fromarray(grey > 99)), model((grey > 99) * np.uint8(255)))
    colors = rgb.convert('P')
    assert same(model(colors), model(np.asarray(colors.convert('RGB')), channel_order='rgb'))
    deep = grey.astype(np.uint16) * 200
    assert same(model(Image.fromarray(deep)), model(deep))


def test_pillows_images_are_turned_as_files_are(loaded: Loaded, tmp_path: Path) -> None:
    path = tmp_path / 'turned.jpg'
    as_turned(path, picture(40, 64, seed=0))
    model = loaded('pose')
    opened = model(Image.open(path))
    assert (opened.width, opened.height) == (model(path).width, model(path).height) == (40, 64)
    assert np.abs(opened.image.astype(int) - model(path).image).max() < 5  # two decoders of JPEG
    assert opened.file == str(path) and opened.path is None


def test_a_damaged_file_of_pillows_is_told_so(loaded: Loaded, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'x.png'), picture(40, 50, seed=1))
    data = (tmp_path / 'x.png').read_bytes()
    (tmp_path / 'x.png').write_bytes(data[: len(data) // 2])
    for source in (Image.open(tmp_path / 'x.png'), [Image.open(tmp_path / 'x.png')]):
        with pytest.raises(UserError, match=r'x\.png cannot be read by Pillow: '):
            loaded('pose')(source, skip_unreadable=isinstance(source, Image.Image))


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        (np.zeros((3, 40, 50), np.uint8), r'an array \(3, 40, 50\) is no image, which is \(H, W,'),
        (np.zeros((2, 40, 50, 3), np.uint8), 'is no image'),
        (np.zeros((0, 50, 3), np.uint8), 'is no image'),
        (np.zeros((40, 50, 3)), 'an array of float64 is no image; .* uint8, 0 to 255, or uint16'),
        (np.zeros((40, 50, 3), np.float32), 'array holds float32; the config loads images of uint'),
        (None, 'a model takes a path, .* not a NoneType'),
        (1.5, 'a model takes a path, .* not a float'),
        (True, 'a model takes a path, .* not a bool'),
        (dict(a=1), 'a model takes a path, .* not dict'),
        ('', 'the path is empty'),
        ([3], 'a list is of images, not of a int'),
        ('nowhere.jpg', 'there is no image, folder or video nowhere.jpg'),
        ('nowhere/*.jpg', r'nowhere/\*.jpg matches no images'),
        (['clip.mp4'], 'there is no image, folder or video clip.mp4'),
    ],
    ids=str,
)
def test_what_is_no_image_is_told_so(loaded: Loaded, source: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        loaded('pose')(source)


def test_a_channel_order_is_one_of_two(loaded: Loaded) -> None:
    with pytest.raises(UserError, match="channel_order='RGB' is not 'bgr' or 'rgb'"):
        loaded('pose')(picture(40, 50, seed=1), channel_order='RGB')


def test_an_empty_folder_is_told_so(loaded: Loaded, tmp_path: Path) -> None:
    with pytest.raises(UserError, match='holds no images'):
        loaded('pose')(tmp_path)


def test_mistakes_are_told_before_the_first_result_is_asked_for(loaded: Loaded) -> None:
    with pytest.raises(UserError, match='there is no image'):
        loaded('pose')('nowhere.jpg', stream=True)


def test_what_cannot_be_read_is_an_error_or_left_out(
    loaded: Loaded, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model, damaged = loaded('pose'), folder / 'a.jpg'
    damaged.write_text('no image')
    files = [damaged, folder / 'b.bmp']
    for source, options in (
        (damaged, {}),
        (files, {}),
        (folder, dict(skip_unreadable=False)),
    ):
        with pytest.raises(UserError, match=r'a\.jpg cannot be read as an image'):
            model(source, **options)
    assert 'skipped' not in capfd.readouterr().err
    assert len(model(folder)) == 2
    [result] = model(files, skip_unreadable=True, boxes=[[], [[1, 2, 30, 40]]])
    assert result.path == folder / 'b.bmp' and len(result) == 1
    assert capfd.readouterr().err.count(f'skipped: {damaged} cannot be read') == 2


class Photos(BaseHTTPRequestHandler):
    """Serves the files of a folder; no address of a file leads to another."""

    folder: Path

    def do_GET(self) -> None:
        path = self.folder / self.path.partition('?')[0].strip('/')
        data = path.read_bytes() if path.is_file() else b''
        self.send_response(200 if data else 404)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def test_addresses_are_downloaded_and_nothing_is_kept(
    loaded: Loaded, folder: Path, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'temporary'))
    (tmp_path / 'temporary').mkdir()
    video.rename(folder / 'clip.mp4')
    handler = type('Handler', (Photos,), {'folder': folder})
    with web_server(handler, tmp_path / 'home', monkeypatch) as address:
        model = loaded('pose')
        result = model(f'{address}/a.jpg?size=large')
        assert same(result, model(folder / 'a.jpg'))
        assert result.file == f'{address}/a.jpg?size=large' and result.path is None
        assert result.plot().shape == (288, 384, 3)
        several = model([f'{address}/a.jpg'] * 20 + [folder / 'b.bmp'])
        assert len(several) == 21
        assert len(model(f'{address}/clip.mp4')) == 5
        for missing in (f'{address}/none.jpg', [f'{address}/none.jpg']):
            with pytest.raises(UserError, match='none.jpg cannot be downloaded: .*404'):
                model(missing)
        assert model([f'{address}/none.jpg'], skip_unreadable=True) == []
    with pytest.raises(UserError, match='a.jpg cannot be downloaded: .*refused'):
        loaded('pose')(f'{address}/a.jpg')
    assert not list((tmp_path / 'temporary').iterdir())
    assert not (tmp_path / 'home').exists()


class Camera:
    """Gives three pictures."""

    def __init__(self, number: int) -> None:
        self.left = 3

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return True

    def get(self, what: int) -> float:
        return 12.5

    def read(self) -> tuple[bool, Any]:
        self.left -= 1
        return self.left >= 0, picture(40, 50, seed=max(self.left, 0))

    def release(self) -> None:
        self.left = None


def test_a_camera_is_streamed(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match='there is no camera 77'):
        loaded('pose')(77, stream=True)
    monkeypatch.setattr(images, 'cv2', SimpleNamespace(VideoCapture=Camera, CAP_PROP_FPS=5))
    with pytest.raises(UserError, match='a camera gives pictures without end: say stream=True'):
        loaded('pose')(0)
    results = loaded('pose')(0, stream=True)
    first = next(results)
    assert (first.file, first.frame, len(first)) == ('camera 0', 0, 1)
    with pytest.raises(UserError, match='camera 0 gives no pictures any more, after 3'):
        list(results)
