//! Columns of numbers: every row as a single check tells it, and nothing written where the column or an output is wrong.

use panseal::card::{
    CardInput, Column, Network, NumberCheck, Outputs, Separators, check, check_many, check_number,
};
use panseal::error::{Code, Param};
use proptest::prelude::*;

/// What [`check()`] says of a number alone: the code, or network, length and last four digits.
fn plain(number: &[u8], separators: Separators) -> Result<(Network, usize, [u8; 4]), Code> {
    let mut input = CardInput::new(number, 0);
    input.rules.separators = separators;
    match check(&input) {
        Ok(card) => Ok((card.network(), card.number().len(), card.number().last4())),
        Err(violations) => {
            let first = violations.iter().next().expect("a violation");
            assert_eq!((first.param, violations.len()), (Param::Number, 1));
            Err(first.code)
        }
    }
}

fn told(check: NumberCheck) -> Result<(Network, usize, [u8; 4]), Code> {
    match check.code() {
        None => Ok((check.network(), check.length(), check.last4())),
        Some(code) => {
            assert_eq!((check.network(), check.length(), check.last4()), (Network::UNKNOWN, 0, [0; 4]));
            Err(code)
        }
    }
}

/// Room for the outputs of a column, with something in it that has to go.
struct Room {
    status: Vec<i32>,
    network: Vec<u8>,
    length: Vec<u8>,
    last4: Vec<u8>,
}

impl Room {
    fn new(count: usize) -> Room {
        Room {
            status: vec![-7; count],
            network: vec![77; count],
            length: vec![77; count],
            last4: vec![77; 4 * count],
        }
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Outputs {
            status: &mut self.status,
            network: Some(&mut self.network),
            length: Some(&mut self.length),
            last4: Some(&mut self.last4),
        }
    }

    fn untouched(&self) -> bool {
        self.status.iter().all(|status| *status == -7)
            && [&self.network, &self.length, &self.last4].into_iter().flatten().all(|byte| *byte == 77)
    }

    fn row(&self, row: usize) -> (i32, u8, u8, [u8; 4]) {
        let last4 = self.last4[4 * row..].first_chunk().copied().expect("four bytes");
        (self.status[row], self.network[row], self.length[row], last4)
    }
}

fn expected(number: &[u8]) -> (i32, u8, u8, [u8; 4]) {
    match plain(number, Separators::Dropped) {
        Ok((network, length, last4)) => (0, network.id(), length as u8, last4),
        Err(code) => (code.number(), 0, 0, [0; 4]),
    }
}

fn offsets_of(numbers: &[String]) -> Vec<i32> {
    let ends = numbers.iter().scan(0, |end, number| {
        *end += number.len() as i32;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

const NUMBERS: &str = "[4-6][0-9]{15}|[0-9]{12,19}|4242424242424242|37828224631000[0-9]|62[0-9]{14,17}|0{12,19}|\
                       65[0-9 -]{14,30}|1946[0-9]{11,15}|[0-9x -]{0,70}|";

proptest! {
    #[test]
    fn a_number_alone_is_told_as_a_card_with_nothing_else(number in NUMBERS, bytes: Vec<u8>) {
        for separators in [Separators::Dropped, Separators::Refused] {
            for text in [number.as_bytes(), &bytes] {
                prop_assert_eq!(told(check_number(text, separators)), plain(text, separators));
            }
        }
    }

    #[test]
    fn every_row_is_told_as_a_number_alone(numbers in prop::collection::vec(NUMBERS, 0..600), width in 0..24usize) {
        let (data, offsets) = (numbers.concat(), offsets_of(&numbers));
        let large: Vec<i64> = offsets.iter().copied().map(i64::from).collect();
        let padded: Vec<String> = numbers
            .iter()
            .map(|number| number.chars().chain(std::iter::repeat(' ')).take(width).collect())
            .collect();
        let fixed = padded.concat();
        let texts: Vec<&[u8]> = numbers.iter().map(String::as_bytes).collect();
        let count = numbers.len();
        for (column, numbers) in [
            (Column::Texts(&texts), &numbers),
            (Column::Offsets { data: data.as_bytes(), offsets: &offsets }, &numbers),
            (Column::LargeOffsets { data: data.as_bytes(), offsets: &large }, &numbers),
            (Column::Fixed { data: fixed.as_bytes(), width, count }, &padded),
        ] {
            let mut room = Room::new(count);
            prop_assert_eq!(check_many(&column, &mut room.outputs()), Ok(()));
            for (row, number) in numbers.iter().enumerate() {
                prop_assert_eq!(room.row(row), expected(number.as_bytes()), "{:?}", number);
            }
        }
    }
}

#[test]
fn a_column_too_large_for_the_caches_is_told_like_any_other() {
    const COUNT: usize = (1 << 20) + 77;
    let numbers = [&b"4242424242424242"[..], b"4242424242424241", b"371449635398431 ", b"x242424242424242"];
    let data: Vec<u8> = numbers.iter().copied().cycle().take(COUNT).flatten().copied().collect();
    let expected: Vec<_> = numbers.map(expected).into_iter().cycle().take(COUNT).collect();
    // At any alignment that a column of words can have.
    let mut status = vec![-7; COUNT + 3];
    for start in 0..4 {
        let mut room = Room::new(COUNT);
        let mut outputs = room.outputs();
        outputs.status = &mut status[start..start + COUNT];
        let column = Column::Fixed { data: &data, width: 16, count: COUNT };
        assert_eq!(check_many(&column, &mut outputs), Ok(()));
        room.status.copy_from_slice(&status[start..start + COUNT]);
        assert!((0..COUNT).all(|row| room.row(row) == expected[row]));
        status.fill(-7);
    }
}

/// A number of sixteen digits for each six that it may begin with, the others from a sequence, some of it spoilt.
fn sixteen_digits_of_every_prefix() -> Vec<u8> {
    let mut state = 1u64;
    let numbers = (0..1_000_000u64).map(|prefix| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut number = format!("{prefix:06}{:010}", (state >> 16) % 10_000_000_000).into_bytes();
        match prefix % 7 {
            0..5 => {
                number[15] = b'0';
                let residue = panseal::card::residue(&number).expect("digits");
                number[15] = b'0' + (10 - residue) % 10;
            }
            5 if prefix % 5 == 0 => number[(state >> 60) as usize] = b'x',
            _ => {}
        }
        number
    });
    let mut data: Vec<u8> = numbers.flatten().collect();
    data[16 * 700..16 * 701].fill(b'0');
    data
}

#[test]
fn a_column_of_sixteen_digits_is_told_as_numbers_alone_whatever_they_begin_with() {
    let mut data = sixteen_digits_of_every_prefix();
    let count = data.len() / 16;
    // From here on not only numbers of sixteen digits: first in the middle of a block.
    for place in [700_100, 700_101, 900_000] {
        data[16 * place..16 * (place + 1)].copy_from_slice(b"371449635398431 ");
    }
    let mut room = Room::new(count);
    assert_eq!(check_many(&Column::Fixed { data: &data, width: 16, count }, &mut room.outputs()), Ok(()));
    let mut good = 0;
    for (row, number) in data.chunks_exact(16).enumerate() {
        let alone = check_number(number, Separators::Dropped);
        let status = alone.code().map_or(0, Code::number);
        let expected = (status, alone.network().id(), alone.length() as u8, alone.last4());
        assert_eq!(room.row(row), expected, "row {row}");
        good += usize::from(alone.is_ok());
    }
    assert!(good > count / 4, "{good}");
}

#[test]
fn a_column_of_sixteen_bytes_may_change_what_it_holds() {
    let numbers = [&b"4242424242424242"[..], b"371449635398431 ", b"4242424242424241", b"x242424242424242"];
    // Digits alone, then mostly padded, then digits again; the lengths fit no block.
    for runs in [[700, 900, 1000], [0, 300, 600], [256, 129, 256], [10, 0, 1], [1, 2, 3]] {
        let rows: Vec<&[u8]> = (0..3)
            .flat_map(|run| (0..runs[run]).map(move |row| (run, row)))
            .map(|(run, row)| if run == 1 && row % 8 > 0 { numbers[1] } else { numbers[[0, 2, 3][row % 3]] })
            .collect();
        let mut room = Room::new(rows.len());
        let column = Column::Fixed { data: &rows.concat(), width: 16, count: rows.len() };
        assert_eq!(check_many(&column, &mut room.outputs()), Ok(()));
        for (row, number) in rows.iter().enumerate() {
            assert_eq!(room.row(row), expected(number), "row {row} of {runs:?}");
        }
    }
}

#[test]
fn a_column_may_begin_and_end_within_its_data() {
    let data = b"..4242424242424242378282246310005..";
    let mut room = Room::new(2);
    let column = Column::Offsets { data, offsets: &[2, 18, 33] };
    assert_eq!(check_many(&column, &mut room.outputs()), Ok(()));
    assert_eq!(room.row(1).3, *b"0005");
}

#[test]
fn a_wrong_column_is_refused_before_anything_is_written() {
    let data = b"4242424242424242";
    let columns = [
        Column::Offsets { data, offsets: &[] },
        Column::Offsets { data, offsets: &[0, 17] },
        Column::Offsets { data, offsets: &[-1, 16] },
        Column::Offsets { data, offsets: &[16, 0] },
        Column::LargeOffsets { data, offsets: &[0, 1 << 40] },
        Column::LargeOffsets { data, offsets: &[i64::MIN, 0] },
        Column::Fixed { data, width: 17, count: 1 },
        Column::Fixed { data, width: usize::MAX, count: 2 },
    ];
    for column in columns {
        for count in 0..3 {
            let mut room = Room::new(count);
            assert_eq!(check_many(&column, &mut room.outputs()), Err(Code::Argument));
            assert!(room.untouched());
        }
    }
    let mut room = Room::new(3);
    let column = Column::Offsets { data, offsets: &[0, 16, 8, 16] };
    assert_eq!(check_many(&column, &mut room.outputs()), Err(Code::Argument));
    assert!(room.untouched());
}

#[test]
fn each_output_has_an_entry_for_each_number() {
    let column = Column::Fixed { data: b"42424242424242424242424242424242", width: 16, count: 2 };
    for wrong in 0..4 {
        for length in [0, 1, 3] {
            let mut room = Room::new(2);
            let fill = |column: &mut Vec<u8>| *column = vec![77; length];
            match wrong {
                0 => room.status = vec![-7; length],
                1 => fill(&mut room.network),
                2 => fill(&mut room.length),
                _ => room.last4 = vec![77; 4 * length + 2],
            }
            assert_eq!(check_many(&column, &mut room.outputs()), Err(Code::Argument));
            assert!(room.untouched());
        }
    }
    let mut status = [0; 2];
    let mut outputs = Outputs { status: &mut status, network: None, length: None, last4: None };
    assert_eq!(check_many(&column, &mut outputs), Ok(()));
}
