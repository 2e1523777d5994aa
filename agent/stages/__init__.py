"""The stages of a conversation: who recognises speech, who answers, who speaks.

    choice.py      which providers serve each stage, and why: decided from the settings alone
    providers/     the table of providers; a new one is a new file there
    build.py       the stages themselves, as livekit-agents takes them
    fallback/      several providers as one stage, for when one of them fails
    breaker.py     which keeps one that is down out of use for a while
    voices.py      names of voices, as clients send them, for every provider
    survey.py      what there is for each stage and what is missing, and who speaks which voice
    bounded_sentences.py, openai_recognizer.py, anthropic_answerer.py
                   what providers' plugins leave to us
    local/         the stages that need no key and no network
    services/      the stages that run as services of their own (docs/services.md)
    evidence.py    what an answer rests on, where somebody else looks it up
    backoff.py     how long to wait before asking again

Errors:

    StageUnavailable   a stage cannot be had; names the setting and the remedy
"""
