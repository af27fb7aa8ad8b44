"""The documents that the catalog rests on, by their names."""

from __future__ import annotations

from typing import Final

SCEP_PAGE: Final = "Installing and Administering J100 R4.1.x, SCEP"
PKCS12_PAGE: Final = "Installing and Administering J100 R4.1.x, PKCS#12"
ENHANCED_PAGE: Final = "Installing and Administering J100 R4.1.x, Enhanced Enrollment"
SSON_PAGE: Final = "Installing and Administering J100 R4.1.x, DHCP Site Specific Option"
TEMPLATE: Final = "46xxsettings template of 22 July 2022"
DIRECTORY_PAGE: Final = "Installing and Administering J100 R4.1.x, LDAP Directory configuration"
FIELD: Final = "seen in upgrade files of the field; no document"
