//! `pthread_cancel` waits until a call is over: ended half-way, it would leave locks held and Rust's frames undone.

/// Holds back the cancellation of this thread until it is dropped.
pub struct Held {
    #[cfg(target_os = "linux")]
    before: std::ffi::c_int,
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn pthread_setcancelstate(state: std::ffi::c_int, before: *mut std::ffi::c_int) -> std::ffi::c_int;
}

/// The same number in glibc and musl.
#[cfg(target_os = "linux")]
const DISABLE: std::ffi::c_int = 1;

/// Holds cancellation back. What was asked for meanwhile happens at the thread's next cancellation point.
pub fn hold() -> Held {
    #[cfg(target_os = "linux")]
    {
        let mut before = 0;
        // SAFETY: it writes one number.
        unsafe { pthread_setcancelstate(DISABLE, &mut before) };
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
