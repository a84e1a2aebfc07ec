"""Liberty files: text, logic functions, tables."""

from __future__ import annotations

import gzip
from itertools import product

import pytest

from hw.synthesis.functions import evaluate, inputs, parse_function
from hw.synthesis.liberty import LibertyError, parse
from hw.synthesis.library import DEFAULT_LIBRARY, Table, read_library

TINY = """
/* two cells */ library(tiny) {
  time_unit : "10ps";
  capacitive_load_unit (2, ff);
  nom_voltage : 1.1
  lu_table_template(both) {
    variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
    index_1 ("0, 10"); index_2 ("0, 1, 3");
  }
  cell (NOTAND) { area : 2.5;
    pin(A) { direction : input; capacitance : 1.5; }
    pin(B) { direction : input; capacitance : 1; }
    pin(Y) { direction : output; function : "(A B)'";
      internal_power() { related_pin : "A"; rise_power(both) { values ("0, 1, 2", \\
        "10, 11, 12"); } }
    }
  }
  cell (STORE) { area : 8;
    ff (IQ,IQN) { next_state : "D"; clocked_on : "!C"; }
    pin(D) { direction : input; } pin(C) { direction : input; clock : true; }
    pin(Q) { direction : output; function : "IQ"; }
  }
}
"""


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.lib.gz"
    path.write_bytes(gzip.compress(TINY.encode()))
    return read_library(path)


def test_reads_units_cells_and_pins(tiny):
    assert (tiny.name, tiny.voltage_v, tiny.load_pf, tiny.time_ns) == ("tiny", 1.1, 2e-3, 0.01)
    gate, store = tiny.cells["NOTAND"], tiny.cells["STORE"]
    assert (gate.area_um2, gate.pin("A").capacitance, gate.pin("Y").output) == (2.5, 1.5, True)
    assert gate.pin("Y").function == ("!", ("&", "A", "B"))
    assert (store.state, store.next_state, store.clock) == ("IQ", "D", ("!", "C"))
    assert gate.state is None


@pytest.mark.parametrize(
    ("slew", "load", "expected"), [(0, 0, 0), (1, 10, 11), (2, 5, 6.5), (0.5, 0, 0.5), (5, 20, 23), (-1, 0, -1)]
)
def test_table_is_linear_between_and_beyond_its_points(tiny, slew, load, expected):
    (table,) = tiny.cells["NOTAND"].pin("Y").energies
    assert table.at(slew, load) == pytest.approx(expected)


def test_table_of_one_value():
    assert Table((), (), (3.0,)).at(1, 2) == 3.0


FUNCTIONS = [
    ("!A", "not A"),
    ("A'", "not A"),
    ("A B + C", "(A and B) or C"),
    ("A+B C", "A or (B and C)"),
    ("(!((A B)+(C D)))", "not ((A and B) or (C and D))"),
    ("((S A) + (!S B))", "(S and A) or (not S and B)"),
    ("!A & B | C", "(not A and B) or C"),
    ("A ^ B C", "A != (B and C)"),
    ("A^B|C", "(A != B) or C"),
    ("!(A*B)^C", "(not (A and B)) != C"),
    ("(A B)' C", "not (A and B) and C"),
]


@pytest.mark.parametrize(("text", "meaning"), FUNCTIONS)
def test_function_means_what_python_says(text, meaning):
    function = parse_function(text)
    names = inputs(function)
    for bits in product((False, True), repeat=len(names)):
        values = dict(zip(names, bits, strict=True))
        assert (evaluate(function, {n: -int(b) for n, b in values.items()}) == -1) == eval(meaning, {}, values)


@pytest.mark.parametrize("text", ["", "A &", "(A", "A)", "A $ B", "& A"])
def test_function_rejects(text):
    with pytest.raises(ValueError, match=r"is no logic function|expected"):
        parse_function(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("library(a) {\n  cell(b) {\n", "the group 'cell' is not closed"),
        ("library(a) {\n  area 3;\n}", "line 2: expected an attribute or a group, not 'area'"),
        ("library(a) { }\n}", "line 2: expected an attribute or a group, not '}'"),
        ("cell(a) { }", "expected one library, found 0"),
    ],
)
def test_liberty_rejects(text, says):
    with pytest.raises(LibertyError) as caught:
        parse(text, "x.lib")
    assert str(caught.value) == f"cell library 'x.lib': {says}"


def test_missing_library_says_so(tmp_path):
    with pytest.raises(LibertyError) as caught:
        read_library(tmp_path / "none.lib")
    assert str(caught.value) == f"cell library '{tmp_path / 'none.lib'}': No such file or directory"


def test_library_that_is_no_text(tmp_path):
    path = tmp_path / "a.lib"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LibertyError) as caught:
        read_library(path)
    assert str(caught.value) == (
        f"cell library '{path}': expected a Liberty file (.lib) or one packed by gzip (.lib.gz)"
    )


def test_bad_function_names_the_cell(tmp_path):
    path = tmp_path / "a.lib"
    path.write_text(TINY.replace("(A B)'", "A ? B"))
    with pytest.raises(LibertyError) as caught:
        _ = read_library(path).cells
    assert str(caught.value) == f"cell library '{path}': cell 'NOTAND': 'A ? B' is no logic function"


def test_default_library_has_flip_flops():
    cells = read_library(DEFAULT_LIBRARY).cells
    assert {name for name, cell in cells.items() if cell.state} == {"DFFNEGX1", "DFFPOSX1", "DFFSR"}
