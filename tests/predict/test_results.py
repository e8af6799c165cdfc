from pathlib import Path

import pytest

from hrnet_mm.base.inputs import Inputs
from hrnet_mm.predict.results import best_where_nothing_is_drawn, drawing_path, drawing_writer
from tests.helpers import load_in_color
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Run


def test_video_is_there_whole_or_not_at_all(video: Path, tmp_path: Path) -> None:
    frames = Inputs([video], Path('out'), print)
    out = tmp_path / 'out'
    with pytest.raises(RuntimeError), drawing_writer(out) as write:
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
        ('camera 0', 'camera 0.mp4'),
    ],
)
def test_drawing_has_the_name_of_its_input(name: str, drawing: str) -> None:
    is_video = name.startswith(('clip', 'camera'))
    assert drawing_path(Path('out'), name, is_video) == Path('out') / drawing


def test_an_image_in_which_nothing_is_drawn_is_told(
    run: Run, pose: TinyModel, folder: Path, video: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def told(source: Path, **options: object) -> list[str]:
        run(pose, source, **options)
        return [line for line in capfd.readouterr().err.splitlines() if 'nothing drawn' in line]

    [line] = told(folder / 'a.jpg', score_thr=0.9)
    start = f'nothing drawn in {folder}/a.jpg: nothing there scores 0.9 or more, the best 0.'
    assert line.startswith(start) and line.endswith(' draws it')
    enough = float(line.split()[-3])  # what the line says to type
    assert told(folder / 'a.jpg', score_thr=enough) == told(folder, draw=False) == []
    *lines, last = told(folder, score_thr=0.9)
    names = ['a.jpg', 'b.bmp', 'süb folder/c [1].PNG']
    starts = [f'nothing drawn in {folder}/{name}: the best score is 0.' for name in names]
    assert all(map(str.startswith, lines, starts)) and len(lines) == 3
    assert last.startswith('nothing drawn in 3 of 3 images: nothing there scores 0.9 or more, the')
    [line] = told(video, score_thr=0.9)
    assert line.startswith('nothing drawn in 5 of 5 frames: ')


def test_a_thing_is_drawn_by_the_lower_of_its_scores() -> None:
    pose = dict(bbox_score=0.2, keypoints=[[1, 2, 0.9], [1, 2, 0.1]])
    assert best_where_nothing_is_drawn({'instances': [pose]}, 0.3) == 0.2
    assert best_where_nothing_is_drawn({'instances': [pose]}, 0.2) is None
    assert best_where_nothing_is_drawn({'instances': [{'score': 0.2}]}, 0.3) == 0.2
    assert best_where_nothing_is_drawn({'instances': []}, 0.3) is None
    assert best_where_nothing_is_drawn({'classes': [{'label': 1, 'share': 0.2}]}, 0.3) is None
