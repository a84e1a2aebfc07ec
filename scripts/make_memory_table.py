"""Write dataflow/technology/sram.csv: area, energy and leakage of single-port SRAM by CACTI.

``python scripts/make_memory_table.py CACTI TEMPLATE`` takes the folder in which CACTI 7 was built and a configuration
whose other settings hold; the committed table is by the sources and ``default_cfg.cfg`` of hwcomponents-cacti 1.0.40
(low-standby-power transistors for cells and periphery, 300 K, fast access), built with ``make opt``.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

TABLE = Path(__file__).parent.parent / "dataflow" / "technology" / "sram.csv"
NODES_NM = (22, 28, 45)
CAPACITIES_BYTES = tuple(1 << power for power in range(10, 23, 2))
WIDTHS_BITS = (32, 64, 128)


def settings(node_nm: int, capacity_bytes: int, width_bits: int) -> str:
    """What a memory of one bank with one read-write port adds to the template."""
    return f"""
-size (bytes) {capacity_bytes}
-read-write port 1
-block size (bytes) {width_bits // 8}
-technology (u) {node_nm / 1000}
-output/input bus width {width_bits}
-UCA bank 1
-cache type "ram"
-tag size (b) 0
-associativity 1
"""


def modelled(cacti: Path, template: str, node_nm: int, capacity_bytes: int, width_bits: int) -> dict[str, float]:
    """One run of CACTI."""
    with tempfile.TemporaryDirectory(prefix="brickwork-") as scratch:
        config = Path(scratch) / "memory.cfg"
        config.write_text(template + settings(node_nm, capacity_bytes, width_bits))
        subprocess.run(
            ["./cacti", "-infile", str(config)], cwd=cacti, check=True, stdout=subprocess.DEVNULL, timeout=120
        )
        with Path(f"{config}.out").open() as out:
            row = {key.strip(): value for key, value in list(csv.DictReader(out))[-1].items() if key}
    return {
        "node_nm": node_nm,
        "capacity_bytes": capacity_bytes,
        "width_bits": width_bits,
        "area_um2": round(float(row["Area (mm2)"]) * 1e6, 1),
        "read_pj_per_bit": float(f"{float(row['Dynamic read energy (nJ)']) * 1e3 / width_bits:.4g}"),
        "write_pj_per_bit": float(f"{float(row['Dynamic write energy (nJ)']) * 1e3 / width_bits:.4g}"),
        "leakage_mw": float(f"{float(row['Standby leakage per bank(mW)']):.4g}"),
    }


def main() -> None:
    """Run CACTI for every entry and write the table."""
    cacti, template = Path(sys.argv[1]), Path(sys.argv[2]).read_text()
    rows = [
        modelled(cacti, template, node, capacity, width)
        for node in NODES_NM
        for capacity in CAPACITIES_BYTES
        for width in WIDTHS_BITS
    ]
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
