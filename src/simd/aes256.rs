//! AES-256, forwards: by the crate `aes`, or many blocks at once where the machine has VAES.
#![cfg_attr(not(feature = "ff1"), allow(dead_code, reason = "lanes are for FF1 alone"))]

#[cfg(panseal_avx512)]
use super::vaes;
use aes::Aes256Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

/// A block of AES.
pub type Block = [u8; 16];

/// How many messages [`Aes256::ff1`] takes.
pub const LANES: usize = 64;

/// Messages of FF1 that go through their rounds together. Secret: whoever fills it wipes the values.
pub struct Lanes {
    /// The message as a number, and then what became of it.
    pub values: [u64; LANES],
    /// How many digits it has: 6 to 14.
    pub digits: [u64; LANES],
    /// What goes into every round but its number and half: the encrypted P, with the tweak in.
    pub bases: [Block; LANES],
}

impl Lanes {
    /// Lanes that have nothing to do.
    pub const IDLE: Lanes = Lanes { values: [0; LANES], digits: [6; LANES], bases: [[0; 16]; LANES] };
}

/// An expanded key; wiped when dropped.
pub struct Aes256(Kind);

#[allow(clippy::large_enum_variant, reason = "a box would put keys on the heap")]
enum Kind {
    Crate(Aes256Enc),
    #[cfg(panseal_avx512)]
    Wide(vaes::Keys),
}

impl Aes256 {
    /// Expands a key for the best path that the machine has.
    pub fn new(key: &[u8; 32]) -> Aes256 {
        Aes256::wide(key).unwrap_or_else(|| Aes256::of_crate(key))
    }

    fn of_crate(key: &[u8; 32]) -> Aes256 {
        Aes256(Kind::Crate(Aes256Enc::new(key.into())))
    }

    #[cfg(panseal_avx512)]
    fn wide(key: &[u8; 32]) -> Option<Aes256> {
        vaes::Keys::new(key).map(|keys| Aes256(Kind::Wide(keys)))
    }

    #[cfg(not(panseal_avx512))]
    fn wide(_key: &[u8; 32]) -> Option<Aes256> {
        None
    }

    /// One for each path that the machine has, the best one first.
    #[cfg(test)]
    pub fn of_this_machine(key: &[u8; 32]) -> impl Iterator<Item = Aes256> {
        Aes256::wide(key).into_iter().chain([Aes256::of_crate(key)])
    }

    /// Encrypts a block.
    #[inline]
    pub fn encrypt(&self, block: Block) -> Block {
        match &self.0 {
            Kind::Crate(aes) => {
                let mut block = block.into();
                aes.encrypt_block(&mut block);
                block.into()
            }
            #[cfg(panseal_avx512)]
            Kind::Wide(keys) => keys.encrypt(u128::from_ne_bytes(block)).to_ne_bytes(),
        }
    }

    /// Encrypts blocks in their places.
    pub fn encrypt_many(&self, blocks: &mut [Block]) {
        match &self.0 {
            Kind::Crate(aes) => aes.encrypt_blocks(Array::cast_slice_from_core_mut(blocks)),
            #[cfg(panseal_avx512)]
            Kind::Wide(keys) => keys.encrypt_many(blocks),
        }
    }

    /// Whether [`Aes256::ff1`] does anything: not on every machine.
    pub fn has_ff1(&self) -> bool {
        !matches!(&self.0, Kind::Crate(_))
    }

    /// Runs the first `count` lanes through the ten rounds of FF1, radix 10, or back through them.
    #[cfg_attr(not(panseal_avx512), allow(unused_variables, reason = "no path takes them"))]
    pub fn ff1(&self, lanes: &mut Lanes, count: usize, back: bool) {
        match &self.0 {
            Kind::Crate(_) => {}
            #[cfg(panseal_avx512)]
            Kind::Wide(keys) => keys.ff1(lanes, count, back),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex<const LEN: usize>(text: &str) -> [u8; LEN] {
        let mut out = [0; LEN];
        assert_eq!(base16ct::lower::decode(text, &mut out).unwrap().len(), LEN);
        out
    }

    #[test]
    fn nists_vectors_come_out_on_every_path() {
        // FIPS 197, C.3.
        let key = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        for aes in Aes256::of_this_machine(&key) {
            let block = hex("00112233445566778899aabbccddeeff");
            assert_eq!(aes.encrypt(block), hex("8ea2b7ca516745bfeafc49904b496089"));
        }
        // NIST SP 800-38A, F.1.5.
        let key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        for aes in Aes256::of_this_machine(&key) {
            let mut blocks: [Block; 4] = [
                hex("6bc1bee22e409f96e93d7e117393172a"),
                hex("ae2d8a571e03ac9c9eb76fac45af8e51"),
                hex("30c81c46a35ce411e5fbc1191a0a52ef"),
                hex("f69f2445df4f9b17ad2b417be66c3710"),
            ];
            aes.encrypt_many(&mut blocks);
            let expected: [Block; 4] = [
                hex("f3eed1bdb5d2a03c064b5a7e3db181f8"),
                hex("591ccb10d410ed26dc5ba74a31362870"),
                hex("b6ed21b99ca6f4f9f153e7b1beafed1d"),
                hex("23304b7a39f9f3ff067d8d8f9e24ecc7"),
            ];
            assert_eq!(blocks, expected);
        }
    }

    proptest! {
        #[test]
        fn every_path_gives_what_the_crate_gives(
            key: [u8; 32],
            blocks in prop::collection::vec(any::<Block>(), 0..150),
        ) {
            let theirs = Aes256Enc::new(&key.into());
            let expected: Vec<Block> = blocks.iter().map(|block| {
                let mut block = (*block).into();
                theirs.encrypt_block(&mut block);
                block.into()
            }).collect();
            for aes in Aes256::of_this_machine(&key) {
                let one_by_one: Vec<Block> = blocks.iter().map(|block| aes.encrypt(*block)).collect();
                prop_assert_eq!(&one_by_one, &expected);
                let mut together = blocks.clone();
                aes.encrypt_many(&mut together);
                prop_assert_eq!(&together, &expected);
            }
        }
    }

    #[test]
    fn a_dropped_key_is_wiped() {
        for aes in Aes256::of_this_machine(&[0x5a; 32]) {
            let mut place = std::mem::MaybeUninit::new(aes);
            // SAFETY: it is there, and not used again as what it was; its bytes were written when it was made.
            let left = unsafe {
                let keys = match &place.assume_init_ref().0 {
                    Kind::Crate(aes) => std::ptr::from_ref(aes).cast::<[u8; 240]>(),
                    #[cfg(panseal_avx512)]
                    Kind::Wide(keys) => std::ptr::from_ref(keys).cast::<[u8; 240]>(),
                };
                assert_eq!(keys.cast::<[u8; 32]>().read(), [0x5a; 32]);
                place.assume_init_drop();
                keys.read()
            };
            assert_eq!(left, [0; 240]);
        }
    }
}
