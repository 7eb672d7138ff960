//! `check_many` by every path that the machine has, against the plain second reading of each row: texts of one width,
//! texts between offsets, and offsets that are none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::{Column, Network, Outputs, check_many, force_path};
use panseal::error::Code;
use panseal_fuzz::reference;

fuzz_target!(|input: &[u8]| {
    // How often the texts are repeated, so that they outgrow a block; the width; how many offsets come as they are.
    let Some(([times, width, raw], rest)) = input.split_first_chunk::<3>() else { return };
    let (raw, text) = rest.split_at(usize::from(*raw % 32).min(rest.len()));
    let text = text.repeat(usize::from(times % 8) + 1);
    let width = usize::from(width % 40);
    // As it stands, and as digits with some separators: few mutations of bytes are digits again.
    let (lines, offsets) = lines(&text);
    let raw: Vec<i64> = raw.iter().map(|byte| i64::from(*byte as i8)).collect();
    for data in [lines.clone(), lines.iter().map(|byte| as_digit(*byte)).collect()] {
        agree_on_width(&data, width);
        agree_on_width(&data, 16);
        agree_on_offsets(&data, &offsets);
        agree_on_offsets(&data, &raw);
    }
});

/// A digit, or in a few cases what else may stand in a number.
fn as_digit(byte: u8) -> u8 {
    match byte {
        0xf0..=0xf3 => b' ',
        0xf4..=0xf5 => b'-',
        0xff => b'x',
        _ => b'0' + byte % 10,
    }
}

/// The texts between line breaks one behind the other, and their offsets.
fn lines(text: &[u8]) -> (Vec<u8>, Vec<i64>) {
    let (mut data, mut offsets) = (Vec::new(), vec![0]);
    for line in text.split(|byte| *byte == b'\n') {
        data.extend(line);
        offsets.push(data.len() as i64);
    }
    (data, offsets)
}

fn agree_on_width(data: &[u8], width: usize) {
    let count = data.len().checked_div(width).unwrap_or(40);
    let texts: Vec<&[u8]> = (0..count).map(|row| &data[row * width..(row + 1) * width]).collect();
    agree(&Column::Fixed { data, width, count }, Some(&texts), count);
    if width > 0 {
        agree(&Column::Fixed { data, width, count: count + 1 }, None, count + 1);
    }
}

fn agree_on_offsets(data: &[u8], offsets: &[i64]) {
    let texts = reference::column(data, offsets);
    let rows = offsets.len().saturating_sub(1);
    let short: Vec<i32> = offsets.iter().map(|offset| *offset as i32).collect();
    agree(&Column::Offsets { data, offsets: &short }, texts.as_deref(), rows);
    agree(&Column::LargeOffsets { data, offsets }, texts.as_deref(), rows);
    if let Some(texts) = &texts {
        agree(&Column::Texts(texts), Some(texts), rows);
    }
}

/// Every path tells the rows, or, where they are `None`, refuses the column and writes nothing.
fn agree(column: &Column<'_>, texts: Option<&[&[u8]]>, rows: usize) {
    let expected: Option<Vec<_>> = texts.map(|texts| texts.iter().map(|text| row(text)).collect());
    for path in (0..).take_while(|path| force_path(*path)) {
        let (mut status, mut network, mut length) = (vec![-7; rows], vec![77; rows], vec![77; rows]);
        let mut last4 = vec![77; 4 * rows];
        let result = check_many(
            column,
            &mut Outputs {
                status: &mut status,
                network: Some(&mut network),
                length: Some(&mut length),
                last4: Some(&mut last4),
            },
        );
        let found = (0..rows).map(|row| {
            let last4 = last4[4 * row..].first_chunk().copied().expect("four bytes");
            (status[row], network[row], length[row], last4)
        });
        match &expected {
            Some(expected) => {
                assert_eq!(result, Ok(()), "path {path}");
                found.zip(expected).for_each(|(found, expected)| assert_eq!(found, *expected, "path {path}"));
                assert_eq!(expected.len(), rows);
            }
            None => {
                assert_eq!(result, Err(Code::Argument), "path {path}");
                found.for_each(|row| assert_eq!(row, (-7, 77, 77, [77; 4])));
            }
        }
        // The status alone is the same.
        let mut alone = vec![-7; rows];
        let mut outputs = Outputs { status: &mut alone, network: None, length: None, last4: None };
        assert_eq!(check_many(column, &mut outputs), result);
        assert_eq!(alone, status, "path {path}");
    }
}

/// The entries of a row.
fn row(text: &[u8]) -> (i32, u8, u8, [u8; 4]) {
    match reference::judge(text) {
        Ok(good) => {
            let network = Network::from_name(good.network).expect("a network");
            let last4 = good.last4.as_bytes().first_chunk().copied().expect("four digits");
            (0, network.id(), good.length as u8, last4)
        }
        Err(name) => {
            let code = Code::all().find(|code| code.name() == name).expect("a code");
            (code.number(), 0, 0, [0; 4])
        }
    }
}
