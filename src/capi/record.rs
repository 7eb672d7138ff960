//! Structs that begin with their size, so that they can grow at the end: reading and writing them at any alignment.

use crate::error::{Code, Result};
use std::mem::MaybeUninit;

/// Larger than any struct will become; a `struct_size` beyond it is memory that nobody initialised.
const SIZE_MAX: usize = 4096;

/// A struct of the C ABI that begins with `uint32_t struct_size`.
///
/// # Safety
/// `repr(C)`, a `u32` first, made of integers and raw pointers only: every pattern of bits is a value of it.
pub(super) unsafe trait Record: Sized {
    /// Its size when it was first published: a caller cannot have a smaller one.
    const FIRST_SIZE: usize = size_of::<Self>();
}

/// The caller's size of a record, if it can be one. `Null`, or `Struct` for one that was not initialised.
///
/// # Safety
/// Null, or at least four readable bytes.
unsafe fn size_of_record<R: Record>(record: *const R) -> Result<usize> {
    if record.is_null() {
        return Err(Code::Null.into());
    }
    let size = unsafe { record.cast::<u32>().read_unaligned() } as usize;
    if size < R::FIRST_SIZE || size > SIZE_MAX { Err(Code::Struct.into()) } else { Ok(size) }
}

/// A copy of an input record; fields that the caller's version does not have are zero. `Struct` where the caller's
/// is longer than ours and the part that we do not know is not zero.
///
/// # Safety
/// Null, or as many readable bytes as its `struct_size` says.
pub(super) unsafe fn read<R: Record>(record: *const R) -> Result<R> {
    let size = unsafe { size_of_record(record) }?;
    let known = size.min(size_of::<R>());
    let bytes = record.cast::<u8>();
    for place in known..size {
        if unsafe { bytes.add(place).read() } != 0 {
            return Err(Code::Struct.into());
        }
    }
    let mut copy = MaybeUninit::<R>::zeroed();
    // SAFETY: both sides have `known` bytes, and any bytes make a record.
    unsafe {
        copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(bytes, known);
        Ok(copy.assume_init())
    }
}

/// Copies of `count` input records, one behind the other: the first one's `struct_size` is the stride, and all have it.
///
/// # Safety
/// Null where `count` is 0, or as many times as many readable bytes as the first `struct_size` says.
pub(super) unsafe fn read_all<R: Record>(records: *const R, count: usize) -> Result<Vec<R>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let stride = unsafe { size_of_record(records) }?;
    if stride.checked_mul(count).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Code::Argument.into());
    }
    let read_one = |place: usize| {
        let record = unsafe { records.byte_add(place * stride) };
        if unsafe { size_of_record(record) }? == stride {
            unsafe { read(record) }
        } else {
            Err(Code::Struct.into())
        }
    };
    let mut copies = Vec::new();
    copies.try_reserve_exact(count).map_err(|_| Code::Memory)?;
    for place in 0..count {
        copies.push(read_one(place)?);
    }
    Ok(copies)
}

/// A place for an output record, found good before any work is done.
pub(super) struct Out<R> {
    record: *mut R,
    size: usize,
}

/// Places for many output records, one behind the other: the first one's `struct_size` is the stride.
pub(super) struct OutArray<R> {
    first: Out<R>,
    cap: usize,
}

impl<R: Record> OutArray<R> {
    /// `cap` places, the first of which was initialised; null for none.
    ///
    /// # Safety
    /// Null, or as many times as many writable bytes as the first `struct_size` says.
    pub(super) unsafe fn optional(records: *mut R, cap: usize) -> Result<Option<OutArray<R>>> {
        match unsafe { Out::optional(records) }? {
            None if cap > 0 => Err(Code::Null.into()),
            None => Ok(None),
            Some(_) if cap == 0 => Ok(None),
            Some(first) => {
                let fits = first.size.checked_mul(cap).is_some_and(|bytes| bytes <= isize::MAX as usize);
                if fits { Ok(Some(OutArray { first, cap })) } else { Err(Code::Argument.into()) }
            }
        }
    }

    /// How many places there are.
    pub(super) fn cap(&self) -> usize {
        self.cap
    }

    /// Fills a place and sets its size. Only the first place was initialised: in the others, zeros stand where the
    /// caller's size goes beyond what this version knows.
    pub(super) fn write(&self, place: usize, value: &R) {
        assert!(place < self.cap);
        let size = self.first.size;
        // SAFETY: `optional` was promised `cap` times `size` writable bytes.
        let record = unsafe { self.first.record.byte_add(place * size) };
        unsafe {
            record.cast::<u32>().write_unaligned(size as u32);
            if place > 0 {
                let known = size.min(size_of::<R>());
                record.cast::<u8>().add(known).write_bytes(0, size - known);
            }
        }
        Out { record, size }.write(value);
    }
}

/// A page of output records, and the place for how many there are.
pub(super) struct Page<R> {
    rows: Option<OutArray<R>>,
    count: *mut usize,
}

impl<R: Record> Page<R> {
    /// Null for no rows; the count must have a place.
    ///
    /// # Safety
    /// As for [`OutArray::optional`]; null or writable until the call returns: one size at `count`.
    pub(super) unsafe fn new(rows: *mut R, cap: usize, count: *mut usize) -> Result<Page<R>> {
        let rows = unsafe { OutArray::optional(rows, cap) }?;
        if count.is_null() { Err(Code::Null.into()) } else { Ok(Page { rows, count }) }
    }

    /// How many rows to ask for. `Argument` where there is room for none: no rows would look like the end.
    pub(super) fn limit(&self, most: usize) -> Result<usize> {
        self.rows.as_ref().map(|rows| rows.cap().min(most)).ok_or_else(|| Code::Argument.into())
    }

    /// Writes as many as there is room for, and how many there are.
    pub(super) fn write<T>(&self, found: &[T], describe: impl Fn(&T) -> R) {
        if let Some(rows) = &self.rows {
            for (place, row) in found.iter().take(rows.cap()).enumerate() {
                rows.write(place, &describe(row));
            }
        }
        // SAFETY: `new` was promised a writable size.
        unsafe { self.count.write_unaligned(found.len()) };
    }

    /// [`Page::write`] where all are wanted: `Buffer`, and how many there are, where they do not fit.
    pub(super) fn write_all<T>(&self, found: &[T], describe: impl Fn(&T) -> R) -> Result<()> {
        if self.rows.as_ref().is_some_and(|rows| rows.cap() < found.len()) {
            // SAFETY: as above.
            unsafe { self.count.write_unaligned(found.len()) };
            return Err(Code::Buffer.into());
        }
        self.write(found, describe);
        Ok(())
    }
}

impl<R: Record> Out<R> {
    /// A record that must be given.
    ///
    /// # Safety
    /// Null, or as many writable bytes as its `struct_size` says until the call returns.
    pub(super) unsafe fn new(record: *mut R) -> Result<Out<R>> {
        Ok(Out { record, size: unsafe { size_of_record(record.cast_const()) }? })
    }

    /// A record that may be null.
    ///
    /// # Safety
    /// As for [`Out::new`].
    pub(super) unsafe fn optional(record: *mut R) -> Result<Option<Out<R>>> {
        if record.is_null() { Ok(None) } else { unsafe { Out::new(record) }.map(Some) }
    }

    /// Fills it as far as the caller's size reaches, all but `struct_size`.
    pub(super) fn write(&self, value: &R) {
        let skip = size_of::<u32>();
        let known = self.size.min(size_of::<R>());
        let from = std::ptr::from_ref(value).cast::<u8>();
        // SAFETY: `new` was promised `size` writable bytes, and `value` has `known`.
        unsafe { self.record.cast::<u8>().add(skip).copy_from(from.add(skip), known - skip) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least size that is taken of a struct with this name.
    fn first_size(name: &str) -> Option<usize> {
        use super::super::*;
        fn size<R: Record>() -> usize {
            R::FIRST_SIZE
        }
        Some(match name {
            "panseal_error" => size::<library::panseal_error>(),
            "panseal_card" => size::<card::panseal_card>(),
            "panseal_card_info" => size::<card::panseal_card_info>(),
            "panseal_holder" => size::<card::panseal_holder>(),
            "panseal_holder_parts" => size::<card::panseal_holder_parts>(),
            "panseal_column" => size::<card::panseal_column>(),
            "panseal_network_info" => size::<network::panseal_network_info>(),
            "panseal_partial" => size::<network::panseal_partial>(),
            "panseal_track" => size::<reader::panseal_track>(),
            "panseal_open_options" => size::<tokenizer::panseal_open_options>(),
            "panseal_expect" => size::<tokenizer::panseal_expect>(),
            "panseal_epoch" => size::<tokenizer::panseal_epoch>(),
            "panseal_tokenize_options" => size::<vault::panseal_tokenize_options>(),
            "panseal_instrument" => size::<vault::panseal_instrument>(),
            "panseal_query" => size::<instrument::panseal_query>(),
            "panseal_change" => size::<instrument::panseal_change>(),
            "panseal_purged" => size::<instrument::panseal_purged>(),
            "panseal_customer" => size::<customer::panseal_customer>(),
            "panseal_vault_state" => size::<vault_keys::panseal_vault_state>(),
            "panseal_vault_epoch" => size::<vault_keys::panseal_vault_epoch>(),
            "panseal_audit_query" => size::<audit::panseal_audit_query>(),
            "panseal_audit_line" => size::<audit::panseal_audit_line>(),
            "panseal_audit_report" => size::<audit::panseal_audit_report>(),
            "panseal_request" => size::<dialect::panseal_request>(),
            "panseal_response" => size::<dialect::panseal_response>(),
            "panseal_grant" => size::<dialect::panseal_grant>(),
            "panseal_credential" => size::<dialect::panseal_credential>(),
            _ => return None,
        })
    }

    fn committed(file: &str) -> String {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/abi").join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Whoever adds a field sets `FIRST_SIZE` to what the struct had before: programs of that time still call.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn every_struct_takes_callers_of_its_first_version() {
        let (layout, sizes) = (committed("layout-x86_64.txt"), committed("first-sizes-x86_64.txt"));
        let records =
            layout.lines().filter_map(|line| line.split_once(".struct_size ")).map(|(name, _)| name);
        let named: Vec<_> = sizes.lines().filter_map(|line| line.split_once(' ')).collect();
        assert!(records.eq(named.iter().map(|(name, _)| *name)), "each struct has a line, none has two");
        for (name, size) in named {
            assert_eq!(first_size(name).map(|size| size.to_string()).as_deref(), Some(size), "{name}");
        }
    }

    #[repr(C)]
    struct Known {
        struct_size: u32,
        value: u32,
    }

    // SAFETY: integers only, the size first.
    unsafe impl Record for Known {}

    #[test]
    fn every_row_of_a_caller_that_knows_more_ends_in_zeros() {
        let mut rows = [[u32::MAX; 4]; 3];
        rows[0] = [16, 0, 0, 0];
        let places = unsafe { OutArray::optional(rows.as_mut_ptr().cast::<Known>(), 3) }.ok().flatten();
        let places = places.expect("three places");
        (0..2).for_each(|place| places.write(place, &Known { struct_size: 0, value: 7 }));
        assert_eq!(rows, [[16, 7, 0, 0], [16, 7, 0, 0], [u32::MAX; 4]]);
    }

    #[test]
    fn a_count_that_no_memory_holds_is_a_code() {
        let row = Known { struct_size: size_of::<Known>() as u32, value: 0 };
        let refused = unsafe { read_all(&row, isize::MAX as usize / size_of::<Known>()) };
        assert_eq!(refused.err().map(|error| error.code()), Some(Code::Memory));
        let refused = unsafe { read_all(&row, usize::MAX) };
        assert_eq!(refused.err().map(|error| error.code()), Some(Code::Argument));
    }
}
