//! Wiping the stack below a call, where moves, spills and inlined ciphers leave copies that no `Drop` reaches, and
//! the registers, which the dynamic linker writes to the stack when the program next calls a new function.

use super::bounds;
use crate::error::{Code, Result};

/// Deep enough for every path that has a card number or a key in its hands; the residue tests hold it to that.
pub const DEPTH: usize = 32 * 1024;

/// Deep enough for one field that is sealed or opened, one fingerprint, one key that is derived.
pub const CIPHER: usize = 8 * 1024;

/// Deep enough for a number that is read and judged, and nothing more.
pub const SHALLOW: usize = 2560;

/// What lies free below a call that may go as deep as any: less, and it gets a stack of its own.
pub const ROOM: usize = 160 * 1024;

/// What the frames of a wipe take, beside what is wiped.
const FRAMES: usize = 1024;

/// Runs `work` in a frame of its own, then overwrites `DEPTH` bytes of the stack below the caller's frame, and the
/// registers.
///
/// What `work` returns is moved out before the wipe: return secrets by writing them through a reference.
///
/// The wipe ends where the thread's stack does. On a stack that is not known to be the thread's, a fiber's, nobody can
/// say where it ends: there, and where little is left for a deep wipe, `work` runs on a stack of the library's own, where
/// the system has one.
#[inline(never)]
pub fn wipe_after<const DEPTH: usize, R>(work: impl FnOnce() -> R) -> R {
    let need = if DEPTH == self::DEPTH { DEPTH + DEPTH / 2 } else { 0 };
    with_room::<DEPTH, R, _>(need, work).unwrap_or_else(|work| {
        let result = apart(work);
        wipe::<DEPTH>(bounds::room_below(here()).unwrap_or(0));
        result
    })
}

/// [`wipe_after`] for work that needs so much stack. `Memory`, and nothing is begun, where there is none.
#[inline(always)]
pub fn wipe_after_in<const DEPTH: usize, R>(need: usize, work: impl FnOnce() -> R) -> Result<R> {
    with_room::<DEPTH, R, _>(need, work).map_err(|_| Code::Memory.into())
}

/// Gives `work` back where there is no room for it.
#[inline(always)]
fn with_room<const DEPTH: usize, R, W: FnOnce() -> R>(need: usize, work: W) -> Result<R, W> {
    match bounds::room_below(here()) {
        Some(room) if room >= need => {
            let result = apart(work);
            wipe::<DEPTH>(room);
            Ok(result)
        }
        _ => elsewhere::<DEPTH, R, W>(work),
    }
}

#[cold]
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
fn elsewhere<const DEPTH: usize, R, W: FnOnce() -> R>(work: W) -> Result<R, W> {
    let Some(own) = super::own_stack::OwnStack::take() else { return Err(work) };
    Ok(own.run(|| {
        let result = apart(work);
        wipe::<DEPTH>(bounds::room_below(here()).unwrap_or(0));
        result
    }))
}

/// Elsewhere a call has to do with what there is.
#[cold]
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
fn elsewhere<const DEPTH: usize, R, W: FnOnce() -> R>(work: W) -> Result<R, W> {
    let result = apart(work);
    wipe::<DEPTH>(bounds::room_below(here()).unwrap_or(0));
    Ok(result)
}

/// Inlining would put the frames of `work` above the stretch that is wiped.
#[inline(never)]
fn apart<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// A place in the caller's frame.
#[inline(always)]
fn here() -> usize {
    let mark = 0_u8;
    (&raw const mark).addr()
}

/// Wipes `DEPTH` bytes, or what there is of the `room` below the caller's frame; a little that every call has used, where
/// that is not known.
#[inline(always)]
fn wipe<const DEPTH: usize>(room: usize) {
    const { assert!(DEPTH > 0 && DEPTH % STRIDE == 0) };
    if room >= DEPTH + FRAMES {
        wipe_whole::<DEPTH>();
    } else {
        wipe_part(room.saturating_sub(FRAMES) / STRIDE * STRIDE);
    }
}

/// Depths are multiples of it.
const STRIDE: usize = 256;

#[cfg(all(target_arch = "x86_64", not(windows)))]
#[inline(always)]
fn wipe_whole<const DEPTH: usize>() {
    x86_64::wipe(DEPTH);
}

#[cfg(all(target_arch = "x86_64", not(windows)))]
#[cold]
#[inline(never)]
fn wipe_part(depth: usize) {
    x86_64::wipe(depth.max(STRIDE));
}

#[cfg(not(all(target_arch = "x86_64", not(windows))))]
fn wipe_whole<const DEPTH: usize>() {
    zeroize::zeroize_stack::<DEPTH>();
    registers::wipe();
}

#[cfg(not(all(target_arch = "x86_64", not(windows))))]
#[cold]
fn wipe_part(depth: usize) {
    match depth {
        CIPHER.. => wipe_whole::<CIPHER>(),
        SHALLOW.. => wipe_whole::<SHALLOW>(),
        1024.. => wipe_whole::<1024>(),
        _ => wipe_whole::<STRIDE>(),
    }
}

/// Stack and registers in one: the widest registers are zero by then and need only be stored.
#[cfg(all(target_arch = "x86_64", not(windows)))]
mod x86_64 {
    use std::arch::{global_asm, is_x86_feature_detected};

    // A function in assembly, because a compiler would keep what an `asm!` in Rust says it changes. It writes from its
    // own frame downwards, as stacks grow: first what lies above the first boundary of a cache line, then whole lines.
    // Of the registers it clears those that a called function may change: whatever is in them after the last one is of
    // no use to anybody.
    global_asm!(
        ".hidden panseal_internal_wipe",
        ".globl panseal_internal_wipe",
        ".type panseal_internal_wipe, @function",
        "panseal_internal_wipe:",
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rax, rsp",
        "sub rsp, rsi",
        "and rsp, -64",
        "test edi, edi",
        "jz 4f",
        // With AVX, what clears the lower half of a register clears the whole.
        "vpxor xmm0, xmm0, xmm0",
        "vpxor xmm1, xmm1, xmm1",
        "vpxor xmm2, xmm2, xmm2",
        "vpxor xmm3, xmm3, xmm3",
        "vpxor xmm4, xmm4, xmm4",
        "vpxor xmm5, xmm5, xmm5",
        "vpxor xmm6, xmm6, xmm6",
        "vpxor xmm7, xmm7, xmm7",
        "vpxor xmm8, xmm8, xmm8",
        "vpxor xmm9, xmm9, xmm9",
        "vpxor xmm10, xmm10, xmm10",
        "vpxor xmm11, xmm11, xmm11",
        "vpxor xmm12, xmm12, xmm12",
        "vpxor xmm13, xmm13, xmm13",
        "vpxor xmm14, xmm14, xmm14",
        "vpxor xmm15, xmm15, xmm15",
        "cmp edi, 2",
        "jb 3f",
        "vpxorq zmm16, zmm16, zmm16",
        "vpxorq zmm17, zmm17, zmm17",
        "vpxorq zmm18, zmm18, zmm18",
        "vpxorq zmm19, zmm19, zmm19",
        "vpxorq zmm20, zmm20, zmm20",
        "vpxorq zmm21, zmm21, zmm21",
        "vpxorq zmm22, zmm22, zmm22",
        "vpxorq zmm23, zmm23, zmm23",
        "vpxorq zmm24, zmm24, zmm24",
        "vpxorq zmm25, zmm25, zmm25",
        "vpxorq zmm26, zmm26, zmm26",
        "vpxorq zmm27, zmm27, zmm27",
        "vpxorq zmm28, zmm28, zmm28",
        "vpxorq zmm29, zmm29, zmm29",
        "vpxorq zmm30, zmm30, zmm30",
        "vpxorq zmm31, zmm31, zmm31",
        "vmovdqu64 [rax - 64], zmm0",
        "and rax, -64",
        "2:",
        "vmovdqa64 [rax - 64], zmm0",
        "vmovdqa64 [rax - 128], zmm0",
        "vmovdqa64 [rax - 192], zmm0",
        "vmovdqa64 [rax - 256], zmm0",
        "sub rax, 256",
        "cmp rax, rsp",
        "ja 2b",
        "vzeroupper",
        "jmp 6f",
        "3:",
        "vmovdqu [rax - 32], ymm0",
        "vmovdqu [rax - 64], ymm0",
        "and rax, -64",
        "2:",
        "vmovdqa [rax - 32], ymm0",
        "vmovdqa [rax - 64], ymm0",
        "vmovdqa [rax - 96], ymm0",
        "vmovdqa [rax - 128], ymm0",
        "vmovdqa [rax - 160], ymm0",
        "vmovdqa [rax - 192], ymm0",
        "vmovdqa [rax - 224], ymm0",
        "vmovdqa [rax - 256], ymm0",
        "sub rax, 256",
        "cmp rax, rsp",
        "ja 2b",
        "vzeroupper",
        "jmp 6f",
        "4:",
        "pxor xmm0, xmm0",
        "pxor xmm1, xmm1",
        "pxor xmm2, xmm2",
        "pxor xmm3, xmm3",
        "pxor xmm4, xmm4",
        "pxor xmm5, xmm5",
        "pxor xmm6, xmm6",
        "pxor xmm7, xmm7",
        "pxor xmm8, xmm8",
        "pxor xmm9, xmm9",
        "pxor xmm10, xmm10",
        "pxor xmm11, xmm11",
        "pxor xmm12, xmm12",
        "pxor xmm13, xmm13",
        "pxor xmm14, xmm14",
        "pxor xmm15, xmm15",
        "movups [rax - 16], xmm0",
        "movups [rax - 32], xmm0",
        "movups [rax - 48], xmm0",
        "movups [rax - 64], xmm0",
        "and rax, -64",
        "2:",
        "movaps [rax - 16], xmm0",
        "movaps [rax - 32], xmm0",
        "movaps [rax - 48], xmm0",
        "movaps [rax - 64], xmm0",
        "sub rax, 64",
        "cmp rax, rsp",
        "ja 2b",
        "6:",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "xor eax, eax",
        "xor ecx, ecx",
        "xor edx, edx",
        "xor esi, esi",
        "xor edi, edi",
        "xor r8d, r8d",
        "xor r9d, r9d",
        "xor r10d, r10d",
        "xor r11d, r11d",
        "ret",
        ".cfi_endproc",
        ".size panseal_internal_wipe, . - panseal_internal_wipe",
    );

    unsafe extern "sysv64" {
        /// `level`: 0 has SSE2, 1 AVX as well, 2 AVX-512 as well. `depth` is a multiple of [`super::STRIDE`], not 0.
        fn panseal_internal_wipe(level: u32, depth: usize);
    }

    /// The best level of this machine.
    #[inline(always)]
    pub(super) fn level() -> u32 {
        u32::from(is_x86_feature_detected!("avx")) + u32::from(is_x86_feature_detected!("avx512f"))
    }

    #[inline(always)]
    pub(super) fn wipe(depth: usize) {
        wipe_by(level(), depth);
    }

    #[inline(always)]
    pub(super) fn wipe_by(level: u32, depth: usize) {
        // SAFETY: it changes only registers that the calling convention lets it change, and the CPU has them; of the
        // stack it writes what lies below its own frame.
        unsafe { panseal_internal_wipe(level, depth) }
    }
}

#[cfg(target_arch = "aarch64")]
mod registers {
    use std::arch::asm;

    pub(super) fn wipe() {
        // SAFETY: it changes only what it says, none of which a caller relies on.
        unsafe {
            asm!(
                "movi v0.2d, #0", "movi v1.2d, #0", "movi v2.2d, #0", "movi v3.2d, #0",
                "movi v4.2d, #0", "movi v5.2d, #0", "movi v6.2d, #0", "movi v7.2d, #0",
                "movi v16.2d, #0", "movi v17.2d, #0", "movi v18.2d, #0", "movi v19.2d, #0",
                "movi v20.2d, #0", "movi v21.2d, #0", "movi v22.2d, #0", "movi v23.2d, #0",
                "movi v24.2d, #0", "movi v25.2d, #0", "movi v26.2d, #0", "movi v27.2d, #0",
                "movi v28.2d, #0", "movi v29.2d, #0", "movi v30.2d, #0", "movi v31.2d, #0",
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _,
                out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _,
                out("v30") _, out("v31") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }
}

/// Elsewhere the registers stay as they are.
#[cfg(not(any(all(target_arch = "x86_64", not(windows)), target_arch = "aarch64")))]
mod registers {
    pub(super) fn wipe() {}
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use std::mem::MaybeUninit;

    const PLANTED: usize = 2000;

    #[inline(never)]
    fn plant() {
        let room = [0x5a_u8; PLANTED];
        zeroize::optimization_barrier(&room);
    }

    /// How many planted bytes lie below the caller.
    #[inline(never)]
    fn left() -> usize {
        let room = MaybeUninit::<[u8; 2 * PLANTED]>::uninit();
        let start = std::hint::black_box(room.as_ptr().cast::<u8>());
        // SAFETY: they are bytes of the stack, whatever their values.
        (0..2 * PLANTED).filter(|place| unsafe { start.add(*place).read_volatile() } == 0x5a).count()
    }

    #[test]
    fn nothing_is_left_below_a_call_that_wipes_and_most_is_left_below_one_that_does_not() {
        apart(plant);
        assert!(left() > PLANTED / 2, "the search finds what was planted");
        wipe_after::<{ 4 * SHALLOW }, _>(plant);
        assert_eq!(left(), 0);
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", not(windows)))]
    fn every_path_of_this_machine_wipes_as_deep_as_it_is_told_and_no_deeper() {
        for level in 0..=x86_64::level() {
            for depth in [STRIDE, 2 * STRIDE, 4 * SHALLOW] {
                apart(plant);
                x86_64::wipe_by(level, depth);
                let left = left();
                assert_eq!(left == 0, depth > PLANTED, "level {level}, depth {depth}: {left} left");
            }
        }
    }
}
