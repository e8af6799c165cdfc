"""The calls that a checkpoint's pickle may ask for, each with what its arguments must be.

Each call has a rule: a function that takes the arguments, in which placeholders stand for what
other calls would make, checks them, and returns a placeholder. So nothing of the file is called.
What the calls of numpy and mmengine hold is checked later, by ``hrnet_mm.base.pickle_stand_ins``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from hrnet_mm.base.pickle_rules import (
    HISTORY,
    NAMESPACE,
    PARAMETER,
    STORAGE_TYPES,
    TENSOR,
    check,
    check_attributes,
    check_metadata,
    check_plain,
    check_view,
    is_dtype,
)

Arguments = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Global:
    """A class, function or dtype that the pickle names."""

    name: str


@dataclass(frozen=True, eq=False)
class Storage:
    """Values of tensors, in a record of the file."""

    key: str
    nbytes: int
    itemsize: int


@dataclass(eq=False)
class Made:
    """What a call would make.

    Attributes:
        name: of the class or function that is called.
        nbytes: its own size.
        contents: the values that it holds beside that.
        state: whether a state ('required', 'optional') may still be given to it ('closed': no).
    """

    name: str
    nbytes: int = 8
    contents: list[Any] = field(default_factory=list)
    state: str = 'closed'


class Ordered(dict[Any, Any]):
    """An OrderedDict.

    Attributes:
        metadata: the versions of modules, which a state dict carries.
        closed: whether it is the hooks of a tensor, and must stay empty.
    """

    metadata: dict[Any, Any] | None = None
    closed = False


# Named as arguments, and never called.
ARGUMENTS = {TENSOR, PARAMETER, 'numpy.ndarray', *STORAGE_TYPES}
# Made without arguments, and filled by a state.
FILLED = {HISTORY, NAMESPACE}
OTHER_TENSORS = {
    '_rebuild_meta_tensor_no_storage': 'a meta tensor, which has no values',
    '_rebuild_sparse_tensor': 'a sparse tensor',
    '_rebuild_qtensor': 'a quantized tensor',
    '_rebuild_nested_tensor': 'a nested tensor',
    '_rebuild_wrapper_subclass': 'a tensor of a class of its own',
}


def _tensor(name: str, storage: Any, itemsize: int, offset: Any, size: Any, stride: Any) -> Made:
    """A tensor that is inside of its storage; it has as many bytes as if it were contiguous."""
    check(type(storage) is Storage, name)
    size = size.contents[0] if type(size) is Made and size.name == 'torch.Size' else size
    check_view(name, storage.nbytes, itemsize, offset, size, stride)
    return Made('tensor', nbytes=itemsize * math.prod(max(n, 1) for n in size))


def _check_rest(name: str, requires_grad: Any, hooks: Any, metadata: Any = None) -> None:
    check_metadata(name, requires_grad, metadata)
    check(type(hooks) is Ordered and not hooks, name)
    hooks.closed = True


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any) -> Made:
    itemsize = storage.itemsize if type(storage) is Storage else 1
    return _tensor('_rebuild_tensor', storage, itemsize, offset, size, stride)


def _rebuild_tensor_v2(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, *rest: Any
) -> Made:
    _check_rest('_rebuild_tensor_v2', requires_grad, hooks, *rest)
    return _rebuild_tensor(storage, offset, size, stride)


def _rebuild_tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    dtype: Any,
    *rest: Any,
) -> Made:
    name = '_rebuild_tensor_v3'
    _check_rest(name, requires_grad, hooks, *rest)
    check(type(dtype) is Global and is_dtype(dtype.name), name)
    itemsize = getattr(torch, dtype.name.removeprefix('torch.')).itemsize
    return _tensor(name, storage, itemsize, offset, size, stride)


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any) -> Made:
    check(type(data) is Made and data.name == 'tensor', '_rebuild_parameter')
    _check_rest('_rebuild_parameter', requires_grad, hooks)
    return data


def _rebuild_parameter_with_state(data: Any, requires_grad: Any, hooks: Any, state: Any) -> Made:
    values = check_attributes(state, torch.nn.Parameter, '_rebuild_parameter_with_state')
    made = _rebuild_parameter(data, requires_grad, hooks)
    return Made('tensor', made.nbytes, values)


def _rebuild_from_type_v2(function: Any, kind: Any, arguments: Any, state: Any) -> Made:
    name = '_rebuild_from_type_v2'
    check(type(function) is Global and function.name in TENSORS, name)
    check(type(kind) is Global and kind.name in (TENSOR, PARAMETER), name)
    check(type(arguments) is tuple, name)
    made = TENSORS[function.name](*arguments)
    return Made('tensor', made.nbytes, check_attributes(state, torch.nn.Parameter, name))


def _encode(text: Any, encoding: Any) -> bytes:
    check_plain('_codecs.encode', text, encoding)
    return text.encode('latin1')


def _bytearray(*arguments: Any) -> Made:
    check_plain('builtins.bytearray', *arguments)
    return Made('bytearray', len(arguments[0]) if arguments else 0)


def _set(items: Any) -> Made:
    check_plain('builtins.set', items)
    return Made('set', contents=list(items))


def _complex(*parts: Any) -> Made:
    check_plain('builtins.complex', *parts)
    return Made('complex')


def _size(sizes: Any) -> Made:
    check_plain('torch.Size', sizes)
    return Made('torch.Size', contents=[sizes])


def _device(kind: Any, *index: Any) -> Made:
    check_plain('torch.device', kind, *index)
    return Made('torch.device')


def _ordered_dict(*pairs: Any) -> Ordered:
    check_plain('collections.OrderedDict', *pairs)
    return Ordered(*pairs)


def _counter(*counts: Any) -> Made:
    check_plain('collections.Counter', *counts)
    return Made('Counter', contents=list(counts[0].values()) if counts else [])


def _opaque(name: str, state: str = 'closed') -> Callable[..., Made]:
    def rule(*arguments: Any) -> Made:
        return Made(name, contents=[x for x in arguments if type(x) is not Global], state=state)

    return rule


TENSORS = {
    f'torch._utils.{rule.__name__}': rule
    for rule in (
        _rebuild_tensor,
        _rebuild_tensor_v2,
        _rebuild_tensor_v3,
        _rebuild_parameter,
        _rebuild_parameter_with_state,
    )
}
CALLS: dict[str, Callable[..., Any]] = {
    **TENSORS,
    'torch._tensor._rebuild_from_type_v2': _rebuild_from_type_v2,
    'torch.Size': _size,
    'torch.device': _device,
    '_codecs.encode': _encode,
    'builtins.bytearray': _bytearray,
    'builtins.set': _set,
    'builtins.complex': _complex,
    'collections.OrderedDict': _ordered_dict,
    'collections.Counter': _counter,
    'builtins.getattr': _opaque('text'),
    'builtins.bytes': _opaque('bytes'),
    'numpy.dtype': _opaque('dtype', 'optional'),
    **{
        f'numpy.{core}.multiarray.{name}': _opaque(name, state)
        for core in ('core', '_core')
        for name, state in (('_reconstruct', 'required'), ('scalar', 'closed'))
    },
}
