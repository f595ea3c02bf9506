"""Words that stand for nothing, as programs, spreadsheets and people write them in place of an id."""

from __future__ import annotations

import re
from typing import Final

_OF_PROGRAMS: Final = """
    nan|na|n/a|#n/a|#na|n.a.|n.a|n/k|n\\a|null|nul|nil|none|(null)|<null>|[null]|(none)|<none>|\\n
    \\x00|undefined|<na>|nat|-1|#ref!|#value!|#name?|#num!|#div/0!|#nv|#n/d|#bezug!|#name!|#wert!
    #nombre?|#valeur!|#nom?|null,null|undefined,undefined|[object object]|object object|string
    default|ffffffff-ffff-ffff-ffff-ffffffffffff|ff:ff:ff:ff:ff:ff|02:00:00:00:00:00
    9774d56d682e549c|255.255.255.255|::ffff:0.0.0.0
"""
_ENGLISH: Final = """
    unknown|(unknown)|<unknown>|unk|not_available|notavailable|not available|not_set|notset|not set
    not_provided|notprovided|not provided|none provided|not applicable|not known|no value
    unspecified|not specified|unavailable|not collected|missing|empty|blank|(blank)|nothing|tbd|tba
    xxx|xxxx|xxxxx|xxxxxx|xxxxxxxx|dummy|unassigned|anonymous|anon|guest|guest checkout|walk-in
    redacted|[redacted]|deleted|[deleted]|masked|hidden|withheld|void|private|opted out|no device
    nodevice|no_device|no-device
"""
_OTHERS: Final = """
    unbekannt|nicht bekannt|nicht vorhanden|nicht angegeben|nicht verfügbar|keine angabe|keine
    k. a.|k.a.|k/a|entfällt|fehlt|leer|(leer)|n.v.|n/v|anonym|gast|inconnu|inconnue|néant|neant
    aucun|aucune|vide|(vide)|non renseigné|non renseigne|non communiqué|non disponible
    non applicable|anonyme|invité|n.c.|n/c|n.d.|n/d|desconocido|desconocida|ninguno|ninguna|vacío
    vacio|sin datos|sin dato|sin información|no aplica|no disponible|nulo|anónimo|invitado|s/d
    desconhecido|desconhecida|nenhum|nenhuma|vazio|vazia|não informado|nao informado|não disponível
    nao disponivel|não aplicável|convidado|sconosciuto|sconosciuta|nessuno|nessuna|vuoto
    non disponibile|non specificato|anonimo|ospite|n.p.|onbekend|geen|leeg|nvt|n.v.t.
    niet beschikbaar|okänd|saknas|ingen|ukjent|mangler|ukendt|tuntematon|ei tiedossa|brak
    brak danych|nieznany|nieznana|nie dotyczy|neznámý|žádný|neznámy|ismeretlen|nincs|necunoscut
    niciunul|bilinmiyor|belirsiz|yok|не указано|неизвестно|неизвестен|нет|нет данных|н/д
    отсутствует|пусто|невідомо|немає|няма|неизвестен|άγνωστο|άγνωστος|κανένα|未知|无|無|不明|不详|不詳|未設定
    未设置|なし|該当なし|空|없음|미상|알수없음|알 수 없음|해당없음|غير معروف|غير متوفر|لا يوجد|لا شيء|לא ידוע
    אין|अज्ञात|उपलब्ध नहीं|ไม่ทราบ|ไม่มี|không|không rõ|không có|tidak ada|tidak diketahui|tiada|nihil
"""
PLACEHOLDERS: Final = frozenset(
    word.strip().casefold()
    for text in (_OF_PROGRAMS, _ENGLISH, _OTHERS)
    for line in text.strip().splitlines()
    for word in line.split("|")
)
"""Words that stand for no id, in lower case; so does whatever has only zeros and signs: 0, -, ::, 0.0.0.0."""

LONGEST_WORD: Final = 64
"""Bytes of the longest text that is looked at as one that may stand for nothing."""

_AROUND: Final = "\"'`;,"
_NO_ID: Final = re.compile(r"[^\w|]*(?:[0_][^\w|]*)*")
_FULL: Final = re.compile(r"-9{2,}|9{8,}|f{8,}|f(?:-?f){15,}")
NO_MAILBOX: Final = frozenset(
    "noemail no-email no.email no_email nomail no-mail noreply no-reply no_reply donotreply".split()  # noqa: SIM905
)
"""Before the @ of addresses that reach nobody."""
_NO_NUMBER: Final = re.compile(r"\+?[0-9]{1,3}|\+?([0-9])\1{6,}|0?123456789?0?")


def has_no_letters(word: str) -> bool:
    """Whether a text has only zeros and signs."""
    return _NO_ID.fullmatch(word) is not None


def is_nothing(word: str, field: str = "") -> bool:
    """Whether a word in small letters stands for nothing in an id of this field.

    >>> [is_nothing(one) for one in ("none", "'null'", "0.0.0.0", "-999", "n1")]
    [True, True, True, True, False]
    >>> is_nothing("noemail@shop.example", "email"), is_nothing("1111111111", "phone")
    (True, True)
    """
    bare = word.strip(_AROUND)
    if has_no_letters(word) or bare in PLACEHOLDERS or word in PLACEHOLDERS or _FULL.fullmatch(word):
        return True
    if field == "email":
        local, _, domain = word.rpartition("@")
        host = domain.partition(".")[0]
        return local in NO_MAILBOX or (local in PLACEHOLDERS and (host in PLACEHOLDERS or host == local))
    return field == "phone" and _NO_NUMBER.fullmatch(word) is not None
