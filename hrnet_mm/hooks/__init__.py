"""Training hooks, registered in MMEngine as ``hrnet_mm.<name>``."""

from hrnet_mm.hooks.channels_last import ChannelsLastHook
from hrnet_mm.hooks.data_faults import DataFaultsHook
from hrnet_mm.hooks.exact_resume import ExactResumeHook
from hrnet_mm.hooks.fast_training import FastTrainingHook
from hrnet_mm.hooks.finite_check import FiniteCheckHook
from hrnet_mm.hooks.interrupt import InterruptHook
from hrnet_mm.hooks.overdue_evaluation import OverdueEvaluationHook
from hrnet_mm.hooks.safe_checkpoint import SafeCheckpointHook

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
