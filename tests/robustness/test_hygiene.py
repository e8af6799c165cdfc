"""What the package never does: run what it reads, or use the network unasked."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.helpers import ROOT

SOURCES = sorted(
    path
    for pattern in ('hrnet_mm/**/*.py', 'tools/*.py', '*.py', 'env/*.py')
    for path in ROOT.glob(pattern)
    if '.mim' not in path.parts
)
RUN_TEXT = {'eval', 'exec', 'compile', '__import__'}
RUN_A_SHELL = {'os.system', 'os.popen', 'subprocess.getoutput', 'subprocess.getstatusoutput'}
UNPICKLE = {'pickle.load', 'pickle.loads', 'pickle.Unpickler', 'torch.hub.load', 'yaml.load'}
NETWORK = {'requests', 'httpx', 'urllib', 'http', 'socket', 'huggingface_hub', 'ftplib'}
DOWNLOADS = ('hrnet_mm/base/download.py', 'hrnet_mm/weights/sources.py')  # that the user names
LOADER = ROOT / 'hrnet_mm/weights/read.py'

IMPORT_EVERYTHING = """
import importlib, os, pkgutil, sys

def no_network(event, arguments):
    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto', 'urllib.Request'):
        os.write(2, f'network: {event} {str(arguments)[:60]}\\n'.encode())  # in a thread, too
        raise SystemExit

sys.addaudithook(no_network)
import hrnet_mm, hrnet_mm.compat
names = [module.name for module in pkgutil.walk_packages(hrnet_mm.__path__, 'hrnet_mm.')]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@cache
def nodes() -> list[tuple[Path, ast.AST]]:
    trees = [(path, ast.parse(path.read_text(encoding='utf-8'))) for path in SOURCES]
    return [(path, node) for path, tree in trees for node in ast.walk(tree)]


@cache
def calls() -> list[tuple[Path, str, ast.Call]]:
    """Every call, and of what it is one: 'eval', 'torch.load'."""
    found = [(path, node) for path, node in nodes() if isinstance(node, ast.Call)]
    return [(path, ast.unparse(node.func), node) for path, node in found]


def option(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), None)


def test_there_are_sources_to_look_at() -> None:
    assert len(SOURCES) > 50
    assert {'torch.load', 'open'} & {name for _, name, _ in calls()}


def test_no_text_is_run_and_no_shell() -> None:
    """Configs are the exception, and MMEngine's own parser runs those."""
    found = [
        f'{path}:{call.lineno} {name}'
        for path, name, call in calls()
        if name in RUN_TEXT | RUN_A_SHELL or option(call, 'shell') not in (None, 'False')
    ]
    assert found == []


def test_no_pickle_is_loaded_that_may_call_anything() -> None:
    """The loader of checkpoints alone can be told to, with --trust-checkpoint.

    For torch before 2.6 there is a reader of pickles of our own.
    """
    found = []
    for path, name, call in calls():
        is_load = 'torch.load' in (name, *map(ast.unparse, call.args))  # itself, or in a partial
        is_ours = option(call, 'pickle_module') == 'pickle_reader'
        is_safe = is_ours or path == LOADER or option(call, 'weights_only') == 'True'
        if name in UNPICKLE or (is_load and not is_safe):
            found.append(f'{path}:{call.lineno} {name}')
        if option(call, 'allow_pickle') not in (None, 'False'):
            found.append(f'{path}:{call.lineno} {name}')
    assert found == []


def test_only_the_fetching_of_checkpoints_knows_the_network() -> None:
    """So nothing is reported to anyone."""
    found = []
    for path, node in nodes():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ''] if isinstance(node, ast.ImportFrom) else []
        is_download = path.relative_to(ROOT).as_posix() in DOWNLOADS
        if NETWORK & {name.split('.')[0] for name in names} and not is_download:
            found.append(f'{path}:{node.lineno} {names}')
    assert found == []


def test_every_promise_of_the_page_has_its_test() -> None:
    page = (ROOT / 'docs/robustness.md').read_text(encoding='utf-8')
    files = (ROOT / 'tests').rglob('test_*.py')
    sources = [path.read_text(encoding='utf-8') for path in files]
    tests = set(re.findall(r'^def test_(\w+)', '\n'.join(sources), re.MULTILINE))
    named = {name for name in re.findall(r'`(\w+)`', page) if name.count('_') > 2}
    assert len(named) > 30
    assert named - tests == set()


@pytest.mark.slow
def test_importing_every_module_uses_no_network() -> None:
    done = subprocess.run(
        [sys.executable, '-c', IMPORT_EVERYTHING], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert 'network: ' not in done.stderr, done.stderr
    assert int(done.stdout.split()[-1]) > 40
