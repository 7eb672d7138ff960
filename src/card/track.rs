//! Magnetic stripe data: tracks 1 and 2 of a payment card (ISO/IEC 7813), taken apart where they lie.

use super::expiry::Expiry;
use super::pan::Pan;
use crate::error::Code;

/// A place in a text of the caller: `len` bytes from offset `at` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The offset of the first byte.
    pub at: u32,
    /// The number of bytes.
    pub len: u32,
}

impl Span {
    /// The bytes at this place; none if the text does not reach so far, for then it is another text.
    pub fn of(self, text: &[u8]) -> &[u8] {
        let at = self.at as usize;
        text.get(at..at.saturating_add(self.len as usize)).unwrap_or_default()
    }

    /// The offset behind the last byte.
    pub const fn end(self) -> u32 {
        self.at.saturating_add(self.len)
    }

    /// The place from one offset to another. Texts of 4 GiB and more are cut before they are read.
    pub(super) const fn between(start: usize, end: usize) -> Span {
        Span { at: start as u32, len: end.saturating_sub(start) as u32 }
    }
}

/// Which track of the stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrackFormat {
    /// Track 1, format B: letters and digits, with the cardholder's name. At most 79 characters.
    One = 1,
    /// Track 2: digits. At most 40 characters. EMV's tag 57 and ISO 8583's field 35 have the same content.
    Two = 2,
}

/// The check character behind the closing sentinel. A wrong one is [`Code::Malformed`], so there is no `Bad`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lrc {
    /// There is none: most readers check and drop it.
    Absent,
    /// There is one, and it is that of the track.
    Good,
}

/// A track taken apart. It holds offsets into the text and no byte of it but the expiry.
///
/// Service code and discretionary data (which has the card verification value of the stripe) can be read
/// here and go nowhere else: no field of [`CardInput`](super::CardInput) takes them, so that no type that is
/// stored can hold them (PCI DSS 3.3.1). This does not compile:
///
/// ```compile_fail,E0560
/// use panseal::card::{CardInput, parse_track};
///
/// let swipe = b";4242424242424242=30121010000012345?";
/// let track = parse_track(swipe).unwrap();
/// let number = track.number.of(swipe);
/// let discretionary = track.discretionary.of(swipe);
/// let card = CardInput { discretionary, ..CardInput::new(number, 1_795_132_800) };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// Which track it is.
    pub format: TrackFormat,
    /// The card number: 12 to 19 digits. On track 1 spaces may stand between them, which
    /// [`Pan::parse`] drops.
    pub number: Span,
    /// The cardholder's name, `SURNAME/FIRST MIDDLE.TITLE`; track 1 only. The standard has 2 to 26
    /// characters; fewer are taken, as gift cards have none.
    pub name: Option<Span>,
    /// The expiry, unless the card leaves it out.
    pub expiry: Option<Expiry>,
    /// The three digits of the service code, unless the card leaves it out. See [`ServiceCode::read`].
    pub service_code: Option<Span>,
    /// What the issuer put behind: may be empty.
    pub discretionary: Span,
    /// Whether a check character was there.
    pub lrc: Lrc,
    /// The offset behind the track, its closing sentinel and its check character. Where one swipe gave both
    /// tracks, the second one begins here.
    pub end: u32,
}

/// Reads track 1 or track 2 and tells which it was.
///
/// The rules are those of [`parse_track1`] and [`parse_track2`]. A text that begins with `%` or a capital
/// letter is track 1, one that begins with `;` or a digit is track 2.
///
/// Where one swipe gave both tracks, this is the first; the second is found behind its end:
///
/// ```
/// use panseal::card::{TrackFormat, parse_track};
///
/// let swipe = b"%B4242424242424242^BYRON/ADA^3012101000?;4242424242424242=30121010000?";
/// let first = parse_track(swipe)?;
/// let second = parse_track(&swipe[first.end as usize..])?;
/// assert_eq!((first.format, second.format), (TrackFormat::One, TrackFormat::Two));
/// assert_eq!(first.number.of(swipe), b"4242424242424242");
/// # Ok::<(), panseal::error::Code>(())
/// ```
///
/// # Errors
///
/// Those of the two; [`Code::Malformed`] if the text begins with anything else.
pub fn parse_track(text: &[u8]) -> Result<Track, Code> {
    match text.iter().find(|byte| !is_line_break(**byte)) {
        None => Err(Code::Missing),
        Some(b'%' | b'A'..=b'Z') => parse_track1(text),
        Some(b';' | b'0'..=b'9') => parse_track2(text),
        Some(_) => Err(Code::Malformed),
    }
}

/// Reads track 1: `%B` number `^` name `^` YYMM service code, discretionary data, `?`, check character.
///
/// `text` is ASCII. The sentinels `%` and `?` may be missing, as some readers drop them, but a track that was
/// opened must be closed. Without `?` the track ends before the first control character or with the text.
/// Line breaks before the track are passed over. A `^` in place of the expiry or of the service code says
/// that the card leaves it out; a track may end behind the expiry.
///
/// # Errors
///
/// - [`Code::Missing`]: there is nothing.
/// - [`Code::Unsupported`]: the format code is another letter than `B`, so the track is not that of a bank
///   card and its form is not public.
/// - [`Code::Length`]: the number has not 12 to 19 digits.
/// - [`Code::TooLong`]: more than 76 characters between the sentinels, or more than 26 of a name.
/// - [`Code::Malformed`]: anything else, also a wrong check character or month.
pub fn parse_track1(text: &[u8]) -> Result<Track, Code> {
    let frame = Frame::find(text, &ONE)?;
    let mut fields = Fields::new(text, &frame);
    match fields.next() {
        Some(b'B') => {}
        Some(b'A'..=b'Z') => return Err(Code::Unsupported),
        _ => return Err(Code::Malformed),
    }
    let number = fields.run(|byte| byte.is_ascii_digit() || byte == b' ');
    fields.expect(b'^')?;
    judge_number(number.of(text))?;
    let name = fields.run(|byte| byte != b'^' && is_of_track1(byte));
    if name.len > NAME_MAX {
        return Err(Code::TooLong);
    }
    fields.expect(b'^')?;
    let expiry = fields.expiry(b'^')?;
    let service_code = fields.service_code(b'^')?;
    let discretionary = fields.run(|byte| byte != b'^' && is_of_track1(byte));
    fields.expect_end()?;
    Ok(Track {
        format: TrackFormat::One,
        number,
        name: Some(name),
        expiry,
        service_code,
        discretionary,
        lrc: frame.lrc,
        end: frame.end as u32,
    })
}

/// Reads track 2: `;` number `=` YYMM service code, discretionary data, `?`, check character.
///
/// The rules are those of [`parse_track1`], with `;` as the opening sentinel and `=` as the separator. `D` is
/// taken for `=`, and `d` too, so that the hexadecimal text of EMV's tag 57 can be read as it stands; an `F`
/// or `f` that fills it up to whole bytes is no part of the discretionary data.
///
/// # Errors
///
/// - [`Code::Missing`]: there is nothing.
/// - [`Code::Length`]: the number has not 12 to 19 digits.
/// - [`Code::TooLong`]: more than 37 characters between the sentinels.
/// - [`Code::Malformed`]: anything else, also a wrong check character or month.
pub fn parse_track2(text: &[u8]) -> Result<Track, Code> {
    let frame = Frame::find(text, &TWO)?;
    let mut fields = Fields::new(text, &frame);
    let number = fields.run(|byte| byte.is_ascii_digit());
    let separator = fields.next().filter(|byte| is_separator2(*byte)).ok_or(Code::Malformed)?;
    judge_number(number.of(text))?;
    let expiry = fields.expiry(separator)?;
    let service_code = fields.service_code(separator)?;
    let discretionary = fields.run(|byte| byte.is_ascii_digit());
    if separator != b'=' && frame.may_be_padded() {
        let _ = fields.eat(b'F') || fields.eat(b'f');
    }
    fields.expect_end()?;
    Ok(Track {
        format: TrackFormat::Two,
        number,
        name: None,
        expiry,
        service_code,
        discretionary,
        lrc: frame.lrc,
        end: frame.end as u32,
    })
}

/// The room for a name on track 1.
const NAME_MAX: u32 = 26;

/// The last control character.
const CONTROL: u8 = b' ' - 1;

/// The spans of a track have 32 bits.
const READABLE: usize = u32::MAX as usize;

/// How the characters of a track are written on the stripe and in a text (ISO/IEC 7811-6).
struct Alphabet {
    /// The opening sentinel. The closing one is `?` on both.
    opening: u8,
    /// The character of value 0.
    zero: u8,
    /// The bits of a value.
    bits: u8,
    /// The most characters between the sentinels.
    room: usize,
}

const ONE: Alphabet = Alphabet { opening: b'%', zero: b' ', bits: 0x3f, room: 79 - 3 };
const TWO: Alphabet = Alphabet { opening: b';', zero: b'0', bits: 0x0f, room: 40 - 3 };

impl Alphabet {
    /// The check character: it makes the number of ones even in each bit of the values, sentinels included.
    fn lrc(&self, body: &[u8]) -> u8 {
        let sentinels = self.value(self.opening) ^ self.value(b'?');
        let sum = body.iter().fold(sentinels, |sum, byte| sum ^ self.value(*byte));
        self.zero + (sum & self.bits)
    }

    fn value(&self, byte: u8) -> u8 {
        let written_so = self.opening == TWO.opening && is_separator2(byte);
        if written_so { b'=' - self.zero } else { byte.wrapping_sub(self.zero) }
    }
}

/// Where the characters of a track begin and end.
struct Frame {
    start: usize,
    stop: usize,
    bare: bool,
    lrc: Lrc,
    /// The offset behind it all.
    end: usize,
}

impl Frame {
    fn find(text: &[u8], alphabet: &Alphabet) -> Result<Frame, Code> {
        let text = text.get(..READABLE).unwrap_or(text);
        let lead = text.iter().take_while(|byte| is_line_break(**byte)).count();
        let opened = text.get(lead) == Some(&alphabet.opening);
        let start = lead + usize::from(opened);
        let rest = text.get(start..).unwrap_or_default();
        let len = match rest.iter().take(alphabet.room + 1).position(|byte| ends_track(*byte)) {
            Some(len) => len,
            None if rest.len() <= alphabet.room => rest.len(),
            None => return Err(Code::TooLong),
        };
        let stop = start + len;
        let (body, behind) = rest.split_at(len);
        let closed = behind.first() == Some(&b'?');
        match (opened, closed) {
            (false, false) if body.is_empty() => Err(Code::Missing),
            (true, false) => Err(Code::Malformed),
            (false, false) => Ok(Frame { start, stop, bare: true, lrc: Lrc::Absent, end: stop }),
            (_, true) => {
                let given = check_character(behind.get(1..).unwrap_or_default());
                let (lrc, taken) = match given {
                    None => (Lrc::Absent, 0),
                    Some(given) if given == alphabet.lrc(body) => (Lrc::Good, 1),
                    Some(_) => return Err(Code::Malformed),
                };
                Ok(Frame { start, stop, bare: false, lrc, end: stop + 1 + taken })
            }
        }
    }

    /// Whether this may be packed digits in hexadecimal, which have whole bytes and no sentinels.
    fn may_be_padded(&self) -> bool {
        self.bare && (self.stop - self.start) % 2 == 0
    }
}

/// The character behind `?`, if it belongs to the track: not a control character, and not a sentinel that
/// opens another track. (A check character can look like such a sentinel, but then nothing follows, or the
/// sentinel itself does.)
fn check_character(behind: &[u8]) -> Option<u8> {
    let opens = |byte: u8| matches!(byte, b'%' | b';' | b'+');
    match *behind {
        [] | [..=CONTROL, ..] => None,
        [first, next, ..] if opens(first) && next > CONTROL && !opens(next) => None,
        [first, ..] => Some(first),
    }
}

fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn ends_track(byte: u8) -> bool {
    byte == b'?' || byte <= CONTROL
}

fn is_separator2(byte: u8) -> bool {
    matches!(byte, b'=' | b'D' | b'd')
}

/// The characters that six bits can have, without the sentinels.
fn is_of_track1(byte: u8) -> bool {
    matches!(byte, b' '..=b'_') && !matches!(byte, b'%' | b'?')
}

/// Whether this is 12 to 19 digits, with spaces only between them.
fn judge_number(text: &[u8]) -> Result<(), Code> {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    if !(Pan::MIN_LEN..=Pan::MAX_LEN).contains(&digits) {
        return Err(Code::Length);
    }
    match (text.first(), text.last()) {
        (Some(b' '), _) | (_, Some(b' ')) => Err(Code::Malformed),
        _ => Ok(()),
    }
}

/// A month as tracks and chips write it: YYMM, in ASCII.
pub(super) fn read_yymm(digits: &[u8]) -> Result<Expiry, Code> {
    let &[a, b, c, d] = digits else { return Err(Code::Malformed) };
    let two = |tens: u8, ones: u8| match (tens, ones) {
        (b'0'..=b'9', b'0'..=b'9') => Ok(i32::from(tens - b'0') * 10 + i32::from(ones - b'0')),
        _ => Err(Code::Malformed),
    };
    Expiry::new(two(c, d)?, two(a, b)?)
}

/// Reads the fields of a track one after the other.
struct Fields<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn new(text: &'a [u8], frame: &Frame) -> Fields<'a> {
        Fields { text: text.get(..frame.stop).unwrap_or_default(), at: frame.start }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.rest().first()?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest().first() == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Code> {
        if self.eat(byte) { Ok(()) } else { Err(Code::Malformed) }
    }

    fn expect_end(&self) -> Result<(), Code> {
        if self.rest().is_empty() { Ok(()) } else { Err(Code::Malformed) }
    }

    /// The bytes up to the first that is not wanted.
    fn run(&mut self, wanted: impl Fn(u8) -> bool) -> Span {
        let len = self.rest().iter().take_while(|byte| wanted(**byte)).count();
        let start = self.at;
        self.at += len;
        Span::between(start, self.at)
    }

    fn expiry(&mut self, separator: u8) -> Result<Option<Expiry>, Code> {
        if self.eat(separator) {
            return Ok(None);
        }
        let expiry = read_yymm(self.rest().get(..4).ok_or(Code::Malformed)?)?;
        self.at += 4;
        Ok(Some(expiry))
    }

    fn service_code(&mut self, separator: u8) -> Result<Option<Span>, Code> {
        if self.rest().is_empty() || self.eat(separator) {
            return Ok(None);
        }
        match self.rest() {
            [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', ..] => {
                self.at += 3;
                Ok(Some(Span::between(self.at - 3, self.at)))
            }
            _ => Err(Code::Malformed),
        }
    }
}

/// What a service code says (ISO/IEC 7813). A part is `None` where the digit is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceCode {
    /// Where the card may be used: first digit.
    pub interchange: Option<Interchange>,
    /// The card has a chip, which is to be used where there is a reader for it: first digit 2 or 6.
    pub chip: bool,
    /// Who authorises a payment: second digit.
    pub authorization: Option<Authorization>,
    /// What can be had for the card: third digit.
    pub services: Option<Services>,
    /// When the PIN is asked for: third digit.
    pub pin: Option<PinUse>,
}

/// Where a card may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interchange {
    /// Everywhere.
    International,
    /// In its country, and abroad by agreement.
    National,
    /// Nowhere but by agreement.
    Private,
    /// It is a test card.
    Test,
}

/// Who authorises a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authorization {
    /// By the usual rules.
    Normal,
    /// The issuer, online.
    Issuer,
    /// The issuer, online, unless another agreement holds.
    IssuerUnlessAgreed,
}

/// What can be had for a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Services {
    /// Anything.
    All,
    /// Goods and services, no cash.
    GoodsAndServices,
    /// Cash at a machine.
    AtmOnly,
    /// Cash.
    CashOnly,
}

/// When the PIN is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PinUse {
    /// Always.
    Required,
    /// Where there is a PIN pad.
    WhereFeasible,
    /// The code does not ask for it.
    NotAsked,
}

impl ServiceCode {
    /// Reads the three digits of a service code, in ASCII.
    ///
    /// # Errors
    ///
    /// [`Code::Malformed`] if it is not three digits.
    pub fn read(code: &[u8]) -> Result<ServiceCode, Code> {
        let &[first @ b'0'..=b'9', second @ b'0'..=b'9', third @ b'0'..=b'9'] = code else {
            return Err(Code::Malformed);
        };
        let (services, pin) = match third {
            b'0' => (Some(Services::All), Some(PinUse::Required)),
            b'1' => (Some(Services::All), Some(PinUse::NotAsked)),
            b'2' => (Some(Services::GoodsAndServices), Some(PinUse::NotAsked)),
            b'3' => (Some(Services::AtmOnly), Some(PinUse::Required)),
            b'4' => (Some(Services::CashOnly), Some(PinUse::NotAsked)),
            b'5' => (Some(Services::GoodsAndServices), Some(PinUse::Required)),
            b'6' => (Some(Services::All), Some(PinUse::WhereFeasible)),
            b'7' => (Some(Services::GoodsAndServices), Some(PinUse::WhereFeasible)),
            _ => (None, None),
        };
        Ok(ServiceCode {
            interchange: match first {
                b'1' | b'2' => Some(Interchange::International),
                b'5' | b'6' => Some(Interchange::National),
                b'7' => Some(Interchange::Private),
                b'9' => Some(Interchange::Test),
                _ => None,
            },
            chip: matches!(first, b'2' | b'6'),
            authorization: match second {
                b'0' => Some(Authorization::Normal),
                b'2' => Some(Authorization::Issuer),
                b'4' => Some(Authorization::IssuerUnlessAgreed),
                _ => None,
            },
            services,
            pin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SWIPE: &[u8] =
        b"%B4242424242424242^BYRON/ADA^30121010000000000?\r\n;4242424242424242=30121010000?\r\n";

    #[test]
    fn the_fields_of_track_1_are_where_they_lie() {
        let track = parse_track1(SWIPE).unwrap();
        assert_eq!(track.number.of(SWIPE), b"4242424242424242");
        assert_eq!(track.name.unwrap().of(SWIPE), b"BYRON/ADA");
        assert_eq!(track.expiry, Expiry::new(12, 2030).ok());
        assert_eq!(track.service_code.unwrap().of(SWIPE), b"101");
        assert_eq!(track.discretionary.of(SWIPE), b"0000000000");
        assert_eq!((track.format, track.lrc), (TrackFormat::One, Lrc::Absent));
    }

    #[test]
    fn the_second_track_of_a_swipe_begins_where_the_first_ends() {
        let first = parse_track(SWIPE).unwrap();
        let rest = &SWIPE[first.end as usize..];
        let second = parse_track(rest).unwrap();
        assert_eq!(second.format, TrackFormat::Two);
        assert_eq!(second.number.of(rest), first.number.of(SWIPE));
        assert_eq!(parse_track(&rest[second.end as usize..]), Err(Code::Missing));
    }

    #[test]
    fn a_check_character_that_looks_like_a_sentinel_is_told_from_one() {
        let tracks = (0..100).map(|n| format!(";4242424242424242=301210100{n:02}?").into_bytes());
        let track = tracks.into_iter().find(|track| TWO.lrc(&track[1..track.len() - 1]) == b';').unwrap();
        let parse = |more: &str| parse_track2(&[&track[..], more.as_bytes()].concat()).map(|track| track.lrc);
        assert_eq!(parse(";"), Ok(Lrc::Good));
        assert_eq!(parse(";;4242424242424242=3012101?"), Ok(Lrc::Good));
        assert_eq!(parse(";4242424242424242=3012101?"), Ok(Lrc::Absent));
        assert_eq!(parse("+0142?"), Ok(Lrc::Absent));
        assert_eq!(parse("+"), Err(Code::Malformed));
    }

    #[test]
    fn a_track_of_another_format_is_refused_as_such() {
        assert_eq!(parse_track(b"%A4242424242424242^BYRON/ADA^3012101?"), Err(Code::Unsupported));
        assert_eq!(parse_track(b"%14242424242424242^BYRON/ADA^3012101?"), Err(Code::Malformed));
    }

    #[test]
    fn a_track_is_as_long_as_the_stripe() {
        let two =
            |digits: usize| parse_track2(format!("4242424242424242={:0>1$}", 1, digits).as_bytes()).err();
        assert_eq!(two(21), Some(Code::TooLong));
        let fits = format!("4242424242424242=3012101{}", "0".repeat(13));
        assert!(parse_track2(fits.as_bytes()).is_ok());
        assert_eq!(parse_track2(format!("{fits}0").as_bytes()), Err(Code::TooLong));
        assert_eq!(parse_track2(format!(";{fits}0?").as_bytes()), Err(Code::TooLong));
        let long = [&b";"[..], &[b'4'; 1 << 20]].concat();
        assert_eq!(parse_track(&long), Err(Code::TooLong));
    }

    #[test]
    fn a_span_of_another_text_is_empty() {
        assert_eq!(Span { at: 3, len: 2 }.of(b"4242"), b"");
        assert_eq!(Span { at: u32::MAX, len: u32::MAX }.of(b"4242"), b"");
        assert_eq!(Span { at: 2, len: 2 }.of(b"4242"), b"42");
    }

    #[test]
    fn a_service_code_speaks() {
        let code = ServiceCode::read(b"221").unwrap();
        assert_eq!((code.interchange, code.chip), (Some(Interchange::International), true));
        assert_eq!(code.authorization, Some(Authorization::Issuer));
        assert_eq!((code.services, code.pin), (Some(Services::All), Some(PinUse::NotAsked)));
        let reserved = ServiceCode::read(b"319").unwrap();
        assert_eq!((reserved.interchange, reserved.chip, reserved.services), (None, false, None));
        for text in ["", "12", "1234", "1a1"] {
            assert_eq!(ServiceCode::read(text.as_bytes()), Err(Code::Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, swipe in "[%;]?[AB]?[0-9 ]{10,20}[\\^=D][ -_]{0,40}\\??[ -_]?") {
            for text in [&bytes[..], swipe.as_bytes()] {
                for track in [parse_track(text), parse_track1(text), parse_track2(text)].into_iter().flatten() {
                    prop_assert!(track.discretionary.end() <= track.end && track.end as usize <= text.len());
                    prop_assert!(Pan::parse(track.number.of(text), crate::card::Separators::Dropped).is_ok()
                        || track.number.of(text).iter().all(|byte| matches!(byte, b'0' | b' ')));
                }
            }
        }

        #[test]
        fn one_wrong_character_never_passes_the_check(place in 0..26usize, other in b'0'..=b'9') {
            let mut track = *b";4242424242424242=30121010000?x";
            let last = track.len() - 1;
            track[last] = TWO.lrc(&track[1..last - 1]);
            prop_assert_eq!(parse_track2(&track).map(|track| track.lrc), Ok(Lrc::Good));
            prop_assume!(track[1 + place] != other);
            track[1 + place] = other;
            prop_assert!(parse_track2(&track).is_err());
        }
    }
}
