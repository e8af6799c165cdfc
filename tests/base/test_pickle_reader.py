"""Our reader of pickles is safe by itself, whatever the check before it has seen."""

from __future__ import annotations

import argparse
import io
import pickle
import pickletools
import struct
import tarfile
import types
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from hrnet_mm.base import pickle_reader
from hrnet_mm.base.pickle_reader import CALLED, NAMED
from hrnet_mm.base.pickle_rules import Refused
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.weights.pickle_calls import ARGUMENTS, CALLS, FILLED
from hrnet_mm.weights.read import read_checkpoint
from tests.helpers import Calls, equal
from tests.robustness.hostile_files import malformed_pickles, payloads
from tests.weights.contents import HOSTILE, values

# Which do no harm while they are read: the check refuses them for their size, or as no values.
HARMLESS = {
    'a storage as a value', 'a class as a value', 'a view that is a bomb', 'a history of texts',
    'nested lists', 'nested tuples', 'a list in itself', 'a long text named often',
}  # fmt: skip
KNOWN = sorted({**CALLED, **NAMED})
NO_STATE = [
    '}', ']', ')', 'N', 'K\1', 'cbuiltins\nset\n](K\1e\x85R', 'ctorch\nSize\n)\x85R',
    'ctorch\nfloat32\n', 'ctorch\ndevice\nX\3\0\0\0cpu\x85R', 'ccollections\nCounter\n)R',
]  # fmt: skip


def read(*pieces: str | bytes) -> Any:
    data = b''.join(x if isinstance(x, bytes) else x.encode('latin1') for x in pieces)
    return pickle_reader.load(io.BytesIO(b'\x80\x02' + data + b'.'), encoding='utf-8')


def name(path: str) -> str:
    module, _, attribute = path.rpartition('.')
    return f'c{module}\n{attribute}\n'


def load_by_reader(path: Path) -> Any:
    """As torch before 2.6 is told to."""
    with path.open('rb') as file:
        return torch.load(io.BytesIO(file.read()), pickle_module=pickle_reader, weights_only=False)


def write(value: Any, path: Path, legacy: bool) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    return path


@pytest.mark.parametrize('legacy', [False, True])
def test_it_reads_what_checkpoints_hold(tmp_path: Path, legacy: bool) -> None:
    expected = values()
    expected['tensors']._metadata = OrderedDict({'': dict(version=1)})
    path = write(expected, tmp_path / 'x.pth', legacy)
    loaded, checked = load_by_reader(path), read_checkpoint(path)
    for key in ('tensors', 'plain'):
        assert repr(loaded[key]) == repr(checked[key])
    assert loaded['tensors']._metadata == {'': dict(version=1)}
    assert loaded['tensors']['attribute'].lr_mult == 3
    for key, value in expected['numpy'].items():
        got = loaded['numpy'][key]
        assert isinstance(got, type(value)) and got.dtype == value.dtype
        assert got.tobytes('A') == value.tobytes('A')
    assert type(loaded['history']) is HistoryBuffer
    assert equal(loaded['history'], expected['history'])


def test_it_knows_the_names_that_the_check_knows() -> None:
    assert CALLED.keys() == CALLS.keys()
    assert NAMED.keys() == ARGUMENTS | FILLED


@pytest.mark.parametrize('legacy', [False, True])
def test_no_payload_runs(tmp_path: Path, legacy: bool) -> None:
    folder = tmp_path / 'made'
    folder.mkdir()
    for payload in payloads(folder):
        path = write({'x': payload}, tmp_path / 'x.pth', legacy)
        with pytest.raises(pickle.UnpicklingError):
            load_by_reader(path)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize('case', sorted(HOSTILE.keys() - HARMLESS))
def test_arguments_that_no_checkpoint_has_are_refused(tmp_path: Path, case: str) -> None:
    for legacy in (False, True):
        path = write({'x': HOSTILE[case]}, tmp_path / 'x.pth', legacy)
        with pytest.raises(Exception, match='it (calls|holds)|may not ask|invalid value'):
            load_by_reader(path)


@pytest.mark.parametrize('data', [data for _, data in malformed_pickles()])
def test_malformed_pickles_raise_or_make_plain_values(data: bytes) -> None:
    try:
        made = pickle_reader.load(io.BytesIO(data), encoding='utf-8')
    except Exception as error:
        assert not isinstance(error, RecursionError)
    else:
        assert type(made) in (list, tuple, type(None))


@pytest.mark.parametrize(
    'path',
    [
        *('os.system', 'posix.system', 'builtins.eval', '__builtin__.exec', 'builtins.setattr'),
        *('builtins.object', 'copyreg._reconstructor', 'copy_reg._reconstructor', '.eval'),
        *('torch.hub.load', 'torch.load', 'torch.jit.load', 'torch.classes.x', 'torch.strided'),
        *('torch.qint8', 'torch.floor', 'torch.float32.__class__', 'torch.boolean'),
        *('torch.Tensor.__setstate__', 'torch.Size.__new__', 'torch.device.__class__'),
        # as torch's own reader of storages answers whatever has Storage in its name
        *('os.FloatStorage', 'torch.FloatStorageX', 'torch.FloatStorage.__init__'),
        *('torch.storage.FloatStorage', 'torch.storage.TypedStorage', 'torch.QInt8Storage'),
        # beside what is known, or behind it
        *('torch._utils._rebuild_tensor_v2.__globals__', 'torch._utils._rebuild_tensor_v22'),
        *('torch._utils._rebuild_sparse_tensor', 'torch._utils._rebuild_qtensor'),
        *('torch._utils._set_obj_state', 'torch._tensor._rebuild_from_type'),
        *('numpy.core.multiarray._reconstruct.__globals__', 'numpy.core.multiarray.fromfile'),
        *('numpy.dtype.__setstate__', 'numpy.load', 'numpy.core.multiarray_.scalar'),
        *('collections.OrderedDict.__init_subclass__', 'collections.namedtuple'),
        *('argparse.Namespace.__init__', 'argparse.FileType', 'argparse.Namespace_'),
        *('mmengine.logging.history_buffer.HistoryBuffer.__setstate__', '_codecs.encode.__self__'),
        *('mmengine.logging.history_buffer.np', 'mmengine.logging.HistoryBuffer'),
        *('hrnet_mm.base.pickle_reader._view', 'hrnet_mm.base.pickle_stand_ins.History'),
        *('builtins.getattr.__self__', 'builtins.bytes.fromhex', 'builtins.getattribute'),
    ],
)
def test_other_names_are_refused(path: str) -> None:
    module, _, attribute = path.rpartition('.')
    readers = [pickle_reader.Unpickler, type('TorchsReader', (pickle_reader.Unpickler,), {})]
    readers[1].find_class = lambda self, module, name: pytest.fail(f'{module}.{name} is asked of')
    for reader in readers:
        with pytest.raises(Refused, match='it asks for'):
            reader(io.BytesIO(f'\x80\2{name(path)}.'.encode('latin1')), encoding='utf-8').load()
    with pytest.raises(Refused, match='it asks for'):
        readers[0](io.BytesIO()).find_class(module, attribute)


class OfADict(OrderedDict[str, int]):
    pass


class OfANamespace(argparse.Namespace):
    pass


class OfATensor(torch.Tensor):
    pass


@pytest.mark.parametrize(
    'value',
    [
        OfADict(a=1),
        OfANamespace(a=1),
        torch.ones(2).as_subclass(OfATensor),
        np.ma.masked_array([1, 2]),
        np.rec.array([(1, 2.0)]),
        np.random.default_rng(0),
        torch.Generator,
        torch.nn.Linear(1, 1),
        types.SimpleNamespace(a=1),
        partial(print, 'x'),
        slice(1),
    ],
)
def test_other_classes_and_subclasses_are_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(pickle.UnpicklingError, match='it (asks for|calls)'):
        load_by_reader(write({'x': value}, tmp_path / 'x.pth', False))


@pytest.mark.parametrize('path', KNOWN)
def test_no_state_reaches_a_class_or_function(path: str) -> None:
    """Which would change it for the whole process."""
    known = {**CALLED, **NAMED}[path]
    before = dict(vars(known))
    for state in ('}X\1\0\0\0xK\1s', 'N}X\1\0\0\0xK\1s\x86', '}X\x0c\0\0\0__setstate__Ns'):
        with pytest.raises(Refused):
            read(name(path), state, 'b')
    assert dict(vars(known)) == before


@pytest.mark.parametrize('value', NO_STATE)
def test_no_state_reaches_a_value_that_has_none(value: str) -> None:
    read(value)
    with pytest.raises(Refused):
        read(value, '}X\1\0\0\0xK\1sb')


@pytest.mark.parametrize(
    'state',
    ['N', ']', '}X\5\0\0\0itemsK\1s', '}X\t\0\0\0_metadataK\1s', 'N}X\t\0\0\0_metadata}s\x86'],
)
def test_a_dict_gets_the_versions_of_modules_only(state: str) -> None:
    with pytest.raises(Refused):
        read(name('collections.OrderedDict'), ')R', state, 'b')


@pytest.mark.parametrize(
    'state', ['N', '}X\x09\0\0\0__class__Ns', '}X\x0c\0\0\0__setstate__Ns', '}K\1K\1s', 'N}\x86']
)
def test_a_namespace_gets_attributes_only(state: str) -> None:
    with pytest.raises(Refused):
        read(name('argparse.Namespace'), ')\x81', state, 'b')


@pytest.mark.parametrize('path', sorted(NAMED))
def test_what_is_named_as_an_argument_is_not_called(path: str) -> None:
    for call in (')R', '(K\1tR', 'NR', 'K\1\x85\x81'):
        with pytest.raises(Refused, match='it calls'):
            read(name(path), call)


@pytest.mark.parametrize('path', sorted(CALLED))
def test_functions_make_no_objects_and_take_tuples(path: str) -> None:
    for call in (')\x81', 'NR', ']R', '}R'):
        with pytest.raises(Refused, match='it calls'):
            read(name(path), call)


@pytest.mark.parametrize('call', ['K\1)R', 'X\1\0\0\0x)R', '})R', 'ctorch\nfloat32\n)R'])
def test_values_are_not_called(call: str) -> None:
    with pytest.raises(Refused, match='it calls a '):
        read(call)


@pytest.mark.parametrize(
    'filling', [')K\1a', '}K\1a', '\x8fK\1a', '](K\1K\1u', 'cbuiltins\nset\n](K\1e\x85RK\1a']
)
def test_only_lists_grow_and_only_dicts_have_entries(filling: str) -> None:
    with pytest.raises(Refused):
        read(filling)
    with pytest.raises(Refused):
        read(name('argparse.Namespace'), ')\x81K\1K\1s')


def storage(text: str, kind: str, key: str = 'X\1\0\0\x000', count: str = 'K\4') -> str:
    return f'(X{chr(len(text))}\0\0\0{text}{kind}{key}X\3\0\0\0cpu{count}tQ'


@pytest.mark.parametrize(
    'persistent',
    [
        'K\1Q',
        '}Q',
        ')Q',
        storage('module', 'ctorch\nFloatStorage\n'),
        storage('storage', 'N'),
        storage('storage', 'cargparse\nNamespace\n)\x81}X\5\0\0\0dtypectorch\nfloat32\nsb'),
        storage('storage', 'ctorch\nTensor\n'),
        storage('storage', 'ctorch\nFloatStorage\n', key='K\1'),
        storage('storage', 'ctorch\nFloatStorage\n', count='J\xff\xff\xff\xff'),
        storage('storage', 'ctorch\nFloatStorage\n', count='\x88'),
    ],
)
def test_a_persistent_id_is_that_of_a_storage(persistent: str) -> None:
    class Reader(pickle_reader.Unpickler):
        def persistent_load(self, name: Any) -> Any:
            pytest.fail(f'torch is given {name}')

    with pytest.raises(Refused, match='it calls a storage'):
        Reader(io.BytesIO(f'\x80\2{persistent}.'.encode('latin1')), encoding='utf-8').load()


@pytest.mark.parametrize('instruction', [op.code for op in pickletools.opcodes])
def test_instructions_that_torch_does_not_write_are_refused(instruction: str) -> None:
    code = ord(instruction)
    if code not in pickle_reader.Unpickler.dispatch:
        with pytest.raises(Refused, match='it has the instruction'):
            read(instruction, 'X\1\0\0\0x' * 3)
    else:
        methods = vars(pickle_reader.Unpickler).values()
        is_ours = pickle_reader.Unpickler.dispatch[code] in methods
        assert is_ours or pickletools.code2op[instruction].name not in (
            *('GLOBAL', 'REDUCE', 'BUILD', 'NEWOBJ', 'BINPERSID', 'APPEND', 'SETITEM'),
        )


def test_a_getattr_chain_ends_at_a_text() -> None:
    history = name('mmengine.logging.history_buffer.HistoryBuffer')
    getattr_ = name('__builtin__.getattr')
    assert read(getattr_, history, 'X\4\0\0\0mean\x86R') == 'mean'
    for owner in (history, name('torch.Tensor'), name('argparse.Namespace'), getattr_):
        for attribute in ('__init__', '__class__', '__globals__', 'numpy', 'mean_'):
            text = f'X{chr(len(attribute))}\0\0\0{attribute}'
            with pytest.raises(pickle.UnpicklingError, match='may not ask for'):
                read(getattr_, owner, text, '\x86R')
    with pytest.raises(pickle.UnpicklingError):
        read(getattr_, getattr_, history, 'X\4\0\0\0mean\x86RX\7\0\0\0__add__\x86R')


def test_programs_of_torchscript_are_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / 'x.pth')
    for file in (tmp_path / 'x.pth', io.BytesIO((tmp_path / 'x.pth').read_bytes())):
        with pytest.raises((pickle.UnpicklingError, RuntimeError), match='TorchScript'):
            safe_load(file)


def tar_of(first: bytes, folder: Path) -> bytes:
    """A tar archive as torch 0.1 wrote them, with calls; it begins with these bytes."""
    call = f'cos\nmkdir\n(S"{folder}"\ntR.'.encode()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w:') as archive:
        for member in ('first', 'storages', 'tensors', 'pickle'):
            info = tarfile.TarInfo(member)
            info.size = len(call)
            archive.addfile(info, io.BytesIO(call))
    data = bytearray(file.getvalue())
    data[: len(first)] = first
    data[148:156] = b' ' * 8
    data[148:156] = b'%06o\0 ' % sum(data[:512])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames()[1:] == ['storages', 'tensors', 'pickle']
    return bytes(data)


def test_tar_archives_are_no_checkpoints(tmp_path: Path) -> None:
    """Not even one that is a checkpoint, too, of other pickles than those in the archive."""
    (tmp_path / 'x.pth').write_bytes(tar_of(b'', tmp_path / 'made'))
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        safe_load(tmp_path / 'x.pth')
    write({'w': torch.ones(2)}, tmp_path / 'y.pth', legacy=True)
    data, file = (tmp_path / 'y.pth').read_bytes(), io.BytesIO((tmp_path / 'y.pth').read_bytes())
    ends = []
    for _ in range(3):  # the mark, the version, and the description of the system
        list(pickletools.genops(file))
        ends.append(file.tell())
    start = data[: ends[1]] + b'\x80\x02X'
    length = len(tar_of(b'', tmp_path / 'made')) - len(start) - 4
    both = tar_of(start + struct.pack('<I', length), tmp_path / 'made')
    (tmp_path / 'z.pth').write_bytes(both + b'.' + data[ends[2] :])
    try:
        assert safe_load(tmp_path / 'z.pth')['w'].tolist() == [1, 1]
    except (pickle.UnpicklingError, RuntimeError) as error:  # of torch 2.6 and newer
        assert 'tar' in str(error)
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize('state', [None, {'x': 1}, (None, {'x': 1})])
@pytest.mark.parametrize(
    'call',
    [
        (np.dtype, [('a', 'O')]),
        (np.dtype, 'O8'),
        (np.dtype, 'V8'),
        (np.ndarray, (4,)),
        (np.frombuffer, b'12345678', 'O'),
        (np.void, b'x'),
    ],
)
def test_numpy_makes_nothing_but_numbers_and_texts(tmp_path: Path, call: Any, state: Any) -> None:
    with pytest.raises(pickle.UnpicklingError):
        load_by_reader(write({'x': Calls(*call, state=state)}, tmp_path / 'x.pth', False))
