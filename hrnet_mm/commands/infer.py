"""Predict on images, folders, videos or a camera; draw the results and write them as JSON.

hrnet predict CONFIG CHECKPOINT photo.jpg
hrnet predict CONFIG CHECKPOINT 'photos/*/*.jpg' --out results
hrnet predict CONFIG CHECKPOINT photos/ clip.mp4 https://example.org/photo.jpg
hrnet predict CONFIG CHECKPOINT --camera 0
hrnet predict CONFIG CHECKPOINT clip.mp4 --device cuda:0
hrnet predict POSE_CONFIG CHECKPOINT photos/ --boxes annotations.json
hrnet predict POSE_CONFIG CHECKPOINT photos/ --detector DETECTOR_CONFIG CHECKPOINT
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrnet_mm.base.garbage import uncollected
from hrnet_mm.base.given import (
    check_checkpoint,
    check_config,
    check_images,
    check_not_set_twice,
    is_local,
)
from hrnet_mm.commands.arguments import (
    Parser,
    add_changes,
    add_checkpoint,
    add_config,
    add_device,
    add_fast,
    add_trust,
    count,
    fraction,
    positive,
    score,
)

if TYPE_CHECKING:
    from hrnet_mm.predict.detector import Detector
    from hrnet_mm.predict.run import Summary


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__)
    add_config(parser)
    add_checkpoint(parser)
    parser.add_argument(
        'inputs',
        nargs='*',
        metavar='INPUT',
        help="images, folders, globs ('photos/*.jpg'), videos or URLs, any number",
    )
    parser.add_argument(
        '--camera', type=count, metavar='N', help='look at a camera, the first is 0, until Ctrl-C'
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='the folder of the results; default: work_dirs/infer/<name of the config>',
    )
    add_boxes(parser)
    add_device(parser)
    parser.add_argument(
        '--score-thr',
        type=score,
        metavar='S',
        help='draw nothing that scores less; default: 0.3, for classes of images 0',
    )
    parser.add_argument(
        '--batch-size',
        type=positive,
        metavar='N',
        help='images, or boxes, in one forward pass; default: 8, for detection, segmentation and '
        'bottom-up pose 1',
    )
    parser.add_argument(
        '--opacity',
        type=fraction,
        metavar='X',
        help='of the masks and label maps that are drawn, from 0 to 1; default: 0.5',
    )
    parser.add_argument(
        '--workers',
        type=count,
        default=1,
        metavar='N',
        help='threads that read images ahead of the model, while another draws and writes; 0: none '
        'of them; default: 1',
    )
    parser.add_argument('--no-draw', action='store_true', help='write no drawings')
    add_changes(parser)
    add_fast(parser)
    add_trust(parser)
    args = parser.parse_args(argv)
    if args.detector is None and (args.det_class, args.det_score_thr) != (None, None):
        parser.error('--det-class and --det-score-thr are of a --detector')
    if (args.camera is None) == (not args.inputs):
        parser.error('give INPUT, one or several, or a --camera')
    for flag in ('--score-thr', '--opacity'):
        if args.no_draw and getattr(args, flag[2:].replace('-', '_')) is not None:
            parser.error(f'{flag} is of the drawings, which --no-draw leaves out')
    return args


def add_boxes(parser: ArgumentParser) -> None:
    """The options that say where a top-down pose model looks; default: at the whole image."""
    group = parser.add_argument_group('boxes, for a top-down pose model; default: the whole image')
    boxes = group.add_mutually_exclusive_group()
    boxes.add_argument(
        '--boxes',
        type=Path,
        metavar='FILE.json',
        help='boxes by image: {"photo.jpg": [[x, y, w, h], ...]} or COCO annotations',
    )
    boxes.add_argument(
        '--bbox',
        type=score,
        nargs=4,
        action='append',
        metavar=('X', 'Y', 'W', 'H'),
        help='a box in every image, in pixels; may be repeated',
    )
    boxes.add_argument(
        '--detector',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='of mmdet; its boxes are taken',
    )
    group.add_argument(
        '--det-class', metavar='NAME', help='whose boxes the detector gives; default: person'
    )
    group.add_argument(
        '--det-score-thr', type=score, metavar='S', help='take no box that scores less; default 0.3'
    )


def infer(
    config: str | Path,
    checkpoint: str | Path,
    source: str | Path | int | Sequence[str | Path],
    out: str | Path | None = None,
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
    opacity: float | None = None,
    workers: int = 1,
) -> Summary:
    """Predict on images or videos; write drawings, label maps and ``predictions.json``.

    Args:
        config: of a host in ``hrnet_mm.predict.predictor.PREDICTORS``; its path, or a name as
            ``hrnet_mm.load`` takes it.
        checkpoint: the weights, or a file that tools/export.py wrote.
        source: an image or a video, a folder (read recursively), a glob of images, or an address
            of the web; a list of these; or the number of a camera, which is looked at until
            Ctrl-C.
        out: the folder of the results. Default: ``work_dirs/infer/<name of the config>``.
        boxes: for a top-down pose model: a file (see ``hrnet_mm.base.boxes.read_boxes``),
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
        opacity: of the masks and label maps that are drawn, from 0 to 1. Default: 0.5.
        workers: threads that read images ahead of the model; with some, another draws and writes
            behind it. 0: all is done in turn.

    Raises:
        UserError: naming what is wrong with an argument or a file; or, once the results of all
            other images are written, how many images failed.
    """
    arguments = dict(load_from='CHECKPOINT', resume='CHECKPOINT', work_dir='--out')
    check_not_set_twice(cfg_options or {}, arguments)
    check_config(config)
    check_checkpoint(checkpoint)
    sources = [source] if isinstance(source, str | Path | int) else list(source)
    for part in sources:
        if not isinstance(part, int) and is_local(part):
            check_images(os.path.expanduser(part))
    # Imported late: the hosts take seconds, a wrong argument should not.
    with uncollected():
        import hrnet_mm.compat  # noqa: F401  (the fixes run before a host is imported)
        from hrnet_mm.base.boxes import boxes_by_frame
        from hrnet_mm.base.inputs import Inputs
        from hrnet_mm.commands.load import load
        from hrnet_mm.predict.results import name_apart, report
        from hrnet_mm.predict.run import PredictionRun, check_out

    out = Path(out or Path('work_dirs/infer') / Path(config).stem)
    frames = Inputs(sources, out, report)
    name_apart(frames)
    check_out(out, frames, draw)
    boxes_of = None if boxes is None else boxes_by_frame(boxes, frames, report)
    model = load(
        config,
        checkpoint,
        device=device,
        fast=fast,
        detector=detector,
        batch_size=batch_size,
        cfg_options=cfg_options,
        trust=trust,
        takeover=takeover,
    )
    given = [part if isinstance(part, int) else str(part) for part in sources]
    origin = {'config': str(config), 'checkpoint': str(checkpoint)}
    origin['input'] = given[0] if len(given) == 1 else given
    if detector:
        origin['detector'] = detector.origin
    boxes_of = boxes_of if detector is None else model.boxes_of
    run = PredictionRun(
        model.predictor, frames, out, origin, draw, score_thr, boxes_of, opacity, workers
    )
    return run.run()


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    detector = None
    if args.detector:
        check_config(args.detector[0])
        check_checkpoint(args.detector[1])
        import hrnet_mm.compat  # noqa: F401  (late, see infer)
        from hrnet_mm.predict.detector import Detector

        given = dict(category=args.det_class, score_thr=args.det_score_thr)
        given = {key: value for key, value in given.items() if value is not None}
        config, checkpoint = args.detector
        detector = Detector(Path(config), checkpoint, **given)
    summary = infer(
        args.config,
        args.checkpoint,
        args.inputs if args.camera is None else args.camera,
        out=args.out,
        boxes=args.boxes or args.bbox,
        detector=detector,
        device=args.device,
        score_thr=args.score_thr,
        batch_size=args.batch_size,
        draw=not args.no_draw,
        cfg_options=args.cfg_options,
        trust=args.trust_checkpoint,
        fast=args.fast,
        takeover=args.takeover,
        opacity=args.opacity,
        workers=args.workers,
    )
    print(summary)
