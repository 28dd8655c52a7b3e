"""Commands of the command line, which `recnn.cli` puts together."""
