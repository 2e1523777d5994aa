"""The English of everyday questions: frames with a place (`_`) for a phrase of the documents.

Written by hand, of what people ask any business; nothing here is taken from the questions that
recognition and retrieval are evaluated with.
"""


def _lines(block: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in block.strip().splitlines())


NOUN_FRAMES = _lines("""
    what is _
    what are _
    what about _
    tell me about _
    do you have _
    do you sell _
    do you offer _
    is there _
    are there _
    i need _
    i want _
    i have _
    i would like _
    i'm looking for _
    what kind of _
    i have a question about _
    i want to talk about _
    where is _
    where are _
    where can i find _
    how do i get _
    how can i get _
    how much is _
    how much are _
    how long is _
    how big is _
    when is _
    when are _
    when will i get _
    when do i get _
    can i get _
    can i have _
    do i get _
    do i need _
    which _
    who is _
    i lost _
    i bought _
    i ordered _
    i forgot _
    what if i lose _
    what happens to _
    what happens with _
    why is _
    how many _
    how many _ do i have
    how many _ do i need
    how many _ are there
    my _
    _
    _ please
    how much does _ cost
    how much do _ cost
    what does _ cost
    how long does _ take
    how long do _ take
    how long does _ last
    how long is _ valid
    how long are _ valid
    how does _ work
    how do _ work
    when does _ arrive
    when will _ arrive
    when does _ end
    when does _ start
    is _ free
    is _ included
    is _ possible
    are _ included
    is _ available
    are _ available
    what is _ for
    _ is broken
    _ arrived
    _ has not arrived
    what time is _
    how often is _
    how do i use _
    how do i change _
    can i change _
    what happens when _
    because of _
    with _
    for _
    to _
    on _
    about _
""")
"""For noun phrases."""

VERB_FRAMES = _lines("""
    how do i _
    how can i _
    how should i _
    can i _
    could i _
    may i _
    can you _
    could you _
    will you _
    do you _
    do i _
    do i have to _
    do i need to _
    i want to _
    i would like to _
    i'd like to _
    i need to _
    where can i _
    where do i _
    where do you _
    when can i _
    when do i _
    when do you _
    when will you _
    is it possible to _
    am i allowed to _
    what happens if i _
    what if i _
    how long do i have to _
    how long does it take to _
    how much does it cost to _
    how much is it to _
    what do i do to _
    who can _
    why do you _
    what time do you _
    what should i do to _
    please _
    should i _
    must i _
    how often should i _
    how soon can you _
    can i still _
    can you still _
    how long do you _
    how many times can i _
    who should i _
    what do i need to _
    where should i _
    which do you _
    does it _
    did you _
    have you _
""")
"""For verb phrases without their subject."""

PHRASES = _lines("""
    what should i do
    what do i do now
    what can i do
    who can i talk to
    who can help me
    how does it work
    how does that work
    how long does it take
    how long will it take
    how much does it cost
    how much is it
    what time is it
    is that possible
    thank you
    thank you very much
    thanks
    yes
    yes please
    no
    no thank you
    please
    okay
    all right
    hello
    hi
    good morning
    good evening
    goodbye
    what do you mean
    say that again
    could you repeat that
    tell me more
    i don't know
    i don't understand
    can you help me
    i have a question
    i have a problem
    excuse me
    what can you do
    who are you
    that's all
    stop
    wait
    never mind
    what happens then
    my name is
""")
"""Said as they are."""
