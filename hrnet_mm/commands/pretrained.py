"""``hrnet_mm.save_pretrained`` and ``from_pretrained``: a model as a folder, here or on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrnet_mm.models import HRNet
    from hrnet_mm.predict.model import Model
    from hrnet_mm.weights.description import Description


def save_pretrained(
    model: Model | HRNet,
    folder: str | Path,
    scores: Mapping[str, float] | None = None,
    measured: str = '',
) -> Path:
    """Write a model, or a backbone alone, into a folder that ``from_pretrained`` reads.

    Args:
        model: what ``hrnet_mm.load`` gives, or an ``HRNet``.
        folder: is made; files of the same names in it are replaced.
        scores: for the card, ``{'AP': 0.744}``.
        measured: how they were measured: the data, the tool and its options. Scores need it.

    Raises:
        UserError: the model is run by an engine, and has no weights of its own; or scores are given
            without how they were measured.
    """
    import hrnet_mm
    from hrnet_mm.base.errors import UserError
    from hrnet_mm.models import HRNet
    from hrnet_mm.predict.model import Model
    from hrnet_mm.weights.description import BACKBONE, MODEL, Description
    from hrnet_mm.weights.folder import arguments_of, write_folder

    folder = Path(folder)
    if scores and not measured.strip():
        raise UserError('scores need a word on how they were measured: measured=...')
    about = dict(scores=dict(scores or {}), measured=measured, version=hrnet_mm.__version__)
    if isinstance(model, HRNet):
        described = Description(BACKBONE, network=arguments_of(model), **about)
        what = f'Backbone HRNet {described.network.get("arch", "")}'.strip()
        weights = model.state_dict()
    elif isinstance(model, Model):
        host = model.predictor.model
        if host.is_replaced:
            raise UserError(
                f'{model} is run by an engine, which has no weights to be saved; load it without '
                'fast= and from a checkpoint'
            )
        config = f'{model.name}.py'
        described = Description(MODEL, config=config, dataset_meta=host.meta, **about)
        weights, what = host.module.state_dict(), f'{model.name}: {model.task}'
        folder.mkdir(parents=True, exist_ok=True)
        model.cfg.dump(folder / config)
    else:
        raise UserError(f'a {type(model).__name__} is neither a loaded model nor an HRNet')
    write_folder(folder, weights, described, card_of(described, what))
    return folder


def from_pretrained(source: str | Path, *, trust: bool = False, **options: Any) -> Model | HRNet:
    """What ``save_pretrained`` wrote; of other weights of an HRNet, anyone's, the backbone.

    Args:
        source: a folder; an address on the Hugging Face hub, ``'hf-hub:OWNER/NAME@REVISION'``; or
            a file or address of weights, as of ``load``.
        trust: run the config of a model on the hub. A config is code.
        options: of ``hrnet_mm.load`` for a model; of ``HRNet`` for a backbone.

    Raises:
        UserError: there is nothing, or nothing that can be read; or a config is not trusted.
    """
    import hrnet_mm.compat  # noqa: F401  (before a host is imported)
    from hrnet_mm.base.errors import UserError
    from hrnet_mm.base.given import is_local
    from hrnet_mm.commands.load import load
    from hrnet_mm.weights.description import MODEL, read_about
    from hrnet_mm.weights.folder import backbone_from
    from hrnet_mm.weights.read import weights_of
    from hrnet_mm.weights.sources import described_folder, read_source

    folder = described_folder(source)
    if folder is None:
        return backbone_from(weights_of(read_source(source), str(source)), str(source), **options)
    about = read_about(folder)
    if about.kind != MODEL:
        weights = weights_of(read_source(folder), str(folder))
        return backbone_from(weights, str(folder), **{**about.network, **options})
    if not (is_local(source) or trust):
        raise UserError(
            f'{source}: its config, {about.config}, is code that would be run; say trust=True if '
            'you would run a script of its author'
        )
    return load(folder / str(about.config), folder, trust=trust, **options)


def card_of(about: Description, what: str) -> str:
    """The card of a model: what it is, how it is loaded, its scores and how they were measured."""
    scores = ['No scores were given when it was saved.']
    if about.scores:
        rows = [f'| {metric} | {score:g} |' for metric, score in about.scores.items()]
        scores = ['| metric | |', '|---|---|', *rows, '', f'Measured: {about.measured}']
    lines = [
        *('---', 'library_name: hrnet_mm', 'tags:', '- hrnet', f'- {about.kind}', '---', ''),
        *(f'# {what}', '', f'Saved by hrnet_mm {about.version}.', ''),
        *('```python', 'import hrnet_mm', ''),
        *("model = hrnet_mm.from_pretrained('.')  # this folder", '```', '', '## Scores', ''),
        *scores,
        '',
    ]
    return '\n'.join(lines)
