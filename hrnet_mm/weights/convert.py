"""Weights of one project under the names of another."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

from torch import Tensor

from hrnet_mm.weights.contents import Weights
from hrnet_mm.weights.layouts import Layout, layout_called, layout_named
from hrnet_mm.weights.missing_keys import missing_keys
from hrnet_mm.weights.names import BACKBONE, to_ours, to_theirs
from hrnet_mm.weights.recognise import Naming, recognise
from hrnet_mm.weights.reshape_heads import background_first, background_last, settle_biases


@dataclass(frozen=True)
class Report:
    """What became of the weights.

    Attributes:
        source, target: the names before and after.
        mapped: from each key that went over to its new name.
        dropped: the keys that the target has no place for.
        missing: the keys of the target that the source has nothing for; of a head that is missing
            as a whole, the beginning of its keys.
        folded: biases that went into the running mean of the norm behind their convolution, since
            the target's convolution has none.
        added: biases of zero, which the target's convolution has and the source's has not.
    """

    source: Naming
    target: Naming
    mapped: dict[str, str]
    dropped: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def renamed(self) -> dict[str, str]:
        """``mapped`` without the keys that stay as they are."""
        return {old: new for old, new in self.mapped.items() if old != new}


def convert(
    weights: Weights,
    to: str | Naming,
    from_: str | Naming | None = None,
    where: str = 'the state dict',
) -> tuple[dict[str, Tensor], Report]:
    """Rename weights, and mend the few that two projects keep in different form.

    Between two tasks only the backbone goes over; within one, the head does too. Tensors are not
    copied where they do not change.

    Args:
        weights: a state dict.
        to: a family (``'timm'``, see ``hrnet_mm.weights.layouts.FAMILIES``), a layout
            (``'official-pose'``) or the names of a model.
        from_: the layout of ``weights``. Default: recognised by the keys.
        where: what the weights are of, for the messages.

    Returns:
        The converted state dict, and what became of each key.

    Raises:
        UserError: ``weights`` holds no HRNet, or several, or one in another layout.
        ValueError: there is no family or layout of that name.

    Example:
        >>> from hrnet_mm.weights.convert import convert
        >>> from hrnet_mm.models import HRNet
        >>> weights, report = convert(HRNet(8).state_dict(), to='mmpose')
        >>> report.source.layout.name, report.target.layout.name, list(weights)[0]
        ('backbone', 'mmpose', 'backbone.conv1.weight')
    """
    source = _source(weights, from_, where)
    target = _target(to, source.layout)
    if source == target:
        return copy(weights), Report(source, target, {key: key for key in weights})
    if source.layout == target.layout:
        moved = {key: target.prefix + name for name, key in source.inside(weights).items()}
        dropped = tuple(key for key in weights if key not in moved)
        converted = {new: weights[old] for old, new in moved.items()}
        return converted, Report(source, target, moved, dropped)
    return _translate(weights, source, target, where)


def _source(weights: Weights, from_: str | Naming | None, where: str) -> Naming:
    if isinstance(from_, Naming):
        return from_
    return recognise(weights, where, None if from_ is None else layout_named(from_))


def _target(to: str | Naming, source: Layout) -> Naming:
    if isinstance(to, Naming):
        return to
    layout = source if to in source.families else layout_called(to, source.task)
    return Naming(layout, layout.prefix)


def _translate(
    weights: Weights, source: Naming, target: Naming, where: str
) -> tuple[dict[str, Tensor], Report]:
    same_task = source.layout.task == target.layout.task
    old_keys = {
        ours: key
        for name, key in source.inside(weights).items()
        if (ours := to_ours(name, source.layout)) is not None
        and (same_task or ours.startswith(BACKBONE))
    }
    ours = {name: weights[key] for name, key in old_keys.items()}
    if source.layout.background_first != target.layout.background_first:
        ours = (background_last if source.layout.background_first else background_first)(ours)
    ours, folded, added = settle_biases(ours, target.layout.biased)
    new_keys = {
        name: target.prefix + theirs
        for name in ours
        if (theirs := to_theirs(name, target.layout)) is not None
    }
    converted = {new: ours[name] for name, new in new_keys.items()}
    mapped = {key: new_keys[name] for name, key in old_keys.items() if name in new_keys}
    folded = tuple(old_keys[name] for name in folded)
    report = Report(
        source,
        target,
        mapped,
        dropped=tuple(key for key in weights if key not in mapped and key not in folded),
        missing=missing_keys(converted, source, target, where),
        folded=folded,
        added=tuple(new_keys[name] for name in added),
    )
    return converted, report
