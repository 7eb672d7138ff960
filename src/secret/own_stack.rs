//! Stacks of the library's own, for calls whose caller's stack is too small, or is none that is known.
//!
//! A fiber's stack lies in memory of the program's, with who knows what below it. What a call leaves there could not be
//! wiped without wiping a neighbour; so it is made not to leave anything there.

use super::bounds::{self, Span};
use std::arch::global_asm;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Pages that are never used cost no memory.
const SIZE: usize = 1 << 20;
/// What lies below it and cannot be written to: a page at least, whatever the size of pages is.
const GUARD: usize = 64 << 10;
/// How many are kept.
const SPARES: usize = 4;

/// No lock: a forked child would find it held by nobody.
static SPARE: [AtomicPtr<u8>; SPARES] = [const { AtomicPtr::new(ptr::null_mut()) }; SPARES];

/// A stack, from the guard below it on; given back when it is dropped.
pub(super) struct OwnStack(*mut u8);

impl OwnStack {
    /// `None` where the system has no memory.
    pub fn take() -> Option<OwnStack> {
        let mut spare = SPARE.iter().map(|place| place.swap(ptr::null_mut(), Ordering::AcqRel));
        let spare = spare.find(|start| !start.is_null());
        Some(OwnStack(spare.or_else(map)?))
    }

    fn span(&self) -> Span {
        Span { low: self.0.addr() + GUARD, high: self.0.addr() + SIZE }
    }

    /// Runs `work` on it. A panic goes on in the caller.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Job<W, R>(Option<W>, Option<std::thread::Result<R>>);
        extern "C" fn run<W: FnOnce() -> R, R>(job: *mut c_void) {
            // SAFETY: `run` below gives a job of these types, which nobody else uses meanwhile.
            let job = unsafe { &mut *job.cast::<Job<W, R>>() };
            job.1 = job.0.take().map(|work| catch_unwind(AssertUnwindSafe(work)));
        }
        fn of<W: FnOnce() -> R, R>(_: &Job<W, R>) -> extern "C" fn(*mut c_void) {
            run::<W, R>
        }
        let mut job = Job(Some(work), None);
        let function = of(&job);
        let moved = bounds::moved_to(self.span());
        // SAFETY: the top of a stack that nobody is on; the function comes back, for it catches panics.
        unsafe { panseal_internal_on_stack(self.0.add(SIZE), function, (&raw mut job).cast()) };
        drop(moved);
        match job.1 {
            Some(Ok(result)) => result,
            Some(Err(panic)) => resume_unwind(panic),
            None => unreachable!("the function runs the job"),
        }
    }
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        let put = |place: &AtomicPtr<u8>| {
            place.compare_exchange(ptr::null_mut(), self.0, Ordering::AcqRel, Ordering::Acquire).is_ok()
        };
        if !SPARE.iter().any(put) {
            // SAFETY: mapped below with this size, and nobody is on it.
            unsafe { libc::munmap(self.0.cast(), SIZE) };
        }
    }
}

fn map() -> Option<*mut u8> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
    // SAFETY: a new mapping, at a place where nothing is; its lowest part is never written to.
    unsafe {
        let start = libc::mmap(ptr::null_mut(), SIZE, access, kind | libc::MAP_STACK, -1, 0);
        if start == libc::MAP_FAILED {
            return None;
        }
        if libc::mprotect(start, GUARD, libc::PROT_NONE) != 0 {
            libc::munmap(start, SIZE);
            return None;
        }
        // What a core dump has of a thread in a call is that thread's stack; here it would be a second one.
        libc::madvise(start, SIZE, libc::MADV_DONTDUMP);
        Some(start.cast())
    }
}

unsafe extern "C" {
    /// Calls `work(job)` on the stack that ends at `top`.
    fn panseal_internal_on_stack(top: *mut u8, work: extern "C" fn(*mut c_void), job: *mut c_void);
}

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".hidden panseal_internal_on_stack",
    ".globl panseal_internal_on_stack",
    ".type panseal_internal_on_stack, @function",
    "panseal_internal_on_stack:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rsp, rdi",
    "mov rdi, rdx",
    "call rsi",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size panseal_internal_on_stack, . - panseal_internal_on_stack",
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".hidden panseal_internal_on_stack",
    ".globl panseal_internal_on_stack",
    ".type panseal_internal_on_stack, @function",
    "panseal_internal_on_stack:",
    ".cfi_startproc",
    "stp x29, x30, [sp, #-16]!",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset x29, -16",
    ".cfi_offset x30, -8",
    "mov x29, sp",
    ".cfi_def_cfa x29, 16",
    "mov sp, x0",
    "mov x0, x2",
    "blr x1",
    "mov sp, x29",
    "ldp x29, x30, [sp], #16",
    ".cfi_def_cfa sp, 0",
    "ret",
    ".cfi_endproc",
    ".size panseal_internal_on_stack, . - panseal_internal_on_stack",
);

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn work_runs_on_a_stack_of_its_own_and_comes_back() {
        let own = OwnStack::take().unwrap();
        let given = own.run(|| {
            let here = 0_u8;
            let place = (&raw const here).addr();
            (bounds::room_below(place), own.span().low < place && place < own.span().high)
        });
        assert!(given.0.is_some_and(|room| room > SIZE / 2) && given.1, "{given:?}");
    }

    #[test]
    fn a_panic_on_it_goes_on_in_the_caller() {
        let own = OwnStack::take().unwrap();
        let caught = catch_unwind(AssertUnwindSafe(|| own.run(|| resume_unwind(Box::new(7)))));
        assert_eq!(caught.unwrap_err().downcast_ref::<i32>(), Some(&7));
        assert_eq!(own.run(|| 8), 8);
    }
}
