"""HRNet at its fastest: ``optimize`` puts an engine in the place of a model's backbone and neck.

* ``folding``, ``layers``, ``blocks``, ``network``, ``necks``: the network in its inference form,
  in PyTorch; each transformation with the reason why it is exact.
* ``known``: what is fused and translated; all else is refused.
* ``graphs``: that form in the terms of other frameworks.
* ``native``: kernels of our own for the CPU.
* ``backends``: the ways to run it; ``optimize`` chooses one.
"""

from hrnet_mm.deploy.optimize import optimize

__all__ = ['optimize']
