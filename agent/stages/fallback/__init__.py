"""Several providers of one stage as one stage, for when one of them fails.

    chain.py        who is asked, in which order, how long and how often
    failure.py      what an error means for that
    answers.py      language models: the next one begins the answer again
    speech.py       synthesisers: the next one says the rest
    recognition.py  recognisers: the next one hears again what has no transcript yet
    utterance.py    what that is

`agent.stages.breaker` keeps a provider that is down out of use for a while.
"""
