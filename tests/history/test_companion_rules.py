"""The labels of companions by rules."""

import pytest

from custom_components.heat_pump_hub.history.companion_rules import (
    DEFAULT_RULES,
    LONGEST,
    MOST_LABELS,
    MOST_RULES,
    Fault,
    FaultKind,
    RulesError,
    parse_rules,
    rules_of,
)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("Mains_1", {"group": "trunk", "pair": "Mains"}),
        ("Mains_2", {"group": "trunk", "pair": "Mains"}),
        ("Solar", {"group": "trunk"}),
        ("Solar_East_2", {"group": "trunk", "pair": "Solar_East"}),
        ("Solar3", {"group": "trunk", "pair": "Solar"}),
        ("Garage_1", {"group": "trunk", "pair": "Garage"}),
        ("Garage", {"group": "circuit"}),
        ("Garage_Heat", {"group": "trunk"}),
        ("Basement_Heat", {"group": "hvac"}),
        ("Heat_Lamp", {"group": "circuit"}),
        ("Minisplit", {"group": "hvac"}),
        ("Minisplit_2", {"group": "hvac"}),
        ("Furnace", {"group": "hvac"}),
        ("Furnace_Room", {"group": "circuit"}),
        ("Kitchen", {"group": "circuit"}),
        ("mains_1", {"group": "trunk", "pair": "mains"}),
        ("Mains 1", {"group": "trunk", "pair": "Mains"}),
    ],
)
def test_the_forerunners_rules_are_shipped(name: str, labels: dict[str, str]) -> None:
    assert DEFAULT_RULES.labels(name) == labels


def test_a_rule_may_fit_any_name() -> None:
    assert DEFAULT_RULES.labels("Mains_1", "iotawatt_input_1")["pair"] == "Mains"
    assert DEFAULT_RULES.labels("Stromkreis 1", "mains_1")["pair"] == "mains"


def test_own_rules_come_before_the_shipped_ones() -> None:
    rules = rules_of("# circuits\n\nmains_*: group=Netz, floor=ground, name={stem}\n*_pv: group=pv")
    assert rules.labels("Mains_3") == {"group": "Netz", "floor": "ground", "name": "Mains"}
    assert rules.labels("Roof PV") == {"group": "pv"}
    assert rules.labels("Furnace") == {"group": "hvac"}
    assert rules_of(None).labels("Furnace") == {"group": "hvac"}
    assert parse_rules("a: b=c").labels("x") == {}


def test_every_line_at_fault_is_told_by_its_number() -> None:
    text = "\n".join(
        [
            "a: b=c",
            "no colon",
            ": b=c",
            "a: b",
            "a: b=c,",
            "a: 1b=c",
            "a: heatpump_id=x",
            "a: __b=x",
            "a: b=c, b=d",
            f"a: b={'x' * (LONGEST + 1)}",
            "a: " + ", ".join(f"b{n}=c" for n in range(MOST_LABELS + 1)),
        ]
    )
    with pytest.raises(RulesError) as caught:
        parse_rules(text)
    assert [(one.line, one.kind) for one in caught.value.lines] == [
        (2, FaultKind.NO_RULE),
        (3, FaultKind.NO_RULE),
        (4, FaultKind.NO_RULE),
        (5, FaultKind.NO_RULE),
        (6, FaultKind.LABEL_NAME),
        (7, FaultKind.RESERVED),
        (8, FaultKind.RESERVED),
        (9, FaultKind.TWICE),
        (10, FaultKind.TOO_LONG),
        (11, FaultKind.TOO_MANY),
    ]
    assert caught.value.lines[4].text == "1b"
    assert "line 2: no_rule (no colon)" in str(caught.value)


def test_too_many_rules_are_refused() -> None:
    text = "a: b=c\n" * MOST_RULES
    parse_rules(text)
    with pytest.raises(RulesError) as caught:
        parse_rules(text + "a: b=c\na: b=c")
    assert caught.value.lines == (Fault(MOST_RULES + 1, FaultKind.TOO_MANY, str(MOST_RULES)),)
