"""What a checkpoint's pickle would make, checked before anything of it is made.

torch's reader with ``weights_only=True`` calls only what it knows, but with whatever arguments the
file gives: a view larger than its storage, a container that holds itself, a text without end in
its own error message. So the file's instructions are first carried out on placeholders. Each call
must be one that saving weights makes, with arguments of the right types and tensors inside of
their storages. And all values written out, each as often as it is named, must not be much more
than the file: ``[[[a, a], [a, a]], ...]`` doubles with every level.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import torch

from hrnet_mm.base.pickle_rules import (
    ATOMS,
    NAMESPACE,
    STORAGE_TYPES,
    asks_for,
    check,
    check_attributes,
    is_dtype,
    is_key,
    path_of,
    refuse,
)
from hrnet_mm.weights.pickle_calls import (
    ARGUMENTS,
    CALLS,
    FILLED,
    OTHER_TENSORS,
    Global,
    Made,
    Ordered,
    Storage,
)

MAX_DEPTH = 100  # containers in one another
MAX_RATIO = 16  # of the values written out to the size of the file
SPARE_BYTES = 64 << 20  # that the values may have beside that, for small files
_CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}
_LITERALS = {'BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT', 'BINUNICODE', 'SHORT_BINSTRING'}
_EMPTY = {'EMPTY_LIST': list, 'EMPTY_DICT': dict, 'EMPTY_TUPLE': tuple, 'EMPTY_SET': set}
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}


def check_pickles(path: Path, is_zip: bool) -> None:
    """Make sure that the pickles in a file of torch make weights and plain values only.

    Raises:
        Refused: they do not.
        Exception: of any type; they are damaged.
    """
    size = path.stat().st_size
    if is_zip:
        with zipfile.ZipFile(path) as archive:
            sizes = {record.filename: record.file_size for record in archive.infolist()}
        root = next(iter(sizes)).partition('/')[0]
        with path.open('rb') as file:
            reader = torch._C.PyTorchFileReader(file)  # torch.load's own: the same bytes
            pickled = BytesIO(reader.get_record('data.pkl'))
        placeholders = Placeholders(lambda key: sizes[f'{root}/data/{key}'])
        check_size(placeholders.run(pickled), size)
        return
    with path.open('rb') as file:
        placeholders = Placeholders()
        *_, contents, keys = (placeholders.run(file) for _ in range(5))
        check_size(contents, size)
        check(type(keys) is list and set(keys) == placeholders.storages.keys(), 'the storages')
        end = file.tell() + sum(8 + storage.nbytes for storage in placeholders.storages.values())
        check(end <= size, 'the storages')


class Placeholders:
    """Carries out a pickle's instructions on placeholders, as an unpickler does on objects.

    Attributes:
        storages: the storages that tensors have asked for, by their keys.
    """

    def __init__(self, nbytes_of: Callable[[str], int] | None = None) -> None:
        """
        Args:
            nbytes_of: the size of the record that holds a storage. None: there are no records.
        """
        self.storages: dict[str, Storage] = {}
        self._nbytes_of = nbytes_of
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self, file: IO[bytes]) -> Any:
        """The placeholder of what the next pickle in a file makes.

        Raises:
            Refused: it asks for more than weights need.
            Exception: of any type; no pickler wrote it.
        """
        for opcode, argument, _ in pickletools.genops(file):
            name = opcode.name
            if name in _LITERALS:
                self._stack.append(argument)
            elif name in _CONSTANTS:
                self._stack.append(_CONSTANTS[name])
            elif name in _EMPTY:
                self._stack.append(_EMPTY[name]())
            elif name in _TUPLES:
                self._stack.append(tuple(self._pop_last(_TUPLES[name])))
            elif name in ('BINPUT', 'LONG_BINPUT'):
                self._memo[argument] = self._stack[-1]
            elif name in ('BINGET', 'LONG_BINGET'):
                self._stack.append(self._memo[argument])
            elif name != 'STOP':
                self._do(name, argument)
        return self._stack.pop()

    def _do(self, name: str, argument: Any) -> None:
        if name == 'MARK':
            self._outer.append(self._stack)
            self._stack = []
        elif name == 'TUPLE':
            items = self._pop_mark()
            self._stack.append(tuple(items))
        elif name in ('APPEND', 'APPENDS'):
            items = self._pop_last(1) if name == 'APPEND' else self._pop_mark()
            check(type(self._stack[-1]) is list, name)
            self._stack[-1].extend(items)
        elif name in ('SETITEM', 'SETITEMS'):
            self._set_items(self._pop_last(2) if name == 'SETITEM' else self._pop_mark())
        elif name == 'GLOBAL':
            self._stack.append(_global(argument))
        elif name == 'REDUCE':
            function, arguments = self._pop_last(2)
            is_call = type(function) is Global and function.name in CALLS
            check(is_call and type(arguments) is tuple, _name_of(function))
            self._stack.append(CALLS[function.name](*arguments))
        elif name == 'NEWOBJ':
            kind, arguments = self._pop_last(2)
            check(type(kind) is Global and kind.name in FILLED, _name_of(kind))
            check(type(arguments) is tuple and not arguments, kind.name)
            self._stack.append(Made(kind.name, state='required'))
        elif name == 'BUILD':
            [state] = self._pop_last(1)
            _fill(self._stack[-1], state)
        elif name == 'BINPERSID':
            self._stack.append(self._storage(self._stack.pop()))
        elif name != 'PROTO':
            refuse(f'it has the instruction {name}, which no file of torch has')

    def _pop_last(self, count: int) -> list[Any]:
        items = self._stack[-count:]
        if len(items) < count:
            raise IndexError('there is nothing to take')
        del self._stack[-count:]
        return items

    def _pop_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._outer.pop()
        return items

    def _set_items(self, items: list[Any]) -> None:
        target, keys, values = self._stack[-1], items[::2], items[1::2]
        is_open = type(target) is dict or (type(target) is Ordered and not target.closed)
        check(is_open and all(map(is_key, keys)), 'a dict')
        target.update(zip(keys, values, strict=True))

    def _storage(self, name: Any) -> Storage:
        """Of ``('storage', torch.FloatStorage, '0', 'cpu', 12)``, in old files with None behind."""
        check(
            type(name) is tuple and len(name) in (5, 6) and name[5:] in ((), (None,)), 'a storage'
        )
        tag, kind, key, location, count = name[:5]
        texts = (tag, key, location)
        check(all(type(text) is str for text in texts) and tag == 'storage', 'a storage')
        check(type(kind) is Global and kind.name in STORAGE_TYPES, 'a storage')
        check(type(count) is int and 0 <= count < 1 << 62, 'a storage')
        itemsize = STORAGE_TYPES[kind.name]
        storage = Storage(key, count * itemsize, itemsize)
        known = self.storages.setdefault(key, storage)
        check((known.nbytes, known.itemsize) == (storage.nbytes, storage.itemsize), 'a storage')
        if self._nbytes_of is not None and self._nbytes_of(key) != storage.nbytes:
            refuse(
                f'its record {key} has {self._nbytes_of(key)} bytes where {storage.nbytes} are '
                'asked for'
            )
        return known


def check_size(value: Any, size: int) -> None:
    """Make sure that a value, written out, is not much more than its file, and not too deep.

    Raises:
        Refused: it is, or it holds something that is no value.
    """
    sizes: dict[int, tuple[int, int]] = {}

    def measure(value: Any, depth: int) -> tuple[int, int]:
        """Bytes, and how many containers are in one another."""
        if type(value) in ATOMS:
            return (len(value) if type(value) in (str, bytes) else 8), 0
        if id(value) not in sizes:
            if depth > MAX_DEPTH:
                refuse(f'it holds more than {MAX_DEPTH} lists or dicts in one another')
            inside = [measure(item, depth + 1) for item in _contents(value)]
            own = value.nbytes if type(value) is Made else 8
            height = 1 + max((height for _, height in inside), default=0)
            sizes[id(value)] = own + sum(nbytes for nbytes, _ in inside), height
        return sizes[id(value)]

    nbytes, height = measure(value, 0)
    if height > MAX_DEPTH:
        refuse(f'it holds {height} lists or dicts in one another; at most {MAX_DEPTH} are read')
    if nbytes > MAX_RATIO * size + SPARE_BYTES:
        refuse(f'its {size} bytes name the same values so often that they would be {nbytes:.1e}')


def _contents(value: Any) -> Iterable[Any]:
    if type(value) is Global and is_dtype(value.name):
        return ()
    if type(value) in (Global, Storage):
        refuse(f'it holds {_name_of(value)} as a value')
    if type(value) is Made:
        if value.state == 'required':
            refuse(f'it holds {value.name} without a content')
        return value.contents
    if isinstance(value, dict):
        return (*value, *value.values(), getattr(value, 'metadata', None))
    return value


def _global(argument: str) -> Global:
    module, _, name = argument.partition(' ')
    path = path_of(module, name)
    if module == 'torch._utils' and name in OTHER_TENSORS:
        refuse(f'it holds {OTHER_TENSORS[name]}; weights are dense tensors with their values')
    if not (path in CALLS or path in ARGUMENTS or path in FILLED or is_dtype(path)):
        refuse(asks_for(path))
    return Global(path)


def _fill(target: Any, state: Any) -> None:
    """Give a state to what a call has made."""
    if type(target) is Ordered:
        is_metadata = type(state) is dict and list(state) == ['_metadata']
        check(is_metadata and isinstance(state['_metadata'], dict), 'collections.OrderedDict')
        target.metadata = state['_metadata']
        return
    check(type(target) is Made and target.state != 'closed', _name_of(target))
    if target.name == NAMESPACE:
        check(type(state) is dict, NAMESPACE)
        target.contents += check_attributes(state, object, NAMESPACE)
    else:
        target.contents.append(state)
    target.state = 'closed'


def _name_of(value: Any) -> str:
    return value.name if isinstance(value, Global | Made) else f'a {type(value).__name__}'
