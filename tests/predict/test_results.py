from pathlib import Path

import pytest

from hrnet_mm.base.files import replacing
from hrnet_mm.base.images import find_frames
from hrnet_mm.predict.results import drawing_path, drawing_writer
from tests.helpers import load_in_color


def test_file_is_replaced_only_without_an_error(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'file.txt'
    with replacing(path) as temporary:
        temporary.write_text('first')
        assert not path.exists()
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text('half')
        raise RuntimeError
    assert path.read_text() == 'first'
    assert list(path.parent.iterdir()) == [path]


def test_two_files_of_a_folder_are_written_at_once(tmp_path: Path) -> None:
    """By two threads, or by two containers, in which a tool is process 1."""
    first, second = tmp_path / 'first.txt', tmp_path / 'second.txt'
    with replacing(first) as temporary, replacing(second) as other:
        temporary.write_text('first')
        other.write_text('second')
    assert (first.read_text(), second.read_text()) == ('first', 'second')


def test_video_is_there_whole_or_not_at_all(video: Path, tmp_path: Path) -> None:
    frames = find_frames(str(video), Path('out'), print)
    out = tmp_path / 'out'
    with pytest.raises(RuntimeError), drawing_writer(out, frames) as write:
        for frame in frames.read(load_in_color):
            write(frame, frame.image)
        raise RuntimeError
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ('name', 'drawing'),
    [
        ('a/b.jpg', 'a/b.jpg'),
        ('b.JPEG', 'b.JPEG'),
        ('b.png', 'b.png'),
        ('b.bmp', 'b.bmp.png'),
        ('clip.mp4', 'clip.mp4'),
        ('clip.avi', 'clip.avi.mp4'),
    ],
)
def test_drawing_has_the_name_of_its_input(name: str, drawing: str) -> None:
    assert drawing_path(Path('out'), name) == Path('out') / drawing
