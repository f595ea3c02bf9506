"""Authentication data is known by its name, however that is written; similar names are none."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.api.hot.decoding import Decoding
from ringfence.events.privacy.cards import may_hold_secret
from ringfence.events.privacy.garbled import spoken_secrets
from ringfence.events.privacy.sensitive import Secret, named, secret_in
from ringfence.events.privacy.tokens import Tokenizer

NOW_MS = 1_735_732_800_000
SURELY = {
    Secret.CODE: """
    c-v-v | c.v.v | c v c 2 | c_v_c | CvC2 | CVC/CVV | card_cvv2_code | ccv | CCV2 | 4DBC | amexCid
    card_cv2
    card_sec_code | cardVerValue | CardVerificationData | signature_panel_code | ＣＶＶ２ | 𝐜𝐯𝐯 | ⓒⓥⓥ
    c\u200bvv
    сvv | СVV | cνv | código de seguridad | cod de securitate | turvakood | drošības kods | saugos kodas
    bezpečnostný kód | varnostna koda | sigurnosni kod | mã bảo mật | kode keamanan | kod keselamatan
    код безпеки | код проверки карты | κωδικός ασφαλείας | קוד אבטחה | رمز الأمان | کد امنیتی
    सुरक्षा कोड
    सीवीवी | รหัสความปลอดภัย | 安全碼 | 卡验证码 | 末三碼 | カード確認番号 | セキュリティ番号
    ｾｷｭﾘﾃｨｺｰﾄﾞ | 카드보안코드
    """,
    Secret.PIN: """
    p-i-n | P.I.N. | p_i_n | card P I N | pinblk | PinBlk | pinblok | oldpin | newpin
    card.billing.pin | РIN
    ПИН | пин-код | ПІН | पिन | tunnusluku | pinkood | kart şifresi | senha do cartão | 暗証番号 | 支付密码
    카드비밀번호 | الرقم السري | קוד סודי | ｐｉｎ | p\u200bin
    """,
    Secret.TRACK: """
    trk_2 | trk2data | tk2data | trackTwo | track_two | card track two data | mag_data | magneticData
    card-trk-1
    дорожка 2 | данные дорожки | магнитная полоса | 磁道2 | 第二磁道 | 磁軌
    磁条数据 | 磁気ストライプ | pasek magnetyczny
    """,
}
ONLY_WHAT_LOOKS_SO = {
    "sec_code": ("737", "PPD"),  # of an instrument, or the entry class of ACH
    "secCd": ("737", "WEB"),
    "cv2": (7379, 2.5),
    "cid_code": ("7379", "summer"),
    "クリプトグラム": ("737", "8A02"),
    "校验码": ("737", "81a2f0"),
    "проверочный код": ("737", "отправлен"),
    "shipping_pin": ("1234", "560001"),  # in India a postal code
    "pin_code_postal": ("1234", "560001"),
    "pin_block_format": ("1234567890ABCDEF", "ISO-0"),
    "online_pin_supported": ("1234", "yes"),
    "Spur 2": (";411111=25121011", "Nord"),
    "piste_2": (";411111=25121011", "verte"),
    "raw_track": (";411111=25121011", "summer"),
    "track_1_title": (";411111=25121011", "Help!"),
}
INNOCENT = """
    pinned | pinterest_id | spin | spinning | opinion | shipping | mapping | kingpin | pinball
    pinot_noir | panic
    p_in | pan_entry_mode | track_id | trackId | tracking_number | tracker | track_name | soundtrack
    race_track
    truck2 | trk_no | tank2 | t2 | recv2_port | cave | cavalier | cvr | cv_url | cavv | civic
    sec_id | seconds
    sector_code | section_code | card_second | promo_code | código postal | code_promo | Prüfdatum
    Prüfer
    check_digit | service_code | auth_code | stripe_id | swipe_count | magnitude | image_data | magazine
    cryptogram_info_data | cvm_result | chip_fallback | field5 | сумма | код страны | спина | пинг | 验证
    電話番号 | ラケット | トラック | पिनकोड_शहर | card_verification_result | numéro_de_sécurité_sociale
"""
WITH_A_RESULT = """
    cvvMatch | cvv_result_code | CVV2ResultCode | avs_cvv_result | cvcCheck | cvv_attempts | pin_verified
    pinTryCount | pin_entry_mode | pin_length | pin_required | uses_pin | had_pin | pincode
    postal_pincode
"""


def names(listed):
    return [name.strip(" ") for line in listed.strip().splitlines() for name in line.split("|")]


@pytest.mark.parametrize(
    ("name", "secret"), [(name, secret) for secret, listed in SURELY.items() for name in names(listed)]
)
def test_a_name_that_is_written_otherwise_means_the_same(name, secret):
    assert named(name) == (secret, True)
    assert secret_in(name, "hunter") is secret


@pytest.mark.parametrize("name", ONLY_WHAT_LOOKS_SO)
def test_of_a_name_with_two_meanings_only_what_looks_like_the_secret_goes(name):
    secret, other = ONLY_WHAT_LOOKS_SO[name]
    assert secret_in(name, secret) is not None
    assert secret_in(name, other) is None


@pytest.mark.parametrize("name", names(INNOCENT))
def test_a_similar_name_means_nothing(name):
    assert named(name) is None


@pytest.mark.parametrize("name", names(WITH_A_RESULT))
@pytest.mark.parametrize("value", ["M", "match", "560001", True])
def test_results_and_postal_codes_are_kept(name, value):
    assert secret_in(name, value) is None


def test_such_a_name_is_dropped_at_the_door_and_counted():
    tokenizer = Tokenizer(b"0123456789abcdef")
    secrets = {name: f"hunter{at}" for at, name in enumerate(("p-i-n", "СVV", "trk_2", "暗証番号", "ccv"))}
    payment = {"transaction_id": "t1", "event_time": NOW_MS, "amount": "12.50", "currency": "EUR"}
    drafted = Decoding(tokenizer, 1)(
        [json.dumps(payment | {"attributes": secrets | {"spin": "hunt", "track_id": "T1"}}).encode()], NOW_MS
    )
    assert tokenizer.dropped == {"PINs": 2, "verification codes": 2, "track data": 1}
    assert "hunter" not in repr(drafted)


@pytest.mark.parametrize(
    "original",
    [
        b'{"memo": "paid", "c\\u0076v": "hunter77"',
        b'{"memo": "paid", "p\\u0069n" "hunter77"}',
        b'memo=paid&c%76v="hunter77"',
        '{"memo": "paid", "暗証番号": "hunter77"'.encode(),
        b'{"memo": "paid", "c-v-v": "hunter77", "p.i.n": "hunter77", }',
    ],
)
def test_in_bytes_that_are_no_json_an_escape_hides_no_name(original):
    kept = Tokenizer(b"0123456789abcdef").sanitize_json(original)
    assert b"unter77" not in kept
    assert b"paid" in kept


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_of_bytes_in_utf_16_that_nobody_could_read_no_digit_is_kept(encoding):
    kept = Tokenizer(b"0123456789abcdef").sanitize_json('{"cvv": "737", "pin": 4711'.encode(encoding))
    assert not any(digit in kept for digit in b"0123456789")


@pytest.mark.parametrize("copies", [1, 40])  # of the small and of the block decoder
@pytest.mark.parametrize(
    "text",
    [
        '{"number": "4111111111111111", "cvv": "9371"}',
        "card=4111111111111111&cvc=9371&amount=12",
        "4111 1111 1111 1111, PIN: 9371",
        '{"card": {"pan": "4111-1111-1111-1111", "c-v-v": "9371"}, "expiry": "12/27"}',
    ],
)
def test_a_request_to_a_gateway_that_stands_in_a_text_keeps_no_secret_beside_its_card(text, copies):
    tokenizer = Tokenizer(b"0123456789abcdef")
    payment = {"event_time": NOW_MS, "amount": "12.50", "currency": "EUR", "attributes": {"raw": text}}
    lines = [json.dumps(payment | {"transaction_id": f"t{at}"}).encode() for at in range(copies)]
    kept = Decoding(tokenizer, 1)(lines, NOW_MS)[0].column("attributes.raw").to_pylist()
    assert kept == [tokenizer.guard_text(text)] * copies
    assert "9371" not in kept[0]
    assert tokenizer.token("4111111111111111") in kept[0]


SPOKEN = {
    "CVV: 737": "CVV: ***",
    "cvv 737": "cvv ***",
    "read over the phone, CVC2=7373, ok": "read over the phone, CVC2=***, ok",
    "cvn - 737": "cvn - ***",
    "the card's security code is known": None,
    "security code: 737.": "security code: ***.",
    "Sicherheitscode #737": "Sicherheitscode #***",
    "PIN: 4711": "PIN: ***",
    "pin='471123456'": "pin='***'",
    "Pin=4711 and CVV 737": "Pin=*** and CVV ***",
    "cvv\u00a0:\u00a0737": "cvv\u00a0:\u00a0***",
    "PIN 4711 Ried": None,
    "pin: 560001": None,  # in India a postal code
    "postal code: 7371": None,
    "mcvv 737": None,
    "cvv: 737.50": None,
    "cvv: 73712": None,
    "CVC-Klasse 737": None,
}


@pytest.mark.parametrize("copies", [1, 40])  # of the small and of the block decoder
def test_a_code_behind_its_name_in_what_somebody_wrote_is_not_kept(copies):
    """`note: "CVV: 737"` was kept: only beside a card number did it go."""
    tokenizer = Tokenizer(b"0123456789abcdef")
    payment = {"event_time": NOW_MS, "amount": "12.50", "currency": "EUR"}
    for text, kept in SPOKEN.items():
        sent = [
            payment | {"transaction_id": f"t{at}", "merchant_id": text, "attributes": {"note": text}}
            for at in range(copies)
        ]
        events = Decoding(tokenizer, 1)([json.dumps(one).encode() for one in sent], NOW_MS)[0]
        assert events.column("attributes.note").to_pylist() == [text if kept is None else kept] * copies
        assert events.column("merchant_id").to_pylist() == [text] * copies, "an id is no text that speaks"
        assert tokenizer.guard_text(text) == (text if kept is None else kept)
    assert tokenizer.dropped == {"PINs": 3 * (copies + 1), "verification codes": 8 * (copies + 1)}


@given(
    st.lists(st.sampled_from([*SPOKEN, "cvv", "pin", "2", ":", " ", "737", "\u2003", "'", "x"])).map("".join)
)
def test_the_quick_scan_misses_no_spoken_code(text):
    assert may_hold_secret(pa.array([text]))[0] or not spoken_secrets(text)
