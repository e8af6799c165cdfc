import sys

from hrnet_mm.base.image_size import lower_opencvs_limit

lower_opencvs_limit()  # as programs do, before OpenCV is imported
sys.modules.setdefault('openvino_telemetry', None)  # tests that import OpenVINO report nothing
