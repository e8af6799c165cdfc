"""The grouping of people beside the rules written out and mmpose's codec, on random scenes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from mmpose.codecs import AssociativeEmbedding

from benchmark.measure import Settings
from benchmark.plain_grouping import plain_group
from benchmark.report import Column, table_lines
from benchmark.scenes import random_scene
from benchmark.timing import interleaved, seconds_of, speedups, spread_of
from hrnet_mm.bottomup.grouping import COCO_ORDER, GroupingRules, group

PEOPLE = (1, 3, 10, 30)
SIZE = (512, 512)  # of the maps: those of a HigherHRNet at the size of the image
NUM_TAGS = 2  # with flip
NAMES = ('ours', 'plain', 'ours, mmpose', 'mmpose')
BASELINES = {'ours': 'plain', 'ours, mmpose': 'mmpose'}


@dataclass(frozen=True)
class GroupingResult:
    """Seconds a round of each of ``NAMES``, on a scene of so many people."""

    people: int
    seconds: dict[str, list[float]]


def time_grouping(
    size: tuple[int, int], settings: Settings, report: Callable[[str], object]
) -> list[GroupingResult]:
    """Time all in turns on a scene of every number of people.

    Args:
        size: height and width of the maps.
        settings: rounds and the length of turns.
        report: told what is being done.
    """
    results = []
    for people in PEOPLE:
        report(f'{people} people, maps of {size[0]} x {size[1]}')
        sigma = size[0] / 85  # 6 pixels of 512
        heat, tags = random_scene(1, people, size, num_tags=NUM_TAGS, sigma=sigma, spread=6)
        calls = calls_on(heat, tags)
        times = interleaved(
            calls, settings.rounds, lambda call: seconds_of(call, 'cpu'), settings.turn_seconds
        )
        results.append(GroupingResult(people, times))
    return results


def calls_on(heat: np.ndarray, tags: np.ndarray) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    size = heat.shape[:0:-1]
    codec = AssociativeEmbedding(
        size,
        size,
        decode_topk=30,
        decode_center_shift=0.5,
        decode_keypoint_order=list(COCO_ORDER),
        decode_max_instances=30,
    )
    batch = torch.from_numpy(heat)[None]
    batch_tags = torch.from_numpy(tags).transpose(0, 1).flatten(0, 1)[None].contiguous()
    return {
        'ours': lambda: group(heat, tags, GroupingRules()),
        'plain': lambda: plain_group(heat, tags, 'official'),
        'ours, mmpose': lambda: group(heat, tags, GroupingRules('mmpose')),
        'mmpose': lambda: codec.batch_decode(batch, batch_tags),
    }


def grouping_table(results: list[GroupingResult]) -> str:
    """Medians in milliseconds, and how many times as fast as whom it is set against."""
    people: Column = ('people', [str(result.people) for result in results])
    columns: list[Column] = []
    for name in NAMES:
        times = [f'{1e3 * spread_of(r.seconds[name]).median:.1f}' for r in results]
        columns.append((f'{name} ms', times))
        if name in BASELINES:
            pairs = [(r.seconds[BASELINES[name]], r.seconds[name]) for r in results]
            ratios = [spread_of(speedups(*pair)).median for pair in pairs]
            columns.append((f'x {BASELINES[name]}', [f'{ratio:.1f}' for ratio in ratios]))
    return '\n'.join(table_lines(people, columns))
