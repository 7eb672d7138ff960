//! Where the stack of a thread ends: whoever writes below its own frame must not write to what is somebody else's.

use std::cell::Cell;

/// The addresses of a stack, the lowest and the one behind the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub low: usize,
    pub high: usize,
}

impl Span {
    const NONE: Span = Span { low: 0, high: 0 };

    fn holds(self, place: usize) -> bool {
        (self.low..self.high).contains(&place)
    }
}

thread_local! {
    /// The stack that this thread was on last. It needs no destructor, so it does not hold a library in memory.
    static PRESENT: Cell<Span> = const { Cell::new(Span::NONE) };
    /// The stack that the system has given this thread, once it was asked.
    static SYSTEMS: Cell<Span> = const { Cell::new(Span::NONE) };
}

/// How much of the stack lies below `place`; `None` where it is on none that is known, as in a fiber.
#[inline(always)]
pub(super) fn room_below(place: usize) -> Option<usize> {
    let present = PRESENT.get();
    if present.holds(place) { Some(place - present.low) } else { room_on_another(place) }
}

#[cold]
fn room_on_another(place: usize) -> Option<usize> {
    let mut systems = SYSTEMS.get();
    // musl tells of the first thread's stack only what has been used of it so far.
    if systems == Span::NONE || (cfg!(target_env = "musl") && !systems.holds(place)) {
        systems = ask().unwrap_or(Span::NONE);
        SYSTEMS.set(systems);
    }
    if !systems.holds(place) {
        return None;
    }
    PRESENT.set(systems);
    Some(place - systems.low)
}

/// Another stack that this thread is on, until it is dropped.
pub(super) struct Moved;

/// Says that the thread is on this stack.
pub(super) fn moved_to(stack: Span) -> Moved {
    PRESENT.set(stack);
    Moved
}

impl Drop for Moved {
    fn drop(&mut self) {
        // Not what was there before: a fiber may have ended meanwhile on whose stack this thread was.
        PRESENT.set(SYSTEMS.get());
    }
}

#[cfg(target_os = "linux")]
fn ask() -> Option<Span> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut low, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes are set by the first call, read by the second, and given back by the third.
    let failed = unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let failed = libc::pthread_attr_getstack(attributes.as_ptr(), &mut low, &mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        failed
    };
    (failed == 0).then(|| Span { low: low.addr(), high: low.addr().saturating_add(size) })
}

/// Elsewhere each thread is taken to have room enough.
#[cfg(not(target_os = "linux"))]
fn ask() -> Option<Span> {
    Some(Span { low: 0, high: usize::MAX })
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_knows_how_much_stack_lies_below_it() {
        let size = 1 << 20;
        let measure = move || {
            let here = 0_u8;
            let place = (&raw const here).addr();
            assert!(room_below(place).is_some_and(|room| room > size / 2 && room <= size));
            assert_eq!(room_below(place - 2 * size), None);
        };
        std::thread::Builder::new().stack_size(size).spawn(measure).unwrap().join().unwrap();
    }
}
