"""Predict on images, folders or videos; draw the results and write them as JSON.

python tools/infer.py CONFIG CHECKPOINT photo.jpg
python tools/infer.py CONFIG CHECKPOINT photos/ --boxes annotations.json --out results
python tools/infer.py CONFIG CHECKPOINT 'photos/*/*.jpg' --bbox 10 20 100 200
python tools/infer.py CONFIG CHECKPOINT clip.mp4 --device cuda:0
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import DictAction


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Predict on images or a video: drawings and predictions.json.'
    )
    parser.add_argument('config', type=Path, metavar='CONFIG', help='a top-down config of mmpose')
    parser.add_argument('checkpoint', type=Path, metavar='CHECKPOINT', help='its weights, .pth')
    parser.add_argument(
        'input', metavar='INPUT', help="an image, a folder, a glob ('photos/*.jpg') or a video"
    )
    parser.add_argument(
        '--out', type=Path, metavar='DIR', help='default: work_dirs/infer/<name of the config>'
    )
    boxes = parser.add_mutually_exclusive_group()
    boxes.add_argument(
        '--boxes',
        type=Path,
        metavar='FILE.json',
        help='boxes by image: {"photo.jpg": [[x, y, w, h], ...]} or COCO annotations',
    )
    boxes.add_argument(
        '--bbox',
        type=float,
        nargs=4,
        action='append',
        metavar=('X', 'Y', 'W', 'H'),
        help='a box in every image, in pixels; may be repeated; default: the whole image',
    )
    parser.add_argument('--device', help='cpu, cuda:0, ...; default: a GPU if there is one')
    parser.add_argument(
        '--score-thr', type=float, default=0.3, metavar='S', help='draw nothing that scores less'
    )
    parser.add_argument(
        '--batch-size', type=positive, default=8, metavar='N', help='boxes in one forward pass'
    )
    parser.add_argument('--no-draw', action='store_true', help='write predictions.json only')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='config changes'
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args(argv)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text} is not above 0')
    return number


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    # Imported late: the hosts take seconds, a wrong argument should not.
    from hrnet_mm.inference import infer

    summary = infer(
        args.config,
        args.checkpoint,
        args.input,
        out=args.out,
        boxes=args.boxes or args.bbox,
        device=args.device,
        score_thr=args.score_thr,
        batch_size=args.batch_size,
        draw=not args.no_draw,
        cfg_options=args.cfg_options,
    )
    print(summary)


if __name__ == '__main__':
    from hrnet_mm.cli import run_tool

    run_tool(main)
