//! Texts read as card numbers, many bytes at once, and AES, many blocks at once.
//!
//! The one room with intrinsics. It knows digits, not cards: what it gives of a text is a [`Reading`], from which the
//! card floor tells network, length and code. There are three paths, and each gives the same readings: `plain` in
//! safe words of eight bytes, `avx2`, and `avx512` where the compiler knows it. The best one that the machine has is
//! looked up once. Nothing outside the slices that are handed in is ever read.
//!
//! [`Aes256`] is the crate `aes`, or `vaes` where compiler and machine know that.

mod aes256;
mod plain;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(panseal_avx512)]
mod avx512;
#[cfg(panseal_avx512)]
mod vaes;

#[cfg(test)]
mod tests;

pub use aes256::{Aes256, Block};
#[cfg(feature = "ff1")]
pub use aes256::{LANES, Lanes};

use std::sync::atomic::{AtomicU8, Ordering};

use zeroize::{DefaultIsZeroes, Zeroize};

/// What a text tells, read as a card number.
///
/// The leading and the last four digits are in it: of a short number that is nearly all, so whoever keeps readings in
/// memory wipes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Reading {
    /// The first four digits, the next two, and the two after those, as numbers of 32, 16 and 16 bits. They count
    /// only in a number.
    head: u64,
    /// The last four digits in ASCII, the first of them lowest, which too count only in a number; above them, in 32
    /// bits, one of [`form`]. Two words in all: so many a function gives back in registers.
    tail: u64,
}

impl DefaultIsZeroes for Reading {}

/// What kind of text it is. In numbers, the lowest three bits of the form are the digits less 12.
pub mod form {
    /// Added for a number whose last digit is not its check digit.
    pub const WRONG: u8 = 8;
    /// No digit, or nothing at all.
    pub const MISSING: u8 = 16;
    /// A byte that is neither a digit nor a separator, before a twentieth digit.
    pub const CHARSET: u8 = 17;
    /// Not 12 to 19 digits.
    pub const LENGTH: u8 = 18;
    /// Added for zeros alone.
    pub const ZEROS: u8 = 24;
    /// All forms are below this.
    pub const END: usize = 32;

    /// How many digits a number of this form has.
    pub const fn length(form: u8) -> usize {
        super::FEWEST + (form % WRONG) as usize
    }

    /// What is added for a Luhn sum, in which 19 digits make less than 172.
    pub(super) static OF_SUM: [u8; 256] = {
        let mut added = [WRONG; 256];
        let mut sum = 0;
        while sum < 256 {
            added[sum] = 0;
            sum += 10;
        }
        added[0] = ZEROS;
        added
    };
}

/// The fewest digits of a number.
const FEWEST: usize = 12;
/// The most digits of a number.
const MOST: usize = 19;

impl Reading {
    /// The first four digits as a number.
    #[inline]
    pub fn first(self) -> usize {
        self.head as u32 as usize
    }

    /// The fifth and the sixth digit as a number.
    #[inline]
    pub fn next(self) -> usize {
        (self.head >> 32) as u16 as usize
    }

    /// The seventh and the eighth digit as a number.
    #[inline]
    pub fn then(self) -> usize {
        (self.head >> 48) as usize
    }

    /// The last four digits in ASCII.
    #[inline]
    pub fn last4(self) -> [u8; 4] {
        (self.tail as u32).to_le_bytes()
    }

    /// What kind of text it is: one of [`form`].
    #[inline]
    pub fn form(self) -> usize {
        (self.tail >> 32) as usize % form::END
    }

    /// How many digits there are, if it is a number.
    #[inline]
    pub fn length(self) -> Option<usize> {
        let form = self.form() as u8;
        (form < form::MISSING).then(|| form::length(form))
    }

    #[inline(always)]
    fn new(head: u64, last4: u32, form: u32) -> Reading {
        Reading { head, tail: u64::from(last4) | u64::from(form) << 32 }
    }

    /// Of a text that is no number.
    #[inline]
    fn refused(form: u8) -> Reading {
        Reading::new(0, 0, u32::from(form))
    }
}

/// The places of the texts of a column, one behind the other in one buffer.
pub trait Offset: Copy {
    /// As an index; what is none is out of every buffer.
    fn index(self) -> usize;
}

// Below zero it becomes more than any buffer has, without a branch or a move.

impl Offset for i32 {
    #[inline(always)]
    fn index(self) -> usize {
        self as isize as usize
    }
}

impl Offset for i64 {
    #[inline(always)]
    fn index(self) -> usize {
        isize::try_from(self).map_or(usize::MAX, |offset| offset as usize)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Path {
    Plain = 1,
    #[cfg(target_arch = "x86_64")]
    Avx2 = 2,
    #[cfg(panseal_avx512)]
    Avx512 = 3,
}

/// The number of the best path, or 0 as long as nobody asked.
static BEST: AtomicU8 = AtomicU8::new(0);

impl Path {
    /// The best one, if somebody asked already.
    #[inline]
    fn known() -> Option<Path> {
        match BEST.load(Ordering::Relaxed) {
            #[cfg(panseal_avx512)]
            3 => Some(Path::Avx512),
            #[cfg(target_arch = "x86_64")]
            2 => Some(Path::Avx2),
            1 => Some(Path::Plain),
            _ => None,
        }
    }

    fn best() -> Path {
        Path::known().unwrap_or_else(Path::look_up)
    }

    /// Two threads may both come here; they find the same.
    #[cold]
    fn look_up() -> Path {
        let best = Path::of_this_machine().next().unwrap_or(Path::Plain);
        BEST.store(best as u8, Ordering::Relaxed);
        best
    }

    /// The paths that the machine has, the best one first.
    fn of_this_machine() -> impl Iterator<Item = Path> {
        let paths = [
            #[cfg(panseal_avx512)]
            (avx512::is_there(), Path::Avx512),
            #[cfg(target_arch = "x86_64")]
            (avx2::is_there(), Path::Avx2),
            (true, Path::Plain),
        ];
        paths.into_iter().filter(|(there, _)| *there).map(|(_, path)| path)
    }

    // SAFETY of the four below: a path other than `Plain` comes from `of_this_machine` alone, which asked the
    // processor for all that the path uses.

    #[inline]
    fn read(self, text: &[u8], separators: bool) -> Reading {
        match self {
            Path::Plain => plain::read(text, separators),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => avx2::read(text, separators),
            #[cfg(panseal_avx512)]
            Path::Avx512 => unsafe { avx512::read(text, separators) },
        }
    }

    fn read_fixed(self, data: &[u8], width: usize, out: &mut [Reading]) {
        match self {
            Path::Plain => plain::read_fixed(data, width, out),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => unsafe { avx2::read_fixed(data, width, out) },
            #[cfg(panseal_avx512)]
            Path::Avx512 => unsafe { avx512::read_fixed(data, width, out) },
        }
    }

    fn read_texts(self, texts: &[&[u8]], out: &mut [Reading]) {
        match self {
            Path::Plain => plain::read_texts(texts, out),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => avx2::read_texts(texts, out),
            #[cfg(panseal_avx512)]
            Path::Avx512 => unsafe { avx512::read_texts(texts, out) },
        }
    }

    fn read_offsets(self, data: &[u8], offsets: &[impl Offset], out: &mut [Reading]) {
        match self {
            Path::Plain => plain::read_offsets(data, offsets, out),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => avx2::read_offsets(data, offsets, out),
            #[cfg(panseal_avx512)]
            Path::Avx512 => unsafe { avx512::read_offsets(data, offsets, out) },
        }
    }
}

/// For fuzz targets, which hold every path to one reference: from now on this one reads, counted from the best one
/// that the machine has. Gives false, and changes nothing, if there are not so many.
#[cfg(fuzzing)]
pub fn force_path(place: usize) -> bool {
    let path = Path::of_this_machine().nth(place);
    path.inspect(|path| BEST.store(*path as u8, Ordering::Relaxed)).is_some()
}

/// Reads a text as a card number. With `separators`, spaces and hyphens are passed over.
#[inline]
pub fn read(text: &[u8], separators: bool) -> Reading {
    match Path::known() {
        Some(path) => path.read(text, separators),
        None => read_first(text, separators),
    }
}

/// Apart, so that nothing has to be kept for it where a path is known.
#[cold]
fn read_first(text: &[u8], separators: bool) -> Reading {
    Path::look_up().read(text, separators)
}

/// Reads texts of one width that lie one behind the other, as many as `out` has room for. Spaces and hyphens are passed
/// over.
pub fn read_fixed(data: &[u8], width: usize, out: &mut [Reading]) {
    Path::best().read_fixed(data, width, out);
}

/// Reads the texts between each offset and the next, as many as `out` has room for. Spaces and hyphens are passed over.
pub fn read_offsets(data: &[u8], offsets: &[impl Offset], out: &mut [Reading]) {
    Path::best().read_offsets(data, offsets, out);
}

/// Reads texts that lie anywhere, as many as there are in both. Spaces and hyphens are passed over.
pub fn read_texts(texts: &[&[u8]], out: &mut [Reading]) {
    Path::best().read_texts(texts, out);
}

/// How many texts are judged many at once: few enough that what is told of them stays near the processor, and more than
/// it works on at a time, so that it seldom waits for the step before.
pub const MANY: usize = 256;

/// How many texts a register has a byte for.
const WIDE: usize = 64;

/// Texts of sixteen bytes, read as numbers of sixteen digits.
///
/// As of a [`Reading`], whoever keeps this in memory wipes it.
#[cfg_attr(not(panseal_avx512), allow(dead_code, reason = "nothing is read then"))]
pub struct Sixteens {
    /// The first four digits as a number. They count only in a number.
    firsts: [u32; MANY],
    /// The last four digits in ASCII, which too count only in a number.
    last4s: [u32; MANY],
    /// One of [`form`] for each.
    forms: [[u8; WIDE]; MANY / WIDE],
    /// A bit for each text, the first one lowest, that has to be read by itself: there is a byte below the digit zero
    /// in it, maybe a separator; or there is no text. Nothing else that is told of it counts.
    unread: [u64; MANY / WIDE],
}

impl Sixteens {
    /// With nothing in it.
    pub fn new() -> Sixteens {
        Sixteens {
            firsts: [0; MANY],
            last4s: [0; MANY],
            forms: [[0; WIDE]; MANY / WIDE],
            unread: [u64::MAX; MANY / WIDE],
        }
    }

    /// Reads the first texts of `data`: as many as there is room for. On a machine that cannot, none is read.
    ///
    /// Gives the first four digits of each text as a number, which count only in a number: as many as registers hold.
    pub fn read(&mut self, data: &[u8]) -> &[u32] {
        #[cfg(panseal_avx512)]
        if reads_sixteens() {
            // SAFETY: as of the readers.
            unsafe { avx512::read_sixteens(data, self) };
            return &self.firsts[..(data.len() / 16).next_multiple_of(WIDE).min(MANY)];
        }
        let _ = data;
        self.unread = [u64::MAX; MANY / WIDE];
        &[]
    }

    /// Looks up what is told of each text that was read, by its form and its key, which is below 128.
    pub fn look_up(&self, keys: &[u8], sheet: &Sheet, out: &mut Entries) {
        #[cfg(panseal_avx512)]
        if reads_sixteens() {
            // SAFETY: as of the readers.
            unsafe { avx512::look_up(self, keys, sheet, out) };
        }
        let _ = (keys, sheet, out);
    }

    /// The places of the texts that have to be read by themselves, and of those that are not there, in order.
    pub fn unread(&self) -> impl Iterator<Item = usize> {
        self.unread.iter().enumerate().flat_map(|(place, word)| {
            let rest = std::iter::successors(Some(*word), |rest| Some(rest & rest.wrapping_sub(1)));
            rest.take_while(|rest| *rest != 0).map(move |rest| WIDE * place + rest.trailing_zeros() as usize)
        })
    }
}

impl Zeroize for Sixteens {
    fn zeroize(&mut self) {
        self.firsts.zeroize();
        self.last4s.zeroize();
    }
}

/// Places within as many bytes as are judged at once.
pub struct Places {
    list: [u8; MANY],
}

impl Places {
    /// None.
    pub fn new() -> Places {
        Places { list: [0; MANY] }
    }

    /// The places in `bytes`, of which there are [`MANY`] at most, of those whose highest bit is set, in order.
    pub fn of<'a>(&'a mut self, bytes: &[u8]) -> impl Iterator<Item = usize> + use<'a> {
        let bytes = &bytes[..bytes.len().min(MANY)];
        let count = self.find(bytes);
        self.list[..count].iter().map(|place| usize::from(*place))
    }

    fn find(&mut self, bytes: &[u8]) -> usize {
        #[cfg(panseal_avx512)]
        if reads_sixteens() {
            // SAFETY: as of the readers.
            return unsafe { avx512::find_marked(bytes, &mut self.list) };
        }
        let mut count = 0;
        for (place, byte) in bytes.iter().enumerate() {
            self.list[count] = place as u8;
            count += usize::from(byte >> 7);
        }
        count
    }
}

/// Whether the machine can read texts into [`Sixteens`].
pub fn reads_sixteens() -> bool {
    #[cfg(panseal_avx512)]
    return Path::best() == Path::Avx512;
    #[cfg(not(panseal_avx512))]
    false
}

/// By what [`Sixteens::look_up`] tells of texts.
#[cfg_attr(not(panseal_avx512), allow(dead_code, reason = "nothing is looked up then"))]
pub struct Sheet {
    /// The status of a number whose last digit is its check digit, by its key.
    pub right: [u8; 128],
    /// The same for a number whose last digit is another.
    pub wrong: [u8; 128],
    /// The status of a text that is no number, by its form less [`form::MISSING`].
    pub others: [u8; form::END - form::MISSING as usize],
    /// By the key of a number what is told of it beside a status of zero.
    pub mark: [u8; 128],
}

/// What is told of texts, a column for each thing: those of them whose status is not zero have zeros in the others.
pub struct Entries {
    /// Out of [`Sheet`].
    pub status: [i32; MANY],
    /// Out of [`Sheet`].
    pub mark: [u8; MANY],
    /// How many digits there are.
    pub length: [u8; MANY],
    /// The last four digits in ASCII.
    pub last4: [[u8; 4]; MANY],
}

/// An integer.
pub trait Word: Copy {}

impl Word for u8 {}
impl Word for i32 {}

/// Copies words past the caches, as many as there are in both: into memory that is too large to be read soon. What is
/// there already is then not fetched first. [`settle`] has to follow.
#[cfg(target_arch = "x86_64")]
pub fn write_past<T: Word>(words: &[T], out: &mut [T]) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    let (words, out) = common(words, out);
    // SAFETY: any integers are a vector.
    let (start, middle, end) = unsafe { out.align_to_mut::<__m128i>() };
    let (first, rest) = words.split_at(start.len());
    let (blocks, last) = rest.split_at(rest.len() - end.len());
    start.copy_from_slice(first);
    for (place, block) in middle.iter_mut().zip(blocks.chunks_exact(16 / size_of::<T>())) {
        // SAFETY: a vector is read from as many bytes, and written to a place of its own that is aligned.
        unsafe { _mm_stream_si128(place, _mm_loadu_si128(block.as_ptr().cast())) };
    }
    end.copy_from_slice(last);
}

#[cfg(not(target_arch = "x86_64"))]
pub fn write_past<T: Word>(words: &[T], out: &mut [T]) {
    let (words, out) = common(words, out);
    out.copy_from_slice(words);
}

fn common<'a, T>(words: &'a [T], out: &'a mut [T]) -> (&'a [T], &'a mut [T]) {
    let len = words.len().min(out.len());
    (&words[..len], &mut out[..len])
}

/// Has all that was written past the caches seen by other threads before anything that is written after this.
#[allow(unused_unsafe, reason = "intrinsics without pointers are safe since Rust 1.87, and unsafe before")]
pub fn settle() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this kind has it.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

/// The texts of [`read_fixed`] one by one. Those that `data` lacks are empty.
#[inline(always)]
fn fixed_texts(data: &[u8], width: usize) -> impl Iterator<Item = &[u8]> {
    // A width of zero finds no place for a first text.
    let chunks = data.chunks_exact(width.max(1)).filter(move |_| width > 0);
    chunks.chain(std::iter::repeat(&[][..]))
}

/// The texts of [`read_offsets`] one by one. Those that do not lie in `data` are empty.
#[inline(always)]
fn offset_texts<'a>(data: &'a [u8], offsets: &'a [impl Offset]) -> impl Iterator<Item = &'a [u8]> {
    let ends = offsets.iter().skip(1);
    offsets.iter().zip(ends).map(|(start, end)| match data.get(start.index()..end.index()) {
        Some(text) => text,
        None => nothing(),
    })
}

/// Cold, so that the compiler makes a branch of it: a conditional move would make each text wait for the one before.
#[cold]
fn nothing() -> &'static [u8] {
    &[]
}
