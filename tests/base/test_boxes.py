import json
from pathlib import Path
from typing import Any

import pytest

from hrnet_mm.base.boxes import boxes_by_frame, read_boxes
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.inputs import find_frames
from tests.helpers import load_in_color

BOX = [1, 2, 30, 40]


def boxes_in(folder: Path, document: Any, lines: list[str] | None = None) -> dict[str, list]:
    """The boxes that a file gives to each image of a folder."""
    file = folder.parent / 'boxes.json'
    file.write_text(json.dumps(document))
    frames = find_frames(str(folder), Path('out'), print)
    boxes_of = boxes_by_frame(file, frames, ([] if lines is None else lines).append)
    return {frame.name: boxes_of([frame])[0].tolist() for frame in frames.read(load_in_color)}


def coco(**changes: Any) -> dict[str, Any]:
    images = [{'id': 7, 'file_name': 'a.jpg'}, {'id': 9, 'file_name': 'b.bmp'}]
    annotations = [{'image_id': 7, 'bbox': BOX, 'category_id': 1}]
    return {'images': images, 'annotations': annotations, **changes}


def test_mapping_gives_boxes_by_file_name(folder: Path) -> None:
    boxes = boxes_in(folder, {'a.jpg': [BOX, [*BOX, 0.5]], 'b.bmp': [], 'c [1].PNG': [BOX]})
    assert boxes['a.jpg'] == [[*BOX, 1], [*BOX, 0.5]]
    assert boxes['b.bmp'] == []
    assert boxes['süb folder/c [1].PNG'] == [[*BOX, 1]]


def test_longest_name_that_ends_the_path_wins(folder: Path) -> None:
    near, far = [5, 5, 5, 5], [6, 6, 6, 6]
    document = {'c [1].PNG': [far], 'süb folder/c [1].PNG': [near], str(folder / 'a.jpg'): [near]}
    boxes = boxes_in(folder, document | {'jpg': [far], './b.bmp': [far]})
    assert boxes['süb folder/c [1].PNG'] == [[*near, 1]]
    assert boxes['a.jpg'] == [[*near, 1]]
    assert boxes['b.bmp'] == [[*far, 1]]


def test_coco_annotations_give_people_only(folder: Path) -> None:
    categories = [{'id': 1, 'name': 'person'}, {'id': 2, 'name': 'chair'}]
    annotations = [
        {'image_id': 9, 'bbox': BOX, 'category_id': 1, 'score': 0.25},
        {'image_id': 7, 'bbox': BOX, 'category_id': 2},
        {'image_id': 7, 'bbox': BOX, 'category_id': 1, 'iscrowd': 1},
    ]
    boxes = boxes_in(folder, coco(annotations=annotations, categories=categories))
    assert boxes['a.jpg'] == []
    assert boxes['b.bmp'] == [[*BOX, 0.25]]


def test_coco_categories_with_keypoints_are_all_taken(folder: Path) -> None:
    categories = [{'id': i, 'name': name, 'keypoints': ['nose']} for i, name in enumerate('xy')]
    annotations = [{'image_id': 7, 'bbox': BOX, 'category_id': i} for i in (0, 1)]
    boxes = boxes_in(folder, coco(annotations=annotations, categories=categories))
    assert len(boxes['a.jpg']) == 2


def test_list_of_detections_is_read_by_file_name(folder: Path) -> None:
    detections = [
        {'file_name': 'a.jpg', 'bbox': BOX, 'score': 0.75},
        {'file_name': 'a.jpg', 'bbox': BOX},
    ]
    assert boxes_in(folder, detections)['a.jpg'] == [[*BOX, 0.75], [*BOX, 1]]


def test_images_that_the_file_does_not_name_have_no_boxes(folder: Path) -> None:
    lines: list[str] = []
    boxes = boxes_in(folder, {'a.jpg': [BOX]}, lines)
    assert boxes['b.bmp'] == []
    assert lines == [f'2 of 3 images are not in {folder.parent}/boxes.json: no boxes for them']


def test_file_that_names_none_of_the_images_is_an_error(folder: Path) -> None:
    with pytest.raises(UserError, match=r'none of the images: its first name is z\.jpg, .*a\.jpg'):
        boxes_in(folder, {'z.jpg': [BOX]})


def test_file_of_boxes_is_not_for_a_video(video: Path) -> None:
    frames = find_frames(str(video), Path('out'), print)
    with pytest.raises(UserError, match='a video takes --bbox'):
        boxes_by_frame(Path('boxes.json'), frames, print)


@pytest.mark.parametrize(
    ('document', 'message'),
    [
        ({'a.jpg': [[1, 2, 3]]}, r'box 0 of a\.jpg is \[1, 2, 3\], not \[x, y, w, h\]'),
        ({'a.jpg': [BOX, [1, 2, 0, 4]]}, r'box 1 of a\.jpg is \[1, 2, 0, 4\]'),
        ({'a.jpg': [[1, 2, float('nan'), 4]]}, 'w and h above 0'),
        ({'a.jpg': [[1, 2, 1e300, 4]]}, 'w and h above 0'),
        ({'a.jpg': [['1', 2, 3, 4]]}, 'w and h above 0'),
        ({'a.jpg': 3}, 'holds no boxes; expected a mapping'),
        ('text', 'holds no boxes; expected a mapping'),
        ({}, 'names no image'),
        ([{'image_id': 3, 'bbox': BOX}], 'item 0 has no file_name'),
        ([BOX], 'item 0 is not a record with a bbox'),
        ([{'file_name': 3, 'bbox': BOX}], '3 is not the file name of an image'),
        (coco(images=[{'id': 1, 'file_name': 'a.jpg'}]), 'not a COCO file: its tables lack 7'),
        (coco(annotations=[{'image_id': 7}]), "not a COCO file: its tables lack 'bbox'"),
        (coco(annotations=3), 'not a COCO file; expected'),
    ],
)
def test_wrong_box_file_is_told_precisely(tmp_path: Path, document: Any, message: str) -> None:
    file = tmp_path / 'boxes.json'
    file.write_text(json.dumps(document))
    with pytest.raises(UserError, match=message):
        read_boxes(file)


def test_file_that_is_no_json_is_told_so(tmp_path: Path) -> None:
    (tmp_path / 'boxes.json').write_bytes(b'\xff{')
    with pytest.raises(UserError, match=r'boxes\.json is not a JSON file'):
        read_boxes(tmp_path / 'boxes.json')
    with pytest.raises(UserError, match='there is no file of boxes'):
        read_boxes(tmp_path / 'missing.json')
    with pytest.raises(UserError, match='is a folder'):
        read_boxes(tmp_path)
