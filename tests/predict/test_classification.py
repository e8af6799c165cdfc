from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmpretrain.apis import ImageClassificationInferencer

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import read_image
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.predict.canvas import canvas_of
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Document, Run, Tiny


@pytest.fixture(scope='module')
def classifier(tiny: Tiny) -> TinyModel:
    return tiny('classification')


@pytest.fixture(scope='module')
def host_classifier(classifier: TinyModel) -> ImageClassificationInferencer:
    return ImageClassificationInferencer(classifier.config, classifier.checkpoint, device='cpu')


def assert_equals_mmpretrain(
    record: dict, image: np.ndarray, host: ImageClassificationInferencer
) -> None:
    [expected] = host(image)
    labels = np.argsort(-expected['pred_scores'])[:5]
    assert [part['label'] for part in record['classes']] == labels.tolist()
    scores = [part['score'] for part in record['classes']]
    assert np.abs(scores - expected['pred_scores'][labels]).max() < 1e-4
    assert scores[0] > 2 * scores[-1]
    assert record['classes'][0]['category'] == expected['pred_class']


@pytest.mark.parametrize('batch_size', [None, 2])
def test_five_likeliest_classes_equal_mmpretrain(
    run: Run,
    document: Document,
    with_gray: Path,
    classifier: TinyModel,
    host_classifier: ImageClassificationInferencer,
    batch_size: int | None,
) -> None:
    summary = run(classifier, with_gray, batch_size=batch_size)
    assert str(summary).startswith('4 images, ') and 'instance' not in str(summary)
    for record in document()['images']:
        assert_equals_mmpretrain(record, read_image(with_gray / record['file']), host_classifier)


def test_classes_are_written_beside_the_image_unless_they_score_less(
    run: Run, folder: Path, classifier: TinyModel
) -> None:
    original = canvas_of(cv2.imread(str(folder / 'b.bmp')))
    for score_thr, written in ((None, True), (0.99, False)):
        run(classifier, folder / 'b.bmp', score_thr=score_thr)
        drawn = cv2.imread(str(folder.parent / 'out' / 'b.bmp.png'))
        assert (drawn[:, : original.shape[1]] == original).all()
        assert (drawn[:, original.shape[1] :] > 200).any() == written


def test_other_than_the_model_s_number_of_names_is_told_so(
    run: Run, folder: Path, classifier: TinyModel, tmp_path: Path
) -> None:
    contents = safe_load(classifier.checkpoint)
    contents['meta'] = {'dataset_meta': {'classes': ['cat', 'dog']}}
    torch.save(contents, tmp_path / 'named.pth')
    with pytest.raises(UserError, match='gives 1000 classes, its dataset_meta names 2'):
        run(TinyModel(classifier.config, str(tmp_path / 'named.pth')), folder / 'a.jpg')


def test_without_names_labels_stand_for_themselves(
    run: Run, document: Document, folder: Path, classifier: TinyModel
) -> None:
    run(classifier, folder, cfg_options={'test_dataloader.dataset.type': 'CustomDataset'})
    assert document()['class_names'] == []
    for part in document()['images'][0]['classes']:
        assert part['category'] == str(part['label'])
