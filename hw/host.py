"""Constants of the host port."""

from __future__ import annotations

HOST_ADDRESS_BITS = 20
HOST_READ_CYCLES = 2
