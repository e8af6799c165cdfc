from pathlib import Path

import cv2
import numpy as np
import pytest

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import read_image
from hrnet_mm.base.inputs import find_frames
from tests.helpers import load_in_color, picture


def names(source: object, out: Path = Path('out')) -> list[str]:
    frames = find_frames(str(source), out, print)
    return [frame.name for frame in frames.read(load_in_color)]


def test_folder_is_read_recursively_and_sorted(folder: Path) -> None:
    assert names(folder) == ['a.jpg', 'b.bmp', 'süb folder/c [1].PNG']


def test_glob_names_start_where_the_pattern_does(folder: Path) -> None:
    assert names(folder / 's*' / '*') == ['süb folder/c [1].PNG']
    assert names(folder / '**' / '*.[jb]*') == ['a.jpg', 'b.bmp']


def test_file_with_brackets_in_its_name_is_no_glob(folder: Path) -> None:
    assert names(folder / 'süb folder' / 'c [1].PNG') == ['c [1].PNG']


def test_hidden_files_are_left_out(folder: Path) -> None:
    (folder / '.thumbnails').mkdir()
    for name in ('._a.jpg', '.thumbnails/a.jpg'):
        (folder / name).write_bytes((folder / 'a.jpg').read_bytes())
    assert len(names(folder)) == 3


def test_results_of_an_earlier_run_are_no_inputs(folder: Path) -> None:
    assert names(folder, out=folder / 'süb folder') == ['a.jpg', 'b.bmp']
    assert len(names(folder, out=folder.parent)) == 3


def test_label_maps_are_inputs_only_by_their_own_name(folder: Path) -> None:
    label_map = folder / 'a.jpg.LABELS.png'
    cv2.imwrite(str(label_map), picture(8, 8, seed=0))
    assert names(folder)[:2] == ['a.jpg', 'b.bmp']
    assert len(find_frames(str(label_map), Path('out'), print)) == 1


def test_unreadable_image_of_a_folder_is_reported_and_skipped(folder: Path) -> None:
    (folder / 'a.jpg').write_bytes((folder / 'a.jpg').read_bytes()[:200])
    (folder / 'empty.png').touch()
    lines: list[str] = []
    frames = find_frames(str(folder), Path('out'), lines.append)
    assert [frame.name for frame in frames.read(load_in_color)] == ['b.bmp', 'süb folder/c [1].PNG']
    assert frames.skipped == 2
    assert lines == [
        f'skipped: {folder}/a.jpg cannot be read as an image',
        f'skipped: {folder}/empty.png cannot be read as an image',
    ]


def test_folder_of_unreadable_images_is_an_error(tmp_path: Path) -> None:
    for name in ('a.jpg', 'b.jpg'):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match='none of the 2 images can be read'):
        names(tmp_path)


def test_single_unreadable_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / 'a.jpg').write_text('<html>')
    with pytest.raises(UserError, match=r'a\.jpg cannot be read as an image'):
        names(tmp_path / 'a.jpg')


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        ('nowhere.jpg', 'there is no image, folder or video .*nowhere.jpg'),
        ('*.webp', r'\*\.webp matches no images \(\.bmp'),
        ('.', 'the folder .* holds no images'),
        ('broken.mp4', r'broken\.mp4 cannot be read as a video'),
    ],
)
def test_input_that_holds_nothing_is_an_error(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / 'broken.mp4').write_text('no video')
    with pytest.raises(UserError, match=message):
        names(tmp_path / source)


def test_gray_and_transparent_images_become_color(tmp_path: Path) -> None:
    for channels in (1, 4):
        path = tmp_path / f'{channels}.png'
        cv2.imwrite(str(path), np.full((5, 7, channels), 200, np.uint8))
        assert read_image(path).shape == (5, 7, 3)


def test_video_gives_its_frames_and_speed(video: Path) -> None:
    frames = find_frames(str(video), Path('out'), print)
    assert (frames.fps, len(frames)) == (12.5, 5)
    read = list(frames.read(load_in_color))
    assert [frame.index for frame in read] == [0, 1, 2, 3, 4]
    assert {frame.name for frame in read} == {'my clip.mp4'}
    assert np.allclose([frame.image.mean() for frame in read], np.linspace(40, 200, 5), atol=3)


def test_video_that_ends_early_is_reported(tmp_path: Path) -> None:
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for index in range(10):
        writer.write(picture(48, 64, seed=index))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    lines: list[str] = []
    read = list(find_frames(str(path), Path('out'), lines.append).read(load_in_color))
    assert 0 < len(read) < 10
    assert lines == [f'{path} ends after {len(read)} of 10 frames']
