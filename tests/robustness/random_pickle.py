"""Writes pickles of random structure, of the names that checkpoints use: most of it honest."""

from __future__ import annotations

import io
import pickle
import random
import struct
from collections.abc import Callable
from pathlib import Path

import hrnet_mm.base.pickle_stand_ins
from hrnet_mm.weights.pickle_calls import ARGUMENTS, CALLS, FILLED, OTHER_TENSORS

STAND_INS = sorted(
    f'{it.__module__}.{it.__qualname__}' for it in hrnet_mm.base.pickle_stand_ins.STAND_INS
)
NAMES = sorted(
    {
        *CALLS,
        *ARGUMENTS,
        *FILLED,
        *(f'torch._utils.{name}' for name in OTHER_TENSORS),
        *STAND_INS,
        'torch.float32',
        'torch.qint8',
        'torch.strided',
        'torch.FloatTensor',
        'torch.storage.TypedStorage',
        'torch.serialization._get_layout',
        'torch._utils._rebuild_device_tensor_from_numpy',
        'torch._utils._rebuild_device_tensor_from_cpu_tensor',
        'builtins.dict',
        'os.system',
    }
)
CODES = [*['f8', 'i8'] * 20, 'f4', 'u1', 'b1', 'c16', 'S3', 'U2', 'U0', 'O8', 'V8', 'M8', 'f3']


class Writer:
    """Writes one random pickle.

    Args:
        rng: decides everything.
        names: the classes and functions that it names.
        folder: where a payload that ran would leave a file.
    """

    def __init__(self, rng: random.Random, names: list[str], folder: Path) -> None:
        self.rng, self.names, self.folder = rng, names, folder
        self.out = io.BytesIO()
        self.memo = 0
        self.budget = 120  # of values

    def write(self) -> bytes:
        self.op(b'\x80\x02')
        self.op(b'}')
        if self.often():
            self.put()
        self.op(b'(')
        for key in ('state_dict', 'meta', 'message_hub', 'x')[: self.rng.randint(1, 4)]:
            self.text(key)
            self.value(0)
        self.op(b'u.')
        data = bytearray(self.out.getvalue())
        if self.rng.random() < 0.05:
            data[self.rng.randrange(2, len(data))] = self.rng.randrange(256)
        return bytes(data)

    def value(self, depth: int) -> None:
        self.budget -= 1
        deep = depth > 5 or self.budget < 0
        kinds: list[Callable[[int], None]] = [self.atom, self.get]
        if not deep:
            kinds += 3 * [self.container, self.tensor, self.array, self.scalar, self.history]
            kinds += 2 * [self.namespace, self.ordered] + [self.call, self.build]
            kinds += [self.doubled] if self.names is NAMES else []  # torch hangs by itself
        self.rng.choice(kinds)(depth + 1)
        if self.rng.random() < 0.2:
            self.put()

    def mostly(self, honest: Callable[[], None], depth: int) -> None:
        """What belongs here, or sometimes anything."""
        if self.rng.random() < 0.98:
            honest()
        else:
            self.value(depth + 1)

    def atom(self, depth: int) -> None:
        kind = self.rng.randrange(8)
        if kind == 0:
            self.text(self.rng.choice(['', 'a', 'weight', 'mean', '__class__', 'latin1', 'ä']))
        elif kind == 1:
            self.op(self.rng.choice([b'N', b'\x88', b'\x89', b')', b']', b'}']))
        elif kind == 2:
            self.op(b'G' + struct.pack('>d', self.rng.choice([0.5, float('nan'), float('inf')])))
        elif kind == 3 and self.rng.random() < 0.2:
            self.name(self.rng.choice(self.names))
        elif kind == 4:
            self.bytes(self.rng.randbytes(self.rng.randrange(20)))
        else:
            self.number(self.count())

    def count(self) -> int:
        honest = self.rng.randrange(3)
        lies = [-1, 1 << 20, 1 << 31, 1 << 40, (1 << 62) - 1, 1 << 62, 1 << 63, 1 << 64]
        return honest if self.rng.random() < 0.95 else self.rng.choice(lies)

    def container(self, depth: int) -> None:
        kind, length = self.rng.randrange(3), self.rng.randrange(4)
        if kind == 2:
            self.op(b'}(')
            for _ in range(length):
                self.mostly(lambda: self.text(self.rng.choice('abcde')), depth)
                self.value(depth)
            self.op(b'u')
            return
        self.op(b'(' if kind else b'](')
        for _ in range(length):
            self.value(depth)
        self.op(b't' if kind else b'e')

    def ordered(self, depth: int) -> None:
        self.empty_ordered()
        self.put()
        if self.often():
            self.op(b'}')
            self.text(self.rng.choice([*['_metadata'] * 20, 'items', '__class__']))
            self.mostly(lambda: self.op(b'}'), depth)
            self.op(b'sb')
        self.text('w')
        self.value(depth)
        self.op(b's')

    def doubled(self, depth: int) -> None:
        """A value that doubles with every level."""
        self.value(depth)
        for _ in range(self.rng.choice([2, 5, 60])):
            self.op(b'h%c\x86' % self.put())

    def tensor(self, depth: int) -> None:
        version = self.rng.choice(['', '_v2', '_v2', '_v2', '_v3'])
        if f'torch._utils._rebuild_tensor{version}' not in self.names:
            version = '_v2'
        self.name(f'torch._utils._rebuild_tensor{version}')
        shape = [self.count() for _ in range(self.rng.randrange(3))]
        self.op(b'(')
        self.mostly(lambda: self.storage(depth), depth)
        self.mostly(lambda: self.number(self.rng.choice([*[0] * 40, self.count()])), depth)
        strides = [1] * len(shape) if self.often() else [self.count() for _ in shape]
        for counts in (shape, strides):
            self.mostly(lambda counts=counts: self.numbers(counts), depth)
        if version:
            self.mostly(lambda: self.op(self.rng.choice([b'\x88', b'\x89'])), depth)
            self.mostly(self.empty_ordered, depth)  # of hooks
        if version == '_v3':
            self.mostly(lambda: self.name('torch.float32'), depth)
        self.op(b'tR')

    def empty_ordered(self) -> None:
        self.name('collections.OrderedDict')
        self.op(b')R')

    def storage(self, depth: int) -> None:
        self.op(b'(')
        self.mostly(lambda: self.text('storage'), depth)
        kinds = [*['torch.FloatStorage'] * 40, 'torch.LongStorage', 'torch.QInt8Storage']
        self.mostly(lambda: self.name(self.rng.choice(kinds)), depth)
        self.mostly(lambda: self.text(self.rng.choice(['0', '0', '0', '1'])), depth)
        self.mostly(lambda: self.text(self.rng.choice(['cpu', 'cpu', 'cuda:0', 'meta'])), depth)
        self.mostly(lambda: self.number(self.rng.choice([*[4] * 40, self.count()])), depth)
        self.op(b'tQ')

    def dtype(self, depth: int) -> None:
        self.name('numpy.dtype')
        self.mostly(lambda: self.text(self.rng.choice(CODES)), depth)
        self.op(b'\x89\x88\x87R')
        if self.often():
            self.op(b'(K\x03')
            self.mostly(lambda: self.text(self.rng.choice('<<<<<<<<<<<<<>|=x')), depth)
            for _ in range(3):
                self.mostly(lambda: self.op(b'N'), depth)
            for _ in range(3):
                self.mostly(lambda: self.number(self.rng.choice([-1, 0, 8, 63])), depth)
            self.op(b'tb')

    def array(self, depth: int) -> None:
        core = self.rng.choice(['core', '_core'])
        self.name(f'numpy.{core}.multiarray._reconstruct')
        self.mostly(lambda: self.name('numpy.ndarray'), depth)
        self.mostly(lambda: self.numbers([0]), depth)
        self.mostly(lambda: self.bytes(b'b'), depth)
        self.op(b'\x87R')
        for _ in range(self.rng.choice([*[1] * 40, 0, 2])):
            self.op(b'(K\x01')
            self.mostly(
                lambda: self.numbers([2] if self.rng.random() < 0.9 else [self.count()]), depth
            )
            self.mostly(lambda: self.dtype(depth), depth)
            self.mostly(lambda: self.op(b'\x89'), depth)
            size = self.rng.choice([*[16] * 40, 0, 8, 24])
            self.mostly(lambda size=size: self.bytes(self.rng.randbytes(size)), depth)
            self.op(b'tb')

    def scalar(self, depth: int) -> None:
        self.name('numpy.core.multiarray.scalar')
        self.mostly(lambda: self.dtype(depth), depth)
        size = self.rng.choice([1, 4, *[8] * 40])
        self.mostly(lambda: self.bytes(self.rng.randbytes(size)), depth)
        self.op(b'\x86R')

    def history(self, depth: int) -> None:
        self.name('mmengine.logging.history_buffer.HistoryBuffer')
        self.op(b')\x81')
        self.op(b'}(')
        for key in ('_log_history', '_count_history'):
            self.text(key)
            self.mostly(lambda: self.array(depth), depth)
        self.text('max_length')
        self.mostly(lambda: self.number(1000000), depth)
        self.text('statistics_methods')
        self.op(b'}')
        self.text('mean')
        self.value(depth)
        self.op(b'sub')

    def namespace(self, depth: int) -> None:
        self.name('argparse.Namespace')
        self.op(b')\x81}')
        self.text(self.rng.choice([*['lr'] * 40, '__class__', '__setstate__', '__dict__']))
        self.value(depth)
        self.op(b'sb')

    def call(self, depth: int) -> None:
        self.mostly(lambda: self.name(self.rng.choice(self.names)), depth)
        if self.rng.random() < 0.05:
            self.name('os.system')
            self.text(f'touch {self.folder / "payload"}')
            self.op(b'\x85R')
        self.op(b'(')
        for _ in range(self.rng.randrange(5)):
            self.value(depth)
        self.op(b't' + self.rng.choice([b'R', b'R', b'\x81']))

    def build(self, depth: int) -> None:
        self.value(depth)
        self.value(depth)
        self.op(b'b')

    def get(self, depth: int) -> None:
        if not self.memo:
            return self.atom(depth)
        return self.op(b'h%c' % self.rng.randrange(self.memo))

    def put(self) -> int:
        number = self.memo if self.memo < 255 else self.rng.randrange(255)
        self.memo = min(self.memo + 1, 255)
        self.op(b'q%c' % number)
        return number

    def name(self, path: str) -> None:
        module, _, name = path.rpartition('.')
        self.op(f'c{module}\n{name}\n'.encode())

    def text(self, text: str) -> None:
        data = text.encode()
        self.op(b'X' + struct.pack('<I', len(data)) + data)

    def bytes(self, data: bytes) -> None:
        """As protocol 2 writes them."""
        self.name('_codecs.encode')
        self.text(data.decode('latin1'))
        self.text('latin1')
        self.op(b'\x86R')

    def number(self, number: int) -> None:
        data = pickle.encode_long(number)
        self.op(b'\x8a%c' % len(data) + data)

    def numbers(self, numbers: list[int]) -> None:
        self.op(b'(')
        for number in numbers:
            self.number(number)
        self.op(b't')

    def often(self) -> bool:
        return self.rng.random() < 0.5

    def op(self, data: bytes) -> None:
        self.out.write(data)
