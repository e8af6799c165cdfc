# The model of people_pose.py in MMEngine's Python style.
# ruff: noqa: F403, F405
from mmengine.config import read_base
from mmengine.hooks import SyncBuffersHook

with read_base():
    from hrnet_mm.configs.demo.hrnet_small_synthetic_128x96 import *

model.backbone.update(with_cp=True)
train_cfg.update(max_epochs=1, val_interval=1)
param_scheduler = param_scheduler[:1]
train_dataloader.update(batch_size=4)
custom_hooks = [dict(type=SyncBuffersHook)]
