//! A program that opens more keys than the arena holds gets an error. Alone in its process: while the arena is
//! full, nobody else gets a key.

use panseal::error::Code;
use panseal::secret::arena::KeySlot;

#[test]
fn a_full_arena_is_a_limit_and_not_a_crash() {
    let mut keys = Vec::new();
    let refused = loop {
        match KeySlot::fill(1, |_| Ok(())) {
            Ok(slot) => keys.push(slot),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code(), Code::Limit);
    assert!(keys.len() > 300, "the arena held only {} keys", keys.len());
    keys.pop();
    assert!(KeySlot::fill(1, |_| Ok(())).is_ok());
}
