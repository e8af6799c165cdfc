"""Which commands of pip install the hosts: python -m hrnet_mm.install."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution

import pytest

from hrnet_mm.install import __main__ as command
from hrnet_mm.install.packages import IMPORTS, bare_name, pip_commands, read_pins

PINS = read_pins()
TORCH = {'torch': '2.13.0+cpu'}
FORK = {**TORCH, 'onedl-mmengine': '0.10.12'}


def libraries_and_hosts(tasks: list[str], installed: dict[str, str]) -> tuple[list[str], list[str]]:
    libraries, *hosts = pip_commands(tasks, installed)
    return libraries[1:], [word for call in hosts for word in call if '==' in word]


def test_a_task_has_its_hosts_at_the_tested_versions_and_without_their_requirements() -> None:
    libraries, hosts = pip_commands(['pose'], TORCH)
    names = ('mmengine', 'mmcv-lite', 'mmdet', 'mmpose')
    assert hosts == ['install', '--no-deps', *(f'{name}=={PINS[name]}' for name in names)]
    assert {'json-tricks', 'pycocotools', 'munkres'} < {*libraries}
    assert 'chumpy' not in libraries and 'xtcocotools' not in libraries


def test_two_tasks_share_what_both_need() -> None:
    libraries, hosts = libraries_and_hosts(['seg', 'cls', 'seg'], TORCH)
    assert len({*libraries}) == len(libraries) and len({*hosts}) == len(hosts)
    assert not any('mmdet' in host or 'mmpose' in host for host in hosts)
    assert {'ftfy', 'mat4py'} < {*libraries}


def test_pytorch_stays_and_torchvision_is_made_for_it() -> None:
    libraries, _ = libraries_and_hosts(['det'], {'torch': '2.5.1+cu124'})
    assert libraries[0] == 'torch==2.5.1' and 'torchvision' in libraries
    libraries, _ = libraries_and_hosts(['det'], {})
    assert libraries[0] == f'torch=={PINS["torch"]}'


@pytest.mark.parametrize('torch, bound', [('2.1.2', '<2'), ('2.2.0+cpu', '<2'), ('2.3.0', '')])
def test_numpy_is_one_that_torch_was_built_for(torch: str, bound: str) -> None:
    libraries, _ = libraries_and_hosts(['det'], {'torch': torch})
    assert [word for word in libraries if word.startswith('numpy')] == [f'numpy{bound}']


@pytest.mark.parametrize('opencv', ['opencv-python', 'opencv-contrib-python-headless'])
def test_an_installed_opencv_stays(opencv: str) -> None:
    libraries, _ = libraries_and_hosts(['det'], {**TORCH, opencv: '4.10.0'})
    assert not [word for word in libraries if word.startswith('opencv')]
    assert 'opencv-python-headless' in libraries_and_hosts(['det'], TORCH)[0]


@pytest.mark.parametrize('mmcv', ['mmcv', 'mmcv-lite'])
def test_an_installed_mmcv_stays(mmcv: str) -> None:
    _, hosts = libraries_and_hosts(['det'], {**TORCH, mmcv: '2.1.0'})
    assert [host.partition('==')[0] for host in hosts] == ['mmengine', 'mmdet']


@pytest.mark.parametrize(
    'installed, text',
    [
        ({'mmcv': '2.2.0'}, 'mmcv 2.2.0 is installed; mmdet and mmseg take 2.0 and 2.1 only'),
        ({'mmcv': '1.7.2'}, 'mmcv 1.7.2 is installed'),
        ({'mmcv': '2.1.0', 'mmcv-lite': '2.1.0'}, 'mmcv and mmcv-lite do not go together'),
        ({'mmcv-full': '1.7.2'}, 'mmcv-full 1.7.2 is installed'),
        (
            {'mmengine': '1', 'onedl-mmengine': '1'},
            'mmengine and onedl-mmengine do not go together',
        ),
        ({'mmdet': '1', 'onedl-mmengine': '1'}, 'mmdet and onedl-mmengine'),
        ({'mmengine': '1', 'onedl-mmcv': '2.3.6'}, 'mmengine and onedl-mmcv'),
    ],
)
def test_packages_that_the_hosts_cannot_use_are_named(installed: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        pip_commands(['det'], {**TORCH, **installed})


def test_the_fork_stays_the_fork() -> None:
    libraries, hosts = libraries_and_hosts(['pose', 'seg'], FORK)
    names = [host.partition('==')[0] for host in hosts]
    assert names == ['onedl-mmengine', 'mmcv-lite', 'onedl-mmdetection', 'imaug', 'mmpose',
                     'onedl-mmsegmentation']  # fmt: skip
    assert 'scikit-image' in libraries


def test_what_a_host_requires_is_in_the_table_or_known_to_do_harm() -> None:
    """The table is made by hand; the packages' own lists tell what it may have missed."""
    harmful = {'chumpy', 'xtcocotools', 'opencv-python', 'imagecorruptions-imaug'}
    foundation = {bare_name(n).lower() for m in ('mmengine', 'mmcv-lite') for n in IMPORTS[m]}
    for host, imports in IMPORTS.items():
        try:
            requirements = distribution(host).requires or []
        except PackageNotFoundError:
            continue  # the fork's, or compiled mmcv
        named = {re.split(r'[ ><=;(\[]', r)[0].lower() for r in requirements if 'extra' not in r}
        known = foundation | {name.lower() for name in imports} | harmful
        optional = {'regex'} if host.startswith('mm') else set()  # of Windows
        assert named - known - optional - {*IMPORTS} == set(), host


def test_a_dry_run_prints_commands_and_runs_nothing() -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'hrnet_mm.install', 'pose', 'det', '--dry-run'],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    assert all('-m' in line and sys.executable in line for line in lines)
    assert [line[3] for line in lines[-2:]] == ['pip', 'hrnet_mm.doctor']
    assert lines[-1][4:] == ['pose', 'det']


def test_an_unknown_task_is_refused_with_the_right_ones(capsys) -> None:
    for argv in (['keypoints'], []):
        with pytest.raises(SystemExit) as stopped:
            command.main(argv)
        assert stopped.value.code == 2
    assert 'pose' in capsys.readouterr().err


def test_the_version_that_counts_is_that_which_is_imported(tmp_path, monkeypatch) -> None:
    for folder, name, torch in (('a', 'Torch', '2.13.0'), ('b', 'torch', '2.1.0'), ('b', None, '')):
        metadata = tmp_path / folder / f'{name}-{torch}.dist-info'
        metadata.mkdir(parents=True)
        if name:
            (metadata / 'METADATA').write_text(f'Name: {name}\nVersion: {torch}\n')
    monkeypatch.setattr(sys, 'path', [str(tmp_path / 'a'), str(tmp_path / 'b')])
    assert command.installed_versions() == {'torch': '2.13.0'}


def test_without_pip_there_is_a_sentence(monkeypatch, capsys) -> None:
    monkeypatch.setattr(command, 'find_spec', lambda name: None)
    with pytest.raises(SystemExit):
        command.main(['seg'])
    assert 'has no pip: python -m ensurepip' in capsys.readouterr().err


def test_a_call_of_pip_that_fails_is_the_last(monkeypatch, capsys) -> None:
    ran = []

    def fail(words: list[str]) -> subprocess.CompletedProcess:
        ran.append(words)
        return subprocess.CompletedProcess(words, 3)

    monkeypatch.setattr(command.subprocess, 'run', fail)
    assert command.main(['seg']) == 3
    assert len(ran) == 1 and ran[0][2:5] == ['pip', '--quiet', 'install']


def test_the_tables_need_no_package() -> None:
    """``make env`` reads them with a bare Python."""
    code = 'import sys, hrnet_mm.install.packages as p; print(p.read_pins()["mmpose"])'
    done = subprocess.run([sys.executable, '-S', '-c', code], capture_output=True, text=True)
    assert done.stdout.strip() == PINS['mmpose'], done.stderr
