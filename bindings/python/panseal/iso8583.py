"""The card fields of ISO 8583 messages: 2 (the number), 14 (the expiry), 35 (track 2).

Each function reads one field, which begins at the first byte of its input; the bitmap, and so the place of
a field in a message, is the host's. Fields 2 and 35 begin with their length, two digits, which counts digits.

>>> from panseal import iso8583
>>> field = b"164242424242424242"
>>> number, end = iso8583.number(field)
>>> number, end
(slice(2, 18, None), 18)
>>> out = bytearray(19)  # packed digits are written to a buffer of yours, which you wipe
>>> iso8583.number(bytes.fromhex("164242424242424242"), out)
(slice(0, 16, None), 9)
"""

from panseal._native import iso8583_expiry as expiry
from panseal._native import iso8583_number as number
from panseal._native import iso8583_track2 as track2

__all__ = ["expiry", "number", "track2"]
