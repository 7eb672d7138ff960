//! What every border does around a call, be it C's or Python's: panics are caught and stay silent, and the stack
//! that the call used is wiped.

use crate::error::{Code, Result};
use crate::secret::stack;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// How many border calls this thread is in. It needs no destructor, so it does not hold a library in memory.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// Runs `work` behind the border.
///
/// A panic becomes [`Code::Internal`] and prints nothing, for its text could hold what was being worked on. The
/// stack below is wiped to [`stack::DEPTH`]; `work` hands secrets out only by writing to the caller's memory.
pub fn call(work: impl FnOnce() -> Result<()>) -> Result<()> {
    guarded::<{ stack::DEPTH }>(work)
}

/// [`call`] for work that reads and judges one number and calls nothing deeper: it wipes [`stack::SHALLOW`] bytes, in a
/// fraction of the time.
pub fn call_shallow(work: impl FnOnce() -> Result<()>) -> Result<()> {
    guarded::<{ stack::SHALLOW }>(work)
}

fn guarded<const DEPTH: usize>(work: impl FnOnce() -> Result<()>) -> Result<()> {
    silence_panics_inside();
    let inside = Inside::enter();
    // What is returned through the wipe is copied whole, with the bytes that no value has been written to: an `Ok`
    // would carry old stack out in the room of an `Err`. So only a failure is written here, and a bool returned.
    let mut failure = None;
    let finished = stack::wipe_after::<DEPTH, _>(|| {
        let work = AssertUnwindSafe(|| {
            if let Err(error) = work() {
                failure = Some(error);
            }
        });
        match panic::catch_unwind(work) {
            Ok(()) => true,
            Err(payload) => {
                // A payload's own drop may panic again.
                let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)));
                false
            }
        }
    });
    drop(inside);
    match failure {
        _ if !finished => Err(Code::Internal.into()),
        Some(error) => Err(error),
        None => Ok(()),
    }
}

struct Inside;

impl Inside {
    fn enter() -> Inside {
        INSIDE.with(|depth| depth.set(depth.get() + 1));
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with(|depth| depth.set(depth.get() - 1));
    }
}

/// Puts a hook before the present one that keeps quiet about panics inside a border call and about no others.
fn silence_panics_inside() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if INSIDE.with(Cell::get) == 0 {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_inside_is_an_internal_error_and_the_thread_goes_on() {
        let result: Result<()> = call(|| panic!("4111111111111111"));
        assert_eq!(result.unwrap_err().code(), Code::Internal);
        assert_eq!(INSIDE.with(Cell::get), 0);
        assert_eq!(call(|| Ok(())), Ok(()));
    }
}
