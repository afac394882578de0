"""What the service decides, and nothing of how it is reached: pure, standard library only."""
