"""Spoils clean sets in every known way and counts what the check names with file and place.

python -m tests.check.score              # 2 sets of each kind
python -m tests.check.score --kinds boxes --show  # what was missed is printed
python -m tests.check.score --files independent_data independent_run --sets 4  # of mutations/
"""

from __future__ import annotations

import argparse
import re
import tempfile
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np

import hrnet_mm.compat  # noqa: F401  (the fixes run before a host is imported)
from tests.check.mutations import MUTATIONS
from tests.check.mutations.mutation import Mutation
from tests.check.sets import MAKERS, DataSet, copy_of


def messages(data: DataSet) -> list[str]:
    """What the check says of a set: what stops, and what it warns of."""
    from hrnet_mm.check import check

    return [finding.text for finding in check(data.cfg) if finding.level != 'note']


def names(message: str, words: tuple[object, ...]) -> bool:
    """Whether a message holds every word, numbers as whole numbers: 5 is not in 15."""
    for word in map(str, words):
        is_number = re.fullmatch(r'-?\d+(\.\d+)?', word)
        pattern = rf'(?<![\d.-]){re.escape(word)}(?!\d)' if is_number else re.escape(word)
        if not re.search(pattern, message):
            return False
    return True


def spoilt(mutation: Mutation, clean: DataSet, number: int, folder: Path) -> tuple[DataSet, tuple]:
    """The ``number``-th set of a kind, and the words that must be said of it."""
    rng = np.random.default_rng([number, zlib.crc32(mutation.name.encode())])
    data = copy_of(clean, folder)
    return data, mutation.spoil(data, rng)


def score(sets: int, kinds: str, files: list[str], show: bool) -> None:
    found: dict[str, list[bool]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cleans = {name: make(folder / 'clean' / name) for name, make in MAKERS.items()}
        for name, clean in cleans.items():
            if said := messages(clean):
                print(f'FALSE ALARM on the clean set {name}: {said}')
        for mutation in MUTATIONS:
            if kinds not in mutation.name or (files and mutation.file not in files):
                continue
            kind = f'{mutation.clean}: {mutation.name}'
            for number in range(sets):
                place = folder / kind.replace(': ', '-') / str(number)
                data, words = spoilt(mutation, cleans[mutation.clean], number, place)
                said = messages(data)
                found[kind].append(any(names(message, words) for message in said))
                if show and not found[kind][-1]:
                    print(f'MISSED {kind} {words}: {said}')
    for kind, results in found.items():
        print(f'{sum(results)} of {len(results)}  {kind}')
    total = [result for results in found.values() for result in results]
    print(f'{len(found)} kinds, {len(total)} sets: {100 * np.mean(total):.1f} % named with place')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--sets', type=int, default=2, help='of each kind')
    parser.add_argument('--kinds', default='', help='only those with this in their name')
    parser.add_argument(
        '--files', nargs='+', default=[], help='only the kinds of these files of mutations/'
    )
    parser.add_argument('--show', action='store_true', help='print what was missed')
    args = parser.parse_args()
    score(args.sets, args.kinds, args.files, args.show)
