//! `pthread_cancel` waits until a call is over: ended half-way, it would leave locks held and Rust's frames undone.

/// Holds back the cancellation of this thread until it is dropped.
pub struct Held {
    #[cfg(target_os = "linux")]
    before: std::ffi::c_int,
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn pthread_setcancelstate(state: std::ffi::c_int, before: *mut std::ffi::c_int) -> std::ffi::c_int;
    fn pthread_setcanceltype(kind: std::ffi::c_int, before: *mut std::ffi::c_int) -> std::ffi::c_int;
}

/// The same numbers in glibc and musl.
#[cfg(target_os = "linux")]
const DISABLE: std::ffi::c_int = 1;
#[cfg(target_os = "linux")]
const DEFERRED: std::ffi::c_int = 0;

/// Holds cancellation back. What was asked for meanwhile happens at the thread's next cancellation point.
///
/// A thread of the asynchronous type becomes one of the deferred: that type would end it where cancellation is allowed
/// again, below frames of Rust, which end the process then.
pub fn hold() -> Held {
    #[cfg(target_os = "linux")]
    {
        let (mut before, mut kind) = (0, 0);
        // SAFETY: they write a number each. Cancellation is off by the time the type changes, so that nothing happens then.
        unsafe {
            pthread_setcancelstate(DISABLE, &mut before);
            pthread_setcanceltype(DEFERRED, &mut kind);
        }
        Held { before }
    }
    #[cfg(not(target_os = "linux"))]
    Held {}
}

#[cfg(target_os = "linux")]
impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: null is allowed in glibc and musl.
        unsafe { pthread_setcancelstate(self.before, std::ptr::null_mut()) };
    }
}
