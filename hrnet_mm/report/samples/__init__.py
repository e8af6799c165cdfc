"""Pictures of a training's samples, as its network gets them: one file a task."""

from hrnet_mm.report.samples.show import show_samples

__all__ = ['show_samples']
