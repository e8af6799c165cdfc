"""Within ``uncollected`` nothing is collected, and later everything is that is garbage."""

from __future__ import annotations

import gc
import weakref

from hrnet_mm.base.garbage import uncollected


class Part:
    whole: Part


def test_what_is_made_within_counts_as_old_and_is_collected_once_it_is_garbage() -> None:
    with uncollected():
        assert not gc.isenabled()
        part = Part()
        part.whole = part
    assert gc.isenabled() and gc.get_freeze_count() == 0
    assert any(known is part for known in gc.get_objects(generation=2))
    seen = weakref.ref(part)
    del part
    gc.collect()
    assert seen() is None


def test_what_somebody_has_frozen_stays_so() -> None:
    gc.freeze()
    try:
        with uncollected():
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_where_it_was_off_it_stays_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
