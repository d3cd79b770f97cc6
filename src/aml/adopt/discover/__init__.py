"""What a source has: the script that trains, and all around it."""
