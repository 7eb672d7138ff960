//! What each border, C's and Python's, does around a call: panics are caught and stay silent, the stack that the
//! call used is wiped, memory is kept aside for it, and its thread is not cancelled before it is over.

use crate::error::{Code, Result};
use crate::secret::{cancel, reserve, stack};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// Runs `work` behind the border.
///
/// [`Code::Memory`], and `work` is not begun, where the reserve cannot be refilled. A panic becomes [`Code::Internal`]
/// and prints nothing, for its text could hold what was being worked on. The stack below is wiped to [`stack::DEPTH`];
/// `work` hands secrets out only by writing to the caller's memory.
pub fn call(work: impl FnOnce() -> Result<()>) -> Result<()> {
    guarded::<{ stack::DEPTH }>(stack::ROOM, work)
}

/// [`call`] for work that reads and judges one number and calls nothing deeper: it wipes [`stack::SHALLOW`] bytes, in a
/// fraction of the time.
pub fn call_shallow(work: impl FnOnce() -> Result<()>) -> Result<()> {
    guarded::<{ stack::SHALLOW }>(0, work)
}

/// [`call`] for work without files and database, which goes no deeper than a cipher does: it wipes [`stack::CIPHER`]
/// bytes.
pub fn call_light(work: impl FnOnce() -> Result<()>) -> Result<()> {
    guarded::<{ stack::CIPHER }>(0, work)
}

/// `need`: how much stack the work takes, where that is more than a small one has.
fn guarded<const DEPTH: usize>(need: usize, work: impl FnOnce() -> Result<()>) -> Result<()> {
    silence_panics_inside();
    let _uncancelled = cancel::hold();
    let inside = reserve::enter()?;
    // What is returned through the wipe is copied whole, with the bytes that no value has been written to: an `Ok`
    // would carry old stack out in the room of an `Err`. So only a failure is written here, and a bool returned.
    let mut failure = None;
    let finished = stack::wipe_after_in::<DEPTH, _>(need, || {
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
    })?;
    drop(inside);
    match failure {
        _ if !finished => Err(Code::Internal.into()),
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Puts a hook before the present one that keeps quiet about panics inside a border call and about no others.
fn silence_panics_inside() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !reserve::is_inside() {
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
        assert!(!reserve::is_inside());
        assert_eq!(call(|| Ok(())), Ok(()));
    }
}
