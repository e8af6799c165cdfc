"""A config's schedule at another length: whatever counts epochs or iterations, in proportion."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.config import Length, length_of, name_of
from hrnet_mm.base.errors import UserError

WARMUPS = ('Constant', 'Linear', 'QuadraticWarmup')
# In the name of a number of a hook: num_last_epochs, begin_iter; of a model: initial_epoch.
COUNTS_EPOCHS = re.compile(r'(^|_)epochs?(_|$)')
COUNTS_ITERATIONS = re.compile(r'(^|_)iters?(_|$)')
# In the name of an argument of a scheduler that is not known here, and may be a length.
MAY_BE_LENGTH = re.compile(r'epoch|iter|step|period|warm')
SCALED = ('begin', 'end', 'T_max', 'milestones', 'step_size', 'periods', 'total_steps')
SCALED += ('patience', 'cooldown')
# They are at their last rate during the whole last epoch: of two epochs that is half a training.
ENDS_EARLY, FEW = ('Linear', 'Poly', 'OneCycle'), 10
NO_LENGTH = ('last_step', 'by_epoch', 'convert_to_iter_based')
INFINITE = 10**9  # MMEngine's number for "no end"
VAL_INTERVALS = {True: 1, False: 1000}  # MMEngine's, by whether epochs are counted


class Scaling:
    """Numbers of a schedule of one length in one of another length.

    Attributes:
        old, new: the lengths, in the unit that the training counts.
        changes: what has become of numbers: ``'train_cfg.val_interval 10 -> 1'``.
        losses: sentences on what a shorter schedule has no room for.
    """

    def __init__(self, old: Length, new: int) -> None:
        self.by_epoch, self.old, self.unit, self.new = old.by_epoch, old.number, old.unit, new
        self.ratio = new / old.number
        self.changes: list[str] = []
        self.losses: list[str] = []

    def set(self, part: dict[str, Any], name: str, value: Any, key: str) -> None:
        """Change a number of the config, and note it."""
        if part.get(name) != value:
            before = f' {part[name]}' if name in part else ''
            self.changes.append(f'{key}.{name}{before} -> {value}')
            part[name] = value

    def interval(self, number: int) -> int:
        """What happens every 10 of 210 epochs happens every epoch of 20; -1, never, stays."""
        return number if number <= 0 else max(1, number * self.new // self.old)

    def points(self, numbers: Sequence[int], key: str) -> list[int]:
        """Times of the training; those after its begin and before its end stay so, and distinct.

        Raises:
            UserError: the new training is too short for that.
        """
        amid = sorted({number for number in numbers if 0 < number < self.old})
        new = distinct_times(amid, self.ratio, self.new)
        if len(new) < len(amid):
            raise UserError(
                f'{key} is {", ".join(map(str, amid))} of {self.old} {self.unit}, which has no '
                f'place in {self.new}: give {len(amid) + 1} or more'
            )
        moved = dict(zip(amid, new, strict=True))
        return [moved.get(number, rounded(number * self.ratio)) for number in numbers]

    def point(self, number: int, key: str) -> int:
        return self.points([number], key)[0]


def scale_schedule(cfg: Config, new: int) -> list[str]:
    """Let a config train for another number of epochs, or of iterations if it counts those.

    Learning rates, evaluations, checkpoints, and hooks that act at some time of the training keep
    their places in it. A warm-up that counts iterations in a training by epochs becomes shorter in
    a shorter one; in a longer one it stays as long as it is, as the hosts' own schedules have it.

    Args:
        cfg: the config, which is changed.
        new: the number.

    Returns:
        Sentences for the user: what has changed.

    Raises:
        UserError: the config does not say how long it trains; or something has no place in so short
            a training, or cannot be translated.
    """
    length = length_of(cfg)
    if length is None:
        raise UserError('train_cfg has neither max_epochs nor max_iters')
    scaling = Scaling(length, new)
    if new == length.number:
        return []
    scale_loop(cfg.train_cfg, length, scaling)
    scale_schedulers(cfg.get('param_scheduler'), scaling)
    for name in ('default_hooks', 'custom_hooks'):
        for key, hook in dicts_in(cfg.get(name), name):
            scale_hook(hook, key, scaling)
    for key, part in dicts_in(cfg.get('model'), 'model'):
        scale_counts(part, key, scaling, (COUNTS_EPOCHS,) if length.by_epoch else ())
    return [', '.join(scaling.changes), *scaling.losses]


def scale_loop(train: dict[str, Any], length: Length, scaling: Scaling) -> None:
    """Scale ``train_cfg``: how long it is, and when it is evaluated."""
    scaling.set(train, length.key, scaling.new, 'train_cfg')
    interval = train.get('val_interval', VAL_INTERVALS[length.by_epoch])
    scaling.set(train, 'val_interval', scaling.interval(interval), 'train_cfg')
    if train.get('val_begin', 1) > 1:
        begin = min(max(1, rounded(train['val_begin'] * scaling.ratio)), scaling.new)
        scaling.set(train, 'val_begin', begin, 'train_cfg')
    if train.get('dynamic_intervals'):
        times, intervals = zip(*train['dynamic_intervals'], strict=True)
        new = scaling.points(times, 'train_cfg.dynamic_intervals')
        pairs = list(zip(new, map(scaling.interval, intervals), strict=True))
        scaling.set(train, 'dynamic_intervals', pairs, 'train_cfg')


def scale_schedulers(part: Any, scaling: Scaling) -> None:
    """Scale all of ``param_scheduler``, the warm-ups first: others begin where they end."""
    schedulers = [
        (key, scheduler)
        for key, scheduler in dicts_in(part, 'param_scheduler')
        if scheduler.get('type') is not None
    ]
    foreign = [each for _, each in schedulers if each.get('by_epoch', True) != scaling.by_epoch]
    # Where schedules by iterations lead through a training by epochs, their warm-up is of them.
    ratio = scaling.ratio if not all(map(is_warmup, foreign)) else min(1, scaling.ratio)
    moved: dict[tuple[bool, int], int] = {}
    for key, scheduler in sorted(schedulers, key=lambda pair: not is_warmup(pair[1])):
        by_epoch = scheduler.get('by_epoch', True)
        if by_epoch and not scaling.by_epoch:
            continue  # the one epoch of a training by iterations: it never changes anything
        own = scaling.ratio if by_epoch == scaling.by_epoch else ratio
        scale_scheduler(scheduler, key, own, scaling, moved)


def scale_scheduler(
    scheduler: dict[str, Any],
    key: str,
    ratio: float,
    scaling: Scaling,
    moved: dict[tuple[bool, int], int],
) -> None:
    """Scale one scheduler; ``moved`` are the old and new ends of the warm-ups."""
    by_epoch = scheduler.get('by_epoch', True)
    is_own_unit = by_epoch == scaling.by_epoch
    refuse_unknown_lengths(scheduler, key)
    old_begin, old_end = scheduler.get('begin', 0), scheduler.get('end', INFINITE)

    def new(name: str, value: Any) -> None:
        scaling.set(scheduler, name, value, key)

    def time(name: str) -> int:
        number = scheduler[name]
        if (by_epoch, number) in moved:
            return moved[by_epoch, number]
        return scaling.point(number, f'{key}.{name}') if is_own_unit else rounded(number * ratio)

    begin, end = time('begin') if old_begin else 0, INFINITE
    if 'begin' in scheduler:
        new('begin', begin)
    if old_end < INFINITE:
        # MMEngine's warm-ups of one step never come back to the full learning rate.
        end, least = time('end'), 2 if is_warmup(scheduler) and old_end > 1 else 1
        if least == 2 and by_epoch and end - begin < 2:
            least = 1
            new('convert_to_iter_based', True)
        end = max(begin + least, end)
        new('end', end)
        if is_warmup(scheduler):
            moved[by_epoch, old_end] = end
    reach = scheduler.get('total_steps') or min(old_end, scaling.old) - old_begin
    if by_epoch and is_own_unit and not is_warmup(scheduler):
        is_early = name_of(scheduler).startswith(ENDS_EARLY) and reach > 1
        if is_early and ratio < 1 and reach * ratio < FEW:
            new('convert_to_iter_based', True)
    if scheduler.get('T_max') is not None:
        is_whole = scheduler['T_max'] == old_end - old_begin
        new('T_max', end - begin if is_whole else max(1, rounded(scheduler['T_max'] * ratio)))
    if 'milestones' in scheduler:
        steps = sorted(scheduler['milestones'])
        if is_own_unit:
            old_end, end = min(old_end, scaling.old), min(end, scaling.new)
        reached = [step for step in steps if step < old_end - old_begin]
        found = distinct_times(reached, ratio, end - begin)
        new('milestones', found)
        if lost := len(reached) - len(found):
            scaling.losses.append(
                f'{key}: in so short a training there is no place for the last {lost} of its '
                f'{len(steps)} steps ({", ".join(map(str, steps))} of {scaling.old})'
            )
    scale_periods(scheduler, ratio, new)


def scale_periods(
    scheduler: Mapping[str, Any], ratio: float, new: Callable[[str, Any], None]
) -> None:
    """Scale what a scheduler does again and again, and how long it waits."""
    for name in ('patience', 'total_steps', 'cooldown'):
        if scheduler.get(name):
            new(name, max(1, rounded(scheduler[name] * ratio)))
    if 'periods' in scheduler:
        ends = [0]
        for end in accumulate(scheduler['periods']):
            ends.append(max(ends[-1] + 1, rounded(end * ratio)))
        new('periods', [end - before for before, end in zip(ends, ends[1:], strict=False)])
    if 'step_size' in scheduler:
        size = scheduler['step_size'] * ratio
        new('step_size', max(1, rounded(size)))
        if size < 1:  # several steps at once
            new('gamma', scheduler.get('gamma', 0.1) ** (1 / size))
    elif name_of(scheduler).startswith('Exponential'):
        new('gamma', scheduler['gamma'] ** (1 / ratio))


def scale_hook(hook: dict[str, Any], key: str, scaling: Scaling) -> None:
    """Scale when a hook acts."""
    if 'CheckpointHook' in name_of(hook):
        if hook.get('by_epoch', True) and not scaling.by_epoch:
            return
        for name in ('interval', 'save_begin'):
            if hook.get(name):
                scaling.set(hook, name, scaling.interval(hook[name]), key)
    counts = (COUNTS_EPOCHS, COUNTS_ITERATIONS) if scaling.by_epoch else (COUNTS_ITERATIONS,)
    scale_counts(hook, key, scaling, counts)


def scale_counts(
    part: dict[str, Any], key: str, scaling: Scaling, counts: Sequence[re.Pattern[str]]
) -> None:
    """Scale the numbers of a part of a config whose names say that they count what is scaled."""
    for name, value in part.items():
        if not any(pattern.search(str(name)) for pattern in counts) or isinstance(value, bool):
            continue
        place = f'{key}.{name}'
        if isinstance(value, Mapping) and all(map(is_count, value)):
            # mmpose's RTMOModeSwitchHook: what is set at which epoch
            times = scaling.points(list(value), place)
            value = type(value)(zip(times, value.values(), strict=True))
        elif isinstance(value, list | tuple) and all(map(is_count, value)):
            value = type(value)(scaling.points(value, place))
        elif is_count(value) and scaling.by_epoch and COUNTS_ITERATIONS.search(name):
            value = rounded(value * scaling.ratio)  # of how many is not known
        elif is_count(value):
            value = scaling.point(value, place)
        scaling.set(part, name, value, key)


def refuse_unknown_lengths(scheduler: Mapping[str, Any], key: str) -> None:
    """Refuse a scheduler of somebody's own, with a length that would stay as it is.

    Raises:
        UserError: naming the argument.
    """
    for name, value in scheduler.items():
        if name not in (*SCALED, *NO_LENGTH) and MAY_BE_LENGTH.search(name) and is_count(value):
            raise UserError(
                f'{key}.{name} is {value}, and it is not known whether that is a part of the '
                'length: write a schedule of the new length into the config'
            )


def distinct_times(times: Sequence[int], ratio: float, end: int) -> list[int]:
    """Distinct times from 1 on and before the end, as near as can be to the scaled ones.

    Args:
        times: in ascending order.
        ratio: what they are multiplied by.
        end: the end; of times that are too many for it, the last are left out.
    """
    times = times[: end - 1]
    found: list[int] = []
    for number, time in enumerate(times):
        earliest, latest = number + 1, end - len(times) + number
        if found:
            earliest = found[-1] + 1
        found.append(min(max(earliest, rounded(time * ratio)), latest))
    return found


def dicts_in(part: Any, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """All dicts of a part of a config, each with its key, e.g. ``custom_hooks[1]``."""
    if isinstance(part, dict):
        yield key, part
        for name, item in list(part.items()):
            yield from dicts_in(item, f'{key}.{name}')
    elif isinstance(part, list | tuple):
        for index, item in enumerate(part):
            yield from dicts_in(item, f'{key}[{index}]')


def is_warmup(scheduler: Mapping[str, Any]) -> bool:
    """Whether a scheduler leads up to the full learning rate."""
    rises = scheduler.get('start_factor', 0) < scheduler.get('end_factor', 1)
    return name_of(scheduler).startswith(WARMUPS) and rises and not scheduler.get('begin')


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def rounded(number: float) -> int:
    """The nearest whole number, of two the larger."""
    return int(number + 0.5)
