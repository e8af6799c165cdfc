"""A run of ``tools/infer.py``: what is asked for, put together, and summed up."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrnet_mm.base.config import read_config
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import ImageFiles, VideoFile, find_frames
from hrnet_mm.deploy.exported import as_export
from hrnet_mm.predict.boxes import InBoxes, boxes_by_frame
from hrnet_mm.predict.loop import FrameLoop
from hrnet_mm.predict.people import Detector, boxes_by_detector
from hrnet_mm.predict.predictor import Predictor, make_predictor
from hrnet_mm.predict.progress import progress_bar
from hrnet_mm.predict.results import (
    RecordFile,
    Write,
    drawing_path,
    image_writer,
    video_writer,
)
from hrnet_mm.training.options import find_device, take_over
from hrnet_mm.weights.trust import trusting


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        count: of images, or of frames of a video.
        unit: which of them: ``'image'`` or ``'frame'``.
        skipped: images that could not be read.
        instances: how many were found; None for tasks that look for none.
        seconds: that it took, without the time to build the model.
        out: the folder of the results.
    """

    count: int
    unit: str
    skipped: int
    instances: int | None
    seconds: float
    out: Path

    def __str__(self) -> str:
        skipped = f' ({self.skipped} skipped)' if self.skipped else ''
        found = '' if self.instances is None else f', {_plural(self.instances, "instance")}'
        rate = self.count / self.seconds
        return (
            f'{_plural(self.count, self.unit)}{skipped}{found}, '
            f'{rate:.{1 if rate >= 1 else 3}f} {self.unit}s/s: {self.out}'
        )


def infer(
    config: Path,
    checkpoint: str | Path,
    source: str,
    out: Path | None = None,
    boxes: Path | Sequence[Sequence[float]] | None = None,
    detector: Detector | None = None,
    device: str | None = None,
    score_thr: float | None = None,
    batch_size: int | None = None,
    draw: bool = True,
    cfg_options: dict[str, Any] | None = None,
    trust: bool = False,
    fast: str | None = None,
    takeover: bool = False,
) -> Summary:
    """Predict on images or a video; write drawings, label maps and ``predictions.json``.

    Args:
        config: of a host in ``hrnet_mm.predict.predictor.PREDICTORS``.
        checkpoint: the weights, or a file that tools/export.py wrote.
        source: an image or a video, a folder (read recursively), or a glob of images.
        out: the folder of the results. Default: ``work_dirs/infer/<name of the config>``.
        boxes: for a top-down pose model: a file (see ``hrnet_mm.predict.box_file.read_boxes``),
            or the boxes of every image as [x, y, w, h] in pixels. Default: the whole image.
        detector: finds the boxes of a top-down pose model, in the place of ``boxes``.
        device: Default: the first GPU if there is one.
        score_thr: what scores less is written but not drawn. Default: 0.3 for instances and
            keypoints, 0 for classes of images.
        batch_size: images, or boxes, in one forward pass. Default: see ``make_predictor``.
        draw: whether to draw.
        cfg_options: changes to the config, by dotted keys.
        trust: run what the checkpoints, the detector's too, or a .pt2 file ask to be run.
        fast: the precision in which an engine of ``hrnet_mm.deploy`` runs backbone and neck.
        takeover: put our HRNet in the place of the hosts', from now on in this process.

    Raises:
        UserError: naming what is wrong with an argument or a file; or, once the results of all
            other images are written, how many images failed.
    """
    out = out or Path('work_dirs/infer') / config.stem
    frames = find_frames(source, out, _report)
    _check_out(out, frames, draw)
    boxes_of = None if boxes is None else boxes_by_frame(boxes, frames, _report)
    said = dict(load_from='CHECKPOINT', resume='CHECKPOINT', work_dir='--out')
    cfg = read_config(config, cfg_options, said=said)
    if takeover:
        take_over(cfg)
    device = find_device(device)
    with trusting(trust):
        weights = as_export(checkpoint, fast) or checkpoint
        predictor = make_predictor(cfg, weights, device, batch_size, fast)
        if detector:
            boxes_of = boxes_by_detector(detector, device, batch_size)
    if score_thr is not None and predictor.score_thr is None:
        raise UserError('--score-thr: the model gives no scores; every pixel is drawn')
    if boxes_of:
        predictor = InBoxes(predictor, boxes_of)
    origin = {'config': str(config), 'checkpoint': str(checkpoint), 'input': source}
    if detector:
        origin['detector'] = detector.origin
    return _run(predictor, frames, out, origin | predictor.header, draw, score_thr)


def _run(
    predictor: Predictor,
    frames: ImageFiles | VideoFile,
    out: Path,
    header: dict[str, Any],
    draw: bool,
    score_thr: float | None,
) -> Summary:
    """Predict on all frames and write all results."""
    start = time.perf_counter()
    score_thr = predictor.score_thr if score_thr is None else score_thr
    out.mkdir(parents=True, exist_ok=True)
    with RecordFile(out, header, _report) as records:
        with _writer(out, frames, draw) as write, progress_bar(len(frames), frames.unit) as show:
            loop = FrameLoop(predictor, out, records, write, score_thr, frames.unit, _report)
            loop.run(frames.read(predictor.loader.load), lambda done: show(done + frames.skipped))
        if records.count:
            records.finish()
    loop.check()
    return Summary(
        count=records.count,
        unit=frames.unit,
        skipped=frames.skipped,
        instances=loop.instances,
        seconds=time.perf_counter() - start,
        out=out,
    )


def _plural(count: int, noun: str) -> str:
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def _report(line: str) -> None:
    print(line, file=sys.stderr)


def _check_out(out: Path, frames: ImageFiles | VideoFile, draw: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f'--out {out} is a file; the results need a folder')
    for path, name in frames.names.items():
        if draw and drawing_path(out, name).resolve() == path.resolve():
            raise UserError(f'the drawing of {path} would replace it; choose another --out')


def _writer(
    out: Path, frames: ImageFiles | VideoFile, draw: bool
) -> AbstractContextManager[Write | None]:
    if not draw:
        return nullcontext()
    return video_writer(out, frames) if isinstance(frames, VideoFile) else image_writer(out)
