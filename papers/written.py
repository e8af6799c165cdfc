"""What is written from the rows: the metafiles of the configs and the tables of the docs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import yaml

from hrnet_mm.base.files import replacing
from papers.rows import CONFIGS, Row

ROOT = CONFIGS.parent
Counted = tuple[int, int]  # parameters and multiply-adds of a config's model
HOSTS = dict(pose='mmpose', seg='mmseg', det='mmdet', face='mmpose', cls='mmpretrain')
# The collection that a task's metafile introduces, and its paper.
COLLECTIONS = dict(
    pose=('HRNetV1', '1902.09212'),
    seg=('HRNetV2', '1908.07919'),
    det=('HRNetV2p', '1908.07919'),
    cls=('HRNet-C', '1908.07919'),
)
# By a part of the config's name; the first that fits.
DATASETS = dict(
    coco_wholebody='COCO-WholeBody',
    coco='COCO',
    mpii='MPII',
    posetrack18='PoseTrack18',
    crowdpose='CrowdPose',
    cityscapes='Cityscapes',
    pascal_context59='Pascal Context 59',
    pascal_context60='Pascal Context',
    lip='LIP',
    ade20k='ADE20K',
    imagenet='ImageNet-1k',
    cofw='COFW',
    aflw='AFLW',
    wflw='WFLW',
)
DATASETS['300w'] = '300W'
# By task and the score's name in print: for each number the metafile's task and name of it.
METRICS = {
    ('pose', 'AP'): [('Body 2D Keypoint', 'AP')],
    ('pose', 'PCKh@0.5'): [('Body 2D Keypoint', 'PCKh@0.5')],
    ('pose', 'whole AP'): [('Wholebody 2D Keypoint', 'AP')],
    ('seg', 'mIoU'): [('Semantic Segmentation', 'mIoU')],
    ('det', 'AP'): [('Object Detection', 'box AP'), ('Instance Segmentation', 'mask AP')],
    ('face', 'NME'): [('Face 2D Keypoint', 'NME')],
    ('cls', 'top-1'): [('Image Classification', 'Top 1 Accuracy')],
}
HEADER = (
    '# Results are printed in the work that `Results From` names; none was measured here. '
    'Weights are those\n# of {} where they load into our model unchanged; '
    'their own scores are in its model zoo.\n'
    '# FLOPs are multiply-adds for one image of Input Size, counted as in docs/model_zoo.md.\n'
)
TABLE = '| config | input | M | paper | G | paper | score |\n|---|---|---|---|---|---|---|\n'


def write(rows: Sequence[Row], counted: Mapping[str, Counted]) -> dict[str, bool]:
    """Write the metafiles and pages of the rows' tasks.

    Args:
        rows: all rows of one or several tasks.
        counted: by config, what its model has.

    Returns:
        Of each file, 'docs/pose.md', whether it has changed.
    """
    changed = {}
    for name, text in contents(rows, counted).items():
        path = ROOT / name
        changed[name] = text != path.read_text(encoding='utf-8')
        if changed[name]:
            with replacing(path) as temporary:
                temporary.write_text(text, encoding='utf-8')
    return changed


def contents(rows: Sequence[Row], counted: Mapping[str, Counted]) -> dict[str, str]:
    """The text of each file that :func:`write` writes, by its name."""
    texts = {}
    for task in dict.fromkeys(row.task for row in rows):
        own = [row for row in rows if row.task == task]
        texts[f'configs/{task}/metafile.yml'] = metafile(task, own, counted)
    for name in dict.fromkeys(row.page for row in rows):
        own, page = [row for row in rows if row.page == name], f'docs/{name}.md'
        texts[page] = with_table((ROOT / page).read_text(encoding='utf-8'), own, counted)
    return texts


def counted_before() -> dict[str, Counted]:
    """What the metafiles say now, by config."""
    found = {}
    for path in ROOT.glob('configs/*/metafile.yml'):
        document = yaml.load(path.read_text(encoding='utf-8'), yaml.CSafeLoader)
        for entry in document['Models']:
            metadata = entry['Metadata']
            config = entry['Config'].removeprefix('configs/')
            found[config] = metadata['Parameters'], metadata['FLOPs']
    return found


def metafile(task: str, rows: Sequence[Row], counted: Mapping[str, Counted]) -> str:
    """The metafile of a task, with which mim finds its configs."""
    text = HEADER.format(HOSTS[task])
    if task in COLLECTIONS:
        name, paper = COLLECTIONS[task]
        text += f'Collections:\n- Name: {name}\n  Paper: https://arxiv.org/abs/{paper}\n'
    return text + 'Models:\n' + ''.join(_model(row, *counted[row.config]) for row in rows)


def _model(row: Row, params: int, macs: int) -> str:
    lines = [
        f'- Name: {row.name}',
        f'  In Collection: {_collection(row)}',
        f'  Config: configs/{row.config}',
        '  Metadata:',
        f'    Parameters: {params}',
        f'    FLOPs: {macs}',
        f'    Input Size: {row.size}',
        f'    Training Data: {_dataset(row)}',
    ]
    if row.source:
        is_paper = row.source[0].isdigit()
        lines.append(f'    Results From: {"arXiv " if is_paper else ""}{row.source}')
    if row.score:
        lines += ['  Results:', *_results(row)]
    if row.weights:
        lines.append(f'  Weights: {row.weights}')
    return '\n'.join(lines) + '\n'


def _collection(row: Row) -> str:
    """HRNetV2 and HRNetV2p by the neck in the config's name; without a neck the task's own."""
    for name in ('HRNetV2p', 'HRNetV2'):
        if name.lower() in row.name:
            return name
    return COLLECTIONS[row.task][0]


def _dataset(row: Row) -> str:
    return next(dataset for part, dataset in DATASETS.items() if part in row.name)


def _results(row: Row) -> list[str]:
    """The lines of a score: 'AP 39.2 / 35.3' is the AP of boxes and that of masks."""
    metric, values = re.fullmatch(r'(.+?) ([0-9./ ]+)', row.score).groups()
    lines = []
    # An instance segmentor has two numbers, a detector the first of them.
    for value, (task, name) in zip(values.split(' / '), METRICS[row.task, metric], strict=False):
        lines += [f'  - Task: {task}', f'    Dataset: {_dataset(row)}', '    Metrics:']
        lines.append(f'      {name}: {value}')
    return lines


def with_table(page: str, rows: Sequence[Row], counted: Mapping[str, Counted]) -> str:
    """A page of the docs, with the rows in its table of configs."""
    before, table, after = page.partition(TABLE)
    if not table:
        raise ValueError(f'the page has no table of configs, which begins with\n{TABLE}')
    lines = after.splitlines(keepends=True)
    end = next((i for i, line in enumerate(lines) if not line.startswith('|')), len(lines))
    table += ''.join(f'{table_line(row, *counted[row.config])}\n' for row in rows)
    return before + table + ''.join(lines[end:])


def table_line(row: Row, params: int, macs: int) -> str:
    """A row in docs/<task>.md: config, input, M, printed, G as the row counts, printed, score."""
    cells = (
        f'[{row.name}](../configs/{row.config})',
        row.size,
        f'{params / 1e6:.2f}',
        row.params or '-',
        f'{row.counting.gflops(macs):.2f}',
        row.gflops or '-',
        score_cell(row),
    )
    return f'| {" | ".join(cells)} |'


def score_cell(row: Row) -> str:
    """'AP 74.4 (1902.09212)'; the address of official code is too long for a table."""
    if not row.score:
        return '-'
    source = 'official code' if row.source.startswith('github.com/') else row.source
    return f'{row.score} ({source})'
