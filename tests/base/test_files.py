from pathlib import Path

import pytest

from hrnet_mm.base.errors import sentence_of
from hrnet_mm.base.files import replacing


def test_file_is_replaced_only_without_an_error(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'file.txt'
    with replacing(path) as temporary:
        temporary.write_text('first')
        assert not path.exists()
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text('half')
        raise RuntimeError
    assert path.read_text() == 'first'
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_told_with_the_file_that_did_not_fit(tmp_path: Path) -> None:
    full = OSError(28, 'No space left on device')
    with pytest.raises(OSError) as caught, replacing(tmp_path / 'file.txt'):
        raise full
    assert sentence_of(caught.value) == f'No space left on device: {tmp_path / "file.txt"}'


def test_two_files_of_a_folder_are_written_at_once(tmp_path: Path) -> None:
    """By two threads, or by two containers, in which a tool is process 1."""
    first, second = tmp_path / 'first.txt', tmp_path / 'second.txt'
    with replacing(first) as temporary, replacing(second) as other:
        temporary.write_text('first')
        other.write_text('second')
    assert (first.read_text(), second.read_text()) == ('first', 'second')
