"""Drawn videos: decoded again they are the frames that were written, at their times."""

from __future__ import annotations

import os
import signal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from hrnet_mm.base import images
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.inputs import find_frames
from hrnet_mm.predict import video
from hrnet_mm.predict.video import open_video, rate_of
from tests.helpers import ctrl_c_stops, load_in_color, picture
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Document, Run, files_in

NTSC = 30000 / 1001
WITH_PYAV = pytest.mark.skipif(
    not video._can_encode('libx264', (16, 16)), reason='needs PyAV with libx264'
)


@pytest.fixture(params=[pytest.param('pyav', marks=WITH_PYAV), 'opencv'])
def writer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == 'opencv':
        monkeypatch.setattr(video, '_can_encode', lambda *_: False)
    return request.param


def moving(height: int, width: int, count: int = 12) -> list[np.ndarray]:
    """Frames with something that moves, smooth enough for half of the resolution of colours."""
    wide = picture(height, width + 2 * count, seed=1)
    return [np.ascontiguousarray(wide[:, 2 * i : 2 * i + width]) for i in range(count)]


def written(path: Path, frames: list[np.ndarray], fps: float, times: Any = None) -> list[str]:
    lines: list[str] = []
    writer = open_video(path, fps, frames[0].shape[:2], lines.append)
    for index, frame in enumerate(frames):
        writer.write(frame, index / fps if times is None else times[index])
    writer.close()
    return lines


def decoded(path: Path) -> tuple[list[np.ndarray], list[float], float]:
    """The frames of a video, their seconds, and the frames per second, by OpenCV."""
    capture = cv2.VideoCapture(str(path))
    frames, seconds = [], []
    while (read := capture.read())[0]:
        frames.append(read[1])
        seconds.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    return frames, seconds, capture.get(cv2.CAP_PROP_FPS)


def psnr(image: np.ndarray, other: np.ndarray) -> float:
    return cv2.PSNR(image[: other.shape[0], : other.shape[1]], other)


@pytest.mark.parametrize('size', [(96, 128), (95, 127), (320, 33)])
@pytest.mark.parametrize('fps', [NTSC, 25, 12.5])
def test_frames_and_rate_are_kept(
    writer: str, size: tuple[int, int], fps: float, tmp_path: Path
) -> None:
    frames = moving(*size)
    told = written(tmp_path / 'x.mp4', frames, fps)
    found, _, rate = decoded(tmp_path / 'x.mp4')
    assert len(found) == 12 and rate == pytest.approx(fps, rel=1e-4 if writer == 'opencv' else 1e-9)
    assert found[0].shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert min(map(psnr, found, frames)) > 27
    if told:
        assert told == [
            'drawn videos are MPEG-4, which browsers do not play, as OpenCV writes it; '
            "pip install 'hrnet_mm[video]' writes H.264"
        ]


@WITH_PYAV
def test_browsers_play_it(tmp_path: Path) -> None:
    """What they ask for: H.264 of 8 bit, halved colours, the index before the pictures."""
    import av

    frames = moving(95, 127)
    assert written(tmp_path / 'x.mp4', frames, NTSC) == []
    with av.open(str(tmp_path / 'x.mp4')) as container:
        [stream] = container.streams
        context = stream.codec_context
        assert (context.name, context.profile, context.pix_fmt) == ('h264', 'High', 'yuv420p')
        assert (context.codec_tag, stream.average_rate) == ('avc1', Fraction(30000, 1001))
        found = [frame.to_ndarray(format='bgr24') for frame in container.decode(stream)]
    assert min(map(psnr, found, frames)) > 27
    data = (tmp_path / 'x.mp4').read_bytes()
    assert 0 < data.find(b'moov') < data.find(b'mdat')


@WITH_PYAV
def test_without_an_encoder_for_h264_it_is_the_next_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    can = video._can_encode
    monkeypatch.setattr(
        video, '_can_encode', lambda name, size: '264' not in name and can(name, size)
    )
    frames = moving(96, 128)
    [told] = written(tmp_path / 'x.mp4', frames, NTSC)
    assert told == 'drawn videos are VP9, as the PyAV that is installed has no encoder for H.264'
    found, _, rate = decoded(tmp_path / 'x.mp4')
    assert len(found) == 12 and rate == pytest.approx(NTSC) and min(map(psnr, found, frames)) > 27


def test_frames_of_a_variable_rate_keep_their_times(writer: str, tmp_path: Path) -> None:
    times = [0, 0.04, 0.08, 0.28, 0.48, 0.52, 0.92, 0.96, 1.2, 1.24, 1.28, 1.6]
    frames = moving(96, 128)
    written(tmp_path / 'x.mp4', frames, 25, times)
    found, seconds, _ = decoded(tmp_path / 'x.mp4')
    if writer == 'pyav':
        assert np.allclose(seconds, times, atol=0.001)
    else:  # of which most are there several times
        assert len(found) == 41
        found = [found[round(time * 25)] for time in times]
    assert min(map(psnr, found, frames)) > 27


@pytest.mark.parametrize(
    ('fps', 'rate'),
    [(25.0, '25'), (29.97, '30000/1001'), (NTSC, '30000/1001'), (23.976, '24000/1001'),
     (12.5, '25/2'), (59.94, '60000/1001'), (30.0, '30'), (7.3, '73/10')],
)  # fmt: skip
def test_rates_are_the_exact_ones(fps: float, rate: str) -> None:
    assert rate_of(fps) == Fraction(rate)


class Capture:
    """A video that says nothing of its speed, or nonsense."""

    fps, times = 0.0, [0, 0, 0]

    def __init__(self, path: str) -> None:
        self.index = -1

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return True

    def get(self, what: int) -> float:
        if what == cv2.CAP_PROP_FPS:
            return self.fps
        return self.times[self.index] if what == cv2.CAP_PROP_POS_MSEC else 16

    def read(self) -> tuple[bool, Any]:
        self.index += 1
        return self.index < 3, picture(16, 16, seed=0)

    def release(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize(
    ('fps', 'times', 'expected'),
    [
        (0, [0, 0, 0], [0, 0.04, 0.08]),
        (float('nan'), [0, float('nan'), float('nan')], [0, 0.04, 0.08]),
        (90_000, [500, 600, 1000], [0, 0.1, 0.5]),
        (10, [0, 100, 50], [0, 0.1, 0.2]),
    ],
)
def test_times_that_a_file_does_not_give_are_made_up(
    fps: float, times: list, expected: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        images.cv2, 'VideoCapture', type('C', (Capture,), dict(fps=fps, times=times))
    )
    (tmp_path / 'x.mp4').touch()
    found = find_frames(str(tmp_path / 'x.mp4'), Path('out'), lambda line: None)
    assert [frame.seconds for frame in found.read(load_in_color)] == pytest.approx(expected)
    assert found.fps == (10 if fps == 10 else 25)


def test_what_nothing_can_write_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    monkeypatch.setattr(video, '_by_pyav', lambda *_: None)
    monkeypatch.setattr(video, '_by_opencv', lambda *_: None)
    with pytest.raises(UserError, match='can write a video of 16 x 18 pixels to .*--no-draw'):
        open_video(tmp_path / 'x.mp4', 25, (18, 16), print)


class EndlessCamera(Capture):
    """Gives pictures without end, and the user's Ctrl-C with the fourth of them."""

    fps = 30.0

    def read(self) -> tuple[bool, Any]:
        self.index += 1
        if self.index == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return True, picture(48, 64, seed=self.index)


def test_a_camera_is_looked_at_until_ctrl_c(
    run: Run, pose: TinyModel, document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(
        images, 'cv2', SimpleNamespace(VideoCapture=EndlessCamera, CAP_PROP_FPS=cv2.CAP_PROP_FPS)
    )
    summary = run(pose, 0)
    assert signal.getsignal(signal.SIGINT) is before
    assert str(summary).startswith('4 frames, 4 instances')
    assert files_in(tmp_path / 'out') == ['camera 0.mp4', 'predictions.json']
    assert [record['frame'] for record in document()['images']] == [0, 1, 2, 3]
    assert document()['input'] == 0
    assert len(decoded(tmp_path / 'out/camera 0.mp4')[0]) >= 4


def test_ctrl_c_leaves_no_part_of_a_video(
    run: Run, pose: TinyModel, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Any, frame: Any, record: Any) -> None:
        if frame.index == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return frame.image

    monkeypatch.setattr('hrnet_mm.predict.run.PredictionRun._drawn', interrupted)
    with ctrl_c_stops(), pytest.raises(KeyboardInterrupt):
        run(pose, video, workers=0)
    assert files_in(tmp_path / 'out') == ['predictions.jsonl']
