"""What the code needs installed: the conda file, from package files and imports, and what new releases have removed."""
