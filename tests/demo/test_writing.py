import itertools
import json
from pathlib import Path

import pytest

from demo.people import synthetic_people
from demo.people.scene import make_scene
from demo.people.synthetic_people import SPLITS, make_synthetic_people
from tests.helpers import run_tool


def make(folder: Path, **changes: object) -> Path:
    arguments = {'num_train': 3, 'num_val': 2, 'image_size': (128, 96), 'progress': None}
    return make_synthetic_people(folder, **{**arguments, **changes})


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# Same seed, same data


def test_same_seed_writes_the_same_bytes(tmp_path):
    assert contents(make(tmp_path / 'a')) == contents(make(tmp_path / 'b'))


def test_other_seed_draws_other_people(tmp_path):
    name = 'annotations/person_keypoints_train.json'
    assert contents(make(tmp_path / 'a'))[name] != contents(make(tmp_path / 'b', seed=1))[name]


def test_larger_dataset_extends_the_smaller_one(tmp_path):
    small, large = make(tmp_path / 'small'), make(tmp_path / 'large', num_train=5, num_val=3)
    kept = contents(large)
    for name, data in contents(small).items():
        if not name.endswith('.json'):
            assert kept[name] == data, name
    for split in SPLITS:
        few, many = (
            json.loads((folder / 'annotations' / f'person_keypoints_{split}.json').read_text())
            for folder in (small, large)
        )
        for key in ('images', 'annotations'):
            assert many[key][: len(few[key])] == few[key]
            assert len(many[key]) > len(few[key])


def test_train_and_val_differ(tmp_path):
    files = contents(make(tmp_path / 'a'))
    assert files['labels/train/000000.png'] != files['labels/val/000000.png']


# Folders and errors


def test_failure_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    drawn = itertools.count(1)

    def fail_late(rng, size, crowds):
        if next(drawn) == 3:
            raise RuntimeError('power cut')
        return make_scene(rng, size, crowds)

    monkeypatch.setattr(synthetic_people, 'make_scene', fail_late)
    with pytest.raises(RuntimeError, match='power cut'):
        make(tmp_path / 'people')
    assert list(tmp_path.iterdir()) == []


def test_same_parameters_keep_what_is_there(tmp_path, monkeypatch):
    folder = make(tmp_path / 'people')
    monkeypatch.setattr(synthetic_people, 'make_scene', None)
    lines = []
    assert make(folder, progress=lines.append) == folder
    assert lines == [f'{folder} is complete already; keeping it']


def test_other_parameters_need_force(tmp_path):
    folder = make(tmp_path / 'people')
    with pytest.raises(ValueError, match=r'people holds .* seed 0 instead of 7; --force') as error:
        make(folder, seed=7)
    assert 'force=True' in str(error.value)
    make(folder, seed=7, force=True)
    assert json.loads((folder / 'dataset.json').read_text())['seed'] == 7
    assert [path.name for path in tmp_path.iterdir()] == ['people']


def test_crowds_are_another_dataset(tmp_path):
    folder = make(tmp_path / 'people')
    manifest = json.loads((folder / 'dataset.json').read_text())
    del manifest['crowds']  # as before there were any
    (folder / 'dataset.json').write_text(json.dumps(manifest))
    make(folder)
    with pytest.raises(ValueError, match='crowds False instead of True'):
        make(folder, crowds=True)


def test_foreign_folder_is_never_replaced(tmp_path):
    (tmp_path / 'thesis.txt').write_text('irreplaceable')
    with pytest.raises(ValueError, match='not a synthetic people dataset'):
        make(tmp_path, force=True)
    assert (tmp_path / 'thesis.txt').read_text() == 'irreplaceable'


def test_empty_folder_is_filled(tmp_path):
    assert (make(tmp_path) / 'dataset.json').is_file()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'num_train': -1}, 'num_train is -1; it must be a whole number, 0 or more'),
        ({'num_val': 2.5}, 'num_val is 2.5; it must be a whole number'),
        ({'seed': -3}, 'seed is -3; it must be a whole number'),
        ({'image_size': (320, 63)}, r'image_size is \(320, 63\); it must be \(width, height\)'),
        ({'image_size': 320}, 'image_size is 320; it must be'),
    ],
)
def test_wrong_argument_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path / 'people', **changes)
    assert list(tmp_path.iterdir()) == []


# The tool


def test_tool_prints_counts_and_place(tmp_path):
    out, preview = tmp_path / 'people', tmp_path / 'sheet.png'
    run = run_tool(
        *('make_dataset.py', '--out', out, '--preview', preview),
        *('--train', 2, '--val', 1, '--size', '80x96', '--crowds'),
    )
    assert run.returncode == 0, run.stderr
    last = run.stdout.splitlines()[-1]
    assert '2 train images' in last and last.endswith(str(out))
    manifest = json.loads((out / 'dataset.json').read_text())
    assert preview.is_file() and manifest['crowds']
    assert manifest['people']['train'] >= 4  # two in an image, or more


def test_tool_fails_with_one_sentence(tmp_path):
    run = run_tool('make_dataset.py', '--out', tmp_path / 'people', '--train', -5)
    assert run.returncode == 2
    assert "argument --train: '-5'" in run.stderr and 'Traceback' not in run.stderr
    assert run_tool('make_dataset.py', '--nonsense').returncode == 2
