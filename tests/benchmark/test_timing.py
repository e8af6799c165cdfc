"""Samples are taken in turns; medians, quartiles and speed-ups are those of known numbers."""

from benchmark.timing import Spread, interleaved, seconds_of, speedups, spread_of


def test_median_and_quartiles() -> None:
    assert spread_of([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(3.0, low=2.0, high=4.0)
    assert spread_of([7.0]) == Spread(7.0, 7.0, 7.0)


def test_speedups_are_taken_round_by_round() -> None:
    assert speedups([10.0, 40.0], [5.0, 10.0]) == [2.0, 4.0]


class Recorder:
    """Functions that note who was called, and a clock that says how long each takes."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds
        self.called: list[str] = []
        self.calls = {name: lambda name=name: self.called.append(name) for name in seconds}

    def measure(self, call) -> float:
        call()
        return self.seconds[self.called[-1]]


def test_benchmarks_take_turns() -> None:
    recorder = Recorder(dict(a=1.0, b=2.0, c=3.0))
    rounds = []
    samples = interleaved(recorder.calls, 3, recorder.measure, on_round=rounds.append)
    assert recorder.called == list('abc') + list('abc') * 3  # how long each takes, then rounds
    assert samples == dict(a=[1.0] * 3, b=[2.0] * 3, c=[3.0] * 3)
    assert rounds == [1, 2, 3]


def test_a_turn_has_as_many_calls_as_fit_and_one_that_is_not_timed() -> None:
    recorder = Recorder(dict(short=0.25, long=2.0))
    samples = interleaved(recorder.calls, 1, recorder.measure, turn_seconds=1.0)
    assert recorder.called == ['short', 'long', *['short'] * 5, 'long']
    assert samples == dict(short=[0.25], long=[2.0])


def test_the_clock_runs_while_the_function_does() -> None:
    called = []
    assert seconds_of(lambda: called.append(1), 'cpu') > 0
    assert called == [1]
