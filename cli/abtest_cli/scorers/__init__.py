"""Scorers that come with the command line, one file each: `abtest judge RUN --local NAME`. Each exports `score`."""
