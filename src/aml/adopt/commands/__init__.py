"""How a source is run, as its own files have it: commands, with their variables and the steps around them."""
