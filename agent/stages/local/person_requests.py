"""Whether somebody asks to talk to a person, by the words of it. English and Arabic."""

import re

from agent.knowledge.words import words

_PERSON = (
    "human|person|people|somebody|someone|agent|operator|representative|employee|colleague|manager"
    "|supervisor|advisor|adviser|staff|receptionist|team"
)
_ENGLISH = re.compile(
    rf"\b(?:talk|talking|speak|speaking|chat)(?: (?:to|with))(?: \w+){{0,3}}? (?:{_PERSON})s?\b"
    rf"|\b(?:connect|transfer|switch|put|hand)(?: \w+){{1,2}}? (?:to|with)(?: \w+){{0,3}}? "
    rf"(?:{_PERSON})s?\b"
    rf"|\b(?:want|need|get me|give me|like) (?:a|an)(?: (?:real|live|human|actual))?"
    rf" (?:{_PERSON})\b"
    r"|^(?:a )?(?:real |live )?(?:human|person|agent|operator|representative)(?: please)?$"
)
# normalised: hamza and its seat are one letter, ta marbuta is ha
_SOMEBODY = (
    "موظف|موظفه|موظفين|شخص|انسان|انسانه|بشر|بشري|ممثل|ممثله|مندوب|احد|حد|احدكم|مسوول|مشرف|مدير"
    "|زميل|زميله"
)
_ARABIC = re.compile(
    r"(?:^| )(?:ب|ل)?(?:ا?تحدث|التحدث|نتحدث|ا?تكلم|التكلم|نتكلم|الكلام|الحديث|احكي|اكلم"
    r"|ا?تواصل|التواصل|حولني|حوليني|حولوني|تحويلي|وصلني|وصليني|وصلوني|اوصلني)"
    rf"(?: \w+){{0,2}}? (?:ب|ل|ال|لل)?(?:{_SOMEBODY})ا?(?: |$)"
    rf"|(?:^| )(?:اريد|عايز|عايزه|ابغي|ابي|بدي|احتاج|محتاج) (?:{_SOMEBODY})ا?(?: |$)"
)


def asks_for_person(text: str) -> bool:
    """Whether `text`, a turn of the user's, asks for a person in place of the assistant."""
    said = " ".join(words(text))
    return bool(_ENGLISH.search(said) or _ARABIC.search(said))
