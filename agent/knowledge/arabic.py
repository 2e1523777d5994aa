"""Light stemming of Arabic, and the consonants that related words share.

Stems follow the light stemmers of the literature (Larkey, Ballesteros and Connell 2002): the
article and what is written together with it go, and so do pronouns and the endings of number and
gender. Snowball's Arabic stemmer was tried first: it takes `ب` off «بطاقة» and leaves it on
«البطاقة», so that one word gets two stems.

Broken plurals and verb forms change inside the word. `roots` keeps the strong consonants, so
that «مصباح» and «مصابيح», «تبيعون» and «نبيع» can meet; unrelated words can, too, so that sharing
a root is weaker evidence than sharing a stem.
"""

_ARTICLES = ("وبال", "وال", "بال", "كال", "فال", "ولل", "ال", "لل")
_ENDINGS = ("ونني", "ونكم", "ونها", "ونهم", "وني", "نني", "تكم", "تنا", "تها", "تهم",
            "هما", "كما", "تي", "ته", "ها", "هم", "هن", "كم", "كن", "نا", "ني", "تم", "ان", "ات",
            "ون", "ين", "يه", "وا", "ه", "ي", "ا", "ت")  # fmt: skip
"""Longest first: one with a shorter one at its end must be tried before it."""
_PARTICLES = frozenset("وفبكلس")
_VERB_PREFIXES = frozenset("يتنام")
_WEAK = frozenset("اوي")
_SHORTEST = 3


def stem(word: str) -> str:
    """The light stem of a normalised word (one alef, ta marbuta as ha), of 3 letters or more."""
    # twice, as «الإلغاء» has the article before a word that begins like one
    word = _without_article(_without_article(word))
    if word.startswith("و") and len(word) > _SHORTEST + 1:
        word = word[1:]
    word = _without_last(word, _SHORTEST)
    return _without_last(word, _SHORTEST + 1)


def roots(stem: str) -> frozenset[str]:
    """Consonant skeletons of 3 letters or more that `stem` may have; more than one where its
    first letters can be prefixes or not."""
    beginnings = {stem}
    if stem.startswith("است"):
        beginnings.add(stem[3:])
    for prefixes in (_PARTICLES, _VERB_PREFIXES, _VERB_PREFIXES):
        beginnings |= {b[1:] for b in beginnings if b[0] in prefixes and len(b) > _SHORTEST}
    skeletons = (_skeleton(beginning) for beginning in beginnings)
    return frozenset(skeleton for skeleton in skeletons if len(skeleton) >= _SHORTEST)


def _skeleton(word: str) -> str:
    """The letters of `word` that its forms keep; fewer weak ones go where too few would stay."""
    for weak in (_WEAK, frozenset("ا")):
        strong = "".join(letter for letter in word if letter not in weak)
        single = "".join(b for a, b in zip(" " + strong, strong, strict=False) if a != b)
        if len(single) >= _SHORTEST:
            return single
    return word


def _without_article(word: str) -> str:
    for article in _ARTICLES:
        if word.startswith(article) and len(word) - len(article) >= _SHORTEST:
            return word[len(article) :]
    return word


def _without_last(word: str, shortest: int) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= shortest:
            return word[: -len(ending)]
    return word
