"""Imports run down the floors of docs/architecture.md, those inside functions too."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

FLOORS = dict(hrnet_mm=0, base=1, registry=1, fixes=2, models=3, weights=4, takeover=4, bottomup=4)
FLOORS |= dict(kernels=4, standins=4, predict=5, training=5, check=5, deploy=5, doctor=5, compat=5)
FLOORS |= dict(install=1, report=6, commands=7)
FLOORS |= dict(inference=8, checkpoints=8, __main__=8)  # what docs/ gives to Python's users
ROOT = Path(__file__).resolve().parents[1]
PATHS = [*ROOT.glob('hrnet_mm/*.py'), *ROOT.glob('hrnet_mm/[!.]*/**/*.py')]
NAMES = ['.'.join(p.relative_to(ROOT).with_suffix('').parts) for p in PATHS]
SOURCES = {n.removesuffix('.__init__'): p.read_text() for n, p in zip(NAMES, PATHS, strict=True)}


def imports(source: str) -> set[str]:
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Import | ast.ImportFrom)]
    pairs = [(getattr(node, 'module', ''), a.name) for node in nodes for a in node.names]
    return {f'{m}.{name}' if f'{m}.{name}' in SOURCES else m or name for m, name in pairs}


def fault(module: str, name: str) -> str:
    room, other = (m.removeprefix('hrnet_mm.').partition('.')[0] for m in (module, name))
    if name.startswith('hrnet_mm.') and other != room and FLOORS[other] >= FLOORS[room]:
        return f'{other} is no floor below {room}'
    if (room, other) == ('training', 'kernels') and 'fast_training' not in module:
        return 'of training only the hook for fast training does'
    if other in ('benchmark', 'demo', 'papers', 'tests', 'tools'):
        return 'it is not in the package'
    is_host = other in ('mmpose', 'mmdet', 'mmseg', 'mmpretrain', 'mmcv') and name != 'mmcv.cnn'
    return 'models need no host' if room == 'models' and is_host else ''


def test_imports_run_down_the_floors_and_in_no_circle() -> None:
    graph = {module: imports(source) for module, source in SOURCES.items()}
    pairs = [(module, name) for module, names in sorted(graph.items()) for name in names]
    faults = [f'{m} imports {n}: {why}' for m, n in pairs if (why := fault(m, n))]
    assert not faults, '\n'.join(faults)
    TopologicalSorter({m: names & {*SOURCES} for m, names in graph.items()}).prepare()
