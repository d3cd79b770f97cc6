"""v1 run configurations as v2 command jobs."""
