"""A day's results are not lost to an image that fails, a kill, an earlier or a second run."""

from __future__ import annotations

import json
import os
import signal
import tracemalloc
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import read_image
from hrnet_mm.predict.results import RecordFile
from tests.helpers import picture
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import PIPELINE, Document, Run, Tiny, failing, files_in
from tests.predict.image_kinds import KINDS, make_segmentor

HEADER = {'config': 'x.py', 'class_names': ['a', 'b']}


@pytest.fixture
def floats(tmp_path: Path) -> Path:
    """Four images of floats, of which the third has NaN in it."""
    folder = tmp_path / 'floats'
    folder.mkdir()
    for number, name in enumerate('abcd'):
        image = picture(48, 40 + number, seed=number).astype(np.float32)
        if name == 'c':
            image[20:30, 20:30] = np.nan
        cv2.imwrite(str(folder / f'{name}.tif'), image)
    if not np.isnan(read_image(folder / 'c.tif', cv2.IMREAD_UNCHANGED)).any():
        pytest.skip('this OpenCV reads NaN in a TIFF as 0, as 4.11 does')
    return folder


@pytest.mark.parametrize('batch_size', [1, 8])
def test_one_image_of_nan_costs_its_own_result_only(
    run: Run,
    document: Document,
    capsys: pytest.CaptureFixture[str],
    pose: TinyModel,
    floats: Path,
    batch_size: int,
) -> None:
    options = {f'{PIPELINE}.0.color_type': 'unchanged'}
    message = (
        r'1 of 4 images failed, and the results of the others are written; the first: .*c\.tif'
    )
    with pytest.raises(UserError, match=message):
        run(pose, floats, cfg_options=options, batch_size=batch_size)
    told = f'failed: {floats}/c.tif: the model gives NaN: the maps of its backbone hold some'
    assert capsys.readouterr().err.count(told) == 1
    found = document()
    out = floats.parent / 'out'
    assert files_in(out) == ['a.tif.png', 'b.tif.png', 'd.tif.png', 'predictions.json']
    (floats / 'c.tif').unlink()
    run(pose, floats, cfg_options=options, batch_size=batch_size)
    assert document() == found


def test_a_label_map_of_nan_is_no_result(run: Run, tmp_path: Path, floats: Path) -> None:
    model = make_segmentor(tmp_path, KINDS['float'])
    with pytest.raises(UserError, match=r'1 of 4 images failed, .*c\.tif: the model gives NaN'):
        run(model, floats)
    assert 'c.tif' not in ' '.join(files_in(tmp_path / 'out'))


def test_nothing_found_in_nan_is_no_result(
    run: Run, tmp_path: Path, floats: Path, tiny: Tiny
) -> None:
    options = {f'{PIPELINE}.0.color_type': 'unchanged'}
    with pytest.raises(
        UserError, match=r'1 of 4 images failed, .*c\.tif: the model gives NaN: the'
    ):
        run(tiny('detection'), floats, cfg_options=options)


def test_a_model_that_gives_nothing_is_not_run_on_all_images(
    run: Run, tmp_path: Path, pose: TinyModel
) -> None:
    (tmp_path / 'photos').mkdir()
    for number in range(40):
        cv2.imwrite(str(tmp_path / f'photos/{number}.png'), picture(9, 9, seed=number))
    with pytest.raises(UserError, match='none of 10 images gave a result; the first: .*0.png: the'):
        run(pose, tmp_path / 'photos', boxes=[[20, 20, 5, 5]])
    assert files_in(tmp_path / 'out') == []


def test_an_interrupted_run_leaves_what_was_finished(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_segmentor(tmp_path, KINDS['color'])
    cv2.imwrite(str(tmp_path / 'images/2.png'), np.full((40, 40, 3), 250, np.uint8))
    with pytest.raises(KeyboardInterrupt):
        run(model, tmp_path / 'images', cfg_options=failing(above=200, error=KeyboardInterrupt))
    lines = tmp_path / 'out/predictions.jsonl'
    assert f'what was finished is in {lines}: 2 records' in capsys.readouterr().err
    header, *records = map(json.loads, lines.read_text().splitlines())
    assert header['class_names'] == list('abcde')
    assert [record['file'] for record in records] == ['0.png', '1.png']
    assert all((tmp_path / 'out' / record['label_map']).is_file() for record in records)


def test_a_drawn_video_keeps_the_length_and_the_predictions_say_which_frames(
    run: Run, tmp_path: Path, document: Document, video: Path
) -> None:
    model = make_segmentor(tmp_path, KINDS['color'])
    with pytest.raises(UserError, match='2 of 5 frames failed.*frame 3 of .*mp4: too bright'):
        run(model, video, cfg_options=failing(above=150))
    assert [record['frame'] for record in document()['images']] == [0, 1, 2]
    drawn = cv2.VideoCapture(str(tmp_path / 'out/my clip.mp4'))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 5


def test_a_drawing_that_cannot_be_written_is_told_so(run: Run, tmp_path: Path) -> None:
    model = make_segmentor(tmp_path, KINDS['color'])
    _, wide = cv2.imencode('.png', np.zeros((2, 66_000, 3), np.uint8))  # JPEG ends at 65 535
    wide.tofile(tmp_path / 'images/0.jpg')
    with pytest.raises(
        UserError, match=r'1 of 4 images failed.*66\d\d\d x \d+ pixels, cannot be written as'
    ):
        run(model, tmp_path / 'images', cfg_options={f'{PIPELINE}.1.keep_ratio': False})
    assert (tmp_path / 'out/predictions.json').is_file()


def test_odd_images_have_a_result_or_a_reason(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_segmentor(tmp_path, KINDS['color'])
    photos = tmp_path / 'photos'
    photos.mkdir()
    for name, size in dict(point=(1, 1), row=(1, 300), column=(20_000, 2), plain=(33, 47)).items():
        cv2.imwrite(str(photos / f'{name}.png'), picture(*size, seed=0))
    plain = (photos / 'plain.png').read_bytes()
    for name, data in dict(named=plain, empty=b'', cut=plain[:999], text=b'<html>').items():
        (photos / f'{name}.jpg').write_bytes(data)
    with pytest.raises(UserError, match='2 of 5 images failed'):
        run(model, photos)
    written = ['named.jpg', 'plain.png', 'point.png']
    drawings = [name for name in files_in(tmp_path / 'out') if not name.endswith('.labels.png')]
    assert drawings == [*written, 'predictions.json']
    told = capsys.readouterr().err
    for name in ('empty.jpg', 'cut.jpg', 'text.jpg'):
        assert f'skipped: {photos}/{name} cannot be read as an image' in told
    for name in ('row.png', 'column.png'):  # of which the config's Resize leaves no pixel
        assert f'failed: {photos}/{name}: ' in told
    labels = [cv2.imread(str(tmp_path / f'out/{name}.labels.png'), -1) for name in written]
    assert [label_map.shape for label_map in labels] == [(33, 47), (33, 47), (1, 1)]


def record(number: int) -> dict[str, Any]:
    return {'file': f'ü{number}.jpg', 'instances': [{'bbox': [1.5, 2, 3, number]}]}


@pytest.mark.parametrize('count', [1, 3])
def test_the_document_is_what_json_writes(tmp_path: Path, count: int) -> None:
    with RecordFile(tmp_path, HEADER) as records:
        for number in range(count):
            records.append(record(number))
    expected = json.dumps({**HEADER, 'images': [record(number) for number in range(count)]})
    assert (tmp_path / 'predictions.json').read_text() == expected
    assert files_in(tmp_path) == ['predictions.json']


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='kills a process that it forks')
def test_a_kill_leaves_every_record_that_was_given(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        with RecordFile(tmp_path, HEADER) as records:
            for number in range(3):
                records.append(record(number))
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    lines = (tmp_path / 'predictions.jsonl').read_text().splitlines()
    assert [json.loads(line) for line in lines] == [HEADER, *map(record, range(3))]


def test_what_another_run_left_is_kept_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'predictions.jsonl').write_text('theirs')
    with RecordFile(tmp_path, HEADER) as records:
        records.append(record(0))
    assert capsys.readouterr().err == (
        f'{tmp_path}/predictions.jsonl is of a run that was stopped or is at work: it is kept\n'
    )
    assert (tmp_path / 'predictions.jsonl').read_text() == 'theirs'
    assert files_in(tmp_path) == ['predictions.json', 'predictions.jsonl']


def test_two_runs_in_one_folder_do_not_mix(tmp_path: Path) -> None:
    first, second = RecordFile(tmp_path, HEADER), RecordFile(tmp_path, HEADER)
    for number in range(3):
        first.append(record(number))
        second.append(record(10 + number))
    for records, numbers in ((first, range(3)), (second, range(10, 13))):
        with records:
            pass  # it ends
        written = json.loads((tmp_path / 'predictions.json').read_text())
        assert written['images'] == [record(number) for number in numbers]
    assert files_in(tmp_path) == ['predictions.json']


def test_records_are_not_kept_in_memory(tmp_path: Path) -> None:
    large = {'points': list(range(20_000))}
    tracemalloc.start()
    try:
        with RecordFile(tmp_path, HEADER) as records:
            for _ in range(50):  # 7 MB
                records.append(large)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
