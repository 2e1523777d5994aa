"""Text normalization: what is written, in the words in which it is spoken. Pure.

`readings` cuts a text into pieces that are each read in one language. What is shown and kept is the
text as it is written; only a synthesiser gets the words. `tokens` is what is read otherwise than
written, `patterns` finds it, `english` and `arabic` know how to say it.
"""

from agent.stages.normalization.readings import Reading, Run, base_language, readings, runs
from agent.stages.normalization.timing import beginning

__all__ = ["Reading", "Run", "base_language", "beginning", "readings", "runs"]
