"""Files of other frameworks: written from a checkpoint, and read in the place of one.

What is exported is the part of a model that ``hrnet_mm.deploy.optimize`` replaces: HRNet with the
neck after it, image -> maps. The host's own head, with pre- and post-processing, stays in Python;
its weights lie in a second file beside the first.

* ``formats``: the table; ``onnx``, ``openvino``, ``torch_program``, ``aotinductor``: one each.
* ``head_file``: the second file, and what is known of the first.
* ``writing``: a checkpoint to files, ``examples`` and ``comparison`` what that takes.
* ``reading``: the files to a model, for infer.py; ``hook``: for test.py.
"""
