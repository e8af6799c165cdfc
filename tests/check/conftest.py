"""Data sets in which nothing is wrong."""

import pytest

from tests.check.sets import MAKERS, DataSet


@pytest.fixture(scope='session')
def clean_sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DataSet]:
    folder = tmp_path_factory.mktemp('clean')
    return {name: make(folder / name) for name, make in MAKERS.items()}
