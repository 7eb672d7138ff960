//! Random bytes for one call.

use crate::error::{Code, Result};

/// The kernel is asked for so many at a time: a call into it costs more than what it gives.
const ROOM: usize = 256;

/// Random bytes of the kernel's, each given once.
///
/// For the length of one call: kept for longer, a forked child would draw the same as its parent.
pub struct Random {
    bytes: [u8; ROOM],
    left: usize,
}

impl Random {
    /// Nothing is drawn yet.
    pub fn new() -> Random {
        Random { bytes: [0; ROOM], left: 0 }
    }

    /// Bytes that were not given before.
    pub fn take<const LEN: usize>(&mut self) -> Result<[u8; LEN]> {
        const { assert!(LEN <= ROOM) };
        if self.left < LEN {
            getrandom::fill(&mut self.bytes).map_err(|_| Code::Internal)?;
            self.left = ROOM;
        }
        let end = ROOM - self.left + LEN;
        let mut taken = [0; LEN];
        taken.copy_from_slice(&self.bytes[end - LEN..end]);
        self.left -= LEN;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_bytes_are_given_twice() {
        let mut random = Random::new();
        let given: HashSet<[u8; 24]> = (0..1000).map(|_| random.take().unwrap()).collect();
        assert_eq!(given.len(), 1000);
        assert_ne!(random.take::<ROOM>().unwrap(), random.take::<ROOM>().unwrap());
        assert_eq!(random.left, 0);
    }
}
