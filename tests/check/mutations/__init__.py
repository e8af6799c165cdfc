"""All kinds of mistakes, in the order of the files that hold them."""

from tests.check.mutations import (
    afterwards,
    classification,
    coco,
    detection,
    outside,
    outside_run,
    pose,
    run,
    segmentation,
)
from tests.check.mutations.mutation import MUTATIONS, Mutation

__all__ = ['MUTATIONS', 'Mutation', 'afterwards', 'classification', 'coco', 'detection']
__all__ += ['outside', 'outside_run', 'pose', 'run', 'segmentation']
