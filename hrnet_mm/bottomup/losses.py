"""The losses of HigherHRNet, as lib/core/loss.py of its official code computes them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def heatmap_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """The squared difference where the mask is 1, its mean over batch, keypoints and pixels.

    Masked pixels count in the mean, as zeros.

    Args:
        predicted, target: (N, K, H, W).
        mask: (N, 1, H, W), 0 where there are people without annotations.
    """
    return ((predicted - target).square() * mask).mean()


def tag_losses(tags: Tensor, indices: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Pull the tags of a person together and push the people of an image apart.

    With t_pk the tag of person p at its keypoint k, and t_p their mean over the visible ones:

        pull = mean over p of mean over k of (t_pk - t_p)**2
        push = 0.5 * mean over ordered pairs p != q of exp(-(t_p - t_q)**2)

    of every image, and the mean over the batch. A person without visible keypoints is none; an
    image without people has both 0, one with one person has no push. mmpose's
    AssociativeEmbeddingLoss sums over the batch, so that it grows with the batch size, counts each
    person's own exp(0) as a pair, and adds 1e-6 to the numbers of people and pairs.

    Args:
        tags: (N, K, H, W).
        indices: for every image (P, K, 2): where a keypoint is in the map, y * W + x, and whether
            it is visible.

    Returns:
        The two losses, without a factor.
    """
    losses = [_of_image(*image) for image in zip(tags.flatten(2), indices, strict=True)]
    pulls, pushes = zip(*losses, strict=True)
    return torch.stack(pulls).mean(), torch.stack(pushes).mean()


def _of_image(tags: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Tags (K, H * W) and keypoints (P, K, 2) of one image -> pull and push."""
    visible = indices[..., 1] > 0
    seen = visible.any(dim=1)
    number = int(seen.sum())
    if number == 0:
        return tags.new_zeros(()), tags.new_zeros(())
    places, visible = indices[seen][..., 0], visible[seen].to(tags.dtype)
    at_keypoints = tags.gather(1, places.T).T  # (P, K)
    counts = visible.sum(dim=1)
    means = (at_keypoints * visible).sum(dim=1) / counts
    distances = (at_keypoints - means[:, None]).square() * visible
    pull = (distances.sum(dim=1) / counts).mean()
    if number == 1:
        return pull, tags.new_zeros(())
    similar = torch.exp(-(means[:, None] - means).square())
    return pull, 0.5 * (similar.sum() - number) / (number * (number - 1))
