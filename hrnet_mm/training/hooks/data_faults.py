"""Which people are left out of a training, and which sample cannot be read."""

from __future__ import annotations

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
        """Log how many people are left out, and why; MMPose keeps no count, so read them again."""
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
    """Make a dataset say which sample it fails on, if it loads them one by one."""
    if not hasattr(dataset, '__getitems__') and not isinstance(dataset, IterableDataset):
        dataset.__getitems__ = NamedSamples(dataset)


class NamedSamples:
    """Loads a batch of a dataset; the DataLoader calls it, in a worker if it has any."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __call__(self, indices: list[int]) -> list[Any]:
        return [self.sample(index) for index in indices]

    def sample(self, index: int) -> Any:
        """A sample as the dataset gives it.

        Raises:
            UserError: it cannot be loaded; naming its files.
        """
        try:
            return self.dataset[index]
        except Exception as error:
            raise UserError(self.fault_of(index, error)) from error

    def fault_of(self, index: int, error: Exception) -> str:
        """Why a sample cannot be loaded: which of its files is unreadable, or the error."""
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
