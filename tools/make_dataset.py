"""Draw the synthetic people dataset.

python tools/make_dataset.py
python tools/make_dataset.py --out data/people --train 2000 --val 200 --preview preview.png
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from hrnet_mm.cli import run_tool
from hrnet_mm.datasets.preview import contact_sheet
from hrnet_mm.datasets.synthetic_people import MANIFEST, make_synthetic_people, write_image


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw the synthetic people dataset in COCO format: pose, boxes, masks, labels.'
    )
    parser.add_argument('--out', type=Path, default=Path('data/synthetic_people'), metavar='DIR')
    parser.add_argument('--train', type=int, default=480, metavar='N', help='training images')
    parser.add_argument('--val', type=int, default=80, metavar='N', help='validation images')
    parser.add_argument('--size', type=int, nargs=2, default=(320, 256), metavar=('W', 'H'))
    parser.add_argument('--seed', type=int, default=0, help='other seeds give other pictures')
    parser.add_argument('--force', action='store_true', help='replace another dataset in DIR')
    parser.add_argument('--preview', type=Path, metavar='FILE.png', help='also a contact sheet')
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    args = parser.parse_args(argv)
    if args.preview and args.preview.suffix not in ('.png', '.jpg'):
        parser.error(f'--preview {args.preview}: the name must end in .png or .jpg')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    start = time.perf_counter()
    print(f'synthetic people: {args.train} train and {args.val} val images -> {args.out}')
    folder = make_synthetic_people(
        args.out, args.train, args.val, tuple(args.size), args.seed, force=args.force
    )
    if args.preview:
        write_image(args.preview, contact_sheet(folder)[..., ::-1], ())
        print(f'preview: {args.preview}')
    people = json.loads((folder / MANIFEST).read_text())['people']
    print(
        f'{args.train} train images with {people["train"]} people, {args.val} val images with '
        f'{people["val"]} people, {time.perf_counter() - start:.1f} s: {folder}'
    )


if __name__ == '__main__':
    run_tool(main)
