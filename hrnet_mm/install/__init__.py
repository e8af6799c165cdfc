"""Installs OpenMMLab's packages with the right flags of pip: python -m hrnet_mm.install pose"""
