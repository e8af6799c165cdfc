"""What people look at: the samples of a training as its network gets them, and a page on a test."""
