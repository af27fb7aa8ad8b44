"""Variants and defects by name: each one named change of the habits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hil.virtual.phone.catalogue import deleting, dot1x, enrolment, renewal, services, system_manager
from hil.virtual.phone.catalogue.entries import Defect, Variant
from hil.virtual.phone.habits import Habits

_THEMES = (enrolment, renewal, deleting, system_manager, services, dot1x)
VARIANTS: Mapping[str, Variant] = {name: variant for theme in _THEMES for name, variant in theme.VARIANTS.items()}
DEFECTS: Mapping[str, Defect] = {name: defect for theme in _THEMES for name, defect in theme.DEFECTS.items()}


def habits(variants: Iterable[str] = (), defects: Iterable[str] = ()) -> Habits:
    """The habits of a phone with these variants and defects; an unknown name is a KeyError."""
    result = Habits()
    for change in [*(VARIANTS[name].change for name in variants), *(DEFECTS[name].change for name in defects)]:
        result = change(result)
    return result
