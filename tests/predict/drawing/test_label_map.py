import numpy as np

from hrnet_mm.predict.drawing.label_map import draw_label_map


def test_every_pixel_is_under_the_color_of_its_class() -> None:
    image = np.full((2, 3, 3), 100, np.uint8)
    labels = np.uint8([[0, 1, 1], [2, 0, 0]])
    colors = np.uint8([[0, 0, 0], [200, 100, 0], [0, 0, 255]])
    drawn = draw_label_map(image, labels, colors)
    assert drawn[0, 0].tolist() == [45, 45, 45]
    assert drawn[0, 1].tolist() == drawn[0, 2].tolist() == [155, 100, 45]
    assert drawn[1, 0].tolist() == [45, 45, 185]
    assert (image == 100).all()
