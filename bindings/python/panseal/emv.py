"""What a chip tells beside its number (EMV Book 3, Annex A).

`panseal.read_chip` and `panseal.read_record` read the number itself, `panseal.find_tlv` finds any tag.

>>> from panseal import ServiceCode, emv
>>> ServiceCode(emv.service_code(bytes.fromhex("0201"))).interchange
'international'
>>> emv.sequence_number(bytes.fromhex("01"))
1
"""

from panseal._native import emv_sequence_number as sequence_number
from panseal._native import emv_service_code as service_code

__all__ = ["sequence_number", "service_code"]
