//! What a reader gives: `panseal.parse_track`, the chip's tags, and the fields of ISO 8583.

use crate::check::ascii;
use crate::errors::{behind_border, raise_argument, raise_format};
use crate::expiry::Expiry;
use crate::input::{BytesArg, DataArg, OutArg};
use panseal::card::iso8583::Field;
use panseal::card::{self, Authorization, Interchange, Lrc, PinUse, Services, Span, bcd, emv, iso8583};
use panseal::error::Code;
use pyo3::prelude::*;
use pyo3::types::PySlice;

/// Take track 1 or track 2 of a magnetic stripe apart, where it lies (ISO/IEC 7813).
///
/// `track` is 1 or 2, or None: then the text tells it. Sentinels and check character may be missing. What is found
/// is given as slices of `data`. Where one swipe gave both tracks, this is the first; the second begins at its `end`.
///
/// FormatError where `data` is no such track: "missing", "malformed" (also a wrong check character), "length" (of the
/// number), "too_long", "unsupported" (not a bank card's).
#[pyfunction]
#[pyo3(signature = (data, track=None))]
pub fn parse_track<'py>(py: Python<'py>, data: DataArg<'_, 'py>, track: Option<u8>) -> PyResult<Track> {
    let parse = match track {
        None => card::parse_track,
        Some(1) => card::parse_track1,
        Some(2) => card::parse_track2,
        Some(_) => return Err(raise_argument(py, Code::Argument, "track is 1, 2 or None")),
    };
    behind_border(py, || {
        let data = data.read(py)?;
        let track = parse(&data).map_err(|code| raise_format(py, code))?;
        Ok(Track::of(track, &data))
    })
}

/// Unpack digits, two to a byte, into ASCII in a writable buffer, and return how many bytes were written.
///
/// A nibble D becomes "D", the separator of track 2; nibbles F at the end are dropped (EMV Book 3, format cn). `out`
/// has room for two bytes for each packed one: else ArgumentError, code "buffer". FormatError: "missing",
/// "malformed". `out` stays as it is then.
#[pyfunction]
pub fn unpack_bcd<'py>(py: Python<'py>, packed: BytesArg<'_, 'py>, out: OutArg<'py>) -> PyResult<usize> {
    behind_border(py, || {
        let packed = packed.0.read(py)?;
        let mut room = vec![0; bcd::room_for(packed.len()).min(out.len())];
        let written = bcd::unpack(&packed, &mut room).map_err(|code| raise_format(py, code))?;
        out.write(py, &room[..written])?;
        Ok(written)
    })
}

/// Read the values of the tags by which a chip tells its card: 57 (track 2 equivalent data), 5A (the number), 5F24
/// (the expiry), packed as they are (EMV Book 3, Annex A).
///
/// One of 57 and 5A must be there, and what two tags tell must agree. The digits are written to `out`, at least 38
/// bytes, and what is found is given as slices of it. FormatError: "missing", "malformed", "length", "too_long";
/// `out` stays as it is then.
#[pyfunction]
#[pyo3(signature = (*, tag57=None, tag5a=None, tag5f24=None, out))]
pub fn read_chip<'py>(
    py: Python<'py>,
    tag57: Option<BytesArg<'_, 'py>>,
    tag5a: Option<BytesArg<'_, 'py>>,
    tag5f24: Option<BytesArg<'_, 'py>>,
    out: OutArg<'py>,
) -> PyResult<ChipCard> {
    behind_border(py, || {
        let read = |tag: &Option<BytesArg<'_, 'py>>| match tag {
            Some(tag) => tag.0.read(py).map(|value| value.to_vec()),
            None => Ok(Vec::new()),
        };
        let (tag57, tag5a, tag5f24) = (read(&tag57)?, read(&tag5a)?, read(&tag5f24)?);
        let card = |room: &mut [u8]| emv::chip_card(Some(&tag57), Some(&tag5a), Some(&tag5f24), room);
        ChipCard::read(py, &out, card)
    })
}

/// Find the tags of `read_chip` in a chip's TLV record, and read them as it does (EMV Book 3, Annex B).
#[pyfunction]
pub fn read_record<'py>(py: Python<'py>, record: BytesArg<'_, 'py>, out: OutArg<'py>) -> PyResult<ChipCard> {
    behind_border(py, || {
        let record = record.0.read(py)?;
        ChipCard::read(py, &out, |room| emv::read_record(&record, room))
    })
}

/// Find the first value of a tag in TLV data (ISO/IEC 8825-1 as EMV uses it): a slice of `data`, or None.
///
/// The tag is written as it stands: 0x57, 0x5F24. The templates 6F, A5, 70 and 77 are looked into. FormatError,
/// "malformed", where the data before the tag is not of the form.
#[pyfunction]
pub fn find_tlv<'py>(
    py: Python<'py>,
    data: BytesArg<'_, 'py>,
    tag: u32,
) -> PyResult<Option<Bound<'py, PySlice>>> {
    behind_border(py, || {
        let found = emv::tlv::find(&data.0.read(py)?, tag).map_err(|code| raise_format(py, code))?;
        found.map(|span| slice(py, span)).transpose()
    })
}

/// Read EMV tag 5F30, 2 bytes: the three digits of the service code.
#[pyfunction]
pub fn emv_service_code<'py>(py: Python<'py>, tag5f30: BytesArg<'_, 'py>) -> PyResult<String> {
    behind_border(py, || {
        let digits = emv::service_code(&tag5f30.0.read(py)?).map_err(|code| raise_format(py, code))?;
        Ok(ascii(&digits).to_owned())
    })
}

/// Read EMV tag 5F34, 1 byte: the sequence number that tells cards of one number apart.
#[pyfunction]
pub fn emv_sequence_number<'py>(py: Python<'py>, tag5f34: BytesArg<'_, 'py>) -> PyResult<u8> {
    behind_border(py, || emv::sequence_number(&tag5f34.0.read(py)?).map_err(|code| raise_format(py, code)))
}

type Spanned<'py> = (Bound<'py, PySlice>, u32);

/// Read field 2, the card number (n..19), at the beginning of `field`: its slice, and where the field ends.
///
/// Without `out` the field is ASCII, and the slice is one of `field`. With `out`, at least 19 bytes, the field is
/// packed, its digits are written to `out`, and the slice is one of that. FormatError: "missing", "malformed",
/// "length".
#[pyfunction]
#[pyo3(signature = (field, out=None))]
pub fn iso8583_number<'py>(
    py: Python<'py>,
    field: DataArg<'_, 'py>,
    out: Option<OutArg<'py>>,
) -> PyResult<Spanned<'py>> {
    behind_border(py, || {
        let field = field.read(py)?;
        let found = match &out {
            None => iso8583::text_number(&field).map_err(|code| raise_format(py, code))?,
            Some(out) => {
                let mut room = [0; iso8583::NUMBER_ROOM];
                let room = room_of(&mut room, out);
                let found = iso8583::packed_number(&field, room).map_err(|code| raise_format(py, code))?;
                out.write(py, &room[..found.value.end() as usize])?;
                found
            }
        };
        Ok((slice(py, found.value)?, found.end))
    })
}

/// Read field 14, the expiry (n4): YYMM in ASCII, 4 bytes, or packed, 2 bytes.
///
/// FormatError: "missing", "malformed".
#[pyfunction]
#[pyo3(signature = (field, *, packed=false))]
pub fn iso8583_expiry<'py>(py: Python<'py>, field: DataArg<'_, 'py>, packed: bool) -> PyResult<Expiry> {
    behind_border(py, || {
        let field = field.read(py)?;
        let read = if packed { iso8583::packed_expiry } else { iso8583::text_expiry };
        read(&field).map(Expiry).map_err(|code| raise_format(py, code))
    })
}

/// Read field 35, track 2 without its sentinels (z..37), at the beginning of `field`: the track, and where the field
/// ends.
///
/// Without `out` the field is ASCII, and the slices of the track are those of `field`. With `out`, at least 37 bytes,
/// the field is packed, its characters are written to `out`, and the slices are those of that. FormatError:
/// "missing", "malformed", "length", "too_long".
#[pyfunction]
#[pyo3(signature = (field, out=None))]
pub fn iso8583_track2<'py>(
    py: Python<'py>,
    field: DataArg<'_, 'py>,
    out: Option<OutArg<'py>>,
) -> PyResult<(Track, u32)> {
    behind_border(py, || {
        let field = field.read(py)?;
        let Some(out) = &out else {
            let found = iso8583::text_track2(&field).map_err(|code| raise_format(py, code))?;
            return Ok((Track::of(found.value, &field), found.end));
        };
        let mut room = [0; iso8583::TRACK2_ROOM];
        let room = room_of(&mut room, out);
        let Field { value, end } =
            iso8583::packed_track2(&field, room).map_err(|code| raise_format(py, code))?;
        out.write(py, &room[..value.end as usize])?;
        Ok((Track::of(value, room), end))
    })
}

/// Room as the caller has it, so that the core says when it is too small.
fn room_of<'a>(room: &'a mut [u8], out: &OutArg<'_>) -> &'a mut [u8] {
    let len = room.len().min(out.len());
    &mut room[..len]
}

fn slice(py: Python<'_>, span: Span) -> PyResult<Bound<'_, PySlice>> {
    // Without a step, as `slice(2, 18)` has none.
    Ok(py.get_type::<PySlice>().call1((span.at, span.end()))?.cast_into()?)
}

/// A track taken apart: slices of the text that it was read from. It holds no byte of that but the expiry and what
/// the service code says.
///
/// Service code and discretionary data are for reading only: storing them is forbidden (PCI DSS 3.3.1), and `check`
/// and `Vault.tokenize` do not take them.
#[pyclass(frozen, module = "panseal")]
pub struct Track {
    track: card::Track,
    service: Option<ServiceCode>,
}

impl Track {
    fn of(track: card::Track, text: &[u8]) -> Track {
        Track { track, service: ServiceCode::of(track.service_code, text) }
    }
}

#[pymethods]
impl Track {
    /// 1 or 2.
    #[getter]
    fn format(&self) -> i32 {
        self.track.format as i32
    }

    /// The card number: 12 to 19 digits; on track 1 spaces may stand between them.
    #[getter]
    fn number<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySlice>> {
        slice(py, self.track.number)
    }

    /// The cardholder's name, for `parse_holder`; track 1 only.
    #[getter]
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PySlice>>> {
        self.track.name.map(|span| slice(py, span)).transpose()
    }

    /// The expiry, unless the card leaves it out.
    #[getter]
    fn expiry(&self) -> Option<Expiry> {
        self.track.expiry.map(Expiry)
    }

    /// The three digits of the service code, unless the card leaves it out.
    #[getter]
    fn service_code<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PySlice>>> {
        self.track.service_code.map(|span| slice(py, span)).transpose()
    }

    /// What the service code says.
    #[getter]
    fn service(&self) -> Option<ServiceCode> {
        self.service
    }

    /// What the issuer put behind; may be empty.
    #[getter]
    fn discretionary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySlice>> {
        slice(py, self.track.discretionary)
    }

    /// The check character: "absent", or "good". A wrong one is refused.
    #[getter]
    fn lrc(&self) -> &'static str {
        match self.track.lrc {
            Lrc::Absent => "absent",
            Lrc::Good => "good",
        }
    }

    /// Where the track ends, with its closing sentinel and its check character.
    #[getter]
    fn end(&self) -> u32 {
        self.track.end
    }

    fn __repr__(&self) -> String {
        format!("<panseal.Track {}>", self.format())
    }
}

/// The card of a chip: slices of the buffer that its digits were written to.
///
/// Service code and discretionary data are for reading only, as those of a Track.
#[pyclass(frozen, module = "panseal")]
pub struct ChipCard {
    card: emv::ChipCard,
    service: Option<ServiceCode>,
}

impl ChipCard {
    fn read(
        py: Python<'_>,
        out: &OutArg<'_>,
        read: impl FnOnce(&mut [u8]) -> Result<emv::ChipCard, Code>,
    ) -> PyResult<ChipCard> {
        let mut room = [0; emv::ROOM];
        let room = room_of(&mut room, out);
        let card = read(room).map_err(|code| raise_format(py, code))?;
        out.write(py, &room[..card.written as usize])?;
        Ok(ChipCard { card, service: ServiceCode::of(card.service_code, room) })
    }
}

#[pymethods]
impl ChipCard {
    /// The card number: 12 to 19 digits.
    #[getter]
    fn number<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySlice>> {
        slice(py, self.card.number)
    }

    /// The expiry, from tag 5F24 or 57.
    #[getter]
    fn expiry(&self) -> Option<Expiry> {
        self.card.expiry.map(Expiry)
    }

    /// The three digits of the service code, from tag 57.
    #[getter]
    fn service_code<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PySlice>>> {
        self.card.service_code.map(|span| slice(py, span)).transpose()
    }

    /// What the service code says.
    #[getter]
    fn service(&self) -> Option<ServiceCode> {
        self.service
    }

    /// The issuer's discretionary data, from tag 57; may be empty.
    #[getter]
    fn discretionary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySlice>> {
        slice(py, self.card.discretionary)
    }

    /// How many bytes of the buffer were written: those to wipe.
    #[getter]
    fn written(&self) -> u32 {
        self.card.written
    }

    fn __repr__(&self) -> &'static str {
        "<panseal.ChipCard>"
    }
}

/// What a service code says (ISO/IEC 7813). A part is None where the digit is reserved.
#[pyclass(frozen, eq, module = "panseal")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ServiceCode(card::ServiceCode);

impl ServiceCode {
    fn of(span: Option<Span>, text: &[u8]) -> Option<ServiceCode> {
        card::ServiceCode::read(span?.of(text)).ok().map(ServiceCode)
    }
}

#[pymethods]
impl ServiceCode {
    /// Reads three digits. FormatError, "malformed", where they are none.
    #[new]
    fn new<'py>(py: Python<'py>, digits: DataArg<'_, 'py>) -> PyResult<ServiceCode> {
        behind_border(py, || {
            let code = card::ServiceCode::read(&digits.read(py)?);
            code.map(ServiceCode).map_err(|code| raise_format(py, code))
        })
    }

    /// Where the card may be used: "international", "national", "private", "test".
    #[getter]
    fn interchange(&self) -> Option<&'static str> {
        self.0.interchange.map(|interchange| match interchange {
            Interchange::International => "international",
            Interchange::National => "national",
            Interchange::Private => "private",
            Interchange::Test => "test",
        })
    }

    /// Whether the card has a chip, which is to be used where there is a reader for it.
    #[getter]
    fn chip(&self) -> bool {
        self.0.chip
    }

    /// Who authorises a payment: "normal", "issuer", "issuer_unless_agreed".
    #[getter]
    fn authorization(&self) -> Option<&'static str> {
        self.0.authorization.map(|authorization| match authorization {
            Authorization::Normal => "normal",
            Authorization::Issuer => "issuer",
            Authorization::IssuerUnlessAgreed => "issuer_unless_agreed",
        })
    }

    /// What can be had for the card: "all", "goods_and_services", "atm_only", "cash_only".
    #[getter]
    fn services(&self) -> Option<&'static str> {
        self.0.services.map(|services| match services {
            Services::All => "all",
            Services::GoodsAndServices => "goods_and_services",
            Services::AtmOnly => "atm_only",
            Services::CashOnly => "cash_only",
        })
    }

    /// When the PIN is asked for: "required", "where_feasible", "not_asked".
    #[getter]
    fn pin(&self) -> Option<&'static str> {
        self.0.pin.map(|pin| match pin {
            PinUse::Required => "required",
            PinUse::WhereFeasible => "where_feasible",
            PinUse::NotAsked => "not_asked",
        })
    }

    fn __repr__(&self) -> &'static str {
        "<panseal.ServiceCode>"
    }
}
