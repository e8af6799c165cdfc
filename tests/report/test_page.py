"""The page as ``test --report`` writes it: whole, escaped, and never at the cost of the metrics."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from hrnet_mm.base.errors import UserError
from hrnet_mm.commands.test import text_of
from hrnet_mm.report import evaluation
from hrnet_mm.report.evaluation import PAGE, Collector, check_folder, write_page
from hrnet_mm.report.evaluation.cases import Case, Extremes
from hrnet_mm.report.evaluation.task import Table, Task
from tests.check.sets import DataSet, regions
from tests.forked_tools import Run, error_of

EVIL = '<script>alert("x")</script>&'


class Told(Task):
    """A task that tells what a test says."""

    ranked_by = f'its {EVIL}'

    def __init__(self, files: list[str], fails: bool = False) -> None:
        self.cases = Extremes()
        self.fails = fails
        for number, file in enumerate(files):
            case = Case(file, f'score {number}', {}, {})
            self.cases.offer((number,), number, lambda case=case: case)

    def add(self, *arguments: Any) -> None:
        raise AssertionError

    totals = merge = add

    def tables(self) -> list[Table]:
        if self.fails:
            raise ValueError('no such table')
        rows = [(EVIL, 3, None), ('all', 4, 0.25)]
        return [Table(EVIL, ('class', 'labelled', EVIL), rows, EVIL)]

    def draw(self, image: np.ndarray, case: Case) -> tuple[np.ndarray, np.ndarray, str]:
        if 'bad' in case.file:
            raise ValueError('it is bad')
        return image, image // 2, ''


@pytest.fixture
def cfg() -> Config:
    pipeline = [dict(type='LoadImageFromFile'), dict(type='Collect')]
    loader = dict(dataset=dict(type='Any', pipeline=pipeline[:1]))
    return Config(dict(test_dataloader=loader, default_scope='mmengine', remark=EVIL))


def page_of(folder: Path, cfg: Config, task: Task | None, **metrics: str) -> str:
    collector = Collector()
    collector.task = task
    path = write_page(folder, dict(config=EVIL), metrics, collector, cfg)
    assert path == folder / PAGE
    return path.read_text()


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two images of one name, one that cannot be drawn and one that is not there."""
    paths = [tmp_path / name for name in ('a/same.png', 'b/same.png', 'bad.png')]
    for shade, path in enumerate(paths, 1):
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.full((8, 8, 3), 50 * shade, np.uint8))
    return [*map(str, paths), str(tmp_path / f'gone {EVIL[:8]}.png')]


def test_names_are_escaped_and_nothing_comes_from_elsewhere(
    tmp_path: Path, cfg: Config, files: list[str]
) -> None:
    page = page_of(tmp_path / 'r', cfg, Told(files), **{EVIL: '0.5'})
    assert '<script' not in page and html.escape(EVIL) in page
    assert not re.search(r'(?:src|href)="(?!data:)', page) and 'http' not in page
    assert sorted(path.name for path in (tmp_path / 'r').iterdir()) == [PAGE]
    assert page.startswith('<!doctype html>') and page.endswith('</html>')


def test_a_picture_that_fails_costs_only_itself(
    tmp_path: Path, cfg: Config, files: list[str]
) -> None:
    page = page_of(tmp_path, cfg, Told(files), mIoU='12.3')
    assert page.count('<img ') == 4  # two pictures of each of two images
    assert page.count('it cannot be drawn: ') == 2 and 'it is bad' in page
    assert files[0] in page and files[1] in page and '12.3' in page


def test_tables_that_fail_cost_only_themselves(
    tmp_path: Path, cfg: Config, files: list[str]
) -> None:
    page = page_of(tmp_path, cfg, Told(files, fails=True), mIoU='12.3')
    assert 'No tables: no such table.' in page
    assert '12.3' in page and page.count('<img ') == 4


def test_a_metric_that_is_not_known_makes_a_page_all_the_same(tmp_path: Path, cfg: Config) -> None:
    page = page_of(tmp_path, cfg, None, EPE='3.5')
    assert 'No tables and no images' in page and '3.5' in page


def test_only_a_report_is_replaced(tmp_path: Path, cfg: Config) -> None:
    (tmp_path / 'mine.txt').write_text('mine')
    page_of(tmp_path, cfg, None, EPE='1')
    assert '<td class="number">2</td>' in page_of(tmp_path, cfg, None, EPE='2')
    assert (tmp_path / 'mine.txt').read_text() == 'mine'
    (tmp_path / PAGE).write_text('<html>of somebody else')
    with pytest.raises(UserError, match='is no report of a test'):
        page_of(tmp_path, cfg, None)
    assert (tmp_path / PAGE).read_text() == '<html>of somebody else'
    with pytest.raises(UserError, match='is a file'):
        check_folder(tmp_path / 'mine.txt')


def test_metrics_that_are_no_numbers_are_printed() -> None:
    assert text_of(0.123456) == '0.1235'
    assert text_of(np.arange(4).reshape(2, 2)) == '[[0 1] [2 3]]'
    assert text_of(None) == 'None'


# The whole of it, as a program


@pytest.fixture(scope='module')
def segmentor(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataSet, Path]:
    """Regions with a narrow network and its random weights."""
    import torch

    from tests.models_of_hosts import build

    folder = tmp_path_factory.mktemp('segmentor')
    data = regions(folder / 'data')
    data.cfg.test_cfg = dict(type='TestLoop')
    checkpoint = folder / 'x.pth'
    torch.save(dict(state_dict=build(Config(data.cfg.to_dict())).state_dict()), checkpoint)
    return data, checkpoint


@pytest.fixture
def tested(segmentor: Any, tmp_path: Path) -> Callable[..., Run]:
    """Runs test.py on the regions."""
    data, checkpoint = segmentor
    config = tmp_path / 'my_seg.py'

    def run(*arguments: object, first: Callable[[], None] | None = None) -> Run:
        data.cfg.dump(config)
        return Run('test.py', config, checkpoint, *arguments, cwd=tmp_path, first=first)

    return run


@pytest.mark.slow
def test_the_page_has_the_numbers_that_are_printed(tested: Any, tmp_path: Path) -> None:
    run = tested('--report', 'report', '--launcher', 'none')
    assert run.wait() == 0, run.output
    *_, report, metrics = run.output.splitlines()
    page = (tmp_path / 'report' / PAGE).read_text()
    assert report == f'report: report/{PAGE}'
    for pair in metrics.split(', '):
        name, _, value = pair.rpartition(' ')
        assert f'<td>{name}</td><td class="number">{value}</td>' in page
    mean = re.search(r'<td>mean</td>.*?</tr>', page)[0]
    assert float(re.findall(r'>([\d.]+)<', mean)[0]) == pytest.approx(
        float(dict(pair.rpartition(' ')[::2] for pair in metrics.split(', '))['mIoU']), abs=0.02
    )
    assert page.count('<img ') == 2 * 4 and 'SHA-256' in page


@pytest.mark.slow
def test_a_place_that_cannot_take_the_page_is_told_before_the_test(
    tested: Any, tmp_path: Path
) -> None:
    (tmp_path / 'file').touch()
    assert 'file is a file; the page needs a folder' in error_of(tested('--report', 'file'))
    assert not (tmp_path / 'work_dirs').exists()


def break_the_page() -> None:
    def fail(*arguments: Any) -> None:
        raise UserError('the disk is full')

    evaluation.write_page = fail


@pytest.mark.slow
def test_a_page_that_fails_takes_no_metrics_away(tested: Any) -> None:
    run = tested('--report', 'report', first=break_the_page)
    assert error_of(run) == 'the disk is full'
    assert re.search(r'^aAcc [\d.]+, mIoU', run.output, re.MULTILINE)
