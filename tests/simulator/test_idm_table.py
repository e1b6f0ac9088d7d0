"""The register table is whole and free of collisions nobody documented."""

from collections import Counter

from custom_components.heat_pump_hub.simulator.idm_table import OVERLAPS, ROWS, rows


def test_every_row_and_every_repeat_is_there() -> None:
    assert len(ROWS) == 169
    assert len(list(rows())) == 698
    assert len({row.key for row in rows()}) == 698


def test_only_the_documented_addresses_are_shared() -> None:
    taken = Counter(address for row in rows() for address in row.addresses)
    assert {address for address, count in taken.items() if count > 1} == set(OVERLAPS.values())


def test_repeats_have_the_addresses_of_the_document() -> None:
    by_key = {row.key: row.address for row in rows()}
    assert by_key["circuit_a_flow_temperature"] == 1350
    assert by_key["circuit_g_flow_temperature"] == 1362
    assert by_key["circuit_g_heating_curve"] == 1441
    assert by_key["circuit_a_heating_limit"] == 1442
    assert by_key["compressor_4_status"] == 1103
    assert by_key["zone_1_mode"] == 2000
    assert by_key["zone_10_mode"] == 2000 + 9 * 65
    assert by_key["zone_2_room_3_temperature"] == 2065 + 2 + 2 * 7
    assert by_key["zone_10_room_8_relay"] == 2585 + 8 + 7 * 7
    assert by_key["zone_1_room_9_relay"] == 2064
    assert by_key["booster_b_compressor"] == 4052


def test_writable_rows_say_what_a_write_costs() -> None:
    for row in rows():
        assert (row.access == "r") == (row.wear == "none"), row.key
        if row.codes is not None:
            assert row.minimum is None, row.key
    wear = Counter(row.wear for row in rows() if not row.zone)
    # 88 starred in the document, and the twelve of the cascade by caution.
    assert wear["eeprom"] == 100
    assert [row.key for row in rows() if not row.readable] == ["acknowledge_faults"]
