"""Reading anyone's HRNet weights, safely."""
