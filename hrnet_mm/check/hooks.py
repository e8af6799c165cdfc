"""Checks of hooks: the metrics that they watch are measured, and their classes exist."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS

from hrnet_mm.base.config import as_list, name_of
from hrnet_mm.check.evaluators import evaluators_of
from hrnet_mm.check.findings import Finding, stop, warn
from hrnet_mm.check.sources import class_of

# What the metrics of a host's class are called.
METRICS = dict(
    Accuracy=r'accuracy/top\d.*',
    AUC='AUC',
    EPE='EPE',
    IoUMetric=r'[am](Acc|IoU|Dice|Fscore|Precision|Recall)',
    NME='NME',
    PCKAccuracy=r't?PCKh?',
)
COCO_METRICS = dict(
    mmpose=r'coco/A[PR].*',
    mmdet=r'coco/((bbox|segm|proposal)_m?A[PR].*|AR@.*|.*_precision)',
)
ERRORS = ('EPE', 'NME')  # the less, the better
EXAMPLES = {r'accuracy/top\d.*': 'accuracy/top1', COCO_METRICS['mmpose']: 'coco/AP'}
EXAMPLES |= {COCO_METRICS['mmdet']: 'coco/bbox_mAP', METRICS['IoUMetric']: 'mIoU'}
EXAMPLES |= {METRICS['PCKAccuracy']: 'PCK'}


def check_config(cfg: Config) -> Iterator[Finding]:
    yield from check_best(cfg)
    yield from check_early_stopping(cfg)
    yield from check_moving_average(cfg)


def measured(cfg: Config) -> list[str]:
    """Patterns of the names of all metrics of validation; none where one is not known."""
    patterns = []
    for _, part in evaluators_of(cfg, 'val'):
        known = METRICS
        if name_of(part) == 'CocoMetric':
            scope = part.get('_scope_') or cfg.get('default_scope')
            known = dict(CocoMetric=COCO_METRICS.get(scope))
        patterns.append(None if part.get('prefix') else known.get(name_of(part)))
    return [] if None in patterns else patterns


def is_measured(metric: str, patterns: list[str]) -> bool:
    return any(re.fullmatch(pattern, metric) for pattern in patterns)


def examples(patterns: list[str]) -> str:
    return ', '.join(EXAMPLES.get(pattern, pattern) for pattern in patterns)


def check_best(cfg: Config) -> Iterator[Finding]:
    """The metric that picks the best checkpoint is measured, and more of it is better."""
    place = 'default_hooks.checkpoint'
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    patterns = measured(cfg)
    bests = [best for best in as_list(hook.get('save_best')) if best and best != 'auto']
    for best, rule in zip(bests, rules(hook, len(bests)), strict=True):
        if patterns and not is_measured(best, patterns):
            yield stop(
                f'{place}.save_best is {best!r}, but val_evaluator measures {examples(patterns)} '
                'and the like: the training ends at the first evaluation'
            )
        elif patterns and rule == ('greater' if best in ERRORS else 'less'):
            right = 'less' if best in ERRORS else 'greater'
            yield stop(
                f'{place}.rule is {rule!r}, by which the worst {best} is kept as the best: write '
                f'rule={right!r}'
            )


def rules(hook: Mapping[str, Any], number: int) -> list[str | None]:
    """The rule of each metric; the last holds for all that have none of their own."""
    given = as_list(hook.get('rule')) or [None]
    return [given[min(i, len(given) - 1)] for i in range(number)]


def check_early_stopping(cfg: Config) -> Iterator[Finding]:
    """The metric that ends a training is measured."""
    patterns = measured(cfg)
    for number, hook in enumerate(cfg.get('custom_hooks') or ()):
        if not isinstance(hook, Mapping) or name_of(hook) != 'EarlyStoppingHook' or not patterns:
            continue
        monitor = str(hook.get('monitor'))
        if not is_measured(monitor, patterns):
            yield (stop if hook.get('strict') else warn)(
                f'custom_hooks[{number}].monitor is {monitor!r}, but val_evaluator measures '
                f'{examples(patterns)} and the like: the training never stops early'
            )


def check_moving_average(cfg: Config) -> Iterator[Finding]:
    """The class that averages weights exists."""
    for number, hook in enumerate(cfg.get('custom_hooks') or ()):
        kind = hook.get('ema_type') if isinstance(hook, Mapping) else None
        if not isinstance(kind, str):
            continue
        scope = cfg.get('default_scope')
        class_of(HOOKS, hook.get('type'), scope)  # hosts have such classes beside their hooks
        if class_of(MODELS, kind, scope) is not None:
            continue
        hosts = MODELS.children.get(scope)
        names = [*MODELS.module_dict, *(hosts.module_dict if hosts else ())]
        known = sorted(name for name in names if 'EMA' in name or 'Averag' in name)
        close = difflib.get_close_matches(kind, [*known, *names], n=1)
        yield stop(
            f'custom_hooks[{number}].ema_type is {kind!r}, and there is no such class'
            f'{f"; did you mean {close[0]}?" if close else ""} There are {", ".join(known)}'
        )
