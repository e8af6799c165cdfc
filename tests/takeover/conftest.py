"""Every test leaves the hosts as it found them; a COCO made of synthetic people."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hrnet_mm.takeover.switch import undo


@pytest.fixture(autouse=True)
def _hosts_given_back() -> Iterator[None]:
    yield
    undo()


@pytest.fixture(scope='session')
def coco(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like COCO's, which upstream configs read as it is."""
    folder = tmp_path_factory.mktemp('data') / 'coco'
    (folder / 'annotations').mkdir(parents=True)
    for split in ('train', 'val'):
        (folder / f'{split}2017').symlink_to(people / split)
        labels = f'annotations/person_keypoints_{split}.json'
        (folder / labels.replace('.json', '2017.json')).symlink_to(people / labels)
    return folder
