"""A candidate is written NETWORK[+OPTION...][@PRECISION] and read back as it was written."""

import pytest

from benchmark.candidates import DEFAULT, SHORT, Candidate, parse, parse_all
from hrnet_mm.base.errors import UserError


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('ours', Candidate('ours')),
        ('mmpose+compile@bf16', Candidate('mmpose', 'compile', precision='bf16')),
        ('optimised', Candidate('ours', 'optimised')),
        ('optimised:eager', Candidate('ours', 'optimised', 'eager')),
        (
            'ours+optimised:inductor@fp16',
            Candidate('ours', 'optimised', 'inductor', precision='fp16'),
        ),
        ('ours+cp+channels_last', Candidate('ours', switches=frozenset({'cp', 'channels_last'}))),
        (
            'compile+cast@bf16',
            Candidate('mmpose', 'compile', switches=frozenset({'cast'}), precision='bf16'),
        ),
    ],
)
def test_reads_a_contestant(text: str, expected: Candidate) -> None:
    assert parse(text) == expected
    assert parse(str(expected)) == expected


@pytest.mark.parametrize('name', [*DEFAULT, *SHORT])
def test_short_names_are_contestants(name: str) -> None:
    assert str(parse(name)).endswith('@fp32')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('ours:eager', "there is no 'ours:eager'; give one of ours"),
        ('resnet', "there is no 'resnet'; give one of ours, mmpose"),
        ('ours+fast', "there is no option 'fast'; give some of compile"),
        ('ours@fp8', "'fp8' is no precision; give one of fp32"),
        ('ours+compile+freeze', 'compile and freeze exclude each other'),
        ('ours+compile:inductor', "there is no option 'compile:inductor'"),
    ],
)
def test_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(text)


def test_every_precision_of_every_contestant_that_names_none() -> None:
    candidates, _ = parse_all(['ours', 'timm@fp16'], ['fp32', 'bf16'], 'mmpose')
    assert list(map(str, candidates)) == ['ours@fp32', 'ours@bf16', 'timm@fp16', 'mmpose@fp32']


@pytest.mark.parametrize(
    ('baseline', 'precisions', 'expected'),
    [
        ('mmpose', ['bf16', 'fp32'], 'mmpose@fp32'),
        ('mmpose', ['bf16'], 'mmpose@bf16'),
        ('timm@fp16', ['fp32'], 'timm@fp16'),
    ],
)
def test_the_baseline_takes_part(baseline: str, precisions: list[str], expected: str) -> None:
    candidates, reference = parse_all(['ours'], precisions, baseline)
    assert str(reference) == expected
    assert candidates.count(reference) == 1
