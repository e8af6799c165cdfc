"""Every test leaves the hosts as it found them; a COCO made of synthetic people."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.people.synthetic_people import make_synthetic_people
from hrnet_mm.takeover.switch import undo


@pytest.fixture(autouse=True)
def _hosts_given_back() -> Iterator[None]:
    yield
    undo()


@pytest.fixture(scope='session')
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like COCO's, which upstream configs read as it is."""
    folder = tmp_path_factory.mktemp('data') / 'coco'
    people = make_synthetic_people(
        folder.with_name('people'), 3, 2, image_size=(160, 128), progress=None
    )
    (folder / 'annotations').mkdir(parents=True)
    for split in ('train', 'val'):
        (folder / f'{split}2017').symlink_to(people / split)
        labels = f'annotations/person_keypoints_{split}.json'
        (folder / labels.replace('.json', '2017.json')).symlink_to(people / labels)
    return folder
