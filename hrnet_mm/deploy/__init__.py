"""HRNet at its fastest: ``optimize`` puts an engine in the place of a model's backbone and neck.

* ``fused``: the network and its necks in their inference form, in PyTorch; each transformation
  with the reason why it is exact; all that is not known is refused.
* ``engines``: what runs that form, one file per engine; ``table``: which there are, what each
  needs, and which formats of files they write and read.
* ``optimize`` chooses an engine; ``exported`` runs a file; ``export`` writes one.
"""

from hrnet_mm.deploy.optimize import optimize

__all__ = ['optimize']
