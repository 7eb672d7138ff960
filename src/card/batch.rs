//! Many numbers at once: columns as databases and Arrow hold them, or texts that lie here and there.

use super::number::{Sixteens, Verdict, judge};
use crate::error::Code;
use crate::simd::{self, Entries, MANY, Offset, Reading, Word};
use std::ops::Range;
use zeroize::Zeroize;

/// Card numbers in ASCII, in one buffer or each where it lies. Spaces and hyphens are dropped from each, wherever they stand.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Column<'a> {
    /// `count` texts of `width` bytes, one behind the other: a `CHAR(19)` column, padded with spaces.
    Fixed {
        /// The texts; what follows the last one is not read.
        data: &'a [u8],
        /// The bytes of each text.
        width: usize,
        /// How many texts there are.
        count: usize,
    },
    /// Texts of any length: each from one offset to the next, as in an Arrow string array.
    Offsets {
        /// The texts.
        data: &'a [u8],
        /// One more than there are texts, never descending.
        offsets: &'a [i32],
    },
    /// The same with offsets of 64 bits, as in an Arrow large string array.
    LargeOffsets {
        /// The texts.
        data: &'a [u8],
        /// One more than there are texts, never descending.
        offsets: &'a [i64],
    },
    /// Texts of any length, each where it lies: the strings of a list.
    Texts(&'a [&'a [u8]]),
}

/// Where [`check_many`] writes: one entry for each number.
///
/// Of a refused number nothing is told but its status; the other entries are zero.
pub struct Outputs<'a> {
    /// 0, or the [number](Code::number) of the code that is wrong with it.
    pub status: &'a mut [i32],
    /// The [id](super::Network::id) of the network.
    pub network: Option<&'a mut [u8]>,
    /// How many digits there are.
    pub length: Option<&'a mut [u8]>,
    /// The last four digits in ASCII, which may be shown and stored: four bytes for each number.
    pub last4: Option<&'a mut [u8]>,
}

/// Judges each number of a column as [`check_number`](super::check_number) does.
///
/// ```
/// use panseal::card::{Column, Outputs, check_many};
///
/// let mut status = [0; 2];
/// let mut outputs = Outputs { status: &mut status, network: None, length: None, last4: None };
/// let column = Column::Fixed { data: b"42424242424242424242424242424241", width: 16, count: 2 };
/// check_many(&column, &mut outputs)?;
/// assert_eq!(status, [0, panseal::error::Code::Luhn.number()]);
/// # Ok::<(), panseal::error::Code>(())
/// ```
///
/// # Errors
///
/// [`Code::Argument`], and nothing is written: an output has not one entry for each number, there is no offset at all,
/// or an offset is negative, lower than the one before, or beyond the data.
pub fn check_many(numbers: &Column<'_>, out: &mut Outputs<'_>) -> Result<(), Code> {
    let count = numbers.count().ok_or(Code::Argument)?;
    if !out.have_room_for(count) {
        return Err(Code::Argument);
    }
    let is_far = count >= FAR;
    let done = check_sixteens(numbers, is_far, out);
    if done < count {
        check_any(numbers, done..count, is_far, out);
    }
    if is_far {
        simd::settle();
    }
    Ok(())
}

/// Judges a column of sixteen bytes many numbers at a time, and gives how far: to its end, unless most of the texts
/// have to be read one by one.
fn check_sixteens(numbers: &Column<'_>, is_far: bool, out: &mut Outputs<'_>) -> usize {
    // For a few, the room that many take is made ready in vain.
    let is_worth_it = |data: &&[u8]| data.len() >= 16 * FEW && simd::reads_sixteens();
    let Some(data) = numbers.sixteens().filter(is_worth_it) else { return 0 };
    let mut many = Sixteens::new();
    let mut start = 0;
    while start < data.len() / 16 {
        let end = data.len().min(16 * (start + MANY)) / 16;
        let alone = many.judge(&data[16 * start..]);
        out.copy(start..end, is_far, many.entries());
        start = end;
        if alone > MANY / 2 {
            break;
        }
    }
    many.zeroize();
    start
}

fn check_any(numbers: &Column<'_>, rows: Range<usize>, is_far: bool, out: &mut Outputs<'_>) {
    let mut readings = [Reading::default(); MANY];
    let mut verdicts = [Verdict::default(); MANY];
    let end = rows.end;
    for start in rows.step_by(MANY) {
        let len = MANY.min(end - start);
        let (readings, verdicts) = (&mut readings[..len], &mut verdicts[..len]);
        numbers.read(start, readings);
        for (verdict, reading) in verdicts.iter_mut().zip(&*readings) {
            *verdict = judge(*reading);
        }
        out.write(start, is_far, verdicts, readings);
    }
    readings.zeroize();
}

/// From so many numbers on, many are judged at once.
const FEW: usize = 16;

/// From so many numbers on, entries are written past the caches: they and the numbers fill most caches anyway.
const FAR: usize = 1 << 20;

impl<'a> Column<'a> {
    /// The texts one by one, as they lie there: those of a fixed width with their padding.
    ///
    /// # Errors
    ///
    /// [`Code::Argument`]: the column is larger than its data, there is no offset at all, or an offset is negative,
    /// lower than the one before, or beyond the data.
    pub fn texts(&self) -> Result<impl ExactSizeIterator<Item = &'a [u8]> + use<'a>, Code> {
        let (column, count) = (*self, self.count().ok_or(Code::Argument)?);
        Ok((0..count).map(move |place| column.text(place)))
    }

    fn text(&self, place: usize) -> &'a [u8] {
        let (data, range) = match *self {
            Column::Fixed { data, width, .. } => (data, place * width..(place + 1) * width),
            Column::Offsets { data, offsets } => (data, offsets[place].index()..offsets[place + 1].index()),
            Column::LargeOffsets { data, offsets } => {
                (data, offsets[place].index()..offsets[place + 1].index())
            }
            Column::Texts(texts) => return texts.get(place).copied().unwrap_or_default(),
        };
        data.get(range).unwrap_or_default()
    }

    /// How many numbers there are; `None` if that is not so.
    fn count(&self) -> Option<usize> {
        match *self {
            Column::Fixed { data, width, count } => {
                (width.checked_mul(count)? <= data.len()).then_some(count)
            }
            Column::Offsets { data, offsets } => count_of(offsets, data.len()),
            Column::LargeOffsets { data, offsets } => count_of(offsets, data.len()),
            Column::Texts(texts) => Some(texts.len()),
        }
    }

    /// The texts, where each has sixteen bytes.
    fn sixteens(&self) -> Option<&'a [u8]> {
        match *self {
            Column::Fixed { data, width: 16, count } => data.get(..16 * count),
            _ => None,
        }
    }

    fn read(&self, start: usize, out: &mut [Reading]) {
        match *self {
            Column::Fixed { data, width, .. } => {
                simd::read_fixed(data.get(start * width..).unwrap_or_default(), width, out);
            }
            Column::Offsets { data, offsets } => {
                simd::read_offsets(data, offsets.get(start..).unwrap_or_default(), out);
            }
            Column::LargeOffsets { data, offsets } => {
                simd::read_offsets(data, offsets.get(start..).unwrap_or_default(), out);
            }
            Column::Texts(texts) => simd::read_texts(texts.get(start..).unwrap_or_default(), out),
        }
    }
}

/// How many texts there are between offsets; `None` if one is not within `end` bytes or lower than the one before.
fn count_of<O: Offset + Default + Ord>(offsets: &[O], end: usize) -> Option<usize> {
    let (first, last) = (offsets.first()?, offsets.last()?);
    // Every pair is looked at, for a search that may stop early goes one by one.
    let ascending = offsets.windows(2).fold(true, |so_far, pair| so_far & (pair[0] <= pair[1]));
    (ascending && *first >= O::default() && last.index() <= end).then(|| offsets.len() - 1)
}

impl Outputs<'_> {
    fn have_room_for(&self, count: usize) -> bool {
        self.status.len() == count
            && self.network.as_ref().is_none_or(|network| network.len() == count)
            && self.length.as_ref().is_none_or(|length| length.len() == count)
            && self.last4.as_ref().is_none_or(|last4| last4.len() / 4 == count && last4.len() % 4 == 0)
    }

    /// The entries from `start` on. With `is_far`, nobody will read the first of them while they are still near the
    /// processor.
    fn write(&mut self, start: usize, is_far: bool, verdicts: &[Verdict], readings: &[Reading]) {
        let places = self.status.get_mut(start..).unwrap_or_default();
        if is_far {
            let mut status = [0; MANY];
            for (place, verdict) in status.iter_mut().zip(verdicts) {
                *place = i32::from(verdict.status());
            }
            simd::write_past(&status[..verdicts.len()], places);
        } else {
            for (place, verdict) in places.iter_mut().zip(verdicts) {
                *place = i32::from(verdict.status());
            }
        }
        if let Some(network) = &mut self.network {
            for (place, verdict) in network.iter_mut().skip(start).zip(verdicts) {
                *place = verdict.network().id();
            }
        }
        if let Some(length) = &mut self.length {
            for (place, verdict) in length.iter_mut().skip(start).zip(verdicts) {
                *place = verdict.length();
            }
        }
        if let Some(last4) = &mut self.last4 {
            let places = last4.chunks_exact_mut(4).skip(start);
            for (place, (verdict, reading)) in places.zip(verdicts.iter().zip(readings)) {
                place.copy_from_slice(&verdict.last4(*reading));
            }
        }
    }

    /// The entries of these rows, out of columns of the same form. With `is_far`, as of `write`.
    fn copy(&mut self, rows: Range<usize>, is_far: bool, entries: &Entries) {
        let len = rows.len();
        copy(&entries.status[..len], &mut self.status[rows.clone()], is_far);
        if let Some(network) = &mut self.network {
            copy(&entries.mark[..len], &mut network[rows.clone()], is_far);
        }
        if let Some(length) = &mut self.length {
            copy(&entries.length[..len], &mut length[rows.clone()], is_far);
        }
        if let Some(last4) = &mut self.last4 {
            let digits = entries.last4[..len].as_flattened();
            copy(digits, &mut last4[4 * rows.start..4 * rows.end], is_far);
        }
    }
}

fn copy<T: Word>(entries: &[T], places: &mut [T], is_far: bool) {
    if is_far {
        simd::write_past(entries, places);
    } else {
        places.copy_from_slice(entries);
    }
}
