"""The command line: one module a verb, with its options, its calls and what it prints."""
