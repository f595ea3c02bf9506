"""Names of countries, as people write them where a code belongs."""

from __future__ import annotations

import difflib
from typing import Final

_NAMES: Final = """
AD Andorra|AE United Arab Emirates|AF Afghanistan|AG Antigua and Barbuda|AI Anguilla|AL Albania|AM Armenia
AO Angola|AQ Antarctica|AR Argentina|AS American Samoa|AT Austria, Österreich|AU Australia|AW Aruba
AX Åland Islands, Aland|AZ Azerbaijan|BA Bosnia and Herzegovina, Bosnia|BB Barbados|BD Bangladesh
BE Belgium, Belgique, België, Belgien|BF Burkina Faso|BG Bulgaria|BH Bahrain|BI Burundi|BJ Benin
BL Saint Barthélemy|BM Bermuda|BN Brunei|BO Bolivia|BQ Caribbean Netherlands|BR Brazil, Brasil|BS Bahamas
BT Bhutan|BV Bouvet Island|BW Botswana|BY Belarus|BZ Belize|CA Canada, Kanada|CC Cocos Islands
CD Democratic Republic of the Congo, DR Congo, Congo-Kinshasa|CF Central African Republic
CG Republic of the Congo, Congo, Congo-Brazzaville|CH Switzerland, Schweiz, Suisse, Svizzera
CI Ivory Coast, Côte d'Ivoire, Cote d'Ivoire|CK Cook Islands|CL Chile|CM Cameroon|CN China|CO Colombia
CR Costa Rica|CU Cuba|CV Cape Verde, Cabo Verde|CW Curaçao, Curacao|CX Christmas Island|CY Cyprus, Zypern
CZ Czechia, Czech Republic, Tschechien|DE Germany, Deutschland, Allemagne, Alemania, Germania|DJ Djibouti
DK Denmark, Danmark, Dänemark|DM Dominica|DO Dominican Republic|DZ Algeria|EC Ecuador|EE Estonia, Eesti
EG Egypt|EH Western Sahara|ER Eritrea|ES Spain, España, Espana, Spanien|ET Ethiopia|FI Finland, Suomi|FJ Fiji
FK Falkland Islands|FM Micronesia|FO Faroe Islands|FR France, Frankreich, Francia|GA Gabon
GB United Kingdom, Great Britain, Britain, England, Scotland, Wales, Northern Ireland, U.K.|GD Grenada
GE Georgia|GF French Guiana|GG Guernsey|GH Ghana|GI Gibraltar|GL Greenland|GM Gambia, The Gambia|GN Guinea
GP Guadeloupe|GQ Equatorial Guinea|GR Greece, Hellas, Griechenland|GS South Georgia|GT Guatemala|GU Guam
GW Guinea-Bissau|GY Guyana|HK Hong Kong|HM Heard Island|HN Honduras|HR Croatia, Hrvatska|HT Haiti
HU Hungary, Magyarország|ID Indonesia|IE Ireland, Éire, Irland|IL Israel|IM Isle of Man|IN India, Bharat
IO British Indian Ocean Territory|IQ Iraq|IR Iran, Islamic Republic of Iran|IS Iceland
IT Italy, Italia, Italien, Italie|JE Jersey|JM Jamaica|JO Jordan|JP Japan|KE Kenya|KG Kyrgyzstan|KH Cambodia
KI Kiribati|KM Comoros|KN Saint Kitts and Nevis|KP North Korea|KR South Korea, Korea, Republic of Korea
KW Kuwait|KY Cayman Islands|KZ Kazakhstan|LA Laos|LB Lebanon|LC Saint Lucia|LI Liechtenstein|LK Sri Lanka
LR Liberia|LS Lesotho|LT Lithuania, Lietuva|LU Luxembourg, Luxemburg|LV Latvia, Latvija|LY Libya|MA Morocco
MC Monaco|MD Moldova|ME Montenegro|MF Saint Martin|MG Madagascar|MH Marshall Islands
MK North Macedonia, Macedonia|ML Mali|MM Myanmar, Burma|MN Mongolia|MO Macau, Macao
MP Northern Mariana Islands|MQ Martinique|MR Mauritania|MS Montserrat|MT Malta|MU Mauritius|MV Maldives
MW Malawi|MX Mexico, México|MY Malaysia|MZ Mozambique|NA Namibia|NC New Caledonia|NE Niger|NF Norfolk Island
NG Nigeria|NI Nicaragua|NL Netherlands, The Netherlands, Holland, Nederland, Niederlande|NO Norway, Norge
NP Nepal|NR Nauru|NU Niue|NZ New Zealand|OM Oman|PA Panama|PE Peru|PF French Polynesia|PG Papua New Guinea
PH Philippines, The Philippines|PK Pakistan|PL Poland, Polska, Polen|PM Saint Pierre and Miquelon
PN Pitcairn Islands|PR Puerto Rico|PS Palestine, State of Palestine|PT Portugal|PW Palau|PY Paraguay|QA Qatar
RE Réunion, Reunion|RO Romania, România|RS Serbia, Srbija|RU Russia, Russian Federation, Russland|RW Rwanda
SA Saudi Arabia|SB Solomon Islands|SC Seychelles|SD Sudan|SE Sweden, Sverige, Schweden|SG Singapore
SH Saint Helena|SI Slovenia, Slovenija|SJ Svalbard and Jan Mayen|SK Slovakia, Slovensko|SL Sierra Leone
SM San Marino|SN Senegal|SO Somalia|SR Suriname|SS South Sudan|ST São Tomé and Príncipe|SV El Salvador
SX Sint Maarten|SY Syria, Syrian Arab Republic|SZ Eswatini, Swaziland|TC Turks and Caicos Islands|TD Chad
TF French Southern Territories|TG Togo|TH Thailand|TJ Tajikistan|TK Tokelau|TL Timor-Leste, East Timor
TM Turkmenistan|TN Tunisia|TO Tonga|TR Turkey, Türkiye, Turkiye|TT Trinidad and Tobago|TV Tuvalu|TW Taiwan
TZ Tanzania|UA Ukraine|UG Uganda|UM United States Minor Outlying Islands
US United States, United States of America, U.S.A., U.S., America|UY Uruguay|UZ Uzbekistan|VA Vatican City
VC Saint Vincent and the Grenadines|VE Venezuela|VG British Virgin Islands|VI U.S. Virgin Islands
VN Vietnam, Viet Nam|VU Vanuatu|WF Wallis and Futuna|WS Samoa|YE Yemen|YT Mayotte|ZA South Africa|ZM Zambia
ZW Zimbabwe|XK Kosovo
"""

_CODES: Final = {
    name.casefold(): one[:2]
    for one in _NAMES.strip().replace("\n", "|").split("|")
    for name in one[3:].split(", ")
}
_ALIKE: Final = 0.85


def code_of_name(text: str, *, nearly: bool = False) -> str | None:
    """The two letters of the country that bears this name, or `nearly` this one; None where none does.

    >>> code_of_name("germany"), code_of_name("Germny"), code_of_name("Germny", nearly=True)
    ('DE', None, 'DE')
    """
    name = text.strip().casefold()
    if nearly and name not in _CODES:
        close = difflib.get_close_matches(name[:80], _CODES, 1, _ALIKE)
        name = close[0] if close else name
    return _CODES.get(name)
