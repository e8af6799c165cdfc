from pathlib import Path

import pytest

from hrnet_mm.base.images import find_frames
from hrnet_mm.predict.results import drawing_path, drawing_writer
from tests.helpers import load_in_color


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
