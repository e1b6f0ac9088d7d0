"""Codes of a Luxtronik and what they mean.

Source: register tables luxtronik and luxtronik_errors (field notes, with the switch-off
reasons as corrected there).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

BIVALENCE_LEVELS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "one_compressor",
        2: "two_compressors",
        3: "additional_heat",
    }
)
CIRCUIT_MODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "automatic",
        2: "party",
        3: "holidays",
        4: "off",
    }
)
CONTROL_MODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "curve",
        1: "fixed_temperature",
        2: "analog",
    }
)
COOLING_MODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "off",
        1: "automatic",
    }
)
MIXER_TYPES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "off",
        1: "discharge",
        2: "load",
        3: "cooling",
        4: "heating_cooling",
    }
)
MODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "automatic",
        1: "second_heat_source",
        2: "party",
        3: "holidays",
        4: "off",
    }
)
POOL_MODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "automatic",
        1: "pv_off",
        2: "pool_party",
        3: "pool_holidays",
        4: "pool_off",
    }
)
SEC_STATES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "off",
        1: "cooling",
        2: "heating",
        3: "fault",
        4: "transition",
        5: "defrost",
        6: "waiting",
        9: "stop",
        10: "manual",
        11: "simulation_start",
        12: "evu_lock",
    }
)
SEC_STATES_SAME: Final[Mapping[int, str]] = MappingProxyType(
    {
        7: "waiting",
        8: "transition",
    }
)
"""More numbers for the same."""
STATUS_1: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "running",
        1: "idle",
        2: "coming",
        3: "error_slot_0",
        4: "defrost",
        5: "waiting_lin",
        6: "compressor_heating_up",
        7: "pump_forerun",
    }
)
STATUS_2: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "since",
        1: "in",
    }
)
STATUS_3: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "heating",
        1: "no_request",
        2: "grid_on_delay",
        3: "cycle_lock",
        4: "lock_time",
        5: "hot_water",
        6: "screed_drying",
        7: "defrost",
        8: "pump_forerun",
        9: "thermal_disinfection",
        10: "cooling",
        12: "pool_or_solar",
        13: "heating_external_source",
        14: "hot_water_external_source",
        16: "flow_monitoring",
        17: "second_heat_generator_1_active",
    }
)
SWITCH_OFF: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "heat_pump_error",
        1: "system_error",
        2: "mode_second_generator",
        3: "evu_lock",
        5: "air_defrost",
        6: "max_usage_temperature",
        7: "min_usage_temperature",
        8: "lower_usage_limit",
        9: "no_request",
        10: "external_energy_source",
        11: "flow_rate",
        12: "low_pressure_pause",
        13: "superheat_pause",
        14: "inverter_pause",
        15: "desuperheater_pause",
        16: "mode_changeover",
        17: "other",
        18: "min_flow_cooling",
        19: "pv_max",
        20: "hot_gas_pause",
        21: "overheating_hot_gas_pause",
        23: "min_heat_source_out_cooling",
        24: "lpc",
        25: "restart",
        27: "max_flow_temperature",
    }
)
SWITCH_OFF_SAME: Final[Mapping[int, str]] = MappingProxyType(
    {
        22: "no_request",
    }
)
"""More numbers for the same."""
THERMOSTATS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "none",
        1: "rfv",
        2: "rfv_k",
        3: "rfv_dk",
        4: "rbe",
        5: "smart",
        90: "rbe_plus",
    }
)
TIMER_SHAPES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "week",
        1: "weekdays_weekend",
        2: "days",
    }
)
VENTILATION_MODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "automatic",
        1: "party",
        2: "holidays",
        3: "off",
    }
)
ERRORS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "no_error",
        700: "sensor_external_return",
        701: "error_low_pressure",
        702: "low_pressure_blockade",
        703: "frost_protection",
        704: "error_hot_gas",
        705: "motor_protection",
        706: "motor_protection_bsup",
        707: "encoding_heat_pump",
        708: "sensor_return",
        709: "sensor_flow",
        710: "sensor_hot_gas",
        711: "sensor_outdoor_temp",
        712: "sensor_dhw",
        713: "sensor_heat_source_in",
        714: "hot_gas_dhw",
        715: "high_pressure_switch_off",
        716: "error_high_pressure",
        717: "flow_rate",
        718: "max_outdoor_temp",
        719: "min_outdoor_temp",
        720: "min_heat_source_temp",
        721: "low_pressure_switch_off",
        722: "temp_difference_heating",
        723: "temp_difference_dhw",
        724: "temp_difference_defrosting",
        725: "error_dhw",
        726: "sensor_mixing_circuit_1",
        727: "brine_pressure",
        728: "sensor_heat_source_out",
        729: "error_phase_sequence",
        730: "capacity_screed_heating",
        731: "interruption_tdi",
        732: "error_cooling",
        733: "error_electrical_anode",
        734: "electrical_anode_dhw",
        735: "sensor_external_energy",
        736: "sensor_solar_panel",
        737: "sensor_solar_tank",
        738: "sensor_mixing_circuit_2",
        739: "sensor_mixing_circuit_3",
        750: "sensor_return_external",
        751: "phase_sequence_monitoring",
        752: "power_supply_flow",
        755: "connection_to_slave_lost",
        756: "connection_to_master_lost",
        757: "low_pressure_block",
        758: "error_defrosting",
        759: "fault_tdi",
        761: "lin_connection_lost",
        762: "suction_compressor",
        763: "suction_evaporator",
        764: "compressor_oil_sump",
        765: "overheating",
        766: "operating_limits_compressor",
        767: "stl_immersion_heater",
        768: "flow_rate_control",
        769: "pump_control",
        770: "low_overheat",
        771: "high_overheat",
        772: "ol_too_low_condensation",
        773: "ol_too_high_condensation",
        774: "ol_too_low_evaporation",
        775: "expansion_valve_evi",
        777: "expansion_valve",
        778: "sensor_low_pressure",
        779: "sensor_high_pressure",
        780: "sensor_evi",
        781: "sensor_liquid_ahead_exp_valve",
        782: "sensor_evi_suction_gas",
        783: "communication_sec_inverter",
        784: "inverter_blocked",
        785: "sec_board_defect",
        787: "vd_alert",
        788: "serious_inverter_error",
        789: "lin_encoding_not_found",
        791: "modbus_inverter",
        794: "overvoltage",
        795: "undervoltage",
        796: "safety_shutdown",
        797: "mlrh_is_not_supported",
        798: "modbus_fan",
        799: "modbus_asb",
        800: "safety_stop_desuperheater",
        802: "switch_box_fan",
        804: "sensor_switch_box",
        805: "sensor_desuperheater",
        806: "modbus_sec",
        807: "lost_modbus_connection",
    }
)
ERRORS_SAME: Final[Mapping[int, str]] = MappingProxyType(
    {
        760: "error_defrosting",
        776: "operating_limits_compressor",
        786: "communication_sec_inverter",
        790: "serious_inverter_error",
        792: "lin_connection_lost",
        793: "serious_inverter_error",
        803: "switch_box_fan",
    }
)
"""Numbers of faults that another number names as well."""
MODELS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "ERC",
        1: "SW1",
        2: "SW2",
        3: "WW1",
        4: "WW2",
        5: "L1I",
        6: "L2I",
        7: "L1A",
        8: "L2A",
        9: "KSW",
        10: "KLW",
        11: "SWC",
        12: "LWC",
        13: "L2G",
        14: "WZS",
        15: "L1I407",
        16: "L2I407",
        17: "L1A407",
        18: "L2A407",
        19: "L2G407",
        20: "LWC407",
        21: "L1AREV",
        22: "L2AREV",
        23: "WWC1",
        24: "WWC2",
        25: "L2G404",
        26: "WZW",
        27: "L1S",
        28: "L1H",
        29: "L2H",
        30: "WZWD",
        31: "ERC",
        32: "ERC",
        33: "ERC",
        34: "ERC",
        35: "ERC",
        36: "ERC",
        37: "ERC",
        38: "ERC",
        39: "ERC",
        40: "WWB_20",
        41: "LD5",
        42: "LD7",
        43: "SW 37_45",
        44: "SW 58_69",
        45: "SW 29_56",
        46: "LD5 (230V)",
        47: "LD7 (230 V)",
        48: "LD9",
        49: "LD5 REV",
        50: "LD7 REV",
        51: "LD5 REV 230V",
        52: "LD7 REV 230V",
        53: "LD9 REV 230V",
        54: "SW 291",
        55: "LW SEC",
        56: "HMD 2",
        57: "MSW 4",
        58: "MSW 6",
        59: "MSW 8",
        60: "MSW 10",
        61: "MSW 12",
        62: "MSW 14",
        63: "MSW 17",
        64: "MSW 19",
        65: "MSW 23",
        66: "MSW 26",
        67: "MSW 30",
        68: "MSW 4S",
        69: "MSW 6S",
        70: "MSW 8S",
        71: "MSW 10S",
        72: "MSW 12S",
        73: "MSW 16S",
        74: "MSW2-6S",
        75: "MSW4-16",
        76: "LD2AG",
        77: "LD9V",
        78: "MSW3-12",
        79: "MSW3-12S",
        80: "MSW2-9S",
        81: "LW 8",
        82: "LW 12",
        83: "HZ_HMD",
        84: "LW V4",
        85: "LW SEC 2",
        86: "MSW1-4S",
        87: "LP5V",
        88: "LP8V",
    }
)
"""Type of the heat pump, calculation 78."""
OPERATING: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "heating",
        1: "dhw",
        2: "pool",
        3: "utility_lock",
        4: "defrost",
        5: "off",
        6: "other",
        7: "cooling",
    }
)
"""Calculation 80 in the words all makers share; 6 is heating by an external source."""
