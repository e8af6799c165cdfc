"""One command for every program: hrnet train, hrnet models, ..."""

import re
import subprocess
import sys

import pytest

from hrnet_mm.commands import models
from hrnet_mm.commands.hrnet import PROGRAMS
from tests.helpers import ROOT


def hrnet(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, '-m', 'hrnet_mm', *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_without_a_program_all_are_listed() -> None:
    for arguments in ((), ('--help',)):
        done = hrnet(*arguments)
        assert done.returncode == 0
        assert re.findall(r'^  (\w+) ', done.stdout, re.M) == list(PROGRAMS)


def test_every_tool_of_the_package_is_a_program() -> None:
    modules = {module.rpartition('.')[2] for module, _ in PROGRAMS.values()}
    tools = {path.stem for path in (ROOT / 'tools').glob('*.py')}
    of_the_checkout = {'benchmark', 'complexity', 'demo', 'make_dataset'}
    assert tools - of_the_checkout <= modules


@pytest.mark.parametrize('program', ['predict', 'models', 'convert'])
def test_a_program_names_itself_as_it_was_called(program: str) -> None:
    done = hrnet(program, '--help')
    assert done.returncode == 0 and done.stdout.startswith(f'usage: hrnet {program} ')


def test_a_misspelt_program_is_refused_with_the_one_that_may_be_meant() -> None:
    done = hrnet('tain')
    assert done.returncode == 2
    assert "there is no program 'tain'; did you mean train" in done.stderr


def test_the_exit_code_is_that_of_the_program() -> None:
    assert hrnet('install', 'keypoints').returncode == 2
    assert hrnet('export', 'absent.py', 'x.pth', 'x.onnx').returncode == 1


def test_models_are_those_of_the_metafiles_with_sizes_and_scores(capsys) -> None:
    models.main(['POSE', 'w32', '384'])
    titles, row = capsys.readouterr().out.splitlines()
    assert titles.split() == ['task', 'config', 'data', 'input', 'params', 'mult-adds', 'score',
                              'weights']  # fmt: skip
    assert row.split() == ['pose', 'hrnet_w32_coco_384x288', 'COCO', '384x288', '28.5M', '17.2G',
                           'AP', '75.8', 'yes']  # fmt: skip
    models.main([])
    listed = [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]]
    configs = {path.stem for path in (ROOT / 'configs').glob('[!d]*/*.py')}
    assert {*listed} >= {name for name in configs if 'w32' in name}
    models.main(['pose', 'nonsense'])
    assert capsys.readouterr().out.startswith("no config has 'pose' and 'nonsense'")
