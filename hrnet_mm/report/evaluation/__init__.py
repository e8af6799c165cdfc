"""A page on a test: all metrics, each class, and the images that went worst and best."""

from hrnet_mm.report.evaluation.about import about_test
from hrnet_mm.report.evaluation.collect import Collector
from hrnet_mm.report.evaluation.page import PAGE, check_folder, write_page

__all__ = ['PAGE', 'Collector', 'about_test', 'check_folder', 'write_page']
