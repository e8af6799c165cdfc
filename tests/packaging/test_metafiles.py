"""The metafiles tell mim about every config, in agreement with the model zoo and the hosts."""

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from papers.rows import ROWS, Row
from papers.written import HOSTS
from tests.helpers import ROOT


def metafiles(root: Path) -> Iterator[dict[str, Any]]:
    index = yaml.safe_load((root / 'model-index.yml').read_text())
    for name in index['Import']:
        yield yaml.load((root / name).read_text(), yaml.CSafeLoader)


ENTRIES = {entry['Config']: entry for file in metafiles(ROOT) for entry in file['Models']}
# mmpose 1.x has no HigherHRNet; its weights are of mmpose 0.x and convert.
WITH_WEIGHTS = [row for row in ROWS if row.weights and 'higherhrnet' not in row.config]


@cache
def host_configs(host: str) -> dict[str, Path]:
    """The host's config of every checkpoint that the host publishes, by the checkpoint's name.

    The name ends with a hash; the maintained fork publishes the same files in another place.
    """
    root = Path(find_spec(host).origin).parent / '.mim'
    return {
        Path(entry['Weights']).name: root / entry['Config']
        for file in metafiles(root)
        for entry in file['Models']
        if isinstance(entry.get('Weights'), str)
    }


def build(path: Path) -> nn.Module:
    cfg = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope(cfg.default_scope), torch.device('meta'):
        return MODELS.build(cfg.model)


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def test_every_config_has_an_entry() -> None:
    configs = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').rglob('*.py')}
    assert set(ENTRIES) == {name for name in configs if not name.startswith('configs/demo/')}


def test_index_lists_every_metafile() -> None:
    listed = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    existing = [path.relative_to(ROOT).as_posix() for path in ROOT.glob('configs/*/metafile.yml')]
    assert sorted(listed) == sorted(existing)


def test_entries_are_found_by_the_name_of_their_config() -> None:
    for name, entry in ENTRIES.items():
        assert entry['Name'] == Path(name).stem
        assert entry['Name'] == entry['Name'].lower(), 'mim searches lower-case names only'


def test_collections_exist() -> None:
    collections = {item['Name'] for file in metafiles(ROOT) for item in file.get('Collections', [])}
    assert {entry['In Collection'] for entry in ENTRIES.values()} == collections


@pytest.mark.slow
@pytest.mark.parametrize('row', WITH_WEIGHTS, ids=lambda row: row.name)
def test_weights_of_the_host_load_unchanged(row: Row) -> None:
    theirs = host_configs(HOSTS[row.task])[Path(row.weights).name]
    assert shapes(build(ROOT / 'configs' / row.config)) == shapes(build(theirs))


def test_mmengine_finds_config_and_weights() -> None:
    name = 'pose/hrnet_w48_coco_384x288.py'
    cfg = get_config(f'hrnet_mm::{name}', pretrained=True)
    assert cfg.model.backbone.arch == 'w48'
    assert cfg.model_path == ENTRIES[f'configs/{name}']['Weights']


def test_datasets_have_what_mim_asks_for() -> None:
    datasets = yaml.safe_load((ROOT / 'dataset-index.yml').read_text())
    for dataset in datasets.values():
        assert dataset.keys() >= {'dataset', 'download_root', 'data_root'}
        assert 'script' not in dataset or (ROOT / dataset['script']).is_file()
