"""The rules of comments. Put your own here."""

import time
import unicodedata

LENGTH_MAX = 200
BAD_WORDS = ["spamword", "脏话"]
BURST, PER_SECOND = 5, 1

_spent: dict[str, tuple[float, float]] = {}


def fault_of(text: str) -> str | None:
    """Why a comment is refused."""
    if not text.strip():
        return "write something"
    if len(text) > LENGTH_MAX:
        return f"at most {LENGTH_MAX} characters"
    # "ＳＰＡＭＷＯＲＤ" and "SpamWord" are the same word.
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "mind your words" if any(word in plain for word in BAD_WORDS) else None


def may_write(user: str) -> bool:
    """One second's worth is taken back each second; a user who wrote nothing for a while is forgotten."""
    now = time.monotonic()
    if len(_spent) > 10_000:
        for name in [name for name, (level, at) in _spent.items() if level <= (now - at) * PER_SECOND]:
            del _spent[name]
    level, at = _spent.get(user, (0.0, now))
    level = max(0.0, level - (now - at) * PER_SECOND)
    if level + 1 > BURST:
        return False
    _spent[user] = (level + 1, now)
    return True
