"""What a checkpoint's pickle may name, and the arguments that its calls may have.

Known to those who check a pickle before it is read (``hrnet_mm.weights.pickle_check``), and to the
one who reads it where torch cannot do so safely (``hrnet_mm.base.pickle_reader``).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NoReturn

import torch

ATOMS = (type(None), bool, int, float, str, bytes)
LONGEST_KEY = 64  # of a tuple that is the key of a dict
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


class Refused(pickle.UnpicklingError):
    """A pickle that asks for more than weights need; the message says for what."""


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


def path_of(module: str, name: str) -> str:
    """The full name of what a pickle names, by the names of Python 3."""
    return f'{"builtins" if module == "__builtin__" else module}.{name}'


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


def check_view(name: str, nbytes: int, itemsize: int, offset: Any, size: Any, stride: Any) -> None:
    """Make sure that a tensor is inside of its storage of ``nbytes``."""
    check(type(size) is tuple and type(stride) is tuple and len(size) == len(stride), name)
    counts = (offset, *size, *stride)
    check(all(type(count) is int and 0 <= count < 1 << 62 for count in counts), name)
    last = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if (offset + last) * itemsize > nbytes:
        refuse(
            f'it holds a tensor of {offset + last} values in {nbytes // itemsize}: '
            'the tensor would read memory that is not of the file'
        )


def check_metadata(name: str, requires_grad: Any, metadata: Any = None) -> None:
    """What stands behind the shape of a tensor."""
    check(type(requires_grad) is bool, name)
    check(metadata is None or type(metadata) is dict, name)
    check(all(type(value) is bool for value in (metadata or {}).values()), name)


def _bytearray(*arguments: Any) -> bool:
    text = arguments or ('', 'latin-1')
    is_text = len(text) == 2 and type(text[0]) is str and text[1] == 'latin-1'
    return is_text or (len(text) == 1 and type(text[0]) is bytes)


def _ordered_dict(*pairs: Any) -> bool:
    if pairs and (len(pairs) > 1 or type(pairs[0]) is not list):
        return False
    items = pairs[0] if pairs else []
    return all(type(pair) is list and len(pair) == 2 and is_key(pair[0]) for pair in items)


def _counter(*counts: Any) -> bool:
    if counts and (len(counts) > 1 or type(counts[0]) is not dict):
        return False
    return not counts or all(type(value) is int for value in counts[0].values())


# Of the calls that make plain values, whether they may have these arguments.
PLAIN: dict[str, Callable[..., bool]] = {
    'torch.Size': lambda sizes: type(sizes) is tuple and all(type(n) is int for n in sizes),
    'torch.device': lambda kind, *index: type(kind) is str and all(type(n) is int for n in index),
    '_codecs.encode': lambda text, encoding: type(text) is str and encoding == 'latin1',
    'builtins.bytearray': _bytearray,
    'builtins.set': lambda items: type(items) is list and all(map(is_key, items)),
    'builtins.complex': lambda *parts: (
        len(parts) == 2 and all(type(part) is float for part in parts)
    ),
    'collections.OrderedDict': _ordered_dict,
    'collections.Counter': _counter,
}


def check_plain(name: str, *arguments: Any) -> None:
    """Make sure that a call of ``PLAIN`` has arguments as checkpoints have them."""
    check(PLAIN[name](*arguments), name.removeprefix('builtins.'))
