"""The words of a column's name, and what they mean, in the languages of the exports that people have.

`TransactionAmount (INR)`, `transaction_amount` and `transactionamount` are the same words; so are `Betrag`,
`montant` and `importe`, which all mean *amount*.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PARTS: Final = re.compile(r"[^a-z0-9]+")
_PATH: Final = re.compile(r"[^\s.]+(\.[^\s.]+)+")
_OF_WHAT: Final = frozenset({"fingerprint"})  # of a card or a device, as the part of a path before it says
_TYPE_NAMES: Final = re.compile(r"(?:\.\$\w+|\.(?:string|long|double|int|S|N))+$")
_GERMAN: Final = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "ł": "l", "№": "nr"})

_LEXICON: Final = {
    # Kinds of things.
    "txn": """transaction transactions trans tx txn txns trx tran transaktion transaktions
        transaccion transacao transactie transazione transacciones vorgang vorgangs operation
        operacion operacao movimiento movimento mouvement transakcja transakcji operacja operacji""",
    "payment": """payment pay pmt zahlung zahlungs pago pagamento paiement betaling charge purchase sale
        compra kauf""",
    "order": """order bestellung bestell pedido commande ordine bestelling orden auftrag auftrags
        invoice rechnung""",
    "receipt": "receipt beleg bon recibo recu scontrino ticket quittung",
    "event": "event ereignis evento evenement record",
    "id": """id ids num nr no number nummer numero num uuid guid identifier kennung key
        identificador identifiant identificativo psp""",
    "ref": "ref reference referenz referencia referentie riferimento rrn",
    "code": "code codigo codice",
    "name": "name nombre nom nome naam bezeichnung",
    # Times.
    "date": "date datum fecha data jour day dia tag giorno dt",
    "time": """time zeit hora heure uhrzeit tijd ora timestamp ts datetime zeitpunkt zeitstempel
        epoch unixtime clock uhr tm godzina czas saat""",
    "when": "when at wann",
    "step": "step",
    "year": "year jahr ano annee anno jaar",
    "month": "month monat mes mois mese maand",
    "zone": "timezone tz zone zeitzone",
    "created": """created create creation erstellt erstellungs creado creada cree creation criado criada
        creato aangemaakt initiated occurred authorized authorised authorization authorisation
        auth placed paid bezahlt requested posted started""",
    "booked": """booking booked buchung buchungs contable operacion comptable boeking contabile posting
        completed""",
    "later": """updated update modified modification changed aktualisiert geaendert geandert
        actualizado modifie atualizado settled settlement settle cleared clearing payout
        available valuta wertstellung due available processed captured capture closed ended
        end expected delivery delivered shipped exported last letzte ultimo derniere laatste
        received loaded ingested inserted import imported valeur effective transfer""",
    "expiry": """expiry expiration expires expire exp ablauf gueltig valid vencimiento caducidad
        expiracao until verfall""",
    "birth": """birth dob birthday born geburt geburts geburtsdatum nacimiento naissance nascimento
        geboorte nascita""",
    "opened": """open opened opening since registered registration joined signup member enrolled
        enrollment start first issued issue eroffnung eroeffnung apertura ouverture
        abertura inscription registro registrierung""",
    # Money.
    "amount": """amount amt betrag montant importe monto valor quantia bedrag importo umsatz summe suma
        somme soma geld kwota belopp beloeb belob""",
    "value": """value val wert total sum price preis prix precio preco prezzo prijs cost gesamt
        gesamtbetrag grand""",
    "gross": "gross brutto bruto brut lordo",
    "net": "net netto neto netto",
    "fee": """fee fees gebuehr gebuhr commission comision comissao provision frais tarifa markup
        interchange scheme kosten surcharge""",
    "tax": "tax vat mwst ust iva tva btw gst steuer impuesto taxe imposto",
    "tip": "tip trinkgeld propina pourboire gorjeta",
    "balance": """balance saldo solde kontostand bal balances oldbalance newbalance oldbalanceorg
        newbalanceorig oldbalancedest newbalancedest restbetrag guthaben""",
    "limit": "limit limite credit_limit max maximum min minimum",
    "money": "money funds",
    "refund": """refund refunds refunded reembolso remboursement erstattung erstattet rueckerstattung
        terugbetaling""",
    "dispute": "dispute disputed chargeback chargebacks retrieval ruecklastschrift rucklastschrift",
    "converted": """converted convert presentment settlementamount base conversion exchange rate kurs fx
        original urspr""",
    "discount": "discount rabatt descuento remise desconto cashback",
    "count": """count cnt anzahl quantity qty menge items velocity freq frequency avg average mean std
        median ratio""",
    "debit": "debit debits soll debe debito belastung lastschrift af withdrawal withdrawals paidout",
    "credit": "credit credits haben haber credito gutschrift bij deposit deposits paidin",
    "scale": "nanos nano exponent exponents decimals",
    "minor": "cents cent minor pence rappen centimes centavos centimos ore oere paise pennies cts",
    "currency": """currency ccy curr waehrung wahrung moneda devise moeda valuta munt monnaie divisa cur
        iso4217 waluta""",
    # Who and where.
    "customer": """customer cust client clients user kunde kunden cliente klant benutzer buyer payer
        usuario utilisateur cardholder karteninhaber shopper orig nameorig kaeufer kaufer
        acheteur comprador member uid porteur titulaire titular titolare pagador payeur""",
    "card": """card cards karte karten tarjeta carte cartao kaart carta pan cc ccnum cardnumber
        kreditkarte kreditkarten karty""",
    "account": "account acct acc konto cuenta compte conta rekening iban bban conto kontonummer",
    "merchant": """merchant merchants haendler handler comercio commercant marchand lojista shop store
        seller vendor laden geschaeft geschaft tienda magasin loja winkel mid retailer
        acceptor verkaeufer""",
    "terminal": "terminal till kasse pos tid caja caisse caixa kassa atm register",
    "device": "device geraet geraete gerat dispositivo appareil apparaat fingerprint deviceid",
    "party": """counterparty beneficiary payee receiver recipient dest destination target empfaenger
        empfanger beneficiario beneficiaire begunstigte gegenpartei to namedest creditor cdtr
        glaeubiger ontvanger zahlungsempfaenger zahlungsempfanger destinatario""",
    "sender": "from source src sender originator debtor dbtr auftraggeber ordenante remitente",
    "ip": "ip ipaddress",
    "address": "address addr adresse direccion adres endereco indirizzo",
    "email": "email mail correo courriel",
    "phone": "phone msisdn mobile telefon telefono telephone tel handy celular telefoon",
    "category": "category mcc kategorie categoria categorie branche sic",
    "channel": "channel kanal canal kanaal",
    "entry": "entry pos_entry entrymode",
    "mode": "mode chip",
    "country": "country land pais pays paese countrycode",
    "city": "city stadt ort ciudad ville cidade citta plaats town",
    "lat": "lat latitude breitengrad latitud",
    "lon": "lon long lng longitude laengengrad laengengrad longitud",
    "age": "age alter",
    "masked": "last4 last lastfour masked suffix bin iin digits first6",
    "status": "status state stato estado etat zustand result outcome",
    "home": "home billing shipping residence",
    # Labels.
    "fraud": """fraud fraudulent betrug fraude frode fraudulento isfraud scam sar issar fraude
        laundering islaundering suspicious confirmed""",
    "label": "label class klasse target y",
    "related": """original orig_txn parent related linked previous prior prev modification batch session
        reference_txn""",
    "type": "type typ tipo art soort",
    "method": "method methode metodo",
    # Words that say nothing.
    "": "is of the de la le du der des and und el do da von van a per utc gmt local usd eur gbp inr chf in",
}

MEANING: Final = {word: meaning for meaning, words in _LEXICON.items() for word in words.split()}
"""A word's meaning; a word that stands twice has the later one."""

_TAILS: Final = (
    "datum",
    "betrag",
    "nummer",
    "zeit",
    "konto",
    "karte",
    "kennung",
    "waehrung",
    "bedrag",
    "id",
    "nr",
)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column's name, without case, accents and signs; of a path, those of its end.

    >>> words_of("TransactionAmount (INR)"), words_of("Übertragsdatum"), words_of("merchantid")
    (('transaction', 'amount', 'inr'), ('uebertrags', 'datum'), ('merchant', 'id'))
    """
    found: tuple[str, ...] = ()
    name = _TYPE_NAMES.sub("", name) or name
    for segment in reversed(name.split(".") if _PATH.fullmatch(name) else [name]):
        words = _words(segment)
        found = words + found
        if len(found) > len(words) or any(
            meaning_of(word) not in ("", "id", "name", "code") and word not in _OF_WHAT for word in words
        ):
            break
    return found


def _words(segment: str) -> tuple[str, ...]:
    folded = _folded(_CAMEL.sub(" ", segment))
    parts = [_split(part) for part in _PARTS.split(folded.lower()) if part]
    return tuple(word for part in parts for word in part if not word.isdigit() and word != "othr")


def meanings_of(name: str) -> frozenset[str]:
    """What the words of a name mean, as far as they are known.

    >>> sorted(meanings_of("Fecha de operación")), sorted(meanings_of("txn_id"))
    (['booked', 'date'], ['id', 'txn'])
    """
    return frozenset(meaning for word in words_of(name) if (meaning := meaning_of(word)))


def meaning_of(word: str) -> str:
    """What one word means, empty for one that is unknown or says nothing.

    >>> meaning_of("betrag")
    'amount'
    """
    plain = word.rstrip("0123456789") or word
    return MEANING.get(word) or MEANING.get(plain, "")


def known(word: str) -> bool:
    """Whether a word is one of the lexicon, one that says nothing included."""
    return word in MEANING or word.rstrip("0123456789") in MEANING


def _folded(text: str) -> str:
    """Without accents; German umlauts become two letters."""
    spelt = text.translate(_GERMAN)
    for letter, two in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("Ä", "Ae"), ("Ö", "Oe"), ("Ü", "Ue")):
        spelt = spelt.replace(letter, two)
    return "".join(sign for sign in unicodedata.normalize("NFKD", spelt) if not unicodedata.combining(sign))


@cache
def _split(part: str) -> tuple[str, ...]:
    """A run of letters as the known words that it is made of; as it stands where it is not."""
    if part in MEANING or part.rstrip("0123456789") in MEANING:
        return (part,)
    for cut in range(len(part) - 2, 1, -1):
        if part[:cut] in MEANING:
            rest = _split(part[cut:])
            if all(word in MEANING for word in rest):
                return (part[:cut], *rest)
    for tail in _TAILS:
        if part.endswith(tail) and len(part) > len(tail) + 2:
            return (*_split(part[: -len(tail)]), tail)
    return (part,)
