//! What FF1 works on, whether it was built in or not.

/// Length of the tweak, in bytes.
pub(super) const TWEAK_LEN: usize = 12;
/// The fewest digits: NIST SP 800-38G r1 asks for a domain of at least a million.
pub(super) const MIN_DIGITS: usize = 6;
/// The most digits: with 15, a half would have eight digits and a round two blocks.
#[cfg_attr(not(feature = "ff1"), allow(dead_code, reason = "nobody reads it"))]
pub(super) const MAX_DIGITS: usize = 14;

/// A message: `digits` decimal digits with this value, and its tweak.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "ff1"), allow(dead_code, reason = "nobody reads it"))]
pub(super) struct Message {
    pub value: u64,
    pub digits: usize,
    pub tweak: [u8; TWEAK_LEN],
}

impl Message {
    /// For a lane of a batch that has nothing to do.
    pub(super) const IDLE: Message = Message { value: 0, digits: MIN_DIGITS, tweak: [0; TWEAK_LEN] };
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Direction {
    Encrypt,
    Decrypt,
}
