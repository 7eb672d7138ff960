//! Secrets of a fixed maximum size, held inline: no heap, wiped when dropped.

/// Copies a text to the beginning of a room: one as long as card numbers are in two pieces of a fixed size, which may
/// overlap. A call of memcpy would take longer.
///
/// # Panics
///
/// Where the room is smaller than the text.
#[inline]
pub fn copy_short(text: &[u8], room: &mut [u8]) {
    fn in_two<const PIECE: usize>(text: &[u8], room: &mut [u8]) {
        if let (Some(first), Some(last)) = (text.first_chunk::<PIECE>(), text.last_chunk::<PIECE>()) {
            room[..PIECE].copy_from_slice(first);
            room[text.len() - PIECE..text.len()].copy_from_slice(last);
        }
    }
    match text.len() {
        16..=32 => in_two::<16>(text, room),
        8..16 => in_two::<8>(text, room),
        _ => room[..text.len()].copy_from_slice(text),
    }
}

/// Up to `N` secret bytes, inline, wiped when dropped. `N` is at most 255.
///
/// Comparing and printing are left out on purpose; [`SecretText::as_bytes`] is the one way to the content.
pub struct SecretText<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> SecretText<N> {
    const FITS: () = assert!(N <= u8::MAX as usize, "a secret text has at most 255 bytes");

    /// An empty text.
    pub const fn new() -> Self {
        let () = Self::FITS;
        SecretText { len: 0, bytes: [0; N] }
    }

    /// A copy of `bytes`, or nothing if they are more than `N`.
    pub fn copy_of(bytes: &[u8]) -> Option<Self> {
        let mut text = Self::new();
        text.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        text.len = bytes.len() as u8;
        Some(text)
    }

    /// Takes the first `len` bytes of a room that is not smaller, which is copied whole: that takes less time than to
    /// copy as many as there are. Bytes behind them stay, and so they had better be no secret.
    #[inline]
    pub fn set<const ROOM: usize>(&mut self, room: &[u8; ROOM], len: usize) {
        const { assert!(ROOM >= N) };
        self.bytes.copy_from_slice(&room[..N]);
        self.len = len.min(N) as u8;
    }

    /// Leaves the first `len` bytes, and zeros behind them.
    pub fn cut(&mut self, len: usize) {
        let len = len.min(self.len());
        self.bytes[len..].fill(0);
        self.len = len as u8;
    }

    /// Adds a byte; says whether there was room.
    pub fn push(&mut self, byte: u8) -> bool {
        match self.bytes.get_mut(usize::from(self.len)) {
            Some(place) => {
                *place = byte;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// Adds bytes, all or none; says whether there was room.
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let end = self.len() + bytes.len();
        match self.bytes.get_mut(usize::from(self.len)..end) {
            Some(places) => {
                copy_short(bytes, places);
                self.len = end as u8;
                true
            }
            None => false,
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    /// The bytes, to be changed in place.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        let len = self.len();
        &mut self.bytes[..len]
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets the content.
    pub fn wipe(&mut self) {
        // One write of the whole room: byte by byte, wiping takes longer than reading a card number.
        self.bytes = [0; N];
        self.len = 0;
        // Nobody knows that the zeros are not read.
        zeroize::optimization_barrier(&self.bytes);
    }
}

impl<const N: usize> Default for SecretText<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Drop for SecretText<N> {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_what_fits_and_no_more() {
        let mut text = SecretText::<3>::copy_of(b"ab").unwrap();
        assert!(text.push(b'c'));
        assert!(!text.push(b'd'));
        assert_eq!(text.as_bytes(), b"abc");
        assert!(SecretText::<3>::copy_of(b"abcd").is_none());

        let mut text = SecretText::<3>::copy_of(b"a").unwrap();
        assert!(!text.append(b"bcd"));
        assert!(text.append(b"bc"));
        assert_eq!(text.as_bytes(), b"abc");
    }

    #[test]
    fn what_is_cut_off_is_wiped() {
        let mut text = SecretText::<3>::copy_of(b"abc").unwrap();
        text.cut(7);
        assert_eq!(text.as_bytes(), b"abc");
        text.cut(1);
        assert_eq!((text.as_bytes(), text.bytes), (&b"a"[..], *b"a\0\0"));
    }

    #[test]
    fn short_texts_are_copied_whole_whatever_their_length() {
        let text: Vec<u8> = (1..=70).collect();
        for len in 0..=text.len() {
            for more in [0, 3] {
                let mut room = vec![0; len + more];
                copy_short(&text[..len], &mut room);
                assert_eq!((&room[..len], &room[len..]), (&text[..len], &vec![0; more][..]));
            }
        }
    }

    #[test]
    fn a_text_is_set_to_the_beginning_of_a_room() {
        let mut text = SecretText::<3>::copy_of(b"zzz").unwrap();
        text.set(b"ab\0\0\0", 2);
        assert_eq!((text.as_bytes(), text.bytes), (&b"ab"[..], *b"ab\0"));
        text.set(b"abcde", 5);
        assert_eq!(text.as_bytes(), b"abc");
    }

    #[test]
    fn wiping_leaves_nothing_in_the_whole_room() {
        let mut text = SecretText::<8>::copy_of(b"secret").unwrap();
        text.wipe();
        assert!(text.is_empty());
        assert_eq!(text.bytes, [0; 8]);
    }
}
