"""The command lines of all tools: the same words, no abbreviations, mistakes told with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from mmengine.config import Config

from hrnet_mm.base.errors import UsageError, UserError
from hrnet_mm.commands.arguments import Parser
from hrnet_mm.commands.from_arguments import apply_train_options
from hrnet_mm.commands.program import run_tool
from tests.helpers import ROOT

TOOLS = sorted(path.stem for path in (ROOT / 'tools').glob('*.py'))
# The least that each tool must be given.
NEEDED = dict(
    train=['c.py'],
    test=['c.py', 'x.pth'],
    check=['c.py'],
    infer=['c.py', 'x.pth', 'photos'],
    export=['c.py', 'x.pth', 'x.onnx'],
    convert_checkpoint=['x.pth', 'y.pth', '--to', 'timm'],
)
LoadTool = Callable[[str], ModuleType]


def mistake(load_tool: LoadTool, capsys: pytest.CaptureFixture[str], tool: str, *more: str) -> str:
    """What a tool says of wrong usage."""
    with pytest.raises(SystemExit) as stopped:
        load_tool(tool).parse_args([*NEEDED.get(tool, []), *more])
    assert stopped.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize('tool', TOOLS)
def test_flags_are_not_abbreviated(load_tool: LoadTool, capsys, tool: str) -> None:
    assert load_tool(tool).parse_args([*NEEDED.get(tool, []), '--debug']).debug
    error = mistake(load_tool, capsys, tool, '--debu')
    assert error.endswith('error: unrecognized arguments: --debu; did you mean --debug?\n')
    error = mistake(load_tool, capsys, tool, '--debgu=x')
    assert error.endswith('error: unrecognized arguments: --debgu=x; did you mean --debug?\n')
    assert mistake(load_tool, capsys, tool, '--zzz').endswith('unrecognized arguments: --zzz\n')


def test_flags_may_stand_between_inputs(load_tool: LoadTool, capsys) -> None:
    parse = load_tool('infer').parse_args
    args = parse(['c.py', 'x.pth', '--out', 'o', 'a', '--bbox', '1', '-2', '3', '4', 'b'])
    assert (args.inputs, str(args.out), args.bbox) == (['a', 'b'], 'o', [[1, -2, 3, 4]])
    assert parse(['c.py', 'x.pth', '--camera', '0']).camera == 0
    with pytest.raises(SystemExit):
        parse(['c.py', 'x.pth'])
    assert 'give INPUT, one or several, or a --camera' in capsys.readouterr().err


class Made(Exception):
    """Ends a tool once its parser is made; holds it."""


@pytest.fixture
def parser_of(load_tool: LoadTool, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Parser]:
    def stop(parser: Parser, argv: object) -> None:
        raise Made(parser)

    def make(tool: str) -> Parser:
        with pytest.raises(Made) as made:
            load_tool(tool).parse_args([])
        return made.value.args[0]

    monkeypatch.setattr(Parser, 'parse_args', stop)
    return make


@pytest.mark.parametrize('tool', TOOLS)
def test_every_argument_is_explained(parser_of: Callable[[str], Parser], tool: str) -> None:
    for action in parser_of(tool)._actions:
        assert action.help, action.option_strings
        assert action.nargs == 0 or action.metavar or action.choices, action.option_strings


SHARED = {
    '--cfg-options': ('train', 'test', 'check', 'infer', 'export'),
    '--takeover': ('train', 'test', 'check', 'infer', 'export'),
    '--data-root': ('train', 'test', 'check', 'export'),
    '--debug': tuple(TOOLS),
}


@pytest.mark.parametrize('flag', SHARED)
def test_what_tools_share_they_explain_by_the_same_words(
    parser_of: Callable[[str], Parser], flag: str
) -> None:
    flags = {tool: parser_of(tool)._option_string_actions for tool in TOOLS}
    assert {tool for tool in TOOLS if flag in flags[tool]} == set(SHARED[flag])
    actions = [flags[tool][flag] for tool in SHARED[flag]]
    assert len({(action.help, action.metavar, action.nargs) for action in actions}) == 1


@pytest.mark.parametrize(
    ('flag', 'value', 'message', 'tools'),
    [
        ('--cfg-options', 'model=dict(a=1)', 'a dict is not typed as one', SHARED['--cfg-options']),
        ('--device', 'gpu 1', 'no device; give cpu, cuda', ('infer', 'export', 'benchmark')),
        ('--fast', 'x.pth', "'x.pth' is none of fp32, bf16", ('train',)),
        ('--fast', 'x.pth', 'bf16, fp16; where no precision', ('infer',)),
        ('--fast', 'x.pth', 'bf16, fp16, int8; where no precision', ('test',)),
        (
            '--size',
            '256',
            "'256' is not HEIGHTxWIDTH, as in 256x192",
            ('export', 'benchmark', 'make_dataset', 'complexity'),
        ),
    ],
)
def test_what_tools_share_they_check_by_the_same_words(
    load_tool: LoadTool, capsys, flag: str, value: str, message: str, tools: tuple[str, ...]
) -> None:
    for tool in tools:
        error = mistake(load_tool, capsys, tool, flag, value)
        assert f'error: argument {flag}' in error and message in error


@pytest.mark.parametrize(
    ('tool', 'flag', 'value', 'message'),
    [
        ('train', '--seed', '-1', "'-1' is no whole number from 0 to 4294967295"),
        ('train', '--seed', '4294967296', 'is no whole number from 0 to'),
        ('train', '--epochs', '0', "'0' is no whole number above 0"),
        ('train', '--epochs', '1.5', "'1.5' is no whole number above 0"),
        ('train', '--workers', '-1', "'-1' is no whole number, 0 or more"),
        ('test', '--batch-size', 'x', "'x' is no whole number above 0"),
        ('check', '--show-samples', '0', "'0' is no whole number above 0"),
        ('test', '--out', 'x.json', 'x.json: the name must end in .pkl or .pickle'),
        ('infer', '--batch-size', '0', "'0' is no whole number above 0"),
        ('infer', '--score-thr', 'nan', "'nan' is no number, as 0.3 is"),
        ('infer', '--opacity', '1.5', "'1.5' is no number from 0 to 1"),
        ('infer', '--camera', '-1', "'-1' is no whole number, 0 or more"),
        ('infer', '--det-score-thr', 'high', "'high' is no number"),
        ('export', '--size', '16x64', '16x64 is too small: give at least 32x32'),
        ('export', '--size', '64X64', "'64X64' is not HEIGHTxWIDTH"),
        ('make_dataset', '--size', '63x64', '63x64 is too small: give at least 64x64'),
        ('make_dataset', '--train', '-1', "'-1' is no whole number, 0 or more"),
        ('complexity', '--shape', '256', "'256' is not HEIGHTxWIDTH"),
        ('benchmark', '--turn-seconds', '-1', "'-1' is no number of seconds"),
        ('benchmark', '--rounds', '2.5', "'2.5' is no whole number above 0"),
        ('convert_checkpoint', '--verify', '-64', "'-64' is no whole number above 0"),
    ],
)
def test_values_are_checked_where_they_are_typed(
    load_tool: LoadTool, capsys, tool: str, flag: str, value: str, message: str
) -> None:
    error = mistake(load_tool, capsys, tool, f'{flag}={value}')
    assert f'argument {flag}' in error.replace('--size/--shape', '--shape') and message in error


def test_a_size_is_height_and_width(load_tool: LoadTool) -> None:
    parse = load_tool('export').parse_args
    assert parse([*NEEDED['export'], '--size', '512x1024']).size == (512, 1024)
    assert load_tool('complexity').parse_args(['c.py', '--shape', '33x47']).size == (33, 47)
    assert load_tool('make_dataset').parse_args([]).size == (256, 320)
    assert load_tool('benchmark').parse_args(['--size', '64x96', '32x32']).size == [
        (64, 96),
        (32, 32),
    ]


def test_mim_and_launchers_are_understood(load_tool: LoadTool) -> None:
    for spelling in ('--local_rank=3', '--local-rank=3'):
        args = load_tool('train').parse_args([spelling, 'c.py', '--launcher', 'pytorch'])
        assert (args.local_rank, args.launcher, args.config) == (3, 'pytorch', Path('c.py'))
        args = load_tool('test').parse_args([spelling, 'c.py', 'x.pth', '--launcher', 'slurm'])
        assert (args.local_rank, args.launcher, args.checkpoint) == (3, 'slurm', 'x.pth')
    with pytest.raises(SystemExit):
        load_tool('train').parse_args(['c.py', '--gpus', '1'])


@pytest.mark.parametrize(
    ('tool', 'flags', 'message'),
    [
        ('train', '--no-validate --show-dir x', '--no-validate takes that away'),
        ('check', '--show-samples 3', '--show-samples is of what --show draws'),
        ('check', '--seed 3', '--seed is of what --show draws'),
        ('check', '--launcher pytorch', 'unrecognized arguments: --launcher'),
        ('check', '--show-dir x', 'did you mean --show'),
        ('infer', '--no-draw --score-thr 0.5', '--score-thr is of the drawings'),
        ('infer', '--no-draw --opacity 0.5', '--opacity is of the drawings'),
        ('infer', '--camera 0', 'give INPUT, one or several, or a --camera'),
        ('infer', '--det-class person', 'are of a --detector'),
        ('infer', '--boxes x.json --bbox 1 2 3 4', 'not allowed with argument --boxes'),
        ('infer', '--detector x y --bbox 1 2 3 4', 'not allowed with argument --detector'),
        ('infer', '--bbox 1 2', 'argument --bbox: expected 4 arguments'),
        ('export', '--data-root data', 'which only --evaluate reads'),
        ('complexity', 'c.py', 'CONFIG and --size HxW, its input, go together'),
        ('complexity', '--size 64x64', 'CONFIG and --size HxW, its input, go together'),
        ('complexity', 'c.py --size 64x64 --task det', 'are of the table of all configs'),
        ('complexity', 'c.py --size 64x64 --markdown', 'are of the table of all configs'),
        ('benchmark', '--no-cudnn-benchmark', 'is of a GPU'),
        ('benchmark', '--paper-table --arch w18', '--arch does not go with --paper-table'),
        ('benchmark', '--paper-table pose --isolate', '--isolate does not go with --paper-table'),
        ('benchmark', '--paper-table --size 64x64', '--size does not go with --paper-table'),
    ],
)
def test_flags_without_effect_beside_others_are_wrong_usage(
    load_tool: LoadTool, capsys, tool: str, flags: str, message: str
) -> None:
    assert message in mistake(load_tool, capsys, tool, *flags.split())


@pytest.mark.parametrize(
    ('tool', 'flags', 'message'),
    [
        ('export', '--aot', '--aot writes a .pt2 file, not x.onnx'),
        ('export', '--precision bf16', '--precision bf16: ONNX holds fp32, fp16, int8'),
        ('train', '--cfg-options launcher=slurm', 'launcher: this is what --launcher says'),
        ('test', '--cfg-options load_from=y.pth', 'load_from: this is what CHECKPOINT says'),
        ('test', '--fast int8', '--fast int8 and --calibration FOLDER_OF_IMAGES go together'),
        ('test', '--fast bf16 --calibration photos', '--fast int8 and --calibration'),
        ('test', '--calibration photos', '--fast int8 and --calibration'),
        ('test', '--fast --boxes x.json', '--boxes is of the images of --calibration'),
        ('train', '--seed 1 --cfg-options randomness.seed=2', 'this is what --seed says'),
        ('train', '--resume x.pth --cfg-options load_from=x', 'this is what --resume says'),
        ('train', '--work-dir x --cfg-options work_dir=y', 'this is what --work-dir says'),
        ('infer', '--cfg-options load_from=y.pth', 'load_from: this is what CHECKPOINT says'),
    ],
)
def test_arguments_that_contradict_one_another_are_wrong_usage(
    load_tool: LoadTool, tmp_path: Path, monkeypatch, tool: str, flags: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'photos/a.png').touch()
    with pytest.raises(UsageError, match=message):
        load_tool(tool).main([*NEEDED[tool], *flags.split()])


@pytest.mark.parametrize(
    ('in_config', 'flags', 'expected'),
    [
        (None, '', None),
        (dict(seed=7), '', dict(seed=7)),
        (dict(seed=7), '--deterministic', dict(seed=7, deterministic=True)),
        (dict(deterministic=True), '--seed 0', dict(deterministic=True, seed=0)),
        (dict(seed=7, diff_rank_seed=True), '--seed 3', dict(seed=3, diff_rank_seed=True)),
        (None, '--deterministic', dict(deterministic=True)),
        (
            dict(seed=7, diff_rank_seed=True),
            '--seed 3 --deterministic',
            dict(seed=3, diff_rank_seed=True, deterministic=True),
        ),
    ],
)
def test_seed_and_deterministic_change_only_what_they_name(
    load_tool: LoadTool, in_config: dict | None, flags: str, expected: dict | None
) -> None:
    cfg = Config({} if in_config is None else dict(randomness=in_config))
    apply_train_options(cfg, load_tool('train').parse_args([*NEEDED['train'], *flags.split()]))
    assert cfg.get('randomness') == expected


@pytest.mark.parametrize('error', [UsageError, UserError])
def test_wrong_usage_has_an_exit_code_of_its_own(
    monkeypatch, capfd, error: type[UserError]
) -> None:
    def main() -> None:
        raise error('--x says y')

    monkeypatch.setattr('sys.argv', ['tool'])
    with pytest.raises(SystemExit) as stopped:
        run_tool(main)
    if error is UsageError:
        assert (stopped.value.code, capfd.readouterr().err) == (2, 'error: --x says y\n')
    else:  # Python prints such a code and exits with 1
        assert stopped.value.code.startswith('error: --x says y\n(run again with --debug')
