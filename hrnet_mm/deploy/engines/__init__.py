"""The ways to run a fused network. Which one is fastest where is measured: docs/speed.md."""
