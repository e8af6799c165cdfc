"""Predict on images, folders or videos; draw the results and write them as JSON.

python tools/infer.py CONFIG CHECKPOINT photo.jpg
python tools/infer.py CONFIG CHECKPOINT 'photos/*/*.jpg' --out results
python tools/infer.py CONFIG CHECKPOINT clip.mp4 --device cuda:0
python tools/infer.py POSE_CONFIG CHECKPOINT photos/ --boxes annotations.json
python tools/infer.py POSE_CONFIG CHECKPOINT photos/ --detector DETECTOR_CONFIG CHECKPOINT
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from hrnet_mm.commands.arguments import (
    Parser,
    add_changes,
    add_checkpoint,
    add_config,
    add_device,
    add_fast,
    add_trust,
    positive,
    score,
)


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__)
    add_config(parser)
    add_checkpoint(parser)
    parser.add_argument(
        'input', metavar='INPUT', help="an image, a folder, a glob ('photos/*.jpg') or a video"
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
    parser.add_argument('--no-draw', action='store_true', help='write no drawings')
    add_changes(parser)
    add_fast(parser)
    add_trust(parser)
    args = parser.parse_args(argv)
    if args.detector is None and (args.det_class, args.det_score_thr) != (None, None):
        parser.error('--det-class and --det-score-thr are of a --detector')
    if args.no_draw and args.score_thr is not None:
        parser.error('--score-thr is of the drawings, which --no-draw leaves out')
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


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    # Imported late: the hosts take seconds, a wrong argument should not.
    from hrnet_mm.commands.infer_files import Detector, infer

    detector = None
    if args.detector:
        given = dict(category=args.det_class, score_thr=args.det_score_thr)
        given = {key: value for key, value in given.items() if value is not None}
        config, checkpoint = args.detector
        detector = Detector(Path(config), checkpoint, **given)
    summary = infer(
        args.config,
        args.checkpoint,
        args.input,
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
    )
    print(summary)
