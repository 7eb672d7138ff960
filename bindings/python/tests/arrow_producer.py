"""A producer of Arrow data that is made by hand, so that it can be made wrong."""

import ctypes
from typing import Any

api = ctypes.pythonapi
api.PyCapsule_New.restype = ctypes.py_object
api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class Schema(ctypes.Structure):
    """ArrowSchema."""


class Array(ctypes.Structure):
    """ArrowArray."""


class Stream(ctypes.Structure):
    """ArrowArrayStream."""


RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
GET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.c_void_p),
    ("dictionary", ctypes.c_void_p),
    ("release", RELEASE),
    ("private_data", ctypes.c_void_p),
]
Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.c_void_p),
    ("children", ctypes.c_void_p),
    ("dictionary", ctypes.c_void_p),
    ("release", RELEASE),
    ("private_data", ctypes.c_void_p),
]
Stream._fields_ = [
    ("get_schema", GET),
    ("get_next", GET),
    ("get_last_error", ctypes.c_void_p),
    ("release", RELEASE),
    ("private_data", ctypes.c_void_p),
]


class Producer:
    """An array of texts, whose fields can be set to anything; counts what was released."""

    def __init__(self, form: bytes, texts: list[bytes | None], rows: int, /, **fields: Any) -> None:
        self.released = 0
        self.kept = [
            None if data is None else ctypes.create_string_buffer(data, len(data) + 16) for data in texts
        ]
        places = [None if data is None else ctypes.addressof(data) for data in self.kept]
        self.places = (ctypes.c_void_p * max(len(places), 1))(*places)
        self.callback = RELEASE(self._release)
        self.schema = Schema(format=form, release=self.callback)
        self.array = Array(
            length=rows, n_buffers=len(places), buffers=ctypes.addressof(self.places), release=self.callback
        )
        for name, value in fields.items():
            part = self.schema if name.startswith("schema_") else self.array
            setattr(part, name.removeprefix("schema_"), value)
        self.names = [b"arrow_schema", b"arrow_array"]

    def _release(self, _: int) -> None:
        self.released += 1

    def capsules(self) -> tuple[Any, Any]:
        parts = zip((self.schema, self.array), self.names, strict=True)
        schema, array = [api.PyCapsule_New(ctypes.addressof(part), name, None) for part, name in parts]
        return schema, array

    def __arrow_c_array__(self) -> tuple[Any, Any]:
        return self.capsules()


class Streamer:
    """A stream of the arrays of producers."""

    def __init__(self, *producers: Producer, status: int = 0) -> None:
        self.left = list(producers)
        self.released = 0
        self.status = status
        first = producers[0]

        def get_schema(_: int, out: int) -> int:
            ctypes.memmove(out, ctypes.addressof(first.schema), ctypes.sizeof(Schema))
            return 0

        def get_next(_: int, out: int) -> int:
            if self.left:
                ctypes.memmove(out, ctypes.addressof(self.left.pop(0).array), ctypes.sizeof(Array))
                return 0
            return self.status

        def release(_: int) -> None:
            self.released += 1

        self.kept = (GET(get_schema), GET(get_next), RELEASE(release))
        self.stream = Stream(get_schema=self.kept[0], get_next=self.kept[1], release=self.kept[2])

    def __arrow_c_stream__(self) -> Any:
        return api.PyCapsule_New(ctypes.addressof(self.stream), b"arrow_array_stream", None)
