"""Every engine gets the images that it was made for, whatever the caller's tensor looks like."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.deploy import optimize
from hrnet_mm.deploy.optimize import optimize_on_first_image
from hrnet_mm.deploy.trunk import ImageSpec
from tests.deploy.helpers import EVERY_ENGINE, Made
from tests.helpers import assert_same, small_net

SIZE = (40, 33)


@pytest.mark.parametrize('backend', EVERY_ENGINE)
@pytest.mark.parametrize('channels', [0, 1, 2, 4, 16, 20_000])
def test_other_channels_are_refused(channels: int, backend: str, engines: Made) -> None:
    fast, _ = engines(backend)
    with pytest.raises(ValueError, match=rf'has shape \(1, {channels}, 32, 32\) .* \(N, 3, H, W\)'):
        fast(torch.zeros(1, channels, 32, 32))


@pytest.mark.parametrize(
    ('image', 'error', 'message'),
    [
        (torch.rand(3, 64, 64), ValueError, r'has shape \(3, 64, 64\)'),
        (torch.rand(1, 1, 3, 64, 64), ValueError, r'has shape \(1, 1, 3, 64, 64\)'),
        (torch.rand(()), ValueError, r'has shape \(\)'),
        (torch.rand(1, 64, 64, 3), ValueError, r'has shape \(1, 64, 64, 3\)'),
        (torch.rand(1, 3, 64, 31), ValueError, 'H and W at least 32'),
        (torch.rand(1, 3, 0, 64), ValueError, 'H and W at least 32'),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), ValueError, 'type torch.uint8'),
        (torch.zeros(1, 3, 64, 64, dtype=torch.complex64), ValueError, 'type torch.complex64'),
        (torch.rand(1, 3, 64, 64).to_sparse(), TypeError, 'must be a dense image tensor'),
        (torch.rand(1, 3, 64, 64).numpy(), TypeError, 'must be an image tensor, not a ndarray'),
        (None, TypeError, 'must be an image tensor, not a NoneType'),
        (torch.empty(1, 3, 64, 64, device='meta'), ValueError, 'the image is on meta'),
    ],
    ids=lambda value: str(getattr(value, 'shape', ''))[:40],
)
@pytest.mark.parametrize('make', ['optimize', 'optimize_on_first_image'])
def test_what_is_no_image_is_refused(
    make: str, image: object, error: type[Exception], message: str
) -> None:
    net = small_net()
    if make == 'optimize':
        fast = optimize(net, torch.rand(1, 3, 32, 32), backend='eager')
    else:
        fast = optimize_on_first_image(net, backend='eager')
    with pytest.raises(error, match=f'the image .*{message}|{message}'):
        fast(image)


# Tensors (2, 3, *SIZE) of other types and other places in memory.
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    'channels last': lambda x: x.contiguous(memory_format=torch.channels_last),
    'slice of wider pixels': lambda x: nn.functional.pad(x, (0, 0, 0, 0, 13, 0)).contiguous(
        memory_format=torch.channels_last
    )[:, 13:],
    'cut out': lambda x: nn.functional.pad(x, (3, 2, 5, 1))[..., 5:-1, 3:-2],
    'every second': lambda x: x.repeat_interleave(2, 3)[..., ::2],
    'transposed': lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    'expanded': lambda x: x[:1, :1].expand(2, 3, *SIZE),
    'one of a batch': lambda x: x[1:],
    'negated lazily': lambda x: torch.complex(x, x).conj().imag,
    'needs a gradient': lambda x: x.clone().requires_grad_(),
    'float64': lambda x: x.double(),
    'float16': lambda x: x.half(),
}


@pytest.mark.parametrize('backend', EVERY_ENGINE)
@pytest.mark.parametrize('layout', LAYOUTS)
def test_any_layout_of_the_image(layout: str, backend: str, engines: Made) -> None:
    fast, net = engines(backend)
    image = LAYOUTS[layout](torch.randn(2, 3, *SIZE))
    expected = net(image.detach().float().resolve_neg().contiguous())
    assert_same(fast(image), expected)
    assert not any(x.requires_grad for x in fast(image))


def test_strides_are_the_same_for_all_images_of_a_shape() -> None:
    spec, batch = ImageSpec(1, 32, torch.device('cpu')), torch.rand(6, 1, *SIZE)
    images = [
        batch[:1],
        batch[::2][:1],
        batch.mT.contiguous().mT[:1],
        batch[:0].expand(0, 1, *SIZE),
    ]
    strides = {spec.checked('the image', image).stride() for image in images}
    assert strides == {torch.empty(1, 1, *SIZE).stride()}


def test_a_device_is_what_its_tensors_say() -> None:
    assert ImageSpec(3, 32, torch.device('cpu:0')).device == torch.device('cpu')
    ImageSpec(3, 32, torch.device('cpu:0')).checked('the image', torch.empty(1, 3, 32, 32))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_gpu_without_a_number_is_the_current_one() -> None:
    spec = ImageSpec(3, 32, torch.device('cuda'))
    assert spec.device == torch.device('cuda', torch.cuda.current_device())


def test_an_example_on_another_device_is_moved_or_refused() -> None:
    with pytest.raises(ValueError, match='example_input is on meta, .* optimised on cpu'):
        optimize(small_net(), torch.empty(1, 3, 64, 64, device='meta'), backend='eager')
    with pytest.raises(ValueError, match=r'example_input has shape \(0, 3, 64, 64\); N must be'):
        optimize(small_net(), torch.empty(0, 3, 64, 64), backend='eager')


@pytest.mark.parametrize('backend', ['eager', 'native', 'onnxruntime'])  # OpenVINO is not forked
@pytest.mark.parametrize('pixel', [3, 16])
def test_no_engine_reads_past_the_end_of_the_image(pixel: int, backend: str, engines: Made) -> None:
    """The image ends where a page does that nobody may read after."""
    fast, net = engines(backend)
    with pages_before_a_wall(4 * 64 * 64 * pixel) as memory:
        pixels = torch.frombuffer(memory, dtype=torch.float32).view(1, 64, 64, pixel)
        pixels.copy_(torch.randn(pixels.shape))
        image = pixels[..., pixel - 3 :].permute(0, 3, 1, 2)
        expected = net(image)
        assert in_a_fork(lambda: assert_same(fast(image), expected)) == 0


class pages_before_a_wall:
    """That many bytes, a multiple of a page, before one that must not be read."""

    def __init__(self, size: int) -> None:
        assert size % mmap.PAGESIZE == 0
        self.size = size
        self.pages = mmap.mmap(-1, size + mmap.PAGESIZE)
        self.wall = ctypes.addressof(ctypes.c_char.from_buffer(self.pages)) + size

    def __enter__(self) -> memoryview:
        self._protect(0)  # PROT_NONE
        return memoryview(self.pages)[: self.size]

    def __exit__(self, *_: object) -> None:
        self._protect(mmap.PROT_READ | mmap.PROT_WRITE)

    def _protect(self, how: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.mprotect(ctypes.c_void_p(self.wall), mmap.PAGESIZE, how) == 0


def in_a_fork(work: Callable[[], None]) -> int:
    """How a forked process ends that does the work: 0, 1 or the negative of a signal."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        torch.set_num_threads(1)
        try:
            work()
        except BaseException as error:
            print(error)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
