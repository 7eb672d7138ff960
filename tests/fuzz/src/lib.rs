//! What the fuzz targets share: a plain second reading of the rules for a card number, and how inputs are cut.
//!
//! Run a target from the root of the project, with the committed seeds as its corpus to begin with:
//!
//! ```text
//! mkdir -p tests/fuzz/corpus/scan
//! cargo +nightly fuzz run --fuzz-dir tests/fuzz scan tests/fuzz/corpus/scan tests/fuzz/seeds/scan \
//!     -- -max_total_time=600
//! ```
//!
//! The targets of the dialects open vaults; for SQLite's sake they need `ASAN_OPTIONS=detect_odr_violation=0`.

pub mod dialect;
pub mod reference;

/// Cuts `count` pieces off an input: each begins with its length in one byte, the last one is the rest.
pub fn pieces<const COUNT: usize>(mut input: &[u8]) -> [&[u8]; COUNT] {
    let mut pieces = [&input[..0]; COUNT];
    let Some((last, others)) = pieces.split_last_mut() else { return pieces };
    for piece in others {
        if let Some((len, rest)) = input.split_first() {
            (*piece, input) = rest.split_at(usize::from(*len).min(rest.len()));
        }
    }
    *last = input;
    pieces
}

/// An empty piece is an absent one.
pub fn given(piece: &[u8]) -> Option<&[u8]> {
    Some(piece).filter(|piece| !piece.is_empty())
}
