"""Tests share what is in helpers, and not by importing one another."""

import ast

from tests.helpers import ROOT


def test_no_test_module_and_no_conftest_is_imported() -> None:
    found = []
    for path in (ROOT / 'tests').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('tests'):
                names = [f'{node.module}.{alias.name}'.split('.') for alias in node.names]
                if any(part.startswith(('test_', 'conftest')) for name in names for part in name):
                    found.append(f'{path}:{node.lineno}')
    assert found == []
