"""What a result is asked for: arrays, pictures, records, COCO's results."""

from __future__ import annotations

import copy
import json
import pickle
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.evaluation import CocoMetric
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import hrnet_mm
from hrnet_mm.base.errors import UserError
from hrnet_mm.predict.canvas import canvas_of
from hrnet_mm.predict.result import Result
from tests.helpers import picture
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Document, Loaded, Run, Tiny, files_in

IMAGE = picture(61, 87, seed=7)
FIELDS = {
    'pose': ['keypoints', 'scores', 'boxes', 'box_scores', 'keypoint_names'],
    'bottom_up': ['keypoints', 'scores', 'boxes', 'box_scores', 'keypoint_names'],
    'detection': ['boxes', 'box_scores', 'scores', 'labels', 'names', 'class_names', 'masks'],
    'segmentation': ['label_map', 'class_names'],
    'classification': ['labels', 'scores', 'names', 'probabilities', 'class_names'],
}


@pytest.mark.parametrize('name', FIELDS)
def test_a_result_has_what_its_task_has(name: str, loaded: Loaded) -> None:
    result = loaded(name)(IMAGE)
    assert {*FIELDS[name], 'plot'} <= {*dir(result)}
    others = {field for fields in FIELDS.values() for field in fields} - {*FIELDS[name]}
    for field in others:
        message = f"a result of {result.task} has no '{field}'; it has {', '.join(FIELDS[name])}"
        with pytest.raises(AttributeError, match=message):
            getattr(result, field)
    for field in FIELDS[name]:
        assert getattr(result, field) is not None


@pytest.mark.parametrize('name', FIELDS)
def test_copies_hold_no_model(name: str, loaded: Loaded) -> None:
    result = loaded(name)(IMAGE)
    data = pickle.dumps(result)
    assert len(data) < 400_000
    for other in (copy.deepcopy(result), pickle.loads(data)):
        assert other.to_json() == result.to_json()
        assert np.array_equal(other.plot(), result.plot())


def test_results_of_files_can_be_copied(loaded: Loaded, folder: Path) -> None:
    for name in FIELDS:
        result = loaded(name)(folder / 'a.jpg')
        assert np.array_equal(pickle.loads(pickle.dumps(result)).plot(), result.plot())


@pytest.mark.parametrize('name', FIELDS)
def test_pictures_are_those_of_infer(
    name: str, run: Run, document: Document, loaded: Loaded, tiny: Tiny, pose: TinyModel,
    tmp_path: Path,
) -> None:  # fmt: skip
    cv2.imwrite(str(tmp_path / 'x.png'), IMAGE)
    run(pose if name == 'pose' else tiny(name), tmp_path / 'x.png')
    result = loaded(name)(tmp_path / 'x.png')
    drawn = cv2.imread(str(tmp_path / 'out/x.png'))
    assert np.array_equal(result.plot(), drawn)
    assert result.save(tmp_path / 'new' / 'y.png') == tmp_path / 'new' / 'y.png'
    assert np.array_equal(cv2.imread(str(tmp_path / 'new/y.png')), drawn)
    assert result._repr_png_()[1:4] == b'PNG'
    [record] = document()['images']
    record.pop('label_map', None)
    assert result.to_json() == record
    json.dumps(result.to_json())


def test_a_threshold_is_of_the_model_or_of_the_picture(loaded: Loaded, pose: TinyModel) -> None:
    result = loaded('pose')(IMAGE)
    plain, all_drawn = result.plot(score_thr=9), result.plot(score_thr=-1)
    assert np.array_equal(plain, canvas_of(IMAGE)) and (all_drawn != plain).any()
    other = hrnet_mm.load(pose.config, pose.checkpoint, device='cpu', score_thr=-1)
    assert np.array_equal(other(IMAGE).plot(), all_drawn)


def test_pictures_are_of_forms_that_opencv_knows(loaded: Loaded, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'x\.qqq, 348 x 244 .* as \.qqq; \.jpg and \.png can'):
        loaded('pose')(IMAGE).save(tmp_path / 'x.qqq')
    assert files_in(tmp_path) == []


def test_where_no_screen_is_a_sentence_says_so(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"no screen here; save\('picture.jpg'\) writes"):
        loaded('pose')(IMAGE).show()


def test_a_screen_shows_the_picture(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setenv('DISPLAY', ':0')
    monkeypatch.setattr(cv2, 'imshow', lambda name, image: shown.append((name, image.shape)))
    monkeypatch.setattr(cv2, 'waitKey', shown.append)
    monkeypatch.setattr(cv2, 'destroyWindow', shown.append)
    loaded('pose')(IMAGE).show()
    assert shown == [('array', (244, 348, 3)), 0, 'array']


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('pose', '<Result array, 87 x 61, top-down pose: 1 instance'),
        ('detection', r'<Result array, 87 x 61, instance segmentation: 6 instances: \w+ 0\.\d\d, '),
        ('segmentation', r'<Result array, 87 x 61, semantic segmentation: [\w ]+ \d+%, '),
        ('classification', r'<Result array, 87 x 61, classification: .* \d\.\d\d, '),
    ],
)
def test_a_result_says_what_was_found(name: str, text: str, loaded: Loaded) -> None:
    assert re.match(text, repr(loaded(name)(IMAGE)))


def test_a_result_without_anything_to_draw_says_the_best_score(
    loaded: Loaded, pose: TinyModel
) -> None:
    model = hrnet_mm.load(pose.config, pose.checkpoint, device='cpu', score_thr=0.9)
    best = model(IMAGE).scores.max()
    end = f'1 instance; nothing scores 0.9 or more, the best {best:.2g}>'
    assert repr(model(IMAGE)).endswith(end)
    assert repr(model(IMAGE, boxes=[])).endswith(': 0 instances>')
    assert 'nothing' not in repr(loaded('pose')(IMAGE)) or best < 0.3


def test_detections_are_mmdets_results(loaded: Loaded, tmp_path: Path) -> None:
    """As CocoMetric writes them, which test.py evaluates."""
    result = loaded('detection')(IMAGE)
    metric = CocoMetric(metric=['bbox', 'segm'])
    metric.cat_ids = list(range(101, 181))
    found = result.to_json()['instances']
    theirs = dict(
        img_id=5,
        bboxes=result.boxes,
        scores=result.scores,
        labels=result.labels,
        masks=[dict(instance['mask']) for instance in found],
        mask_scores=result.scores,
    )
    files = metric.results2json([theirs], str(tmp_path / 'theirs'))
    ids = {name: 101 + label for label, name in enumerate(result.class_names)}
    ours = result.to_coco(5, ids)
    boxes, masks = (json.loads(Path(files[kind]).read_text()) for kind in ('bbox', 'segm'))
    for entry, box, mask in zip(ours, boxes, masks, strict=True):
        assert entry == {**box, 'bbox': entry['bbox'], 'segmentation': mask['segmentation']}
        assert entry['bbox'] == pytest.approx(box['bbox'])


def test_categories_are_cocos_own(loaded: Loaded) -> None:
    result = loaded('detection')(IMAGE)
    known = dict(mouse=74, cup=47, person=1, toothbrush=90, book=84)
    ids = dict(zip(result.names, [entry['category_id'] for entry in result.to_coco()], strict=True))
    assert (
        {name: ids[name] for name in ids.keys() & known}
        == {name: known[name] for name in ids.keys() & known}
        != {}
    )
    with pytest.raises(UserError, match=f"have no '{result.names[0]}'"):
        result.to_coco(1, dict(cat=1))


@pytest.mark.parametrize('name', ['segmentation', 'classification'])
def test_coco_has_no_results_of_other_tasks(name: str, loaded: Loaded) -> None:
    with pytest.raises(UserError, match=f'a result of {loaded(name).task} has none of them'):
        loaded(name)(IMAGE).to_coco()


def annotations(results: list[Result], path: Path) -> Path:
    """The results themselves as the truth, in COCO's form."""
    entries = [
        entry for number, result in enumerate(results) for entry in result.to_coco(70 + number)
    ]
    for number, entry in enumerate(entries, start=1):
        area = entry['bbox'][2] * entry['bbox'][3]
        entry.update(id=number, iscrowd=0, area=area, num_keypoints=17)
        if 'keypoints' in entry:
            entry['keypoints'][2::3] = [2] * (len(entry['keypoints']) // 3)
    names = {entry['category_id']: 'person' for entry in entries}
    if 'names' in dir(results[0]):
        pairs = (
            (r.to_coco()[i]['category_id'], r.names[i]) for r in results for i in range(len(r))
        )
        names = dict(pairs)
    document = dict(
        images=[
            dict(id=70 + n, file_name=r.file, width=r.width, height=r.height)
            for n, r in enumerate(results)
        ],
        annotations=entries,
        categories=[dict(id=number, name=name) for number, name in names.items()],
    )
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(('name', 'kind'), [('pose', 'keypoints'), ('detection', 'segm')])
def test_cocos_own_evaluation_reads_the_results(
    name: str, kind: str, loaded: Loaded, folder: Path, tmp_path: Path
) -> None:
    results = loaded(name)(folder)
    truth = annotations(results, tmp_path / 'truth.json')
    file = hrnet_mm.save_coco(iter(results[::-1]), tmp_path / 'sub' / 'found.json', truth)
    coco = COCO(str(truth))
    evaluation = COCOeval(coco, coco.loadRes(str(file)), kind)
    for step in (evaluation.evaluate, evaluation.accumulate, evaluation.summarize):
        step()
    assert evaluation.stats[0] == pytest.approx(1)


def test_without_annotations_images_are_numbered(loaded: Loaded, tmp_path: Path) -> None:
    file = hrnet_mm.save_coco(loaded('pose')([IMAGE, IMAGE], stream=True), tmp_path / 'x.json')
    assert [entry['image_id'] for entry in json.loads(file.read_text())] == [1, 2]
    assert hrnet_mm.save_coco([], file).read_text() == '[]'
    (tmp_path / 'truth.json').write_text('{"images": [], "annotations": []}')
    with pytest.raises(UserError, match=r'truth\.json has no image array'):
        hrnet_mm.save_coco([loaded('pose')(IMAGE)], file, tmp_path / 'truth.json')
    assert file.read_text() == '[]'
    with pytest.raises(UserError, match='x.json is no file of COCO annotations'):
        hrnet_mm.save_coco([], file, file)
