"""A tool whose output nobody reads any more goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != 'posix', reason='POSIX descriptors')

TOOL = """
import logging, os, sys
from hrnet_mm.commands.program import run_tool

def main():
    logging.basicConfig(stream=sys.stdout, format='%(message)s', level='INFO')
    print('first', flush=True)
    sys.stdin.readline()
    for number in range(3):
        print('print', number, flush=True)
        logging.info('log %d', number)
    with open(sys.argv[1], 'w') as file:
        os.write(1, b'as a library of C prints')
        print('said to nobody', file=sys.stderr)
        file.write('done')

run_tool(main)
"""


def tool(folder: Path, **streams: object) -> subprocess.Popen:
    command = [sys.executable, '-c', TOOL, str(folder / 'result')]
    return subprocess.Popen(command, stdin=subprocess.PIPE, text=True, **streams)


def test_without_a_reader_it_says_so_in_one_line_and_does_its_work(tmp_path: Path) -> None:
    run = tool(tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stdout.readline() == 'first\n'
    run.stdout.close()
    run.stdin.write('\n')
    run.stdin.flush()
    told = run.stderr.read().splitlines()
    assert run.wait() == 0
    lost = 'nothing reads the output any more: it is not written from here on'
    assert told == [lost, 'said to nobody']
    assert (tmp_path / 'result').read_text() == 'done'


def test_without_any_reader_it_does_its_work(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    run = tool(tmp_path, stdout=writing, stderr=writing)
    os.close(writing)
    assert os.read(reading, 6) == b'first\n'
    os.close(reading)
    run.communicate('\n')
    assert run.returncode == 0
    assert (tmp_path / 'result').read_text() == 'done'


@pytest.mark.parametrize('closed', ['>&-', '>&- 2>&-'])
def test_streams_that_are_closed_are_no_files_of_others(tmp_path: Path, closed: str) -> None:
    """The next file to be opened had their number, and in it was what a library printed."""
    (tmp_path / 'tool.py').write_text(TOOL)
    command = f'"{sys.executable}" tool.py result {closed} </dev/null'
    assert subprocess.run(['sh', '-c', command], cwd=tmp_path).returncode == 0
    assert (tmp_path / 'result').read_text() == 'done'


def test_with_readers_all_is_written_as_it_was(tmp_path: Path) -> None:
    environment = os.environ | {'PYTHONIOENCODING': 'latin-1:replace'}
    said = (
        "from hrnet_mm.commands.program import run_tool; run_tool(lambda: print('\\u00e9\\u4eba'))"
    )
    done = subprocess.run([sys.executable, '-c', said], env=environment, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b'\xe9?\n', b'')


def test_a_full_disk_is_still_an_error() -> None:
    if not Path('/dev/full').exists():
        pytest.skip('there is no /dev/full')
    said = (
        "from hrnet_mm.commands.program import run_tool; run_tool(lambda: print('a', flush=True))"
    )
    with open('/dev/full', 'w') as full:
        command = [sys.executable, '-c', said]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0
    assert done.stderr.startswith('error: No space left on device')
