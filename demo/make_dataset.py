"""Draw the synthetic people dataset.

python tools/make_dataset.py
python tools/make_dataset.py --out data/people --train 2000 --val 200 --preview preview.png

In COCO format: poses, boxes, masks, label maps.
"""

import json
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from demo.people.preview import contact_sheet
from demo.people.synthetic_people import (
    MANIFEST,
    MIN_SIDE,
    make_synthetic_people,
    write_image,
)
from hrnet_mm.commands.arguments import Parser, add_size, count, seed


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__)
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('data/synthetic_people'),
        metavar='DIR',
        help='the folder of the dataset; default: data/synthetic_people',
    )
    parser.add_argument(
        '--train', type=count, default=480, metavar='N', help='training images; default: 480'
    )
    parser.add_argument(
        '--val', type=count, default=80, metavar='N', help='validation images; default: 80'
    )
    add_size(parser, help='of the images; default: 256x320', least=MIN_SIDE, default=(256, 320))
    parser.add_argument(
        '--seed', type=seed, default=0, metavar='N', help='other seeds give other pictures'
    )
    parser.add_argument(
        '--crowds', action='store_true', help='2 to 5 people in an image who overlap, not 1 to 3'
    )
    parser.add_argument('--force', action='store_true', help='replace another dataset in DIR')
    parser.add_argument('--preview', type=Path, metavar='FILE.png', help='also a contact sheet')
    args = parser.parse_args(argv)
    if args.preview and args.preview.suffix not in ('.png', '.jpg'):
        parser.error(f'argument --preview: {args.preview}: the name must end in .png or .jpg')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    start = time.perf_counter()
    height, width = args.size
    print(f'synthetic people: {args.train} train and {args.val} val images -> {args.out}')
    folder = make_synthetic_people(
        args.out, args.train, args.val, (width, height), args.seed, args.force, args.crowds
    )
    if args.preview:
        write_image(args.preview, contact_sheet(folder)[..., ::-1], ())
        print(f'preview: {args.preview}')
    people = json.loads((folder / MANIFEST).read_text())['people']
    print(
        f'{args.train} train images with {people["train"]} people, {args.val} val images with '
        f'{people["val"]} people, {time.perf_counter() - start:.1f} s: {folder}'
    )
