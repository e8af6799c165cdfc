"""Draws one posed person and keeps which body part is on top at every pixel."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from demo.people.appearance import Look, Plain
from demo.people.body import FACE, HEAD_POINTS, KEYPOINTS, Skeleton
from demo.people.sprite import Layer, Light, Sprite

SEGMENTATION_CLASSES = ('background', 'head', 'torso', 'arm', 'leg')
SEGMENTATION_PALETTE = ((0, 0, 0), (230, 60, 60), (60, 160, 230), (250, 190, 40), (60, 180, 90))


class Part(IntEnum):
    """Body parts as they stand in the id buffers; 0 is no part."""

    NONE = 0
    HEAD = 1
    LEFT_EAR = 2
    RIGHT_EAR = 3
    TORSO = 4
    LEFT_UPPER_ARM = 5
    RIGHT_UPPER_ARM = 6
    LEFT_FOREARM = 7
    RIGHT_FOREARM = 8
    LEFT_THIGH = 9
    RIGHT_THIGH = 10
    LEFT_SHANK = 11
    RIGHT_SHANK = 12


def class_of_part(part: Part) -> int:
    """Index into ``SEGMENTATION_CLASSES``; the neck and ears belong to the head."""
    words = {'NONE': 0, 'HEAD': 1, 'EAR': 1, 'TORSO': 2, 'ARM': 3, 'FOREARM': 3}
    return words.get(part.name.split('_')[-1], 4)


CLASS_OF_PART = np.array([class_of_part(part) for part in Part], np.uint8)

# The parts that meet at a joint: where one of them is on top, the joint is visible.
_PARTS_AT = {
    'nose': ('HEAD',), 'eye': ('HEAD',), 'ear': ('{}_EAR',),
    'shoulder': ('TORSO', '{}_UPPER_ARM'), 'elbow': ('{}_UPPER_ARM', '{}_FOREARM'),
    'wrist': ('{}_FOREARM',), 'hip': ('TORSO', '{}_THIGH'),
    'knee': ('{}_THIGH', '{}_SHANK'), 'ankle': ('{}_SHANK',),
}  # fmt: skip


def parts_at(keypoint: str) -> frozenset[Part]:
    """Parts that count as the keypoint itself; hands and feet belong to the part above them."""
    side, _, joint = keypoint.rpartition('_')
    return frozenset(Part[name.format(side.upper())] for name in _PARTS_AT[joint])


PARTS_AT = tuple(parts_at(name) for name in KEYPOINTS)


@dataclass(frozen=True)
class Figure:
    """A drawn person.

    Attributes:
        layer: colours and parts.
        keypoints: (17, 2) image positions in COCO's order.
        present: (17,) bool, False where the body does not show the point from this side at all.
        facing: (17,) bool, False where the body's own surface turns away from the viewer.
        ground: (x, y, radius) of the shadow at the feet, pixels.
    """

    layer: Layer
    keypoints: np.ndarray
    present: np.ndarray
    facing: np.ndarray
    ground: tuple[float, float, float]


def draw_figure(skeleton: Skeleton, look: Look, light: Light) -> Figure:
    """Render a skeleton, in pixels where it stands, with a look under a light."""
    low, high = skeleton.extent()
    margin = 0.18 * skeleton.scale
    sprite = Sprite(low - margin, high + margin, light, skeleton.scale)
    _draw_torso(sprite, skeleton, look)
    for side in ('left', 'right'):
        _draw_arm(sprite, skeleton, look, side)
        _draw_leg(sprite, skeleton, look, side)
    _draw_head(sprite, skeleton, look)

    facing = np.ones(len(KEYPOINTS), bool)
    for index, name in enumerate(FACE):
        facing[index] = (skeleton.head @ HEAD_POINTS[name])[2] > 0.15
    present = np.ones(len(KEYPOINTS), bool)
    present[: len(FACE)] = skeleton.head[2, 2] > -0.1
    keypoints = np.array([skeleton.joints[name][:2] for name in KEYPOINTS])
    feet = np.array([skeleton.joints[f'{side}_toe'][:2] for side in ('left', 'right')])
    radius = 0.09 * skeleton.scale + np.ptp(feet[:, 0]) / 2
    ground = (float(feet[:, 0].mean()), float(feet[:, 1].max()), float(radius))
    return Figure(sprite.resolve(), keypoints, present, facing, ground)


def _draw_torso(sprite: Sprite, skeleton: Skeleton, look: Look) -> None:
    at, size, p = skeleton.joints, skeleton.scale, skeleton.proportions
    frame, build = skeleton.torso, look.build
    shoulder, hip = (p.shoulder + 0.006 * build) * size, (p.hip + 0.034 * build) * size
    sprite.tube(Part.TORSO, at['chest'], at['pelvis'], (shoulder, hip), look.shirt, frame, 0.55)
    round_shoulder, round_hip = 0.038 * build * size, 0.052 * build * size
    sprite.tube(
        Part.TORSO,
        at['left_shoulder'],
        at['right_shoulder'],
        (round_shoulder, round_shoulder),
        look.shirt.cloth,
    )
    sprite.tube(Part.TORSO, at['left_hip'], at['right_hip'], (round_hip, round_hip), look.thigh)
    if look.backpack is not None:
        center = at['chest'] + frame @ np.array([0, 0.13, -0.085 * build]) * size
        axes = np.array([0.085, 0.11, 0.06]) * size
        sprite.ellipsoid(Part.TORSO, center, axes, frame, look.backpack)


def _draw_arm(sprite: Sprite, skeleton: Skeleton, look: Look, side: str) -> None:
    at, thick = skeleton.joints, look.build * skeleton.scale
    shoulder, elbow, wrist, hand = (
        at[f'{side}_{joint}'] for joint in ('shoulder', 'elbow', 'wrist', 'hand')
    )
    upper, lower = Part[f'{side}_upper_arm'.upper()], Part[f'{side}_forearm'.upper()]
    sprite.tube(upper, shoulder, elbow, (0.036 * thick, 0.029 * thick), look.upper_arm)
    sprite.tube(lower, elbow, wrist, (0.028 * thick, 0.020 * thick), look.forearm)
    sprite.tube(lower, wrist, hand, (0.021 * thick, 0.019 * thick), look.skin)


def _draw_leg(sprite: Sprite, skeleton: Skeleton, look: Look, side: str) -> None:
    at, thick = skeleton.joints, look.build * skeleton.scale
    hip, knee, ankle, toe = (at[f'{side}_{joint}'] for joint in ('hip', 'knee', 'ankle', 'toe'))
    thigh, shank = Part[f'{side}_thigh'.upper()], Part[f'{side}_shank'.upper()]
    wide = thick * look.fit
    below = thick if look.shank is look.skin else wide
    sprite.tube(thigh, hip, knee, (0.056 * wide, 0.042 * wide), look.thigh)
    sprite.tube(shank, knee, ankle, (0.039 * below, 0.027 * below), look.shank)
    sprite.tube(shank, ankle, toe, (0.029 * thick, 0.022 * thick), look.shoe)


def _draw_head(sprite: Sprite, skeleton: Skeleton, look: Look) -> None:
    at, p, frame = skeleton.joints, skeleton.proportions, skeleton.head
    axes = np.array([p.head_width, p.head_height, p.head_depth]) * skeleton.scale

    def place(left: float, down: float, forward: float) -> np.ndarray:
        return at['head'] + frame @ (axes * (left, down, forward))

    neck = 0.034 * look.build * skeleton.scale
    sprite.tube(Part.HEAD, at['chest'], at['head'], (neck * 1.1, neck), look.skin)
    sprite.ellipsoid(Part.HEAD, at['head'], axes, frame, look.face)
    nose = Plain(look.face.skin * (0.92, 0.72, 0.66))
    sprite.ellipsoid(Part.HEAD, place(0, 0.18, 0.95), axes * (0.15, 0.20, 0.28), frame, nose)
    if look.long_hair:
        sprite.ellipsoid(Part.HEAD, place(0, 0.55, -0.5), axes * (1.06, 1.3, 0.6), frame, look.hair)
    if look.face.cap is not None:
        brim = Plain(look.face.cap * 0.85)
        sprite.ellipsoid(Part.HEAD, place(0, -0.5, 0.85), axes * (0.75, 0.10, 0.65), frame, brim)
    for part, name in ((Part.LEFT_EAR, 'left_ear'), (Part.RIGHT_EAR, 'right_ear')):
        ear = axes * (0.16, 0.28, 0.22)
        sprite.ellipsoid(part, place(*HEAD_POINTS[name]), ear, frame, look.skin)
