"""Units of measure: how they are written, which measure the same, and how one becomes another, exactly.

Currencies are units too, but none becomes another: the rate is not a fact of the text.

Depends on: nothing. Used by: `abtest.evaluation.quantities`, `abtest.evaluation.judges`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

# kind | names | symbols | how many of the kind's base unit | decimal prefixes that are in use with it
# A foot, a pound and the like are those of the international yard and pound agreement of 1959; calories are
# thermochemical; 1 t is 1,000 kg. Gallons and pints differ by country and are left out, and so are tons in words.
# Source: BIPM, The International System of Units, 9th edition; NIST Special Publication 811, appendix B.
_TABLE = """
length      | metre meter                         | m                    | 1                    | n µ m c d k
length      | inch inches                         | in                   | 0.0254               |
length      | foot feet                           | ft                   | 0.3048               |
length      | yard                                | yd                   | 0.9144               |
length      | mile                                | mi                   | 1609.344             |
length      | nautical_mile                       | nmi                  | 1852                 |
mass        | gram gramme                         | g                    | 1                    | µ m k
mass        | tonne metric_ton                    | t                    | 1000000              |
mass        | ounce                               | oz                   | 28.349523125         |
mass        | pound                               | lb lbs               | 453.59237            |
time        | second                              | s sec secs           | 1                    | n µ m
time        | minute                              | min mins             | 60                   |
time        | hour                                | h hr hrs             | 3600                 |
time        | day                                 | d                    | 86400                |
time        | week                                | wk wks               | 604800               |
area        | square_metre square_meter           | m² m2 m^2            | 1                    |
area        | square_centimetre square_centimeter | cm² cm2 cm^2         | 0.0001               |
area        | square_kilometre square_kilometer   | km² km2 km^2         | 1000000              |
area        | square_foot square_feet             | ft² ft2 ft^2         | 0.09290304           |
area        | square_mile                         | mi² mi2 mi^2         | 2589988.110336       |
area        | hectare                             | ha                   | 10000                |
area        | acre                                |                      | 4046.8564224         |
volume      | litre liter                         | l L                  | 1                    | µ m c d h
volume      | cubic_metre cubic_meter             | m³ m3 m^3            | 1000                 |
volume      | cubic_centimetre cubic_centimeter   | cm³ cm3 cm^3         | 0.001                |
speed       | metre_per_second meter_per_second metres_per_second meters_per_second | m/s | 1       |
speed       | kilometre_per_hour kilometer_per_hour kilometres_per_hour kilometers_per_hour | km/h km/hr kph | 5/18 |
speed       | mile_per_hour miles_per_hour        | mph                  | 0.44704              |
speed       | knot                                | kn                   | 463/900              |
temperature | kelvin                              | K                    | 1                    |
temperature | degree_celsius degrees_celsius celsius centigrade         | °C ℃ | 1           |
temperature | degree_fahrenheit degrees_fahrenheit fahrenheit           | °F ℉ | 5/9         |
angle       | degree                              | ° deg                | 1                    |
energy      | joule                               | J                    | 1                    | m k M G
energy      | calorie                             | cal                  | 4.184                | k
energy      | watt_hour watt-hour                 | Wh                   | 3600                 | k M G T
power       | watt                                | W                    | 1                    | m k M G T
pressure    | pascal                              | Pa                   | 1                    | h k M
pressure    | bar                                 |                      | 100000               | m
pressure    | atmosphere                          | atm                  | 101325               |
frequency   | hertz                               | Hz                   | 1                    | k M G
voltage     | volt                                | V                    | 1                    | m k
current     | ampere amp                          | A                    | 1                    | m
data        | bit                                 | bit                  | 1                    | k M G T
data        | byte                                | B                    | 8                    | k M G T P
data        | kilobyte                            | KB                   | 8000                 |
data        | kibibyte                            | KiB                  | 8192                 |
data        | mebibyte                            | MiB                  | 8388608              |
data        | gibibyte                            | GiB                  | 8589934592           |
data        | tebibyte                            | TiB                  | 8796093022208        |
share       | percent per_cent                    | %                    | 0.01                 |
share       | per_mille                           | ‰                    | 0.001                |
share       | part_per_million parts_per_million  | ppm                  | 0.000001             |
USD         | dollar us_dollar                    | $ US$ USD            | 1                    |
EUR         | euro                                | € EUR                | 1                    |
GBP         | pound_sterling pounds_sterling      | £ GBP                | 1                    |
JPY         | yen                                 | ¥ JPY                | 1                    |
INR         | rupee                               | ₹ INR                | 1                    |
CAD         | canadian_dollar                     | CAD                  | 1                    |
AUD         | australian_dollar                   | AUD                  | 1                    |
CHF         | swiss_franc                         | CHF                  | 1                    |
CNY         | yuan                                | CNY                  | 1                    |
"""
_PREFIXES = {
    "n": ("nano", -9), "µ": ("micro", -6), "m": ("milli", -3), "c": ("centi", -2), "d": ("deci", -1), "": ("", 0),
    "h": ("hecto", 2), "k": ("kilo", 3), "M": ("mega", 6), "G": ("giga", 9), "T": ("tera", 12), "P": ("peta", 15),
}  # fmt: skip
# Added before the multiplication: a temperature's zero is not the base unit's zero.
_SHIFTS = {"degree celsius": Fraction("273.15"), "degree fahrenheit": Fraction("459.67")}
# Where the wrong case means another unit: Mb is a megabit to some and a megabyte to others, Cal is a kilocalorie.
_CASE_MATTERS = frozenset({"data", "energy"})


@dataclass(frozen=True)
class Unit:
    """One unit of measure.

    Args:
        name: in words, singular.
        kind: what it measures; only units of one kind become each other.
        factor: how many base units it is.
        shift: what is added to a value before it is multiplied.
    """

    name: str
    kind: str
    factor: Fraction
    shift: Fraction = Fraction(0)

    def converted(self, value: Fraction, target: Unit) -> Fraction:
        """Return a value of this unit in another unit of the same kind, exactly."""
        return (value + self.shift) * self.factor / target.factor - target.shift


@cache
def _spellings() -> tuple[dict[str, Unit], dict[str, Unit]]:
    """Return symbols to units, by case; and names to units, case folded."""
    symbols: dict[str, Unit] = {}
    names: dict[str, Unit] = {}
    folded: dict[str, set[str]] = defaultdict(set)
    for unit, own_symbols, own_names in _units():
        symbols |= dict.fromkeys(own_symbols, unit)
        names |= dict.fromkeys(own_names, unit)
        if unit.kind not in _CASE_MATTERS:
            for symbol in own_symbols:
                folded[symbol.casefold()].add(symbol)
    for form, written in folded.items():
        # `KM` can only be `km`; `mw` may be `mW` or `MW`, and one letter alone is too little to guess from.
        if len({symbols[symbol] for symbol in written}) == 1 and len(form) > 1:
            names.setdefault(form, symbols[min(written)])
    return symbols, names


def _units() -> Iterator[tuple[Unit, list[str], list[str]]]:
    for line in _TABLE.strip().splitlines():
        kind, names, symbols, factor, prefixes = (cell.strip() for cell in line.split("|"))
        words = [name.replace("_", " ") for name in names.split()]
        for prefix in ("", *prefixes.split()):
            prefix_name, exponent = _PREFIXES[prefix]
            name = prefix_name + words[0]
            size = Fraction(factor) * Fraction(10) ** exponent
            spelt = [prefix_name + word for word in words]
            # A unit without a symbol is written as its name: mbar.
            written = [prefix + symbol for symbol in (symbols.split() or ([words[0]] if prefix else []))]
            yield Unit(name, kind, size, _SHIFTS.get(name, Fraction(0))), written, [*spelt, *(f"{w}s" for w in spelt)]


def unit_named(text: str) -> Unit | None:
    """Return the unit that a symbol or a name in English is, or None.

    Symbols are read by case (`mW` is not `MW`), unless only one unit can be meant (`KM`); names are not.
    """
    symbols, names = _spellings()
    plain = text.replace("μ", "µ").replace("° ", "°")
    return symbols.get(plain) or names.get(" ".join(plain.casefold().split()))


def currency_named(text: str) -> Unit | None:
    """Return the currency that a sign or a code (`USD`) is, or None."""
    found = _spellings()[0].get(text)
    return found if found is not None and found.kind.isupper() else None
