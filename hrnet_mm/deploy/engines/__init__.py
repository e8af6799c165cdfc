"""What runs a fused network, one file per engine. Which is fastest where: docs/speed.md."""
