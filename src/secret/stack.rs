//! Wiping the stack below a call, where moves, spills and inlined ciphers leave copies that no `Drop` reaches.

/// Deep enough for every path that has a card number or a key in its hands; the residue tests hold it to that.
pub const DEPTH: usize = 32 * 1024;

/// Runs `work` in a frame of its own, then overwrites [`DEPTH`] bytes of the stack below the caller's frame.
///
/// What `work` returns is moved out before the wipe: return secrets by writing them through a reference.
#[inline(never)]
pub fn wipe_after<R>(work: impl FnOnce() -> R) -> R {
    let result = apart(work);
    zeroize::zeroize_stack::<DEPTH>();
    result
}

/// Inlining would put the frames of `work` above the stretch that is wiped.
#[inline(never)]
fn apart<R>(work: impl FnOnce() -> R) -> R {
    work()
}
