"""Random poses within human limits: how people stand, walk, crouch, sit, wave and point."""

import numpy as np

from demo.people.body import Limb, Pose

BACK_VIEW_SHARE = 0.2

# Ranges in degrees: (flexion, abduction, bend, twist).
ARMS = {
    'hanging': ((-25, 30), (4, 25), (3, 50), (-80, 0)),
    'raised': ((-15, 35), (85, 165), (0, 110), (20, 130)),
    'sideways': ((-20, 30), (50, 95), (0, 95), (-90, 90)),
    'forward': ((35, 115), (-5, 35), (0, 105), (-45, 30)),
    'on_hip': ((-20, 5), (35, 60), (75, 115), (-115, -75)),
    'folded': ((15, 45), (0, 20), (80, 125), (-80, -40)),
}
ARM_WEIGHTS = (0.34, 0.20, 0.18, 0.12, 0.10, 0.06)

# Ranges in degrees: (flexion, abduction, bend).
LEGS = {
    'straight': ((-6, 10), (0, 10), (0, 12)),
    'apart': ((-8, 14), (10, 32), (0, 25)),
    'lifted': ((30, 95), (0, 35), (20, 115)),
    'crouching': ((50, 100), (5, 35), (70, 125)),
    'sitting': ((70, 95), (0, 25), (65, 100)),
}
STANCES = ('straight', 'apart', 'walking', 'lifted', 'crouching', 'sitting')
STANCE_WEIGHTS = (0.25, 0.20, 0.25, 0.12, 0.10, 0.08)


def degrees(rng: np.random.Generator, low: float, high: float) -> float:
    """A uniform angle between two limits in degrees, in radians."""
    return float(np.deg2rad(rng.uniform(low, high)))


def sample_limb(rng: np.random.Generator, ranges: tuple[tuple[float, float], ...]) -> Limb:
    """A limb with every angle inside its own range."""
    return Limb(*(degrees(rng, *limits) for limits in ranges))


def sample_arms(rng: np.random.Generator) -> tuple[Limb, Limb]:
    """Two arms; in half of the people both do the same kind of thing."""
    first, second = rng.choice(list(ARMS), size=2, p=ARM_WEIGHTS)
    if rng.random() < 0.5:
        second = first
    return sample_limb(rng, ARMS[first]), sample_limb(rng, ARMS[second])


def sample_walk(rng: np.random.Generator) -> tuple[Limb, Limb]:
    """A stride: one leg forward, the other one back with its knee bent."""
    front = sample_limb(rng, ((10, 38), (0, 8), (2, 30)))
    back = sample_limb(rng, ((-28, -6), (0, 8), (5, 55)))
    return (front, back) if rng.random() < 0.5 else (back, front)


def sample_legs(rng: np.random.Generator, stance: str) -> tuple[Limb, Limb]:
    """Two legs of a stance named in ``STANCES``."""
    if stance == 'walking':
        return sample_walk(rng)
    legs = sample_limb(rng, LEGS[stance]), sample_limb(rng, LEGS[stance])
    if stance == 'lifted':
        standing = sample_limb(rng, LEGS['straight'])
        return (legs[0], standing) if rng.random() < 0.5 else (standing, legs[1])
    return legs


def sample_pose(rng: np.random.Generator) -> Pose:
    """A whole body: seen from the front within 55 degrees, or (one in five) from the back."""
    stance = str(rng.choice(STANCES, p=STANCE_WEIGHTS))
    lean = (10, 40) if stance == 'crouching' else (-5, 15)
    from_behind = rng.random() < BACK_VIEW_SHARE
    return Pose(
        yaw=degrees(rng, -55, 55) + (np.pi if from_behind else 0.0),
        tilt=degrees(rng, -4, 14),
        roll=degrees(rng, -7, 7),
        lean=degrees(rng, *lean),
        side_bend=degrees(rng, -12, 12),
        turn=degrees(rng, -15, 15),
        head=(degrees(rng, -20, 20), degrees(rng, -10, 16), degrees(rng, -12, 12)),
        arms=sample_arms(rng),
        legs=sample_legs(rng, stance),
    )
