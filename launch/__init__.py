"""Starts everything on one machine: what `python run.py` and `make run` do.

`plan` decides, from the settings and what the machine has, which programs run and what each part
of the product is taken from; `supervisord` writes that down as a configuration; `embedded` makes
the parts that nobody configured; `start` runs it, waits until it is well, and stops it.
"""
