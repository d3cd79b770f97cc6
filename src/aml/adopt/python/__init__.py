"""Reads Python source, and changes it as a libcst tree."""
