"""The losses against the same formulas written out person by person, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hrnet_mm.bottomup.losses import heatmap_loss, tag_losses

K, HEIGHT, WIDTH = 5, 6, 7


def plain_tag_losses(tags: np.ndarray, indices: list[np.ndarray]) -> tuple[float, float]:
    pulls, pushes = [], []
    for of_image, people in zip(tags, indices, strict=True):
        means, pull = [], 0.0
        for person in people:
            own = [of_image[k].flat[place] for k, (place, visible) in enumerate(person) if visible]
            if own:
                means.append(sum(own) / len(own))
                pull += sum((tag - means[-1]) ** 2 for tag in own) / len(own)
        n = len(means)
        pulls.append(pull / n if n else 0.0)
        pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
        push = sum(math.exp(-((means[i] - means[j]) ** 2)) for i, j in pairs)
        pushes.append(0.5 * push / len(pairs) if pairs else 0.0)
    return sum(pulls) / len(pulls), sum(pushes) / len(pushes)


def people(number: int, seed: int, visible: float = 0.6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    places = rng.integers(0, HEIGHT * WIDTH, (number, K))
    return np.stack([places, rng.random((number, K)) < visible], axis=-1)


CASES = {
    'several': [people(4, 1), people(2, 2)],
    'nobody_in_an_image': [people(0, 3), people(3, 4)],
    'nobody_in_any_image': [people(0, 5), people(0, 6)],
    'one_in_each_image': [people(1, 7, 1.0), people(1, 8, 1.0)],
    'without_visible_keypoints': [
        people(3, 9, 0.0),
        np.concatenate([people(1, 1, 0.0), people(2, 2)]),
    ],
    'fifty': [people(50, 10), people(31, 11)],
}


@pytest.mark.parametrize('case', CASES)
def test_tags_are_pulled_and_pushed_by_the_formulas(case: str) -> None:
    torch.manual_seed(0)
    indices = CASES[case]
    tags = torch.randn(2, K, HEIGHT, WIDTH, dtype=torch.float64, requires_grad=True)
    losses = tag_losses(tags, [torch.from_numpy(x) for x in indices])
    expected = plain_tag_losses(tags.detach().numpy(), indices)
    np.testing.assert_allclose([loss.item() for loss in losses], expected, rtol=1e-12, atol=1e-15)
    (sum(losses) + 0 * tags.sum()).backward()  # some have no gradient of their own
    assert tags.grad.isfinite().all()


def test_gradients_are_those_of_the_losses() -> None:
    torch.manual_seed(0)
    tags = torch.randn(2, K, HEIGHT, WIDTH, dtype=torch.float64, requires_grad=True)
    indices = [torch.from_numpy(x) for x in CASES['several']]
    assert torch.autograd.gradcheck(lambda x: tag_losses(x, indices), tags)
    target, mask = torch.rand(2, K, HEIGHT, WIDTH).double(), torch.rand(2, 1, HEIGHT, WIDTH) > 0.5
    assert torch.autograd.gradcheck(lambda x: heatmap_loss(x, target, mask), tags)


def test_heat_counts_where_the_mask_is_1_in_a_mean_over_everything() -> None:
    rng = np.random.default_rng(0)
    predicted, target = rng.random((2, 2, K, HEIGHT, WIDTH))
    mask = rng.random((2, HEIGHT, WIDTH)) > 0.3
    of_images = [
        np.mean([np.mean((p - t) ** 2 * seen) for p, t in zip(*maps, strict=True)])
        for *maps, seen in zip(predicted, target, mask, strict=True)
    ]
    loss = heatmap_loss(*map(torch.from_numpy, (predicted, target, mask[:, None])))
    assert math.isclose(loss.item(), np.mean(of_images), rel_tol=1e-12)
