"""All kinds of mistakes, in the order of the files that hold them."""

from tests.check.mutations import (
    added_later,
    classification,
    coco,
    detection,
    independent_data,
    independent_run,
    pose,
    run,
    segmentation,
)
from tests.check.mutations.mutation import Mutation

FILES = (
    coco,
    pose,
    detection,
    segmentation,
    classification,
    run,
    added_later,
    independent_data,
    independent_run,
)
MUTATIONS: list[Mutation] = [mutation for file in FILES for mutation in file.mistakes]
