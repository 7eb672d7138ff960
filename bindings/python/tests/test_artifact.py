"""The extension as a file."""

import shutil
import subprocess

import pytest

from panseal import _native

NM = shutil.which("nm") or ""


@pytest.mark.skipif(not NM, reason="needs nm (binutils)")
def test_the_extension_exports_its_init_function_and_nothing_else() -> None:
    listed = subprocess.run(
        [NM, "--dynamic", "--defined-only", "--format=posix", _native.__file__],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["PyInit__native"]


def test_the_extension_serves_every_python_from_3_11_on() -> None:
    assert _native.__file__.endswith("_native.abi3.so")
