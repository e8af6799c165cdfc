"""JSON that is read entry by entry is what json.loads reads, and errors are its errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hrnet_mm.base import json_stream
from hrnet_mm.base.json_stream import entries

DOCUMENTS = [
    {},
    {'a': []},
    {'a': [1, 22222222222, 3.5e-7], 'b': {'x': [1, 2]}, 'c': None, 'd': 12345678901, 'e': 'ä"]}\\'},
    {'images': [{'id': 1, 'name': 'x' * 50}, {}], 'annotations': [[], [[1]], 'text', True]},
    [1, {'a': 2}],
    [],
    12345678901,
    'text',
    None,
]


def document_of(path: Path) -> Any:
    document: dict[str, Any] = {}
    for key, position, value in entries(path):
        if position is None:
            document[key] = value
        else:
            assert position == len(document[key])
            document[key].append(value)
    return document.get('', document)


@pytest.fixture(params=[1, 7, 1 << 20], autouse=True)
def _block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, 'FIRST_BLOCK', request.param)


@pytest.mark.parametrize('indent', [None, 2])
def test_equals_json_loads(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / 'file.json'
    for document in DOCUMENTS:
        path.write_text(json.dumps(document, indent=indent))
        assert document_of(path) == document


@pytest.mark.parametrize(
    'text', ['', '{', '{"a":1', '[1,2', '{"a":[1 2]}', '[1]]', '{"a" 1}', '\ufeff{}', '{"a":[1,]}']
)
def test_errors_are_those_of_json_loads(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'file.json'
    path.write_text(text)
    with pytest.raises(ValueError) as expected:
        json.loads(text)
    with pytest.raises(ValueError) as found:
        document_of(path)
    assert str(found.value) == str(expected.value)
