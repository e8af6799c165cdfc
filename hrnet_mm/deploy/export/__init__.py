"""A checkpoint written as a file of another framework; ``hrnet_mm.deploy.exported`` runs it.

What is exported is the part of a model that ``hrnet_mm.deploy.optimize`` replaces: HRNet with the
neck after it, image -> maps. The host's own head, with pre- and post-processing, stays in Python;
its weights lie in a second file beside the first.
"""
