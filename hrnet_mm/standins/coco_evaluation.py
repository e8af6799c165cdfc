"""COCO and COCOeval as mmpose uses those of xtcocotools, on top of pycocotools.

What that library adds: sigmas of any set of keypoints, areas from boxes, the whole-body's parts
with scores of their own, CrowdPose's three levels of difficulty, annotations without ``iscrowd`` or
with ids from 0. The statistics are the same bit for bit.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO as BaseCOCO
from pycocotools.cocoeval import COCOeval as BaseEvaluation
from pycocotools.cocoeval import Params

BODY_SIGMAS = Params('keypoints').kpt_oks_sigmas
# The keys of an annotation that hold a type's keypoints, in the order of its sigmas.
PARTS = {f'keypoints_{x}': [f'{x}_kpts'] for x in ('foot', 'face', 'lefthand', 'righthand')}
PARTS['keypoints_wholebody'] = ['keypoints', *(keys[0] for keys in PARTS.values())]
# A person without an area in the annotations has this share of the box.
SHARE_OF_BOX = 0.53
# Images of CrowdPose are easy below the first crowd index, hard from the second on.
CROWD_LEVELS = (('easy', -np.inf, 0.2), ('medium', 0.2, 0.8), ('hard', 0.8, np.inf))


class COCO(BaseCOCO):
    """Annotations of a file, or of ``ann_data``, its contents; ``test_index`` selects keypoints."""

    def __init__(
        self,
        annotation_file: str | None = None,
        test_index: Sequence[int] | None = None,
        ann_data: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(annotation_file if ann_data is None else None)
        if ann_data is not None:
            self.dataset = ann_data
            self.createIndex()
        self.anno_file = [annotation_file]
        self.test_index = test_index
        for annotation in self.dataset.get('annotations', []):
            if test_index is not None:
                points = np.array(annotation['keypoints']).reshape(-1, 3)[test_index]
                annotation['keypoints'] = points.reshape(-1).tolist()
            annotation.setdefault('iscrowd', False)

    def getAnnIds(
        self, imgIds: Any = (), catIds: Any = (), areaRng: Sequence[float] = (), iscrowd: Any = None
    ) -> list[int]:
        """As in pycocotools, but an area equal to the lower bound is within the range."""
        ids = super().getAnnIds(imgIds, catIds, [], iscrowd)
        return [i for i in ids if not areaRng or areaRng[0] <= self.anns[i]['area'] < areaRng[1]]

    def loadRes(self, resFile: Any, resData: list[dict[str, Any]] | None = None) -> COCO:
        """Results of a file, or of ``resData``, its contents; there may be none."""
        if len(self.anno_file) == 1:
            self.anno_file.append(resFile)
        results = resFile if resData is None else resData
        loaded = type(self)()
        if isinstance(results, list) and not results:
            loaded.dataset = dict(images=list(self.dataset['images']), annotations=[])
            loaded.createIndex()
        else:
            vars(loaded).update(vars(super().loadRes(results)))
        return loaded


class COCOeval(BaseEvaluation):
    """Evaluates boxes, masks or keypoints: 'keypoints', 'keypoints_face', 'keypoints_crowd', ...

    pycocotools evaluates copies of the annotations that hold a part's keypoints as if they were the
    only ones, with the part's score and the area that counts.
    """

    def __init__(
        self,
        cocoGt: COCO | None = None,
        cocoDt: COCO | None = None,
        iouType: str = 'keypoints',
        sigmas: np.ndarray | None = None,
        use_area: bool = True,
    ) -> None:
        self.kind = iouType
        super().__init__(cocoGt, cocoDt, 'keypoints' if 'keypoints' in iouType else iouType)
        self.sigmas = BODY_SIGMAS if sigmas is None else sigmas
        self.use_area = use_area
        self.score_key = 'score'
        if self.kind in PARTS:
            self.score_key = f'{self.kind.removeprefix("keypoints_")}_score'
        if 'keypoints' in iouType:
            self.params.kpt_oks_sigmas = np.asarray(self.sigmas)

    def _prepare(self) -> None:
        p = self.params
        categories = p.catIds if p.useCats else []
        truths, found = (
            [dict(a) for a in coco.loadAnns(coco.getAnnIds(imgIds=p.imgIds, catIds=categories))]
            for coco in (self.cocoGt, self.cocoDt)
        )
        if p.iouType == 'segm':
            for coco, annotations in ((self.cocoGt, truths), (self.cocoDt, found)):
                for annotation in annotations:
                    annotation['segmentation'] = coco.annToRLE(annotation)
        # pycocotools takes a match with number 0 for none.
        shift = int(any(truth['id'] == 0 for truth in truths))
        for truth in truths:
            truth['id'] += shift
            truth['iscrowd'] = truth.get('iscrowd', 0)
            truth['ignore'] = truth['iscrowd']
            if 'area' not in truth or not self.use_area:
                truth['area'] = truth['bbox'][2] * truth['bbox'][3] * SHARE_OF_BOX
            if 'keypoints' in p.iouType:
                truth['keypoints'] = self.keypoints_of(truth)
                visible = visible_in(truth['keypoints'])
                if self.kind == 'keypoints_crowd':  # whose annotations count what is not hidden
                    visible = truth['num_keypoints']
                truth['ignore'] = visible == 0 or truth['ignore']
        if any(self.score_key not in detection for detection in found):
            warnings.warn(f'{self.score_key!r} is not in the results: score is used', stacklevel=3)
        for detection in found:
            detection['score'] = detection.get(self.score_key, detection['score'])
            if 'keypoints' in p.iouType:
                detection['keypoints'] = self.keypoints_of(detection)
        if 'keypoints' in p.iouType:
            found = [detection for detection in found if visible_in(detection['keypoints'])]
        self._gts, self._dts = defaultdict(list), defaultdict(list)
        for groups, annotations in ((self._gts, truths), (self._dts, found)):
            for annotation in annotations:
                groups[annotation['image_id'], annotation['category_id']].append(annotation)
        self.evalImgs = defaultdict(list)
        self.eval = {}

    def keypoints_of(self, annotation: dict[str, Any]) -> list[float]:
        """x, y and visibility of the type's keypoints, one after the other."""
        return [value for key in PARTS.get(self.kind, ['keypoints']) for value in annotation[key]]

    def summarize(self) -> None:
        super().summarize()
        if self.kind == 'keypoints_crowd':
            ap, ap50, ap75, _, _, ar, ar50, ar75, _, _ = self.stats
            levels = self.precision_of_crowd_levels()
            self.stats = np.array([ap, ap50, ap75, ar, ar50, ar75, *levels])

    def precision_of_crowd_levels(self) -> list[float]:
        """Average precision over the easy, the medium and the hard images of CrowdPose."""
        images, precisions = self.params.imgIds, []
        for name, low, high in CROWD_LEVELS:
            self.params.imgIds = [
                image['id']
                for image in self.cocoGt.dataset['images']
                if low <= image['crowdIndex'] < high
            ]
            self.evaluate()
            self.accumulate()
            precisions.append(round(np.mean(self.eval['precision'][:, :, :, 0, :]), 4))
            print(f' Average Precision  (AP) of {name} images = {precisions[-1]:0.3f}')
        self.params.imgIds = images
        return precisions


def visible_in(keypoints: Sequence[float]) -> int:
    return np.count_nonzero(np.array(keypoints)[2::3] > 0)
