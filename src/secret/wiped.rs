//! A value that is wiped in one stroke.
//!
//! Ciphers wipe themselves byte by byte, a thousand bytes for one key: that takes longer than to seal a card number.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};

/// A value that owns nothing but its bytes, such as an expanded key. Dropped, it is wiped; its own drop is not run.
pub struct Wiped<T>(ManuallyDrop<T>);

impl<T> Wiped<T> {
    /// Holds `value`.
    pub fn new(value: T) -> Wiped<T> {
        Wiped(ManuallyDrop::new(value))
    }
}

impl<T> Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Wiped<T> {
    fn drop(&mut self) {
        // SAFETY: our own field, which is neither read nor dropped after this.
        unsafe { (&raw mut self.0).cast::<MaybeUninit<T>>().write_bytes(0, 1) };
        // Nobody knows that the zeros are not read.
        zeroize::optimization_barrier(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_value_leaves_zeros_up_to_its_last_byte() {
        let mut place = MaybeUninit::new(Wiped::new([0x5a_u8; 963]));
        // SAFETY: it is there, and not used again as what it was; its bytes were written by its drop.
        let left = unsafe {
            assert_eq!(place.assume_init_ref()[962], 0x5a);
            place.assume_init_drop();
            place.as_ptr().cast::<[u8; 963]>().read()
        };
        assert_eq!(left, [0; 963]);
    }
}
