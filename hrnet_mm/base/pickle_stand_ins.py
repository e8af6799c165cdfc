"""Classes and functions that stand in for numpy's and HistoryBuffer while a checkpoint is read.

A pickle names classes and functions, and gives them arguments and a state. numpy's own believe
both: a state sets the flags of a dtype, so that eight bytes of the file become a pointer to an
object. mmengine's HistoryBuffer puts what the state holds among the methods of the class. The
stand-ins take numbers, texts and bytes only, check their count, and refuse everything else.

Each stand-in bears the name of what it stands in for, as torch 2.4 and 2.5 allow objects by their
own names.
"""

from __future__ import annotations

import argparse
import math
import pickle
import re
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from mmengine.logging import HistoryBuffer

KINDS = 'biufcSU'  # bool, int, unsigned, float, complex, bytes and text, of numpy's kinds
_CODE = re.compile(rf'[{KINDS}]\d{{1,9}}')
_EMPTY = 1 << 20  # the most rows and columns of an array that has no elements
_UNFILLED = np.dtype('V1')  # of an array whose state has not come yet; no state gives this one


class Dtype:
    """Stands in for ``numpy.dtype``; ``value`` is the real one."""

    __slots__ = ('value',)
    __module__, __qualname__ = 'numpy', 'dtype'

    def __new__(cls, *arguments: Any) -> Dtype:
        code = arguments[0] if arguments else None
        if type(code) is not str or not _CODE.fullmatch(code):
            refuse(f'an array of the type {_shown(code)}')
        dtype = super().__new__(cls)
        try:
            dtype.value = np.dtype(code)
        except TypeError:
            refuse(f'an array of the type {_shown(code)}')
        return dtype

    def __setstate__(self, state: Any) -> None:
        """Take the byte order from ``(3, '<', None, None, None, -1, -1, 0)``, and nothing else."""
        if type(state) is not tuple or len(state) != 8 or any(x is not None for x in state[2:5]):
            refuse('an array of a type with fields or metadata')
        if type(state[1]) is not str or state[1] not in ('<', '>', '|', '='):
            refuse('an array of an unknown byte order')
        self.value = self.value.newbyteorder(state[1])


class Array(np.ndarray):
    """Stands in for ``numpy.ndarray``: one that is filled once, and that pickles as an ndarray.

    It stays a subclass, as no object can become an ndarray later on; what is computed or joined
    with others is an ndarray again.
    """

    __module__, __qualname__ = 'numpy', 'ndarray'
    __array_priority__ = -1

    def __new__(cls, *arguments: Any) -> NoReturn:
        refuse('an array of uninitialised memory')

    def __setstate__(self, state: Any) -> None:
        """Take ``(1, shape, dtype, is_fortran, bytes)``."""
        if self.dtype != _UNFILLED:
            refuse('an array with two contents')
        if type(state) is not tuple or len(state) != 5:
            refuse('an array of an unknown form')
        _, shape, dtype, is_fortran, data = state
        values = _values(dtype, shape, data)
        super().__setstate__((1, values.shape, values.dtype, is_fortran is True, values.tobytes()))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return np.asarray(self).__reduce_ex__(protocol)


class History(HistoryBuffer):
    """Stands in for mmengine's HistoryBuffer, and becomes one when its state has come."""

    __module__, __qualname__ = HistoryBuffer.__module__, HistoryBuffer.__qualname__

    def __new__(cls, *arguments: Any) -> History:
        if arguments:
            refuse('a HistoryBuffer with arguments')
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        state = state if type(state) is dict else {}
        logs, counts = (state.get(name) for name in ('_log_history', '_count_history'))
        length = state.get('max_length')
        if not (
            all(isinstance(x, np.ndarray) and x.ndim == 1 for x in (logs, counts))
            and all(x.dtype.kind in 'biuf' for x in (logs, counts))
            and type(length) is int
            and len(logs) == len(counts) <= length
        ):
            refuse('a HistoryBuffer of an unknown form')
        self.__class__ = HistoryBuffer
        self.__init__(logs, counts, length)


Array.__name__, Dtype.__name__, History.__name__ = 'ndarray', 'dtype', HistoryBuffer.__name__


def unfilled(kind: Any, shape: Any, code: Any) -> Array:
    """Stands in for numpy's ``_reconstruct``: an array whose state is still to come."""
    if kind is not Array or type(shape) is not tuple or shape != (0,) or code not in (b'b', 'b'):
        refuse('an array of another class')
    return np.ndarray.__new__(Array, 0, _UNFILLED)


def scalar(dtype: Any, data: Any) -> np.generic:
    """Stands in for numpy's ``scalar``: the one number of a dtype in these bytes."""
    return _values(dtype, (), data)[()]


def history_method(owner: Any, name: Any) -> str:
    """Stands in for ``getattr``, by which the history names its own methods: gives their names."""
    if owner is not History or name not in ('mean', 'max', 'min', 'current'):
        refuse(f'{_shown(name)} of {_shown(owner)}')
    return name


def no_bytes(*arguments: Any) -> bytes:
    """Stands in for ``bytes``, for which an array without elements asks."""
    if arguments:
        refuse(f'bytes({", ".join(map(_shown, arguments[:9]))})')
    return b''


def named(path: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function under the name that it stands in for, such as ``builtins.getattr``."""

    def stand_in(*arguments: Any) -> Any:
        return function(*arguments)

    stand_in.__module__, _, stand_in.__qualname__ = path.rpartition('.')
    stand_in.__name__ = stand_in.__qualname__
    return stand_in


# numpy 1 and numpy 2 write different names of the module.
STAND_INS = (
    Dtype,
    Array,
    History,
    named('builtins.getattr', history_method),
    named('builtins.bytes', no_bytes),
    *(
        named(f'numpy.{core}.multiarray.{name}', function)
        for core in ('core', '_core')
        for name, function in (('_reconstruct', unfilled), ('scalar', scalar))
    ),
)


def without_stand_ins(value: Any, known: dict[int, Any] | None = None) -> Any:
    """What was read, with numpy's own types in the place of these; lists and dicts are changed."""
    known = {} if known is None else known
    if id(value) not in known:
        known[id(value)] = value, value  # as it was, too: else its id may be another's
        known[id(value)] = value, _replaced(value, known)
    return known[id(value)][1]


def _replaced(value: Any, known: dict[int, Any]) -> Any:
    if isinstance(value, Array):
        return np.array(value)
    if isinstance(value, Dtype):
        return value.value
    if type(value) is tuple:
        return tuple(without_stand_ins(item, known) for item in value)
    if isinstance(value, list):
        value[:] = [without_stand_ins(item, known) for item in value]
    elif isinstance(value, dict):
        for key, item in value.items():
            value[key] = without_stand_ins(item, known)
    elif isinstance(value, argparse.Namespace):
        without_stand_ins(vars(value), known)
    return value


def refuse(what: str) -> NoReturn:
    raise pickle.UnpicklingError(f'a checkpoint may not ask for {what}')


def _values(dtype: Any, shape: Any, data: Any) -> np.ndarray:
    """The bytes as an array (*shape), read-only; exactly as many as it takes, and all valid."""
    if type(dtype) is not Dtype or type(data) is not bytes or type(shape) is not tuple:
        refuse('an array of an unknown form')
    if len(shape) > 32 or not all(type(n) is int and 0 <= n < 1 << 62 for n in shape):
        refuse(f'an array of the shape ({", ".join(map(_shown, shape[:32]))})')
    itemsize = dtype.value.itemsize
    if math.prod(shape) * itemsize != len(data):
        refuse(f'an array of the shape {shape} with {len(data)} bytes')
    if not data and math.prod(max(n, 1) for n in shape) > _EMPTY:
        refuse(f'an array of the shape {shape} without elements')
    if not data:
        return np.zeros(shape, dtype.value)
    flat = np.frombuffer(data, dtype.value)
    if dtype.value.kind == 'b' and max(data) > 1:
        refuse('a bool that is neither 0 nor 1')
    if dtype.value.kind == 'U':
        codes = np.frombuffer(data, np.dtype(np.uint32).newbyteorder(dtype.value.byteorder))
        if codes.max() > 0x10FFFF:
            refuse('a text of no letters')
    return flat.reshape(shape)


def _shown(value: Any) -> str:
    """A value for a message; of a container, whose text may be endless, its type."""
    plain = type(value) in (str, bytes, int)
    return f'{value!r:.40}' if plain else f'a {type(value).__name__}'
