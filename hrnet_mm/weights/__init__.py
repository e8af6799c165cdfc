"""Anyone's checkpoint to a network, one file a step: sources, read, recognise, convert, fit."""
