"""What no document settles about the settings file, and what this room takes: own choices, each with one name."""

from __future__ import annotations

from enum import Enum


class Decision(Enum):
    """A choice of ours where the documents are silent; its value says what holds here."""

    LAST_SET_WINS = "of two valid SETs of one parameter the later holds"
    EXACT_COMPARISON = "SEQ compares letter by letter, as the R4.1.x page says; guides of older products ignore case"
    CONDITION_MACADDR = "$MACADDR in a condition is in lower case without colons, as in file names"
    FIRST_LABEL_WINS = "of two equal labels GOTO takes the first in the file, before or after it"
    LABEL_TRAP = "a line that begins with '# ' and goes on with more than one word sets no label and does nothing"
    TRAILING_BLANKS = "blanks at the end of a line do not count, nor does the number of blanks between its words"
    BARE_BLANKS = "a SET whose value holds blanks without quotes around the whole is ignored"
    STRAY_QUOTES = "a SET whose value has a quote anywhere but around the whole is ignored"
    LENGTH_BEFORE_MACROS = "lengths count the value as written, before macros are expanded"
    DN_PARTS = "MYCERTDN needs TYPE=value between slashes, with a known type or an OID, and a country of two letters"
    COMMON_NAME_LAST = "the common name follows the parts of MYCERTDN in the subject"
    SERVICE_NAMES = "both spellings of a service in SCEP_USAGE are taken, with or without blanks after commas"
    FORCED_HTTPS_KEEPS_PORT = "where SCEP_ENTITY_CLASS forces MYCERTURL to https, all behind the scheme stays, the port too"
    OTHER_MACROS = "a macro that its place does not know stays in the text as it is"
    SAME_FILE_AGAIN = "a GET of a file that led here, and a jump taken twice, would never end: reading stops there"
