"""The clients that ``client.py`` compares, one module each, and the process that runs one."""
