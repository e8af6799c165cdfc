"""HRNet at its fastest: ``optimize`` puts an engine in the place of a model's backbone and neck.

* ``fused``: the network and its necks in their inference form, in PyTorch; each transformation
  with the reason why it is exact; all that is not known is refused.
* ``engines``: what runs that form, one file per engine; ``table``: which there are, what each
  needs, and which formats of files they write and read.
* ``trunk``: the HRNet and neck in a model, and the module that takes their place.
* ``optimize`` chooses an engine; ``export`` writes a file, and ``exported`` runs one.
"""

from hrnet_mm.deploy.optimize import optimize

__all__ = ['optimize']
