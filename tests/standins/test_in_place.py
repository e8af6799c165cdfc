"""Stand-ins serve where a library is absent or does not load, once they were put in place."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module, invalidate_caches
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
import pytest

from hrnet_mm import standins
from hrnet_mm.commands.program import run_tool
from hrnet_mm.standins import StandInFinder, operators, put_in_place, serving
from tests.helpers import CONFIGS, ROOT
from tests.models_of_hosts import TinyModel
from tests.standins.small_detectors import FCOS, train_and_predict

BINARY = f'_ext{EXTENSION_SUFFIXES[0]}'


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a library that has, as mmcv, a compiled module ``_ext``."""
    monkeypatch.setattr(
        sys, 'meta_path', [finder for finder in sys.meta_path if finder is not StandInFinder]
    )
    names = {'with_operators._ext': 'hrnet_mm.standins.operators'}
    monkeypatch.setattr(standins, 'STAND_INS', names)
    monkeypatch.setattr(standins, 'COMPILED', tuple(names))
    monkeypatch.setattr(standins, 'SENTENCES', {'with_operators._ext': 'ours stand in'})
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / 'with_operators'
    folder.mkdir()
    (folder / '__init__.py').touch()
    yield folder
    for name in ('with_operators', 'with_operators._ext'):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (None, ''),
        ({BINARY: 'no library'}, BINARY),
        ({'_ext.py': 'raise ValueError("numpy.dtype size changed")'}, 'dtype size changed)'),
    ],
    ids=['absent', 'no library', 'of another numpy'],
)
def test_operators_stand_in_where_the_compiled_module_does_not_load(
    library: Path, content: dict[str, str] | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name, text in (content or {}).items():
        (library / name).write_text(text)
    put_in_place()
    put_in_place()
    assert sys.meta_path.count(StandInFinder) == 1
    assert serving() == []
    for _ in range(2):
        assert import_module('with_operators._ext') is operators
    assert sys.modules['with_operators']._ext is operators
    assert serving() == ['with_operators._ext']
    (record,) = caplog.records
    assert record.message.startswith('ours stand in') and reason in record.message


def test_a_finder_that_raises_for_what_it_does_not_find_changes_nothing(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Barrier:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name == 'with_operators._ext':
                raise ModuleNotFoundError(name=name)

    put_in_place()
    monkeypatch.setattr(sys, 'meta_path', [StandInFinder, Barrier, *sys.meta_path])
    assert import_module('with_operators._ext') is operators


def test_a_compiled_module_that_loads_is_used_untouched(
    library: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (library / '_ext.py').write_text('answer = 42')
    put_in_place()
    module = import_module('with_operators._ext')
    assert module.answer == 42
    assert module.__spec__.origin == module.__file__ == str(library / '_ext.py')
    assert serving() == [] and not caplog.records


def test_nothing_stands_in_unless_it_is_put_in_place(library: Path) -> None:
    invalidate_caches()
    with pytest.raises(ModuleNotFoundError, match='_ext'):
        import_module('with_operators._ext')

    def main() -> None:
        import_module('with_operators._ext')

    run_tool(main)
    assert serving() == ['with_operators._ext']


def test_importing_the_package_puts_nothing_in_place() -> None:
    code = (
        'import sys, hrnet_mm, hrnet_mm.standins as s; print("torch" in sys.modules);'
        'import hrnet_mm.models, hrnet_mm.weights.read;'
        'print(s.StandInFinder in sys.meta_path);'
        'import hrnet_mm.compat; print(s.StandInFinder in sys.meta_path)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['False', 'False', 'True']


@pytest.mark.slow
def test_detectors_train_and_predict_alike_without_compiled_libraries(
    tiny: Callable[[str], TinyModel], tmp_path: Path
) -> None:
    mask_rcnn = tiny('detection')
    fcos = tmp_path / 'fcos.py'
    fcos.write_text(FCOS.format(configs=CONFIGS))
    file = tmp_path / 'results.npz'
    arguments = (mask_rcnn.config, mask_rcnn.checkpoint, fcos, file)
    child = subprocess.run(
        [sys.executable, '-m', 'tests.standins.small_detectors', *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    served = child.stdout.split()
    assert {'mmcv._ext', 'xtcocotools.coco', 'xtcocotools.mask'} <= {*served}
    assert 'mmcv has no compiled operators here' in child.stderr
    results = dict(np.load(file))
    expected = train_and_predict(mask_rcnn.config, mask_rcnn.checkpoint)
    expected |= {f'fcos {n}': values for n, values in train_and_predict(str(fcos)).items()}
    assert results.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(results[name], values, 1e-4, 1e-4, err_msg=name)
    assert len(expected['boxes 0']) and 'fcos loss_cls' in expected
