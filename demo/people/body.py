"""A jointed human body in three dimensions.

Axes, for the camera and for a body that faces it: x points to the right of the image, which is
the person's own left; y points down; z points at the viewer. The projection is orthographic, so
the image position of a joint is its (x, y). Lengths are fractions of the standing height until
:func:`build_skeleton` scales them to pixels. Angles are radians.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

KEYPOINTS = (
    'nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear', 'left_shoulder', 'right_shoulder',
    'left_elbow', 'right_elbow', 'left_wrist', 'right_wrist', 'left_hip', 'right_hip',
    'left_knee', 'right_knee', 'left_ankle', 'right_ankle',
)  # fmt: skip
FACE = ('nose', 'left_eye', 'right_eye')
SIDES = (('left', 1.0), ('right', -1.0))  # name and sign of the person's own side on the x axis

# Where the keypoints of the head lie on an ellipsoid of unit axes, as (left, down, forward).
HEAD_POINTS = {
    'nose': (0.0, 0.16, 1.0),
    'left_eye': (0.37, -0.10, 0.90),
    'right_eye': (-0.37, -0.10, 0.90),
    'left_ear': (0.97, 0.06, -0.08),
    'right_ear': (-0.97, 0.06, -0.08),
}


@dataclass(frozen=True)
class Proportions:
    """Lengths of one person's parts as fractions of the standing height."""

    head_height: float = 0.100  # half axes of the head
    head_width: float = 0.082
    head_depth: float = 0.086
    neck: float = 0.035
    torso: float = 0.285  # hip line to shoulder line
    shoulder: float = 0.112  # half of the distance between the joints
    hip: float = 0.062
    upper_arm: float = 0.170
    forearm: float = 0.150
    hand: float = 0.055
    thigh: float = 0.245
    shank: float = 0.240
    foot: float = 0.095

    @classmethod
    def sample(cls, rng: np.random.Generator) -> 'Proportions':
        """Vary every length by up to 8 %, independently of each other."""
        return cls(**{f.name: f.default * rng.uniform(0.92, 1.08) for f in fields(cls)})


@dataclass(frozen=True)
class Limb:
    """Angles of an arm or a leg; all zero hangs straight down.

    Args:
        flexion: forward swing at the shoulder or hip; at pi / 2 the limb points forward.
        abduction: outward swing; at pi / 2 the limb points sideways.
        bend: of the elbow or knee; 0 is straight.
        twist: turns the elbow's bend from forward to outward (upward for a level arm).
    """

    flexion: float
    abduction: float
    bend: float
    twist: float = 0.0


@dataclass(frozen=True)
class Pose:
    """Angles of the whole body.

    Args:
        yaw: 0 faces the viewer, pi shows the back, positive turns the face to the image's right.
        tilt: of the camera, positive looks down on the person.
        roll: rotation in the image plane.
        lean: forward bend of the torso; ``side_bend`` and ``turn`` are relative to the hips.
        head: (yaw, pitch, roll) of the head relative to the torso.
        arms, legs: the left limb, then the right one.
    """

    yaw: float
    tilt: float
    roll: float
    lean: float
    side_bend: float
    turn: float
    head: tuple[float, float, float]
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]


@dataclass(frozen=True)
class Skeleton:
    """A posed body in pixels.

    Attributes:
        joints: name -> (x, y, z). The 17 keypoints and ``pelvis``, ``chest``, ``head`` (its
            centre) and ``left_hand``, ``left_toe``, ``right_hand``, ``right_toe`` (tips).
        torso, head: rotations (3, 3) whose columns are the part's left, down and forward.
        scale: pixels of the standing height.
        proportions: the lengths it was built with.
    """

    joints: dict[str, np.ndarray]
    torso: np.ndarray
    head: np.ndarray
    scale: float
    proportions: Proportions

    def moved(self, x: float, y: float) -> 'Skeleton':
        """The same body, shifted in the image by (x, y) pixels."""
        shift = np.array([x, y, 0.0])
        return replace(self, joints={name: at + shift for name, at in self.joints.items()})

    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest (x, y) of all joints."""
        at = np.array(list(self.joints.values()))[:, :2]
        return at.min(axis=0), at.max(axis=0)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation (3, 3): yaw about y, then pitch about x, then roll about z.

    Positive pitch brings what is above, such as the head above the hips, towards the viewer.
    """
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def limb_axes(limb: Limb, side: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal (along, forward, outward) of an upper arm or a thigh."""
    (cf, ca), (sf, sa) = (f([limb.flexion, limb.abduction]) for f in (np.cos, np.sin))
    along = np.array([side * sa, ca * cf, ca * sf])
    forward = np.array([0.0, -sf, cf])
    outward = np.array([side * ca, -sa * cf, -sa * sf])
    return along, forward, outward


def build_skeleton(proportions: Proportions, pose: Pose, scale: float) -> Skeleton:
    """Pose a body with its pelvis at the origin.

    Args:
        proportions: lengths as fractions of the standing height.
        pose: the angles.
        scale: pixels of the standing height.
    """
    p = proportions
    hips = rotation(pose.yaw, pose.tilt, pose.roll)
    torso = hips @ rotation(pose.turn, pose.lean, pose.side_bend)
    head = torso @ rotation(*pose.head)
    up = np.array([0.0, -1.0, 0.0])

    joints = {'pelvis': np.zeros(3), 'chest': torso @ up * p.torso}
    neck_top = joints['chest'] + torso @ up * (p.neck + 0.03)
    joints['head'] = neck_top + head @ np.array([0.0, -0.75 * p.head_height, 0.02])
    axes = np.array([p.head_width, p.head_height, p.head_depth])
    for name, direction in HEAD_POINTS.items():
        joints[name] = joints['head'] + head @ (axes * direction)

    for (name, side), arm, leg in zip(SIDES, pose.arms, pose.legs, strict=True):
        along, forward, outward = limb_axes(arm, side)
        bend = np.cos(arm.twist) * forward + np.sin(arm.twist) * outward
        lower = np.cos(arm.bend) * along + np.sin(arm.bend) * bend
        shoulder = joints['chest'] + torso @ np.array([side * p.shoulder, 0.0, 0.0])
        joints[f'{name}_shoulder'] = shoulder
        joints[f'{name}_elbow'] = elbow = shoulder + torso @ along * p.upper_arm
        joints[f'{name}_wrist'] = wrist = elbow + torso @ lower * p.forearm
        joints[f'{name}_hand'] = wrist + torso @ lower * p.hand

        along, forward, outward = limb_axes(leg, side)
        lower = np.cos(leg.bend) * along - np.sin(leg.bend) * forward
        toes = np.sin(leg.bend) * along + np.cos(leg.bend) * forward
        hip = hips @ np.array([side * p.hip, 0.0, 0.0])
        joints[f'{name}_hip'] = hip
        joints[f'{name}_knee'] = knee = hip + hips @ along * p.thigh
        joints[f'{name}_ankle'] = ankle = knee + hips @ lower * p.shank
        foot = 0.85 * toes + 0.35 * lower + 0.3 * outward
        joints[f'{name}_toe'] = ankle + hips @ foot * p.foot

    joints = {name: at * scale for name, at in joints.items()}
    return Skeleton(joints, torso, head, scale, proportions)
