"""What is imported late is there, as itself, for whoever uses it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from fractions import Fraction
from types import ModuleType

import pytest

from hrnet_mm.standins import late
from hrnet_mm.standins.late import Late, LateFinder

OF_HOSTS = """
import sys
from hrnet_mm.standins.late import Late, import_late
import_late()
import hrnet_mm.compat
import mmpose.models, mmpose.datasets
from mmengine.model import MMFullyShardedDataParallel, is_model_wrapper
from torch import nn

heavy = {'scipy', 'torch.distributed.optim', 'matplotlib'}
assert not is_model_wrapper(nn.Identity())
assert not heavy & {*sys.modules}, heavy & {*sys.modules}

from scipy.stats import truncnorm
from mmpose.datasets.transforms.common_transforms import truncnorm as of_mmpose
assert type(of_mmpose) is Late
assert of_mmpose.rvs(-1, 1, random_state=0) == truncnorm.rvs(-1, 1, random_state=0)

from torch.distributed.fsdp import FullyShardedDataParallel
class Mine(MMFullyShardedDataParallel): pass
assert issubclass(Mine, FullyShardedDataParallel) and not is_model_wrapper(nn.Identity())
"""
PLAIN = """
import sys
import hrnet_mm.compat
from mmengine.registry import OPTIMIZERS
import mmengine.optim
assert isinstance(OPTIMIZERS.get('ZeroRedundancyOptimizer'), type)
"""


@pytest.mark.parametrize('program', [OF_HOSTS, PLAIN])
def test_what_hosts_import_is_late_where_it_is_asked_for_and_there_alone(program: str) -> None:
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_late_class_is_called_subclassed_pickled_and_asked_as_the_class_itself() -> None:
    number = Late('fractions', 'Fraction')
    assert number(1, 2) == Fraction(1, 2) and number.from_float(0.5) == Fraction(1, 2)
    assert isinstance(Fraction(1), number) and not isinstance(1, number)
    assert issubclass(Fraction, number) and not issubclass(int, number)
    assert pickle.loads(pickle.dumps(number))(3) == 3

    class Mine(number): ...

    assert Mine.__mro__[1] is Fraction


@pytest.mark.parametrize(
    ('statement', 'is_late'),
    [
        ('from .late import Late', True),
        ('from hrnet_mm.standins.late import Late', True),
        ('from hrnet_mm.standins.late import Late, LATE', False),
        ('from hrnet_mm.standins import late; Late = late.Late', False),
    ],
)
def test_only_a_statement_that_asks_for_the_one_name_gets_it_late(
    statement: str, is_late: bool, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(late.LATE, 'hrnet_mm.standins.asking', ('hrnet_mm.standins.late', 'Late'))
    module = ModuleType('hrnet_mm.standins.asking')
    module.__package__ = 'hrnet_mm.standins'

    def run(module: ModuleType) -> None:
        exec(statement, vars(module))

    late._run_asking(run, module)
    assert (module.Late is not Late) == is_late
    assert module.__builtins__ is vars(sys.modules['builtins'])


def test_other_modules_are_none_of_its_business() -> None:
    assert LateFinder.find_spec('scipy.stats') is None
