"""Reads a checkpoint's pickle and makes nothing but weights and plain values, on torch before 2.6.

There torch's own reader for ``weights_only=True`` cannot be told of mmengine's values: 2.1 to 2.3
allow no further names, 2.4 and 2.5 only objects of these very names; and it fills what it has made
with any state. This module is given to ``torch.load`` as its ``pickle_module``, and safe by itself:
the names that it knows are looked up in its tables, never imported; a call's arguments are checked
as ``hrnet_mm.base.pickle_rules`` says; only what may have a state gets one; a persistent id is that
of a storage; and any other instruction is refused.

torch's readers derive from ``Unpickler`` here, and answer any name with ``Storage`` in it by their
own ``find_class``; so ``load_global`` does not ask it.
"""

from __future__ import annotations

import argparse
import codecs
import pickle
import pickletools
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import IO, Any

import torch
from torch.serialization import StorageType
from torch.storage import TypedStorage

from hrnet_mm.base.pickle_rules import (
    HISTORY,
    NAMESPACE,
    PARAMETER,
    STORAGE_TYPES,
    TENSOR,
    asks_for,
    check,
    check_attributes,
    check_metadata,
    check_plain,
    check_view,
    is_dtype,
    is_key,
    path_of,
    refuse,
)
from hrnet_mm.base.pickle_stand_ins import STAND_INS, Array, Dtype, History

# The instructions that torch.save writes and that Python's own reader carries out safely; those
# that a file could do harm by are methods below.
_PLAIN_INSTRUCTIONS = (
    *('PROTO', 'STOP', 'MARK', 'BINPUT', 'LONG_BINPUT', 'BINGET', 'LONG_BINGET'),
    *('NONE', 'NEWTRUE', 'NEWFALSE', 'BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT'),
    *('BINUNICODE', 'SHORT_BINSTRING', 'EMPTY_LIST', 'EMPTY_DICT', 'EMPTY_TUPLE', 'EMPTY_SET'),
    *('TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3'),
)


class _Instructions(dict[int, Callable[[Any], None]]):
    def __missing__(self, code: int) -> None:
        known = pickletools.code2op.get(chr(code))
        refuse(
            f'it has the instruction {known.name if known else code}, which no file of torch has'
        )


class Unpickler(pickle._Unpickler):
    """Python's own reader that is written in Python, with the instructions of ``torch.save``."""

    dispatch = _Instructions(
        (code, pickle._Unpickler.dispatch[code])
        for code in (getattr(pickle, name)[0] for name in _PLAIN_INSTRUCTIONS)
    )

    def find_class(self, module: str, name: str) -> Any:
        path = path_of(module, name)
        if path in CALLED:
            return CALLED[path]
        if path in NAMED:
            return NAMED[path]
        if not is_dtype(path):
            refuse(asks_for(path))
        return getattr(torch, name)

    def load_global(self) -> None:
        module, name = (self.readline()[:-1].decode() for _ in range(2))
        self.append(Unpickler.find_class(self, module, name))

    def load_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        check(id(function) in _CALLABLE and type(arguments) is tuple, _name_of(function))
        self.append(function(*arguments))

    def load_newobj(self) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        is_filled = _is_one_of(kind, (History, argparse.Namespace))
        check(is_filled and type(arguments) is tuple and not arguments, _name_of(kind))
        self.append(kind.__new__(kind))

    def load_build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        kind = type(target)
        if kind in (Array, Dtype, History):
            target.__setstate__(state)
        elif kind is OrderedDict:
            is_metadata = type(state) is dict and list(state) == ['_metadata']
            check(is_metadata and isinstance(state['_metadata'], dict), 'collections.OrderedDict')
            target._metadata = state['_metadata']
        else:
            check(kind is argparse.Namespace and type(state) is dict, _name_of(target))
            check_attributes(state, object, NAMESPACE)
            vars(target).update(state)

    def load_append(self) -> None:
        self._append([self.stack.pop()])

    def load_appends(self) -> None:
        self._append(self.pop_mark())

    def _append(self, items: list[Any]) -> None:
        check(type(self.stack[-1]) is list, 'a list')
        self.stack[-1].extend(items)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def load_setitems(self) -> None:
        self._set_items(self.pop_mark())

    def _set_items(self, items: list[Any]) -> None:
        target, keys, values = self.stack[-1], items[::2], items[1::2]
        check(type(target) in (dict, OrderedDict) and all(map(is_key, keys)), 'a dict')
        target.update(zip(keys, values, strict=True))

    def load_binpersid(self) -> None:
        """Of ``('storage', torch.FloatStorage, '0', 'cpu', 12)``, in old files with None behind."""
        name = self.stack.pop()
        is_name = type(name) is tuple and len(name) in (5, 6) and name[5:] in ((), (None,))
        check(is_name, 'a storage')
        tag, kind, key, location, count = name[:5]
        texts = (tag, key, location)
        check(all(type(text) is str for text in texts) and tag == 'storage', 'a storage')
        check(_is_one_of(kind, _STORAGES.values()), 'a storage')
        check(type(count) is int and 0 <= count < 1 << 62, 'a storage')
        self.append(self.persistent_load(name))

    dispatch.update(
        (getattr(pickle, name)[0], method)
        for name, method in (
            ('GLOBAL', load_global),
            ('REDUCE', load_reduce),
            ('NEWOBJ', load_newobj),
            ('BUILD', load_build),
            ('APPEND', load_append),
            ('APPENDS', load_appends),
            ('SETITEM', load_setitem),
            ('SETITEMS', load_setitems),
            ('BINPERSID', load_binpersid),
        )
    )


def load(file: IO[bytes], **how: Any) -> Any:
    """What the next pickle in a file makes."""
    return Unpickler(file, **how).load()


def _plain(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        check_plain(name, *arguments)
        return function(*arguments)

    return call


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any) -> Any:
    check(type(storage) is TypedStorage, '_rebuild_tensor')
    return _view('_rebuild_tensor', storage, storage.dtype, offset, size, stride)


def _rebuild_tensor_v2(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, *rest: Any
) -> Any:
    name = '_rebuild_tensor_v2'
    check(type(storage) is TypedStorage, name)
    _check_rest(name, requires_grad, hooks, *rest)
    tensor = _view(name, storage, storage.dtype, offset, size, stride)
    return _with_rest(tensor, requires_grad, *rest)


def _rebuild_tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    dtype: Any,
    *rest: Any,
) -> Any:
    name = '_rebuild_tensor_v3'
    check(type(storage) is TypedStorage and type(dtype) is torch.dtype, name)
    _check_rest(name, requires_grad, hooks, *rest)
    tensor = _view(name, storage, dtype, offset, size, stride)
    return _with_rest(tensor, requires_grad, *rest)


def _view(
    name: str, storage: TypedStorage, dtype: torch.dtype, offset: Any, size: Any, stride: Any
) -> torch.Tensor:
    """A tensor that is inside of its storage."""
    size = tuple(size) if type(size) is torch.Size else size
    values = storage._untyped_storage
    check_view(name, values.nbytes(), dtype.itemsize, offset, size, stride)
    return torch.empty(0, dtype=dtype, device=values.device).set_(values, offset, size, stride)


def _check_rest(name: str, requires_grad: Any, hooks: Any, *metadata: Any) -> None:
    check_metadata(name, requires_grad, *metadata)
    check(type(hooks) is OrderedDict and not hooks, name)  # and torch gets none


def _with_rest(tensor: torch.Tensor, requires_grad: bool, metadata: Any = None) -> torch.Tensor:
    tensor.requires_grad = requires_grad
    if metadata:
        torch._utils.set_tensor_metadata(tensor, metadata)
    return tensor


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any) -> torch.nn.Parameter:
    check(type(data) is torch.Tensor, '_rebuild_parameter')
    _check_rest('_rebuild_parameter', requires_grad, hooks)
    return torch.nn.Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data: Any, requires_grad: Any, hooks: Any, state: Any) -> Any:
    check_attributes(state, torch.nn.Parameter, '_rebuild_parameter_with_state')
    return _with_attributes(_rebuild_parameter(data, requires_grad, hooks), state)


def _rebuild_from_type_v2(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    name = '_rebuild_from_type_v2'
    check(_is_one_of(function, _TENSORS) and type(arguments) is tuple, name)
    check(_is_one_of(kind, (torch.Tensor, torch.nn.Parameter)), name)
    check_attributes(state, torch.nn.Parameter, name)
    tensor = function(*arguments)
    return _with_attributes(tensor if type(tensor) is kind else tensor.as_subclass(kind), state)


def _with_attributes(tensor: torch.Tensor, state: Any) -> torch.Tensor:
    for piece in state if type(state) is tuple else (state,):
        for key, value in (piece or {}).items():
            setattr(tensor, key, value)
    return tensor


def _is_one_of(value: Any, known: Iterable[Any]) -> bool:
    """Whether it is one of these very objects; what a file has made may call itself equal."""
    return any(value is one for one in known)


def _name_of(value: Any) -> str:
    """Of a class or function that the tables hold, its name; else what it is one of."""
    names = {id(thing): path for table in (NAMED, CALLED) for path, thing in table.items()}
    return names.get(id(value), f'a {type(value).__name__}')


_TENSORS = (
    _rebuild_tensor,
    _rebuild_tensor_v2,
    _rebuild_tensor_v3,
    _rebuild_parameter,
    _rebuild_parameter_with_state,
)
_STORAGES = {
    # What torch's readers ask for its dtype, and the one type that they know by itself.
    path: torch.UntypedStorage if 'Untyped' in path else StorageType(path.rpartition('.')[2])
    for path in STORAGE_TYPES
}
_OF_STAND_INS = {f'{it.__module__}.{it.__qualname__}': it for it in STAND_INS}
# Never called; HistoryBuffer and Namespace are made by NEWOBJ.
NAMED = {
    TENSOR: torch.Tensor,
    PARAMETER: torch.nn.Parameter,
    NAMESPACE: argparse.Namespace,
    'numpy.ndarray': Array,
    HISTORY: History,
    **_STORAGES,
}
CALLED = {
    **{path: it for path, it in _OF_STAND_INS.items() if path not in NAMED},
    **{f'torch._utils.{function.__name__}': function for function in _TENSORS},
    'torch._tensor._rebuild_from_type_v2': _rebuild_from_type_v2,
    **{
        name: _plain(name, function)
        for name, function in {
            'torch.Size': torch.Size,
            'torch.device': torch.device,
            '_codecs.encode': codecs.encode,
            'builtins.bytearray': bytearray,
            'builtins.set': set,
            'builtins.complex': complex,
            'collections.OrderedDict': OrderedDict,
            'collections.Counter': Counter,
        }.items()
    },
}
_CALLABLE = {id(function) for function in CALLED.values()}
