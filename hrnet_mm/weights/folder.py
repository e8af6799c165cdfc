"""A network in a folder that says what it is: weights, a description, a card for people.

``model.safetensors`` holds the weights, ``hrnet_mm.json`` says what they are of, ``README.md`` is
the card. A whole model has its config beside them. The Hugging Face hub takes such a folder.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import write_whole
from hrnet_mm.models.archs import extra_of, stages_from_arch
from hrnet_mm.models.hrmodule import Upsample
from hrnet_mm.models.hrnet import FUSIONS, HRNet
from hrnet_mm.weights.convert_file import write_weights
from hrnet_mm.weights.description import ABOUT, WEIGHTS, Description, as_json
from hrnet_mm.weights.fit import fit_whole
from hrnet_mm.weights.recognise import StateDict, arch_name, backbone_of, recognise, stages_of

CARD = 'README.md'


def write_folder(folder: Path, weights: StateDict, about: Description, card: str) -> None:
    """Write weights, description and card, each whole or not at all.

    Raises:
        UserError: a file cannot be written, or safetensors is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(weights, folder / WEIGHTS)
    document = {**asdict(about), 'dataset_meta': as_json(about.dataset_meta)}
    write_whole(folder / ABOUT, json.dumps(document, indent=1).encode())
    write_whole(folder / CARD, card.encode())


def arguments_of(net: HRNet) -> dict[str, Any]:
    """The arguments with which HRNet builds the network again.

    Raises:
        UserError: it is of other norms or convolutions than the default.
    """
    own = net.state_dict()
    stages = stages_of(own)
    arguments: dict[str, Any] = dict(
        in_channels=net.conv1.in_channels, out_indices=list(net.out_indices)
    )
    named = arch_name(stages)
    try:
        same = stages_from_arch(named) == stages
    except ValueError:  # of another depth, or of a width without a name
        same = False
    width = stages[-1].channels[0]
    if same or stages_from_arch(width) == stages:
        arguments['arch'] = named if same else width
    else:
        arguments['extra'] = extra_of(stages)
    found = (getattr(module, 'upsample', None) for module in net.modules())
    upsample = next((part for part in found if isinstance(part, Upsample)), Upsample())
    if upsample.by_powers_of_two:
        raise UserError("a backbone in the place of mmseg's is saved with its whole model")
    arguments.update(upsample=upsample.mode, align_corners=bool(upsample.align_corners))
    for fusion in FUSIONS:
        with torch.device('meta'):
            other = HRNet(**arguments, fusion=fusion).state_dict()
        if other.keys() == own.keys():
            return arguments | dict(fusion=fusion)
    raise UserError('only backbones with batch norm and plain convolutions can be saved')


def backbone_from(weights: StateDict, where: str, **arguments: Any) -> HRNet:
    """An HRNet in eval mode with anyone's weights of one, of whatever width and depth they are.

    Args:
        weights: a state dict of any known layout.
        where: the file, for the messages.
        arguments: of HRNet; ``arch`` or ``extra`` are the weights' own where they are not given.

    Raises:
        UserError: the weights hold no HRNet, or another one than the arguments say.
    """
    prefix = recognise(weights, where).backbone
    backbone = backbone_of(weights, prefix)
    arguments.setdefault('in_channels', backbone['conv1.weight'].shape[1])
    if not {'arch', 'extra'} & {*arguments}:
        arguments['extra'] = extra_of(stages_of(backbone, where))
    try:
        net = HRNet(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f'{where}: {error}') from error
    net.load_state_dict(fit_whole(weights, net, where), strict=False)
    return net.eval()
