"""Runs code in a copy and records what it reads, writes and prints."""
