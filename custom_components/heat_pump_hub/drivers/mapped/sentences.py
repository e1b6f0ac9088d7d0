"""What can be wrong with a register map: sentences with a key, so that they can be translated.

The English ones stand in the translations of the integration as well, with ``map_`` before
the key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

type Part = str | Said


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, or a part of one."""

    key: str
    values: tuple[tuple[str, Part], ...] = ()

    def say(self, sentences: Mapping[str, str]) -> str:
        """Return it in the language of these sentences, which are found by their keys."""
        values = {
            name: value.say(sentences) if isinstance(value, Said) else value
            for name, value in self.values
        }
        return sentences[self.key].format(**values)


def said(key: str, /, **values: Part) -> Said:
    """Return the sentence of a key of :data:`ENGLISH`."""
    return Said(key, tuple(values.items()))


ENGLISH: Final[Mapping[str, str]] = MappingProxyType(
    {
        "at_line": "{file}, line {line}: {text}",
        "at_place": "{file}, line {line}, column {column}: {text}",
        "in_file": "{file}: {text}",
        # What a sentence is about.
        "what_check": "the check",
        "what_field": "“{name}”",
        "what_map": "the map",
        "what_module": "the module “{name}”",
        "what_modules": "the list of modules",
        "what_point": "the point",
        "hint": "; did you mean “{near}”?",
        # The file.
        "file_encoding": "the file is not UTF-8 (byte {byte})",
        "file_error": "the file cannot be read: {why}",
        "file_length": "the file has more than {most} characters",
        "file_missing": "there is no {name} in {folder}",
        "file_name": "the name of a register map ends with .yaml and has no folders",
        "file_size": "the file is too long",
        "file_values": "the file has too many values",
        "yaml": "this is not YAML: {why}",
        "yaml_alias": "anchors (&) and aliases (*) are not used in register maps",
        "yaml_character": "this character is not allowed",
        "yaml_depth": "this is nested too deeply",
        "yaml_tag": "tags (!) are not used in register maps",
        "no_map": "this is no register map: it has to begin with fields such as “maker:”",
        # Fields in general.
        "field_choice": "“{name}” has to be one of {words}{hint}",
        "field_integer": "“{name}” has to be a whole number",
        "field_items": "“{name}” has to be a list of at most {most} items",
        "field_language": "“{language}” is no language, such as en or de",
        "field_missing": "{what} lacks “{name}”",
        "field_name": "a field has to have a name",
        "field_names": "“{name}” has to be a text of 1 to 80 characters, or one a language",
        "field_number": "“{name}” has to be a number",
        "field_numbers": "“{name}” has to be a list of numbers",
        "field_range": "“{name}” has to be between {low} and {high}",
        "field_text": "“{name}” has to be a text of 1 to {longest} characters",
        "field_twice": "“{name}” is given twice, first in line {line}",
        "field_unknown": "{what} has no field “{name}”{hint}",
        "fields": "{what} has to be a list of fields with a colon",
        # The map as a whole.
        "anchor": "a point is needed that every machine has: without a module",
        "checks": "at least one register has to be checked",
        "extends_chain": "“{other}” itself extends another map",
        "extends_here": "“{other}” cannot be extended here",
        "extends_unreadable": "“{other}” cannot be read: {why}",
        "removed_unknown": "the extended map has no point “{name}”",
        "text_only": "“registers” is only for the type text",
        "module_unknown": "there is no module “{name}”{hint}",
        # A point.
        "bit_written": "a single bit cannot be written",
        "bool_twice": "{number} is both on and off, or given twice",
        "bool_value": "“bool” has to be true, or say what is on and off",
        "bool_word": "“{name}” has to be a whole number, or a list of them",
        "clash": "“{key}” and “{other}” (line {line}) share the {table} register {address}: "
        "only points of one size may, one of them written",
        "default_cyclic": "“default” is only for what is written cyclically",
        "enum_empty": "“enum” has to list numbers and their states",
        "enum_number": "“{name}” is no whole number that fits into the type",
        "enum_slug": "a state is a word of small letters, digits, underscores",
        "enum_state": "“{name}” is no state of “enum”{hint}",
        "enum_word": "“{name}” has to be one of {words}{hint}",
        "exclusive": "“{one}” and “{other}” exclude one another",
        "input_written": "input registers cannot be written: is it a holding register?",
        "key_part": "the part stands in “part” already: the key is “{key}”",
        "key_shape": "“{key}” is no key: small letters a to z, digits, underscores",
        "key_unknown": "“{key}” is not one of the keys all makers share: add a “name”{hint}",
        "min_above_max": "“min” is greater than “max”",
        "min_below_max": "“min” has to be below “max”",
        "number_bounds": "a number that can be written needs “min” and “max”",
        "number_only": "“{name}” is only for numbers that can be written",
        "room_part": "“room” needs a part such as zone_1",
        "scale_state": "states and flags are not scaled",
        "scale_zero": "“scale” must not be 0",
        "sentinel": "{number} does not fit into the type",
        "shared_kind": "this shared key is of the kind {kind}",
        "shared_name": "“{key}” is a shared key and has its name already",
        "shared_reading": "this shared key is a reading: use a key of your own",
        "shared_setting": "this shared key is a setting: it needs “write”",
        "step": "“step” has to be above 0",
        "useless": "what is neither read nor written is of no use",
        "valid": "“valid” has to be two numbers, the lower one first",
        "wants_enum": "this is a state: it needs “enum”",
        "wants_flag": "this is on or off: it needs “bool” or “bit”",
        "wants_no_unit": "this is a {quantity}: it needs no unit",
        "wants_unit": "this is a {quantity}: it needs a unit of: {units}",
        "writable_enum": "“writable” needs “enum”",
    }
)
