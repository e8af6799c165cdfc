"""Threads ahead of the model and behind it change the time of a run, and nothing else."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from hrnet_mm.base.errors import UserError
from hrnet_mm.predict.network_clock import NetworkClock
from hrnet_mm.predict.run import Summary
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Run, failing, files_in
from tests.predict.image_kinds import KINDS, make_segmentor


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_in(folder)}


def test_files_and_what_is_said_are_the_same_without_threads(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_segmentor(tmp_path, KINDS['color'])
    images = tmp_path / 'images'
    (images / '1b.png').write_text('no image')
    cv2.imwrite(str(images / '1c.png'), np.full((40, 40, 3), 250, np.uint8))
    found, said = [], []
    for workers in (0, 1, 3):
        with pytest.raises(UserError, match='1 of 4 images failed'):
            run(model, images, workers=workers, batch_size=2, cfg_options=failing(above=200))
        found.append(contents(tmp_path / 'out'))
        said.append(sorted(capsys.readouterr().err.splitlines()))
    assert found[0] == found[1] == found[2] and said[0] == said[1] == said[2]
    assert len(found[0]) == 2 * 3 + 1 and any('skipped: ' in line for line in said[0])


def test_a_video_is_read_ahead_in_order(run: Run, pose: TinyModel, video: Path) -> None:
    found = []
    for workers in (0, 3):
        run(pose, video, workers=workers, batch_size=2)
        found.append(contents(video.parent / 'out')['predictions.json'])
    assert found[0] == found[1]


def test_no_thread_is_left_when_a_result_cannot_be_written(
    run: Run, pose: TinyModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('hrnet_mm.predict.results.write_image', full)
    before = threading.active_count()
    with pytest.raises(OSError, match='No space left'):
        run(pose, folder, workers=2)
    assert threading.active_count() == before


def test_the_rate_of_the_network_is_that_after_its_first_batch() -> None:
    clock = NetworkClock()
    assert clock.rate(1) is None
    for seconds in (9.0, 9.0, 10.0, 10.0, 11.0):  # two in a batch; the first makes an engine
        clock.note(seconds)
    assert clock.rate(2) == 1.5
    summary = Summary(5, 'image', 0, None, 10.0, Path('out'), clock.rate(2))
    assert str(summary) == '5 images, 0.500 images/s (the network alone 1.5): out'
