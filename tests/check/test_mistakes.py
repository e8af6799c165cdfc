"""Every known kind of mistake is named with file and place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mmpose.datasets import CocoDataset

from hrnet_mm.check import check
from tests.check.mutations import MUTATIONS
from tests.check.mutations.mutation import Mutation
from tests.check.score import messages, names, spoilt
from tests.check.sets import DataSet, copy_of


@pytest.mark.parametrize('mutation', MUTATIONS, ids=lambda m: f'{m.clean}-{m.name}')
def test_mistakes_are_named_with_file_and_place(
    mutation: Mutation, clean_sets: dict[str, DataSet], tmp_path: Path
) -> None:
    data, words = spoilt(mutation, clean_sets[mutation.clean], 0, tmp_path / 'set')
    said = messages(data)
    assert any(names(message, words) for message in said), (words, said)


def test_crowds_and_people_without_keypoints_are_counted(
    clean_sets: dict[str, DataSet], tmp_path: Path
) -> None:
    data = copy_of(clean_sets['pose'], tmp_path / 'set')
    with data.document('train') as document:
        crowd, empty, *_ = document['annotations']
        crowd['iscrowd'] = 1
        empty.update(keypoints=[0] * 51, num_keypoints=0)
        total = len(document['annotations'])
    assert [finding.text for finding in check(data.cfg)] == [
        f'{data.annotations("train")}: {total} annotated people; left out: 1 of a crowd, '
        '1 with no visible keypoint (train_dataloader.dataset.ann_file in the config)'
    ]


def test_a_dataset_class_of_ones_own_is_left_alone(clean_sets: dict[str, DataSet]) -> None:
    class OwnFormat(CocoDataset):
        def _load_annotations(self):
            return [], []

    class OwnName(CocoDataset):
        """Reads as its base does."""

    cfg = clean_sets['pose'].cfg.copy()
    cfg.train_dataloader.dataset['type'] = OwnFormat
    [finding] = check(cfg)
    assert finding.level == 'note'
    text = 'train_dataloader.dataset: OwnFormat is not known here: its data are left alone'
    assert finding.text == text
    cfg.train_dataloader.dataset['type'] = OwnName
    assert check(cfg) == []


def test_an_evaluator_whose_file_has_other_keypoints_is_named(
    clean_sets: dict[str, DataSet], tmp_path: Path
) -> None:
    data = copy_of(clean_sets['pose'], tmp_path / 'set')
    others = json.loads(data.annotations('val').read_text())
    for annotation in others['annotations']:
        annotation['keypoints'] = annotation['keypoints'][:9]
    (tmp_path / 'three.json').write_text(json.dumps(others))
    data.cfg.val_evaluator.ann_file = str(tmp_path / 'three.json')
    stops = [finding.text for finding in check(data.cfg) if finding.level == 'stop']
    assert 'three.json, in which annotation' in stops[0] and 'of 3 keypoints, not 51' in stops[0]
