"""What `strainwatch` can do, command by command; pipelines/cli.py puts them together."""
