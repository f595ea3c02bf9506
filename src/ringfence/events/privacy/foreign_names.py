"""Names that sensitive authentication data has in other languages, as people write them.

`sensitive` folds them as it folds the names that come in: case, accents and what stands between words do not
count. English, German, French, Spanish and what is written like them stand in its patterns.
"""

from __future__ import annotations

import re
from typing import Final

from ringfence.events.privacy.spelling import words_of


def _anywhere(names: str) -> re.Pattern[str]:
    folded = ("".join(words_of(name)) for name in names.replace("\n", ",").split(","))
    return re.compile("|".join(filter(None, folded)))


CODES: Final = _anywhere("""
turvakood, drošības kods, saugos kodas, öryggisnúmer, öryggiskóði
bezpečnostný kód, kod zabezpieczający, sigurnosni kod, varnostna koda, cod de securitate, kodi i sigurisë
mã bảo mật, mã xác minh thẻ, kode keamanan, kod keselamatan, kart doğrulama kodu
код безопасности, код безпеки, код за сигурност, сигурносни код, код проверки карты, код перевірки картки
κωδικός ασφαλείας, קוד אבטחה, קוד ביטחון, קוד בטחון, رمز الأمان, رمز الحماية, کد امنیتی
सुरक्षा कोड, सीवीवी, รหัสความปลอดภัย
安全码, 安全碼, 卡验证码, 卡驗證碼, 卡校验码, 末三码, 末三碼, 后三码, 後三碼
セキュリティコード, セキュリティ番号, カード確認番号, カード検証番号, 보안코드
""")
"""They mean the card's verification code wherever they stand in a name."""

CODES_PERHAPS: Final = _anywhere("""
校验码, 检验码, 验证码, 驗證碼, 検証番号, 確認番号, クリプトグラム
проверочный код, код проверки, код подтверждения, رمز التحقق, kod weryfikacyjny, ověřovací kód, kontrolní kód
ellenőrző kód, criptograma, código verificador
""")
"""They mean other codes as well, such as one that is sent to a telephone."""

PINS: Final = _anywhere("""
暗証番号, 卡密码, 卡密碼, 支付密码, 支付密碼, 交易密码, 交易密碼, 取款密码, 카드비밀번호
tunnusluku, pin kood, kart şifresi, senha do cartão, senha cartão, cartão senha, clave de la tarjeta, pinblok
пин-код, пін-код, пинблок, pin-код, الرقم السري, رمز دوم, קוד סודי
""")

PIN_WORDS: Final = frozenset("".join(words_of(name)) for name in ("пин", "пін", "पिन"))
"""Too short to be looked for within a word."""

TRACKS: Final = _anywhere("""
дорожка 1, дорожка 2, данные дорожки, магнитная полоса, магнітна смуга, 磁道, 磁軌, 磁条数据, 磁条信息
磁條資料
磁気ストライプ, 磁気データ
마그네틱 데이터, manyetik şerit, pasek magnetyczny, magneetstrip, magnetstribe, magnetremsa
""")
