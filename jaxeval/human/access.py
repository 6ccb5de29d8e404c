"""Secrets of raters: links that cannot be guessed, and a code that is kept only as a digest."""

import hashlib
import hmac
import secrets

_COST = {"n": 2**14, "r": 8, "p": 1}  # of scrypt: some 50 ms and 16 MB a try


def new_token() -> str:
    """The secret of a rater's link: 256 random bits, in letters that a URL can have."""
    return secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """What is kept of a link's secret and it is looked up by: the time of a look-up then says nothing of the secret."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def hashed_code(code: str) -> tuple[str, str]:
    """What a study keeps of its access code: salt and scrypt digest, in hexadecimal digits."""
    salt = secrets.token_bytes(16)
    return salt.hex(), _scrypt(code, salt).hex()


def is_code(code: str, kept: tuple[str, str]) -> bool:
    """Whether a code is the one that is kept, told in a time that does not depend on where they differ."""
    return hmac.compare_digest(_scrypt(code, bytes.fromhex(kept[0])), bytes.fromhex(kept[1]))


def _scrypt(code: str, salt: bytes) -> bytes:
    return hashlib.scrypt(code.strip().encode("utf-8", "surrogatepass"), salt=salt, **_COST)
