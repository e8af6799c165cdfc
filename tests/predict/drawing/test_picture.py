import numpy as np
import pytest

from hrnet_mm.predict.drawing.picture import as_picture

BYTES = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)


@pytest.mark.parametrize('number', [np.uint8, np.float32, np.float64])
def test_bytes_keep_their_values(number: type) -> None:
    assert (as_picture(BYTES.astype(number)) == BYTES).all()


@pytest.mark.parametrize('shape', [(4, 5), (4, 5, 1), (4, 5, 2)])
def test_one_or_two_channels_are_gray(shape: tuple[int, ...]) -> None:
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    first = image.reshape(4, 5, -1)[..., :1]
    assert as_picture(image).shape == (4, 5, 3)
    assert (as_picture(image) == first).all()


@pytest.mark.parametrize('channels', [4, 13])
def test_of_many_channels_the_first_three_are_shown(channels: int) -> None:
    image = np.dstack([BYTES, np.full((4, 5, channels - 3), 9, np.uint8)])
    assert (as_picture(image) == BYTES).all()


@pytest.mark.parametrize('number', [np.uint16, np.int16, np.int64, np.float16, np.float32])
def test_other_numbers_are_stretched(number: type) -> None:
    image = (np.linspace(0, 1, 60).reshape(4, 5, 3) * 3000 - 7 * (number != np.uint16)).astype(
        number
    )
    shown = as_picture(image)
    assert (shown.min(), shown.max()) == (0, 255)
    assert np.abs(shown - np.linspace(0, 255, 60).reshape(4, 5, 3)).max() < 1.1


def test_what_is_no_number_or_all_alike_is_shown_too() -> None:
    image = np.float32([[np.nan, 0.25], [np.inf, 0.75]])
    assert as_picture(image)[..., 0].tolist() == [[0, 0], [255, 255]]
    assert as_picture(np.full((2, 2), np.nan, np.float32)).tolist() == np.zeros((2, 2, 3)).tolist()
    assert as_picture(np.full((2, 2), 0.5, np.float32)).max() == 0
