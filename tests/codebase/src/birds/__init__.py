"""What we know about birds."""
