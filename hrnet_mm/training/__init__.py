"""Training and testing a config with the hosts' Runner: what tools/train.py and test.py call."""
