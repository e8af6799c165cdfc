"""Training hooks, registered in MMEngine as ``hrnet_mm.<name>``."""

from hrnet_mm.training.hooks.channels_last import ChannelsLastHook
from hrnet_mm.training.hooks.data_faults import DataFaultsHook
from hrnet_mm.training.hooks.exact_resume import ExactResumeHook
from hrnet_mm.training.hooks.fast_training import FastTrainingHook
from hrnet_mm.training.hooks.finite_check import FiniteCheckHook
from hrnet_mm.training.hooks.interrupt import InterruptHook
from hrnet_mm.training.hooks.overdue_evaluation import OverdueEvaluationHook
from hrnet_mm.training.hooks.safe_checkpoint import SafeCheckpointHook

__all__ = [
    'ChannelsLastHook',
    'DataFaultsHook',
    'ExactResumeHook',
    'FastTrainingHook',
    'FiniteCheckHook',
    'InterruptHook',
    'OverdueEvaluationHook',
    'SafeCheckpointHook',
]
