"""A bank's side of the SEPA files: what comes is checked strictly, what goes is written whole or broken on demand."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")
LONGEST_ID = 35
SEQUENCES = frozenset({"FRST", "RCUR", "OOFF", "FNAL"})
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
MOD97 = 97


class FileRefused(Exception):
    """The bank takes nothing of a file; `code` is what its pain.002 will say."""

    def __init__(self, message_id: str, code: str, detail: str) -> None:
        super().__init__(f"{message_id}: {code}: {detail}")
        self.message_id = message_id
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Instruction:
    """One payment of a file. Debits have a mandate and a sequence type; minor units of euro."""

    kind: Literal["debit", "credit"]
    message_id: str
    end_to_end_id: str
    amount_minor: int
    iban: str
    name: str
    due: date
    mandate: str = ""
    sequence: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One payment in an answer. `code`: why it is rejected or returned; `charge_minor`: the bank's fee for it."""

    end_to_end_id: str
    amount_minor: int
    iban: str
    code: str = ""
    charge_minor: int = 0


def read_instructions(body: bytes) -> list[Instruction]:
    """Read a pain.008 or pain.001; raises FileRefused when anything of it is wrong."""
    try:
        root = ElementTree.fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise FileRefused("", "FF01", f"not readable: {error}") from None
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    message_id = root.findtext("./*/GrpHdr/MsgId") or ""
    found: list[Instruction] = []
    for batch in root.findall("./*/PmtInf"):
        rows = list(_payments(batch, message_id))
        _require(message_id, batch.findtext("NbOfTxs") == str(len(rows)), "AM18", "number of a batch")
        _require(message_id, _cents(batch.findtext("CtrlSum")) == _sum(rows), "AM10", "control sum of a batch")
        found.extend(rows)
    _require(message_id, bool(found), "FF01", "no payments")
    header = root.find("./*/GrpHdr")
    assert header is not None, "a message id was read from it"
    _require(message_id, _is_id(message_id), "CH11", "message id")
    _require(message_id, header.findtext("NbOfTxs") == str(len(found)), "AM18", "number of payments")
    _require(message_id, _cents(header.findtext("CtrlSum")) == _sum(found), "AM10", "control sum")
    ids = [row.end_to_end_id for row in found]
    _require(message_id, len(set(ids)) == len(ids), "AM05", "an end-to-end id twice")
    return found


def _payments(batch: Element, message_id: str) -> Iterable[Instruction]:
    is_debit = batch.findtext("PmtMtd") == "DD"
    due = batch.findtext("ReqdColltnDt" if is_debit else "ReqdExctnDt/Dt") or batch.findtext("ReqdExctnDt") or ""
    side, tag = ("Dbtr", "DrctDbtTxInf") if is_debit else ("Cdtr", "CdtTrfTxInf")
    sequence = batch.findtext("PmtTpInf/SeqTp") or ""
    if is_debit:
        _require(message_id, sequence in SEQUENCES, "FF05", f"sequence type {sequence!r}")
        _require(message_id, batch.findtext("PmtTpInf/LclInstrm/Cd") == "CORE", "FF05", "only CORE is taken")
        _require(message_id, bool(batch.findtext("CdtrSchmeId/Id/PrvtId/Othr/Id")), "BE05", "creditor identifier")
    for row in batch.findall(tag):
        amount = row.find("InstdAmt") if is_debit else row.find("Amt/InstdAmt")
        iban = row.findtext(f"{side}Acct/Id/IBAN") or ""
        end_to_end_id = row.findtext("PmtId/EndToEndId") or ""
        mandate = row.findtext("DrctDbtTx/MndtRltdInf/MndtId") or ""
        _require(message_id, amount is not None and amount.get("Ccy") == "EUR", "AM03", "currency")
        _require(message_id, _is_id(end_to_end_id), "CH11", f"end-to-end id {end_to_end_id!r}")
        _require(message_id, not is_debit or _is_id(mandate), "MD02", f"mandate {mandate!r}")
        _require(message_id, is_valid_iban(iban), "AC01", "an IBAN")
        yield Instruction(
            "debit" if is_debit else "credit",
            message_id,
            end_to_end_id,
            _cents(amount.text if amount is not None else None),
            iban,
            row.findtext(f"{side}/Nm") or "",
            date.fromisoformat(due),
            mandate,
            sequence,
        )


def is_valid_iban(iban: str) -> bool:
    """Say whether the check number is right (ISO 13616: modulo 97 of the rearranged digits is 1)."""
    if not (iban.isalnum() and iban.isascii() and 15 <= len(iban) <= 34):
        return False
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % MOD97 == 1


def rejections(message_id: str, entries: Iterable[Entry], group_code: str = "") -> bytes:
    """Return a pain.002: of single payments, or with `group_code` of a whole file."""
    rows = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{escape(one.end_to_end_id)}</OrgnlEndToEndId><TxSts>RJCT</TxSts>"
        f"<StsRsnInf><Rsn><Cd>{one.code}</Cd></Rsn></StsRsnInf></TxInfAndSts>"
        for one in entries
    )
    status = (
        f"<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>{group_code}</Cd></Rsn></StsRsnInf>"
        if group_code
        else "<GrpSts>PART</GrpSts>"
    )
    body = (
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{escape(message_id)}</OrgnlMsgId><OrgnlMsgNmId>pain.008</OrgnlMsgNmId>"
        f"{status}</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>1</OrgnlPmtInfId>{rows}</OrgnlPmtInfAndSts>"
    )
    return _document("pain.002.001.10", "CstmrPmtStsRpt", f"R-{message_id}", body)


def bookings(kind: Literal["camt.053", "camt.054"], name: str, day: date, entries: Iterable[Entry]) -> bytes:
    """Return a statement or a notification: a line for what came in together, one for each that went out."""
    rows = list(entries)
    came = [one for one in rows if one.amount_minor > 0 and not one.code]
    lines = ([_entry(came, day)] if came else []) + [_entry([one], day) for one in rows if one not in came]
    amounts = [sum(one.amount_minor for one in came)] if came else []
    amounts += [one.amount_minor - one.charge_minor for one in rows if one not in came]
    summary = (
        f"<TxsSummry><TtlNtries><NbOfNtries>{len(lines)}</NbOfNtries>"
        f"<Sum>{_euros(sum(abs(minor) for minor in amounts))}</Sum></TtlNtries></TxsSummry>"
    )
    root, part = ("BkToCstmrStmt", "Stmt") if kind == "camt.053" else ("BkToCstmrDbtCdtNtfctn", "Ntfctn")
    body = f"<{part}><Id>{escape(name)}</Id><CreDtTm>{day}T18:00:00</CreDtTm>{summary}{''.join(lines)}</{part}>"
    return _document(f"{kind}.001.08", root, name, body)


def _entry(rows: list[Entry], day: date) -> str:
    total = sum(one.amount_minor - one.charge_minor for one in rows)
    sign = "CRDT" if total > 0 else "DBIT"
    details = "".join(_detail(one) for one in rows)
    batch = f"<Btch><NbOfTxs>{len(rows)}</NbOfTxs></Btch>" if len(rows) > 1 else ""
    return (
        f'<Ntry><Amt Ccy="EUR">{_euros(abs(total))}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        f"<BookgDt><Dt>{day}</Dt></BookgDt><NtryDtls>{batch}{details}</NtryDtls></Ntry>"
    )


def _detail(one: Entry) -> str:
    sign = "CRDT" if one.amount_minor > 0 else "DBIT"
    amount = f'<Amt Ccy="EUR">{_euros(abs(one.amount_minor))}</Amt>'
    charge = f'<Chrgs><Rcrd><Amt Ccy="EUR">{_euros(one.charge_minor)}</Amt></Rcrd></Chrgs>' if one.charge_minor else ""
    why = (
        f"<RtrInf><OrgnlBkTxCd><Domn><Cd>PMNT</Cd></Domn></OrgnlBkTxCd><Rsn><Cd>{one.code}</Cd></Rsn></RtrInf>"
        if one.code
        else ""
    )
    return (
        f"<TxDtls><Refs><EndToEndId>{escape(one.end_to_end_id)}</EndToEndId></Refs>{amount}"
        f"<CdtDbtInd>{sign}</CdtDbtInd><AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>{charge}"
        f"<RltdPties><DbtrAcct><Id><IBAN>{one.iban}</IBAN></Id></DbtrAcct></RltdPties>{why}</TxDtls>"
    )


def _document(schema: str, root: str, name: str, body: str) -> bytes:
    header = f"<GrpHdr><MsgId>{escape(name)}</MsgId></GrpHdr>"
    text = f'<Document xmlns="{NAMESPACE}{schema}"><{root}>{header}{body}</{root}></Document>'
    return b'<?xml version="1.0" encoding="UTF-8"?>' + text.encode()


def _require(message_id: str, holds: bool, code: str, detail: str) -> None:
    if not holds:
        raise FileRefused(message_id, code, detail)


def _is_id(text: str) -> bool:
    return 0 < len(text) <= LONGEST_ID and set(text) <= CHARACTERS


def _cents(text: str | None) -> int:
    whole, _, part = (text or "").partition(".")
    return int(whole or -1) * 100 + int((part or "0").ljust(2, "0"))


def _sum(rows: list[Instruction]) -> int:
    return sum(row.amount_minor for row in rows)


def _euros(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"
