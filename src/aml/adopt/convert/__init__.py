"""What becomes of the code that travels."""
