"""The pages agree with the code, the configs, the datasets and each other."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner

from demo.people.synthetic_people import make_synthetic_people
from hrnet_mm.base.config import check_paths, named_paths
from hrnet_mm.commands.hrnet import PROGRAMS
from tests.configs.tiny import DIVISORS, divide, parsed
from tests.helpers import CONFIGS, ROOT

DOCS = ROOT / 'docs'
PAGES = [ROOT / 'README.md', *sorted(DOCS.glob('*.md'))]
PHASES = ('train', 'val', 'test')
LINK = re.compile(r'\]\(([^)\s]+)\)')
HEADING = re.compile(r'^#+ (.*)$', re.MULTILINE)
CODE = re.compile(r'^```.*?^```$|^    .*?$|`[^`\n]*`', re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r'^```python\n(.*?)^```$', re.MULTILINE | re.DOTALL)
OUR_FILE = re.compile(
    r'(?<![\w/.:])(?:configs|tools|tests|hrnet_mm|env|benchmark|demo|papers)/[\w./-]+\.(?:py|sh|yml|txt)\b'
)
# A command of a code block, with the lines that continue it, to its comment or its end.
COMMAND = re.compile(
    r'^ +(?:hrnet (\w+)|python tools/(\w+)\.py)\b((?:[^#\n\\]|\\\n)*)', re.MULTILINE
)
FLAG = re.compile(r'(?<=\s)--[a-z][\w-]*')
OF_TOOLS = {'infer': 'predict', 'convert_checkpoint': 'convert'}
READERS_OWN = re.compile(r'configs/(?:mine|my_\w+)\.py')


def name_of(path: Path) -> str:
    return path.stem


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(page.read_text())
    return {re.sub(r'[^\w\- ]', '', heading).lower().replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_relative_links_resolve(page: Path) -> None:
    for target in LINK.findall(CODE.sub('', page.read_text())):
        if '://' in target:
            continue
        file, _, anchor = target.partition('#')
        path = page.parent / file if file else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_files_that_are_named_exist(page: Path) -> None:
    named = {name for name in OUR_FILE.findall(page.read_text()) if not READERS_OWN.fullmatch(name)}
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize('program', PROGRAMS)
def test_flags_that_are_named_exist(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, 'argv', [program, '--help'])
    with pytest.raises(SystemExit):
        import_module(PROGRAMS[program][0]).main()
    known = set(FLAG.findall(capsys.readouterr().out.replace('[', ' ').replace(',', ' ')))
    named = {
        (page.name, flag)
        for page in PAGES
        for name, tool, arguments in COMMAND.findall(page.read_text())
        if program in (name, OF_TOOLS.get(tool, tool))
        for flag in FLAG.findall(arguments)
    }
    assert {(page, flag) for page, flag in named if flag not in known} == set()


def test_readme_links_every_page() -> None:
    linked = set(LINK.findall((ROOT / 'README.md').read_text()))
    assert {f'docs/{page.name}' for page in DOCS.glob('*.md')} <= linked


EXAMPLES = [(page, code) for page in PAGES for code in PYTHON.findall(page.read_text())]
INHERITING = [(page, code) for page, code in EXAMPLES if code.startswith("_base_ = 'hrnet_mm::")]
ON_MY_DATA = [(page, code) for page, code in INHERITING if 'data/mine' in code]


def example_ids(examples: list[tuple[Path, str]]) -> list[str]:
    return [f'{page.stem}-{number}' for number, (page, _) in enumerate(examples)]


@pytest.mark.parametrize(('page', 'code'), EXAMPLES, ids=example_ids(EXAMPLES))
def test_examples_are_python(page: Path, code: str) -> None:
    compile(code, page, 'exec')


@pytest.mark.parametrize(('page', 'code'), INHERITING, ids=example_ids(INHERITING))
def test_example_configs_build(page: Path, code: str, tmp_path: Path) -> None:
    cfg = read_example(code, tmp_path)
    with DefaultScope.overwrite_default_scope(cfg.default_scope), torch.device('meta'):
        MODELS.build(cfg.model)


def read_example(code: str, folder: Path) -> Config:
    path = folder / 'example.py'
    path.write_text(code)
    return Config.fromfile(path)


@pytest.fixture(scope='module')
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/mine of synthetic people, whose noses, eyes and ears are five landmarks."""
    folder = tmp_path_factory.mktemp('docs')
    data = make_synthetic_people(folder / 'data/mine', 4, 2, image_size=(128, 96), progress=None)
    for file in (data / 'annotations').glob('person_keypoints_*.json'):
        document = json.loads(file.read_text())
        for annotation in document['annotations']:
            annotation.update(keypoints=annotation['keypoints'][: 5 * 3], num_keypoints=5)
        landmarks = file.name.replace('person_keypoints', 'face_landmarks')
        file.with_name(landmarks).write_text(json.dumps(document))
    return folder


@pytest.fixture(scope='module')
def cats_and_dogs(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/mine with a folder of images for each of two classes."""
    folder = tmp_path_factory.mktemp('docs')
    for split, name in itertools.product(('train', 'val'), ('cat', 'dog')):
        target = folder / 'data/mine' / split / name
        target.mkdir(parents=True)
        shutil.copy(people / 'data/mine' / split / '000000.jpg', target)
    return folder


@pytest.mark.parametrize(('page', 'code'), ON_MY_DATA, ids=example_ids(ON_MY_DATA))
def test_example_configs_train_and_predict(
    page: Path, code: str, people: Path, cats_and_dogs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cats_and_dogs if page.stem == 'cls' else people
    monkeypatch.chdir(folder)
    cfg = read_example(code, folder)
    check_paths(cfg, PHASES)
    if 'hrnet_mm::demo/' not in code:  # these are small
        for part in (cfg.model, cfg.train_dataloader, cfg.val_dataloader):
            divide(part, DIVISORS[cfg.default_scope])
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = revert_sync_batchnorm(MODELS.build(cfg.model))  # as a Runner without GPUs does
        batch, image = batches(cfg)
        losses = model.train_step(batch, build_optim_wrapper(model, cfg.optim_wrapper))
        assert losses['loss'].isfinite()
        assert len(model.eval().val_step(image)) == 1


def batches(cfg: Config) -> Iterator[dict]:
    """One of two images for training, one of one image for prediction."""
    for loader, size in ((cfg.train_dataloader, 2), (cfg.val_dataloader, 1)):
        loader.update(batch_size=size, num_workers=0, persistent_workers=False)
        yield next(iter(Runner.build_dataloader(loader)))


def listed_paths() -> set[Path]:
    """All files and folders of the layouts in docs/datasets.md; {a,b} stands for both."""
    paths, folders = set(), {}
    for line in (DOCS / 'datasets.md').read_text().splitlines():
        match = re.fullmatch(r'    ( *)(\S+)(?:  .*)?', line)
        if match is None or not (match[1] or match[2].startswith('data/')):
            continue
        depth = len(match[1])
        parents = [''] if depth == 0 else folders[depth - 2]
        folders[depth] = [parent + name for parent in parents for name in spelt_out(match[2])]
        paths.update(map(Path, folders[depth]))
    return paths | {parent for path in paths for parent in path.parents}


def spelt_out(pattern: str) -> list[str]:
    parts = re.split(r'\{(.*?)\}', pattern)
    return [''.join(choice) for choice in itertools.product(*(part.split(',') for part in parts))]


def test_layouts_hold_every_path_that_a_config_names() -> None:
    named = set()
    for cfg in map(parsed, CONFIGS.rglob('*.py')):
        named.update(Path(path) for phase in PHASES for _, path in named_paths(cfg, phase))
    assert named and named - listed_paths() == set()


def test_every_dataset_of_mim_is_listed() -> None:
    page = (DOCS / 'datasets.md').read_text()
    index = yaml.safe_load((ROOT / 'dataset-index.yml').read_text())
    assert [name for name in index if f'| `{name}` |' not in page] == []
