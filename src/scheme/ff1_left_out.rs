//! In the place of `ff1` in a build without it: a key that nobody can have.

use super::message::{Direction, Message};
use crate::error::Code;

pub(super) enum Ff1Key {}

impl Ff1Key {
    /// Always `Unsupported`.
    pub(super) fn new(_key: &[u8; 32]) -> Result<Ff1Key, Code> {
        Err(Code::Unsupported)
    }

    pub(super) fn run(&self, _direction: Direction, _message: &Message) -> u64 {
        match *self {}
    }

    pub(super) fn run_many(&self, _direction: Direction, _messages: &mut [Message]) {
        match *self {}
    }
}
