# A pose model of this project: the demo of hrnet_mm with checkpointed activations and one hook.
_base_ = 'hrnet_mm::demo/hrnet_small_synthetic_128x96.py'

# Only where a released host meets a newer PyTorch.
custom_imports = dict(imports=['hrnet_mm.compat'], allow_failed_imports=False)

model = dict(backbone=dict(with_cp=True))
train_cfg = dict(max_epochs=1, val_interval=1)
param_scheduler = _base_.param_scheduler[:1]
train_pipeline = _base_.train_dataloader.dataset.pipeline
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))
custom_hooks = [dict(type='SyncBuffersHook')]
