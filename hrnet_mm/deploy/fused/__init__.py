"""A fused network in the terms of other frameworks."""
