//! FF1 (NIST SP 800-38G) for card numbers: radix 10, AES-256, a tweak of 12 bytes, integers of 64 bits.
//!
//! With that tweak and halves of at most seven digits each round's input to the PRF is P and one more block. P
//! depends on the length alone, so its encryption is kept with the key, and a message costs ten AES blocks.

use super::BATCH;
use super::message::{Direction, MAX_DIGITS, MIN_DIGITS, Message, TWEAK_LEN};
use crate::card::decimal::Power;
use crate::error::Code;
use crate::simd::{Aes256, Block, LANES, Lanes};
use zeroize::Zeroize;

pub(super) const ROUNDS: u8 = 10;
const LENGTHS: usize = MAX_DIGITS - MIN_DIGITS + 1;

/// A key, expanded, with the encrypted head of each message length.
pub(super) struct Ff1Key {
    aes: Aes256,
    heads: [Block; LENGTHS],
}

impl Direction {
    /// Decryption goes through the rounds backwards.
    fn round(self, step: u8) -> u8 {
        if self == Direction::Encrypt { step } else { ROUNDS - 1 - step }
    }
}

impl Ff1Key {
    /// Expands a key. Never fails where FF1 was built in.
    pub(super) fn new(key: &[u8; 32]) -> Result<Ff1Key, Code> {
        Ok(Ff1Key::with(Aes256::new(key)))
    }

    fn with(aes: Aes256) -> Ff1Key {
        let mut heads = std::array::from_fn(|place| {
            let digits = MIN_DIGITS + place;
            head_block(10, digits / 2, digits, TWEAK_LEN)
        });
        aes.encrypt_many(&mut heads);
        Ff1Key { aes, heads }
    }

    /// One for each path that the machine has.
    #[cfg(test)]
    pub(super) fn of_this_machine(key: &[u8; 32]) -> impl Iterator<Item = Ff1Key> {
        Aes256::of_this_machine(key).map(Ff1Key::with)
    }

    /// What goes into all rounds of a message.
    #[inline(always)]
    fn base(&self, message: &Message) -> Block {
        let mut base = self.heads[message.digits - MIN_DIGITS];
        for (byte, tweak) in base.iter_mut().zip(message.tweak) {
            *byte ^= tweak;
        }
        base
    }

    /// The value that one message becomes, of as many digits. `digits` is within the limits and `value` has no more.
    pub(super) fn run(&self, direction: Direction, message: &Message) -> u64 {
        let mut lane = Lane::new(self, message);
        for step in 0..ROUNDS {
            let round = direction.round(step);
            let block = self.aes.encrypt(lane.input(round, direction));
            lane.take(round, direction, &block);
        }
        lane.finish()
    }

    /// [`Ff1Key::run`] for many messages: independent ones go through the AES unit together.
    pub(super) fn run_many(&self, direction: Direction, messages: &mut [Message]) {
        if self.aes.has_ff1() {
            messages.chunks_mut(LANES).for_each(|group| self.run_lanes(direction, group));
            return;
        }
        for group in messages.chunks_mut(BATCH) {
            // Each direction gets a loop of its own, without a choice for each lane and round.
            match direction {
                Direction::Encrypt => self.run_group(Direction::Encrypt, group),
                Direction::Decrypt => self.run_group(Direction::Decrypt, group),
            }
        }
    }

    fn run_lanes(&self, direction: Direction, group: &mut [Message]) {
        let mut lanes = Lanes::IDLE;
        for (place, message) in group.iter().enumerate() {
            lanes.values[place] = message.value;
            lanes.digits[place] = message.digits as u64;
            lanes.bases[place] = self.base(message);
        }
        self.aes.ff1(&mut lanes, group.len(), direction == Direction::Decrypt);
        for (message, value) in group.iter_mut().zip(lanes.values) {
            message.value = value;
        }
        lanes.values.zeroize();
    }

    #[inline(always)]
    fn run_group(&self, direction: Direction, group: &mut [Message]) {
        let mut blocks = [[0; 16]; BATCH];
        let mut lanes = [const { Lane::IDLE }; BATCH];
        let (blocks, lanes) = (&mut blocks[..group.len()], &mut lanes[..group.len()]);
        for (lane, message) in lanes.iter_mut().zip(group.iter()) {
            *lane = Lane::new(self, message);
        }
        for step in 0..ROUNDS {
            let round = direction.round(step);
            for (lane, block) in lanes.iter().zip(blocks.iter_mut()) {
                *block = lane.input(round, direction);
            }
            self.aes.encrypt_many(blocks);
            for (lane, block) in lanes.iter_mut().zip(blocks.iter()) {
                lane.take(round, direction, block);
            }
        }
        for (lane, message) in lanes.iter_mut().zip(group) {
            message.value = lane.finish();
        }
    }
}

/// One message under way.
struct Lane {
    a: u64,
    b: u64,
    /// 10 to the number of digits of the first and of the second half.
    moduli: [Power; 2],
    /// The encrypted head, with the tweak already in.
    base: Block,
    /// How many bits the number of a half takes in a block.
    shift: u32,
}

impl Lane {
    const IDLE: Lane = Lane { a: 0, b: 0, moduli: [Power::of(0); 2], base: [0; 16], shift: 0 };

    fn new(key: &Ff1Key, message: &Message) -> Lane {
        let (u, v) = (message.digits / 2, message.digits.div_ceil(2));
        let moduli = [Power::of(u), Power::of(v)];
        let (a, b) = moduli[1].divide(message.value);
        Lane { a, b, moduli, base: key.base(message), shift: 8 * bytes_of(moduli[1].value) }
    }

    /// What goes through AES in a round: the round's number and the half that stays, over the base.
    #[inline(always)]
    fn input(&self, round: u8, direction: Direction) -> Block {
        let stays = if direction == Direction::Encrypt { self.b } else { self.a };
        let word = u32::from(round) << self.shift | stays as u32;
        let base = u128::from_ne_bytes(self.base);
        // The last four bytes, wherever they are in the number.
        let change = (u128::from(word)).to_be_bytes();
        (base ^ u128::from_ne_bytes(change)).to_ne_bytes()
    }

    /// Adds or subtracts what came out of AES, and swaps the halves.
    #[inline(always)]
    fn take(&mut self, round: u8, direction: Direction, block: &Block) {
        let modulus = self.moduli[usize::from(round % 2)];
        let (_, y) = modulus.divide(first_u64(block));
        (self.a, self.b) = match direction {
            Direction::Encrypt => (self.b, modulus.reduced(self.a + y)),
            Direction::Decrypt => (modulus.reduced(self.b + modulus.value - y), self.a),
        };
    }

    /// The value of both halves together; they are wiped.
    fn finish(&mut self) -> u64 {
        let value = self.a * self.moduli[1].value + self.b;
        self.a.zeroize();
        self.b.zeroize();
        value
    }
}

fn first_u64(block: &Block) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&block[..8]);
    u64::from_be_bytes(bytes)
}

/// P of the standard: what is the same for all messages of one radix, length and length of tweak.
pub(super) fn head_block(radix: u32, u: usize, digits: usize, tweak_len: usize) -> [u8; 16] {
    let mut block = [0; 16];
    block[..3].copy_from_slice(&[1, 2, 1]);
    block[3..6].copy_from_slice(&radix.to_be_bytes()[1..]);
    block[6] = ROUNDS;
    block[7] = u as u8;
    block[8..12].copy_from_slice(&(digits as u32).to_be_bytes());
    block[12..].copy_from_slice(&(tweak_len as u32).to_be_bytes());
    block
}

/// How many bytes a number below `modulus` takes: b of the standard.
fn bytes_of(modulus: u64) -> u32 {
    (modulus - 1).ilog2() / 8 + 1
}
