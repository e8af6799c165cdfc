"""docs/one_line.ipynb is as it ran, and what it calls is there.

It is not run again: that takes three networks, which are trained for minutes each.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest

import hrnet_mm
from hrnet_mm.base.config_names import our_configs
from hrnet_mm.predict.model import Model
from hrnet_mm.predict.result import Result
from tests.helpers import ROOT

NOTEBOOK = ROOT / 'docs/one_line.ipynb'
CELLS: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding='utf-8'))['cells']
CODE = [cell for cell in CELLS if cell['cell_type'] == 'code']
COMMAND = re.compile(r'^!.*$', re.MULTILINE)  # of the shell: no Python
TREE = ast.parse('\n'.join(COMMAND.sub('', ''.join(cell['source'])) for cell in CODE))
NODES = list(ast.walk(TREE))
TEXTS = [node.value for node in NODES if isinstance(node, ast.Constant)]
OF_PACKAGE = {
    node.attr
    for node in NODES
    if isinstance(node, ast.Attribute)
    and isinstance(node.value, ast.Name)
    and node.value.id == 'hrnet_mm'
}
OF_A_MACHINE = re.compile(r'/(?:home|root|tmp|work|Users|usr|opt|mnt)/|[A-Z]:\\\\')
MOST_BYTES = 400_000


def test_cells_ran_one_after_another_to_the_end() -> None:
    assert [cell['execution_count'] for cell in CODE] == list(range(1, len(CODE) + 1))
    outputs = [output for cell in CODE for output in cell['outputs']]
    assert all(output['output_type'] != 'error' for output in outputs)
    pictures = [kind for output in outputs for kind in output.get('data', ()) if 'image/' in kind]
    assert pictures == ['image/png', 'image/jpeg', 'image/jpeg', 'image/jpeg']


def test_it_is_small_and_says_nothing_of_the_machine_that_ran_it() -> None:
    text = NOTEBOOK.read_text(encoding='utf-8')
    assert len(text) < MOST_BYTES
    assert OF_A_MACHINE.findall(text) == []
    assert 'Warning' not in text and 'Traceback' not in text


def test_configs_checkpoints_and_pages_that_it_names_are_ours() -> None:
    configs = our_configs()
    named = [text for text in TEXTS if isinstance(text, str) and '_synthetic_' in text]
    assert len(named) == 3 and set(named) <= set(configs)
    folders = {text.split('/')[1] for text in TEXTS if str(text).startswith('work_dirs/demo')}
    assert folders == {'demo_pose', 'demo_det', 'demo_seg'}
    prose = '\n'.join(''.join(cell['source']) for cell in CELLS if cell['cell_type'] == 'markdown')
    for page in re.findall(r'\]\(([^)]+\.md)\)', prose):
        assert (NOTEBOOK.parent / page).is_file(), page


@pytest.mark.parametrize('name', sorted(OF_PACKAGE))
def test_what_it_calls_of_the_package_is_there(name: str) -> None:
    assert name in hrnet_mm.NAMES


def test_fields_of_results_are_those_that_results_have() -> None:
    variables = {'found', 'result', 'results', 'seen', 'again', 'segmented'}
    used = {
        node.attr
        for node in NODES
        if isinstance(node, ast.Attribute)
        and isinstance(root_of(node.value), ast.Name)
        and root_of(node.value).id in variables
        and not isinstance(node.value, ast.Attribute)
    }
    assert {'keypoints', 'masks', 'label_map', 'plot', 'save', 'to_coco'} <= used
    described = Result.__doc__ + ' '.join(dir(Result))
    assert [name for name in used if not re.search(rf'\b{name}\b', described)] == []


def root_of(node: ast.expr) -> ast.expr:
    """``segmented`` of ``segmented[0]``."""
    return node.value if isinstance(node, ast.Subscript) else node


def test_models_are_called_as_models_can_be() -> None:
    calls = [
        keyword.arg
        for node in NODES
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ('people', 'pose', 'parts', 'exported')
        for keyword in node.keywords
    ]
    assert 'stream' in calls
    assert set(calls) <= set(Model.__call__.__kwdefaults__)
