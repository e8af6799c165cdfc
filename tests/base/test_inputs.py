"""Several inputs at once: their order, their names, what is there twice, what cannot be read."""

from pathlib import Path

import cv2
import pytest

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.inputs import Inputs
from tests.helpers import load_in_color, picture


def read(*sources: object, lines: list[str] | None = None) -> list[tuple[str, int | None]]:
    report = print if lines is None else lines.append
    inputs = Inputs([str(source) for source in sources], Path('out'), report)
    return [(frame.name, frame.index) for frame in inputs.read(load_in_color)]


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture(8, 9, seed=0))
    return path


def test_files_folders_globs_and_videos_come_in_their_order(folder: Path, video: Path) -> None:
    frames = [('my clip.mp4', index) for index in range(5)]
    photos = [(f'photos/{name}', None) for name in ('a.jpg', 'b.bmp', 'süb folder/c [1].PNG')]
    assert read(video, folder) == [*frames, *photos]
    assert read(folder / 'b.bmp', folder / '*.jpg') == [('b.bmp', None), ('a.jpg', None)]
    inputs = Inputs([video, folder], Path('out'), print)
    assert (inputs.unit, len(inputs), inputs.videos) == ('picture', 8, [video])
    assert (Inputs([folder], Path('out'), print).unit, read(folder)[0][0]) == ('image', 'a.jpg')


def test_files_of_one_name_have_names_in_the_folder_of_both(tmp_path: Path) -> None:
    paths = [image(tmp_path / 'day1/a.jpg'), image(tmp_path / 'day2/a.jpg')]
    expected = [('day1/a.jpg', None), ('day2/a.jpg', None)]
    assert read(*paths) == read(tmp_path / 'day1', tmp_path / 'day2') == expected


def test_what_is_named_twice_is_read_once(
    folder: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    twice = [folder / 'b.bmp', '../photos/b.bmp', folder, video, video, 'b.bmp']
    assert [name for name, index in read(*twice) if not index] == [
        'photos/b.bmp',
        'photos/a.jpg',
        'photos/süb folder/c [1].PNG',
        'my clip.mp4',
    ]


def test_an_input_that_cannot_be_read_is_skipped_beside_others(tmp_path: Path) -> None:
    good, bad = image(tmp_path / 'a.png'), tmp_path / 'b.png'
    bad.write_text('no image')
    lines: list[str] = []
    assert read(bad, good, lines=lines) == [('a.png', None)]
    assert lines == [f'skipped: {bad} cannot be read as an image']
    (tmp_path / 'c.png').write_text('no image')
    with pytest.raises(UserError, match='none of the 2 inputs can be read'):
        read(bad, tmp_path / 'c.png')
    with pytest.raises(UserError, match='there is no image, folder or video .*nowhere'):
        read(good, 'nowhere')


def test_a_camera_is_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('hrnet_mm.base.inputs.Camera', lambda number: Endless())
    with pytest.raises(UserError, match='no other input can come beside it'):
        Inputs([0, image(tmp_path / 'a.png')], Path('out'), print)
    with pytest.raises(UserError, match='there is nothing to predict on'):
        Inputs([], Path('out'), print)


class Endless:
    is_endless = True
    names = {Path('camera 0'): 'camera 0'}
    unit = 'frame'
