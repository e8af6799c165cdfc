"""Write a model's HRNet as ONNX, OpenVINO IR, a torch.export program or an AOTInductor package.

python tools/export.py CONFIG CHECKPOINT w32.onnx
python tools/export.py CONFIG CHECKPOINT w32.xml --precision int8 --calibration photos/
python tools/export.py CONFIG CHECKPOINT w32.pt2 --aot --evaluate

infer.py and test.py take the file in the place of the checkpoint.
"""

import argparse
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import hrnet_mm.compat  # noqa: F401  (before any host is imported)
from hrnet_mm.deploy.export.formats import PRECISIONS, SUFFIXES, format_of
from hrnet_mm.engine.cfg_options import ConfigOptions


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Write a model's HRNet, with its neck, as a file of another framework."
    )
    parser.add_argument(
        'config', type=Path, metavar='CONFIG', help='of mmpose, mmdet, mmseg or mmpretrain'
    )
    parser.add_argument(
        'checkpoint',
        metavar='CHECKPOINT',
        help='its weights: a file, a URL, open-mmlab://... or hf-hub:...',
    )
    parser.add_argument(
        'out', type=Path, metavar='OUT', help=f'its ending is the format: {", ".join(SUFFIXES)}'
    )
    parser.add_argument('--precision', choices=PRECISIONS, default='fp32', help='default: fp32')
    parser.add_argument(
        '--aot', action='store_true', help='of .pt2: compiled by AOTInductor, for this machine'
    )
    parser.add_argument(
        '--calibration',
        type=Path,
        metavar='FOLDER',
        help='images like those to come, to choose the steps of int8 by',
    )
    parser.add_argument(
        '--boxes',
        type=Path,
        metavar='FILE.json',
        help='of a top-down pose model: where it looks in them, as for infer.py; default: at all',
    )
    parser.add_argument(
        '--size',
        type=size,
        metavar='HxW',
        help='of the images to compare file and model on; default: as the test pipeline makes them',
    )
    parser.add_argument(
        '--evaluate',
        action='store_true',
        help="measure file and checkpoint on the config's test data",
    )
    parser.add_argument('--data-root', metavar='FOLDER', help='of the test data')
    parser.add_argument(
        '--device', default='cpu', help='where a package of --aot is to run; default: cpu'
    )
    parser.add_argument(
        '--takeover',
        action='store_true',
        help="run the config of a host on our HRNet: type='HRNet' means ours",
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE', help='config changes'
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args(argv)


def size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', text)
    if not found:
        raise argparse.ArgumentTypeError(f'{text} is not HEIGHTxWIDTH, as in 256x192')
    return int(found[1]), int(found[2])


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    format = format_of(args.out, args.aot)
    format.check(args.out, args.precision)
    # Imported late: the hosts take seconds, a wrong argument should not.
    from hrnet_mm.deploy.export.evaluation import compared_metrics
    from hrnet_mm.deploy.export.writing import export
    from hrnet_mm.engine.config import read_config, set_data_root
    from hrnet_mm.engine.options import take_over

    warnings.simplefilter('ignore')  # the hosts and torch.export warn about their own innards
    cfg = read_config(args.config, args.cfg_options)
    if args.takeover:
        take_over(cfg)
    if args.data_root:
        set_data_root(cfg, args.data_root)
    done = export(
        cfg,
        args.checkpoint,
        args.out,
        format,
        precision=args.precision,
        size=args.size,
        calibration=args.calibration,
        boxes=args.boxes,
        device=args.device,
    )
    metrics = compared_metrics(cfg, args.checkpoint, args.out) if args.evaluate else []
    print('\n'.join([*done.lines(), *metrics]))
    trust = ' --trust-checkpoint' if format.runs_code else ''
    print(f'use it      python tools/infer.py {args.config} {args.out} photo.jpg{trust}')


if __name__ == '__main__':
    from hrnet_mm.cli import run_tool

    run_tool(main)
