//! Each path that the machine has, against a reference that is written to be read.

use super::*;
use proptest::prelude::*;

/// What a text tells, one byte after the other.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Refused(u8),
    Number { first: usize, next: usize, then: usize, last4: [u8; 4], length: usize, luhn_ok: bool },
}

fn reference(text: &[u8], separators: bool) -> Told {
    let mut digits = Vec::new();
    for &byte in text {
        match byte {
            b'0'..=b'9' if digits.len() == 19 => return Told::Refused(form::LENGTH),
            b'0'..=b'9' => digits.push(byte),
            b' ' | b'-' if separators => {}
            _ => return Told::Refused(form::CHARSET),
        }
    }
    match digits.len() {
        0 => Told::Refused(form::MISSING),
        12..=19 if digits.iter().all(|digit| *digit == b'0') => Told::Refused(form::ZEROS),
        12..=19 => number(&digits),
        _ => Told::Refused(form::LENGTH),
    }
}

fn number(digits: &[u8]) -> Told {
    let value = |digits: &[u8]| digits.iter().fold(0, |value, digit| 10 * value + usize::from(digit - b'0'));
    let sum: usize = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, value(&[*digit])) {
            (0, digit) => digit,
            (_, digit @ 0..=4) => 2 * digit,
            (_, digit) => 2 * digit - 9,
        })
        .sum();
    Told::Number {
        first: value(&digits[..4]),
        next: value(&digits[4..6]),
        then: value(&digits[6..8]),
        last4: *digits.last_chunk().unwrap(),
        length: digits.len(),
        luhn_ok: sum % 10 == 0,
    }
}

fn told(reading: Reading) -> Told {
    match (reading.length(), reading.form() as u8) {
        (None, form::ZEROS..) => Told::Refused(form::ZEROS),
        (None, form) => Told::Refused(form),
        (Some(length), form) => Told::Number {
            first: reading.first(),
            next: reading.next(),
            then: reading.then(),
            last4: reading.last4(),
            length,
            luhn_ok: form < form::WRONG,
        },
    }
}

fn paths() -> Vec<Path> {
    Path::of_this_machine().collect()
}

fn agree_on(text: &[u8]) {
    for separators in [true, false] {
        let expected = reference(text, separators);
        for path in paths() {
            assert_eq!(
                told(path.read(text, separators)),
                expected,
                "{path:?} {:?}",
                String::from_utf8_lossy(text)
            );
        }
    }
}

/// Texts of any length as one column, then, cut and padded, as columns of one width.
fn agree_on_columns(texts: &[Vec<u8>]) {
    let data = texts.concat();
    let ends = texts.iter().scan(0, |end, text| {
        *end += text.len() as i32;
        Some(*end)
    });
    let offsets: Vec<i32> = std::iter::once(0).chain(ends).collect();
    let large: Vec<i64> = offsets.iter().map(|offset| i64::from(*offset)).collect();
    let expected = |texts: &[Vec<u8>]| texts.iter().map(|text| reference(text, true)).collect::<Vec<_>>();
    for path in paths() {
        let mut out = vec![Reading::default(); texts.len()];
        let found = |out: &[Reading]| out.iter().copied().map(told).collect::<Vec<_>>();
        path.read_offsets(&data, &offsets, &mut out);
        assert_eq!(found(&out), expected(texts), "{path:?}");
        path.read_offsets(&data, &large, &mut out);
        assert_eq!(found(&out), expected(texts), "{path:?}, large offsets");
        out.fill(Reading::default());
        let slices: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        path.read_texts(&slices, &mut out);
        assert_eq!(found(&out), expected(texts), "{path:?}, texts anywhere");
        for width in [0, 1, 12, 13, 16, 19, 24, 33] {
            let pad =
                |text: &Vec<u8>| text.iter().copied().chain(std::iter::repeat(b' ')).take(width).collect();
            let padded: Vec<Vec<u8>> = texts.iter().map(pad).collect();
            path.read_fixed(&padded.concat(), width, &mut out);
            assert_eq!(found(&out), expected(&padded), "{path:?}, width {width}");
        }
    }
}

#[test]
fn the_machine_has_the_plain_path_and_the_best_one_is_looked_up_once() {
    assert_eq!(paths().last(), Some(&Path::Plain));
    assert_eq!(Path::best(), paths()[0]);
    assert_eq!(Path::known(), Some(paths()[0]));
}

#[test]
fn any_byte_at_any_place_of_any_length_is_read_as_the_reference_reads_it() {
    let bytes = *b"0459/: -x.\0\t\x1f\x7f\x80\xb0\xb9\xff";
    for length in 0..=64 {
        for place in 0..length {
            for byte in bytes {
                let mut text: Vec<u8> = (0..length).map(|place| b'0' + (7 * place % 10) as u8).collect();
                text[place] = byte;
                agree_on(&text);
            }
        }
    }
    for byte in 0..=255 {
        for place in 0..19 {
            let mut text = *b"4929123456789012345";
            text[place] = byte;
            agree_on(&text);
            agree_on(&text[..16]);
        }
    }
}

#[test]
fn separators_may_stand_anywhere() {
    // A bit for each of the first twelve places: what is set gets a separator before its digit.
    for pattern in 0..1 << 12 {
        for digits in [&b"424242424242"[..], b"4242424242424242", b"6759649826438453123"] {
            let mut text = Vec::new();
            for (place, digit) in digits.iter().enumerate() {
                if pattern >> place & 1 == 1 {
                    text.push(if place % 2 == 0 { b' ' } else { b'-' });
                }
                text.push(*digit);
            }
            agree_on(&text);
        }
    }
}

#[test]
fn zeros_alone_and_all_short_numbers_are_told() {
    for length in 0..=40 {
        agree_on(&vec![b'0'; length]);
        agree_on(&vec![b' '; length]);
        agree_on(&vec![b'9'; length]);
        agree_on(&[vec![b'0'; length], b"1".to_vec()].concat());
    }
}

/// Memory whose last byte is followed by a page that cannot be read.
struct Edge {
    start: *mut u8,
    page: usize,
}

impl Edge {
    fn new() -> Edge {
        // SAFETY: new pages of our own, the last of which is closed.
        unsafe {
            let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
            let (read_write, private) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let start = libc::mmap(std::ptr::null_mut(), 3 * page, read_write, private, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(start, page, libc::PROT_NONE), 0);
            assert_eq!(libc::mprotect(start.byte_add(2 * page), page, libc::PROT_NONE), 0);
            Edge { start: start.cast(), page }
        }
    }

    /// The bytes at the very end, and at the very start, of what can be read.
    fn hold(&mut self, bytes: &[u8]) -> [&[u8]; 2] {
        // SAFETY: the page in the middle is readable and writable, and borrowed as long as what is given back.
        let page = unsafe { std::slice::from_raw_parts_mut(self.start.add(self.page), self.page) };
        page[..bytes.len()].copy_from_slice(bytes);
        page[self.page - bytes.len()..].copy_from_slice(bytes);
        [&page[self.page - bytes.len()..], &page[..bytes.len()]]
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`.
        unsafe { libc::munmap(self.start.cast(), 3 * self.page) };
    }
}

#[test]
fn nothing_is_read_beyond_a_text() {
    let mut edge = Edge::new();
    for length in 0..=64 {
        for text in [vec![b'4'; length], b"4 2-".iter().copied().cycle().take(length).collect()] {
            edge.hold(&text).into_iter().for_each(agree_on);
        }
    }
}

#[test]
fn nothing_is_read_beyond_a_column() {
    let mut edge = Edge::new();
    for width in 0..=40 {
        for count in [1, 2, 15, 16, 17, 33] {
            for byte in *b"4 " {
                for data in edge.hold(&vec![byte; width * count]) {
                    let offsets: Vec<i32> = (0..=count).map(|row| (row * width) as i32).collect();
                    let expected = reference(&vec![byte; width], true);
                    for path in paths() {
                        let mut out = vec![Reading::default(); count];
                        path.read_fixed(data, width, &mut out);
                        assert!(out.iter().all(|reading| told(*reading) == expected), "{path:?}");
                        path.read_offsets(data, &offsets, &mut out);
                        assert!(out.iter().all(|reading| told(*reading) == expected), "{path:?}");
                        let texts: Vec<_> =
                            (0..count).map(|row| &data[row * width..(row + 1) * width]).collect();
                        out.fill(Reading::default());
                        path.read_texts(&texts, &mut out);
                        assert!(out.iter().all(|reading| told(*reading) == expected), "{path:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn words_written_past_the_caches_arrive_at_any_alignment_and_no_others() {
    let words: Vec<i32> = (1..=40).collect();
    for start in 0..9 {
        for len in 0..=40 {
            for room in [len, len + 3] {
                let mut out = [-1; 64];
                write_past(&words[..len], &mut out[start..start + room]);
                settle();
                assert!(out[..start].iter().chain(&out[start + len..]).all(|word| *word == -1));
                assert_eq!(out[start..start + len], words[..len]);
            }
        }
    }
}

#[test]
fn bytes_written_past_the_caches_arrive_too() {
    let bytes: Vec<u8> = (1..=100).collect();
    for start in 0..17 {
        for len in 0..=100 {
            let mut out = [0; 128];
            write_past(&bytes[..len], &mut out[start..start + len]);
            settle();
            assert!(out[..start].iter().chain(&out[start + len..]).all(|byte| *byte == 0));
            assert_eq!(out[start..start + len], bytes[..len]);
        }
    }
}

/// A sheet in which no two keys have all bytes in common.
fn sheet() -> Sheet {
    Sheet {
        right: std::array::from_fn(|key| if key % 3 == 0 { 0 } else { 1 ^ key as u8 }),
        wrong: std::array::from_fn(|key| if key % 5 == 0 { 0 } else { 200 ^ key as u8 }),
        others: std::array::from_fn(|form| 100 + form as u8),
        mark: std::array::from_fn(|key| 255 - key as u8),
    }
}

/// Reads and looks up as many texts as there are many at once, and tells each again by the reference.
fn agree_on_sixteens(data: &[u8]) {
    let (sheet, mut read) = (sheet(), Sixteens::new());
    let mut out =
        Entries { status: [-1; MANY], mark: [77; MANY], length: [77; MANY], last4: [[77; 4]; MANY] };
    let keys: [u8; MANY] = std::array::from_fn(|row| (row * 37 % 128) as u8);
    let firsts = read.read(data).to_vec();
    read.look_up(&keys[..firsts.len()], &sheet, &mut out);
    let unread: Vec<usize> = read.unread().collect();
    assert!(unread.is_sorted() && unread.iter().all(|row| *row < MANY));
    if !reads_sixteens() {
        assert_eq!((firsts.len(), unread.len()), (0, MANY));
        return;
    }
    let texts = data.chunks_exact(16).take(MANY);
    assert!((texts.len()..MANY).all(|row| unread.contains(&row)));
    for (row, text) in texts.enumerate() {
        let alone = text.iter().any(|byte| *byte < b'0');
        assert_eq!(unread.contains(&row), alone, "row {row}");
        let key = usize::from(keys[row]);
        let (status, last4) = match reference(text, false) {
            Told::Number { first, luhn_ok, last4, .. } => {
                assert!(alone || firsts[row] as usize == first, "row {row}");
                (if luhn_ok { sheet.right[key] } else { sheet.wrong[key] }, last4)
            }
            // Sixteen zeros have the form that says so and how many they are.
            Told::Refused(form::ZEROS) => {
                (sheet.others[usize::from(form::ZEROS + 4 - form::MISSING)], [0; 4])
            }
            Told::Refused(form) => (sheet.others[usize::from(form - form::MISSING)], [0; 4]),
        };
        let told = (out.status[row], out.mark[row], out.length[row], out.last4[row]);
        let expected =
            if status == 0 { (0, sheet.mark[key], 16, last4) } else { (i32::from(status), 0, 0, [0; 4]) };
        assert!(alone || told == expected, "row {row}: {told:?} and {expected:?}");
    }
}

#[test]
fn texts_of_sixteen_bytes_are_read_and_looked_up_many_at_once_wherever_they_stand() {
    let texts = [
        &b"4242424242424242"[..],
        b"4242424242424241",
        b"424242424242424x",
        b"0000000000000000",
        b"371449635398431 ",
        b"9999999999999999",
        b"\xff242424242424242",
        b"4242\x2f24242424242",
    ];
    for step in [1, 3, 7] {
        let data: Vec<u8> = (0..MANY + 9).flat_map(|row| texts[row * step % 8]).copied().collect();
        for count in (0..=65).chain([127, 128, 191, 200, MANY - 1, MANY, MANY + 9]) {
            agree_on_sixteens(&data[..16 * count]);
        }
        for len in 0..64 {
            agree_on_sixteens(&data[..16 * 63 + len]);
        }
    }
    for place in 0..16 {
        let data: Vec<u8> = (0..=255)
            .flat_map(|byte| {
                let mut text = *b"4929123456789012";
                text[place] = byte;
                text
            })
            .collect();
        agree_on_sixteens(&data);
    }
}

#[test]
fn nothing_is_read_beyond_texts_that_are_read_many_at_once() {
    let mut edge = Edge::new();
    for len in (0..=33).chain([255, 256, 257, 1000, 1023, 1024, 1025, 2047, 4000]) {
        edge.hold(&vec![b'4'; len]).into_iter().for_each(agree_on_sixteens);
    }
}

#[test]
fn texts_that_do_not_lie_in_the_data_are_empty() {
    for path in paths() {
        let mut out = [Reading::default(); 3];
        path.read_offsets(b"4242424242424242", &[0, 17, -1, 2], &mut out);
        assert!(out.iter().all(|reading| told(*reading) == Told::Refused(form::MISSING)), "{path:?}");
        path.read_fixed(b"4242", 16, &mut out);
        assert!(out.iter().all(|reading| told(*reading) == Told::Refused(form::MISSING)), "{path:?}");
    }
}

proptest! {
    #[test]
    fn places_are_those_of_the_highest_bits(bytes in prop::collection::vec(0..=255u8, 0..=MANY)) {
        let expected: Vec<usize> = (0..bytes.len()).filter(|place| bytes[*place] >= 0x80).collect();
        prop_assert_eq!(Places::new().of(&bytes).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn any_sixteen_bytes_are_told_as_the_reference_tells_them(
        texts in prop::collection::vec("[0-9]{16}|0{16}|[0-9]{15}[x/ ]|[0-9x-]{16}", 0..MANY + 40),
    ) {
        agree_on_sixteens(texts.concat().as_bytes());
    }

    #[test]
    fn any_text_is_read_as_the_reference_reads_it(bytes: Vec<u8>, digits in "[0-9]{0,24}", spaced in "[0-9 -]{0,48}") {
        agree_on(&bytes);
        agree_on(digits.as_bytes());
        agree_on(spaced.as_bytes());
    }

    #[test]
    fn any_column_is_read_as_the_reference_reads_it(
        texts in prop::collection::vec("[0-9]{16}|[0-9]{16}|[0-9]{16}|[0-9]{12,19}|[0-9]{15}[x/ ]|[0-9 -]{0,40}", 0..70),
    ) {
        agree_on_columns(&texts.into_iter().map(String::into_bytes).collect::<Vec<_>>());
    }

    #[test]
    fn a_column_of_sixteen_digits_is_read_as_the_reference_reads_it(texts in prop::collection::vec("[0-9]{16}|0{16}", 0..70)) {
        agree_on_columns(&texts.into_iter().map(String::into_bytes).collect::<Vec<_>>());
    }
}
