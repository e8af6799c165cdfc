"""Which samples are skipped, and which one cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import Dataset, IterableDataset

from hrnet_mm.base.coco_file import FieldsToRead, listed, read_coco_file, reasons_to_skip
from hrnet_mm.base.errors import UserError, sentence_of
from hrnet_mm.base.image_size import UnreadableImage
from hrnet_mm.base.images import IMAGE_SUFFIXES, read_image
from hrnet_mm.registry import HOOKS

FILE_KEYS = ('img_path', 'seg_map_path')


@HOOKS.register_module()
class DataFaultsHook(Hook):
    """Names the file of a sample that cannot be loaded; counts the people left out of training.

    Hosts leave out annotated people without a visible keypoint or with a box outside of the image,
    and say nothing.

    Raises:
        UserError: naming the files of the sample.

    Example:
        >>> custom_hooks = [dict(type='hrnet_mm.DataFaultsHook')]
    """

    priority = 'HIGHEST'  # before ExactResumeHook, which loads through what is set here

    def before_train(self, runner: Runner) -> None:
        dataset = runner.train_dataloader.dataset
        name_bad_samples(dataset)
        if getattr(dataset, 'data_mode', None) == 'topdown' and is_main_process():
            self.report_left_out(runner, dataset)

    def report_left_out(self, runner: Runner, dataset: Dataset) -> None:
        # MMPose does not keep what it read, so read it again.
        path = Path(dataset.ann_file)
        try:
            file = read_coco_file(path, FieldsToRead(('keypoints',)))
        except (UserError, OSError):
            return  # a dataset in another format than COCO's
        reasons = listed(reasons_to_skip(file, with_keypoints=True))
        if reasons:
            runner.logger.info(
                f'{len(dataset)} annotated people of {path} are trained on; left out: {reasons}'
            )

    def before_val(self, runner: Runner) -> None:
        name_bad_samples(runner.val_dataloader.dataset)

    def before_test(self, runner: Runner) -> None:
        name_bad_samples(runner.test_dataloader.dataset)


def name_bad_samples(dataset: Dataset) -> None:
    """Make a dataset tell which sample it fails on."""
    load = getattr(dataset, '__getitems__', None)
    if not isinstance(load, NamedSamples) and not isinstance(dataset, IterableDataset):
        dataset.__getitems__ = NamedSamples(dataset, load)


class NamedSamples:
    """Loads a batch of a dataset; the DataLoader calls it, in a worker if it has any."""

    def __init__(self, dataset: Dataset, load: Callable[[list[int]], list[Any]] | None) -> None:
        self.dataset = dataset
        self.load = load

    def __call__(self, indices: list[int]) -> list[Any]:
        if self.load is not None:
            return self.load(indices)
        return [self.sample(index) for index in indices]

    def sample(self, index: int) -> Any:
        try:
            return self.dataset[index]
        except Exception as error:
            raise UserError(self.fault_of(index, error)) from error

    def fault_of(self, index: int, error: Exception) -> str:
        info = self.dataset.get_data_info(index) if hasattr(self.dataset, 'get_data_info') else {}
        files = [info[key] for key in FILE_KEYS if isinstance(info.get(key), str)]
        try:
            for file in files:
                if '://' not in file and Path(file).suffix.lower() in IMAGE_SUFFIXES:
                    read_image(Path(file))
        except UnreadableImage as unreadable:
            return str(unreadable)
        of = f' ({", ".join(files)})' if files else ''
        return f'sample {index} of the dataset{of} cannot be loaded: {sentence_of(error)}'
