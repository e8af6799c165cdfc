"""The metafiles and the tables of the docs are what the rows say."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from papers import written
from papers.rows import ROWS
from papers.written import contents, counted_before, with_table, write
from tests.helpers import ROOT

CONTENTS = contents(ROWS, counted_before())
FACE = [row for row in ROWS if row.task == 'face']


@pytest.mark.parametrize('name', CONTENTS)
def test_files_are_up_to_date(name: str) -> None:
    """Their counts are compared with the models in test_count.py."""
    stale = f'{name} is not what the rows say; run python -m papers --write'
    assert CONTENTS[name] == (ROOT / name).read_text(encoding='utf-8'), stale


def test_no_metafile_is_written_by_hand() -> None:
    metafiles = {path.relative_to(ROOT).as_posix() for path in ROOT.glob('configs/*/metafile.yml')}
    assert set(CONTENTS) == metafiles | {f'docs/{row.page}.md' for row in ROWS}


def test_nothing_is_imported_that_takes_seconds() -> None:
    code = 'import sys, papers.command, papers.written; sys.exit("torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT).returncode == 0


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with copies of the files, which are written in their place."""
    for name, text in CONTENTS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding='utf-8')
    monkeypatch.setattr(written, 'ROOT', tmp_path)
    return tmp_path


def test_a_changed_row_changes_one_line_of_each_file(copies: Path) -> None:
    rows = [replace(FACE[0], score='NME 9.99'), *FACE[1:]]
    assert write(rows, counted_before()) == {
        'configs/face/metafile.yml': True,
        'docs/face.md': True,
    }
    for name, before in CONTENTS.items():
        lines = zip(before.splitlines(), (copies / name).read_text().splitlines(), strict=True)
        changed = [(old, new) for old, new in lines if old != new]
        assert len(changed) == ('face' in name)
        assert all('3.45' in old and '9.99' in new for old, new in changed)


def test_a_page_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match='no table of configs'):
        with_table('# Face landmarks\n', FACE, {})


def test_the_tool_writes_what_it_counts(
    copies: Path, load_tool: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    page = copies / 'docs/face.md'
    page.write_text(CONTENTS['docs/face.md'].replace('| 4.37 |', '| 4.73 |'), encoding='utf-8')
    load_tool('complexity').main(['--write', '--task', 'face'])
    *_, last, metafile_line, page_line = capsys.readouterr().out.splitlines()
    assert last == '4/4: face/hrnetv2_w18_300w_256x256.py'
    assert metafile_line == 'configs/face/metafile.yml: as it was'
    assert page_line == 'docs/face.md: written'
    assert page.read_text(encoding='utf-8') == CONTENTS['docs/face.md']
