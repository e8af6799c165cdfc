"""The calls that a checkpoint's pickle may ask for, each with what its arguments must be.

Each call has a rule: a function that takes the arguments, in which placeholders stand for what
other calls would make, checks them, and returns a placeholder. So nothing of the file is called.
What the calls of numpy and mmengine hold is checked later, by ``hrnet_mm.base.pickle_stand_ins``.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch

Arguments = tuple[Any, ...]
ATOMS = (type(None), bool, int, float, str, bytes)
LONGEST_KEY = 64  # of a tuple that is the key of a dict


class Refused(pickle.UnpicklingError):
    """A pickle that asks for more than weights need; the message says for what."""


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


STORAGES = {
    **dict.fromkeys(('ComplexDouble',), 16),
    **dict.fromkeys(('Double', 'Long', 'ComplexFloat'), 8),
    **dict.fromkeys(('Float', 'Int'), 4),
    **dict.fromkeys(('Half', 'BFloat16', 'Short'), 2),
    **dict.fromkeys(('Char', 'Byte', 'Bool'), 1),
}  # bytes of an element
STORAGE_TYPES = {
    **{f'torch.{name}Storage': size for name, size in STORAGES.items()},
    **{f'torch.cuda.{name}Storage': size for name, size in STORAGES.items()},
    'torch.storage.UntypedStorage': 1,
}
TENSOR, PARAMETER = 'torch.Tensor', 'torch.nn.parameter.Parameter'
HISTORY = 'mmengine.logging.history_buffer.HistoryBuffer'
NAMESPACE = 'argparse.Namespace'
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


def refuse(what: str) -> NoReturn:
    raise Refused(what)


def asks_for(name: str) -> str:
    """Why a pickle is refused that names a class or function which no weights need."""
    return (
        f'it asks for {name}, which is no part of weights and may run code. If you trust '
        'whoever made it, let tools/convert_checkpoint.py --trust-checkpoint write its '
        'weights to a file of their own'
    )


def check(holds: bool, name: str) -> None:
    """Refuse the arguments of a call, unless ``holds``."""
    if not holds:
        refuse(f'it calls {name} with arguments that no checkpoint has')


def is_dtype(name: str) -> bool:
    """Whether a name is one of torch's numbers that a dense tensor can hold."""
    module, _, dtype = name.rpartition('.')
    kinds = ('float', 'bfloat', 'complex', 'int', 'uint', 'bool')
    return (
        module == 'torch'
        and dtype.startswith(kinds)
        and isinstance(getattr(torch, dtype, None), torch.dtype)
    )


def is_key(value: Any) -> bool:
    """Whether a value can be the key of a dict: hashing nested tuples may take for ever."""
    if type(value) is tuple:
        return len(value) <= LONGEST_KEY and all(type(item) in ATOMS for item in value)
    return type(value) in ATOMS


def check_attributes(state: Any, of: type, name: str) -> list[Any]:
    """The values in a state that only adds attributes to an object, and replaces none of ``of``."""
    pieces = state if type(state) is tuple else (state,)
    check(len(pieces) <= 2 and all(type(x) in (dict, type(None)) for x in pieces), name)
    attributes = {key: value for piece in pieces for key, value in (piece or {}).items()}
    for key in attributes:
        check(type(key) is str and not key.startswith('__') and not hasattr(of, key), name)
    return list(attributes.values())


def _tensor(name: str, storage: Any, itemsize: int, offset: Any, size: Any, stride: Any) -> Made:
    """A tensor that is inside of its storage; it has as many bytes as if it were contiguous."""
    check(type(storage) is Storage, name)
    size = size.contents[0] if type(size) is Made and size.name == 'torch.Size' else size
    check(type(size) is tuple and type(stride) is tuple and len(size) == len(stride), name)
    counts = (offset, *size, *stride)
    check(all(type(count) is int and 0 <= count < 1 << 62 for count in counts), name)
    last = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if (offset + last) * itemsize > storage.nbytes:
        refuse(
            f'it holds a tensor of {offset + last} values in {storage.nbytes // itemsize}: '
            'the tensor would read memory that is not of the file'
        )
    return Made('tensor', nbytes=itemsize * math.prod(max(n, 1) for n in size))


def _check_rest(name: str, requires_grad: Any, hooks: Any, metadata: Any = None) -> None:
    check(type(requires_grad) is bool and type(hooks) is Ordered and not hooks, name)
    hooks.closed = True
    check(metadata is None or type(metadata) is dict, name)
    check(all(type(value) is bool for value in (metadata or {}).values()), name)


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
    check(type(text) is str and encoding == 'latin1', '_codecs.encode')
    return text.encode('latin1')


def _bytearray(*arguments: Any) -> Made:
    text = arguments or ('', 'latin-1')
    is_text = len(text) == 2 and type(text[0]) is str and text[1] == 'latin-1'
    check(is_text or (len(text) == 1 and type(text[0]) is bytes), 'bytearray')
    return Made('bytearray', len(text[0]))


def _set(items: Any) -> Made:
    check(type(items) is list and all(map(is_key, items)), 'set')
    return Made('set', contents=list(items))


def _complex(*parts: Any) -> Made:
    check(len(parts) == 2 and all(type(part) is float for part in parts), 'complex')
    return Made('complex')


def _size(sizes: Any) -> Made:
    check(type(sizes) is tuple and all(type(n) is int for n in sizes), 'torch.Size')
    return Made('torch.Size', contents=[sizes])


def _device(kind: Any, *index: Any) -> Made:
    check(type(kind) is str and all(type(n) is int for n in index), 'torch.device')
    return Made('torch.device')


def _ordered_dict(*pairs: Any) -> Ordered:
    name = 'collections.OrderedDict'
    check(not pairs or (len(pairs) == 1 and type(pairs[0]) is list), name)
    items = pairs[0] if pairs else []
    check(all(type(pair) is list and len(pair) == 2 and is_key(pair[0]) for pair in items), name)
    return Ordered(items)


def _counter(*counts: Any) -> Made:
    name = 'collections.Counter'
    check(not counts or (len(counts) == 1 and type(counts[0]) is dict), name)
    values = list(counts[0].values()) if counts else []
    check(all(type(value) is int for value in values), name)
    return Made('Counter', contents=values)


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
