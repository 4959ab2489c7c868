"""The command line: commands, options, and tables for people or JSON for programs."""
