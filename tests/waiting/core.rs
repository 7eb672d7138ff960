//! A core dump as the kernel writes it when a process dies: memory, and the registers of each thread.

use super::Found;
use crate::residue::Search;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Kinds of a program header, and of a note.
const LOAD: u32 = 1;
const NOTE: u32 = 4;
const STATUS: u32 = 1;
/// Where a thread's registers are in its status, and among them the system call that it is in and its stack pointer.
const REGISTERS: usize = 112;
const SYSTEM_CALL: usize = REGISTERS + 15 * 8;
const STACK_POINTER: usize = REGISTERS + 19 * 8;

/// Why core dumps cannot be had here: the kernel gives them to a program, or writes them elsewhere.
pub fn not_here() -> Option<String> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    match pattern.trim() {
        "" => Some("the kernel writes no core dumps".into()),
        elsewhere if elsewhere.starts_with(['|', '/']) => Some(format!("core_pattern is {elsewhere}")),
        _ => None,
    }
}

/// The core dump in a folder.
pub fn in_folder(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut dumps = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("core"));
    dumps.next().expect("a core dump; ulimit -c must not keep it from being written")
}

/// A thread: its stack pointer where it was on a processor, and what the dump says of its registers.
struct Thread {
    sp: Option<u64>,
    notes: Range<usize>,
}

/// A stretch of memory: where it is in the dump, and where it was.
struct Segment {
    bytes: Range<usize>,
    start: u64,
}

/// Searches a core dump.
pub fn search(dump: &Path, search: &Search) -> Found {
    let dump = fs::read(dump).unwrap();
    assert_eq!(&dump[..4], b"\x7fELF");
    let (segments, threads) = parts(&dump);
    let is_running = |thread: &&Thread| thread.sp.is_some();
    let mut found = Found { running: threads.iter().filter(is_running).count(), ..Found::default() };
    found.waiting = threads.len() - found.running;
    search.each(&dump, |at, needle| {
        let segment = segments.iter().find(|segment| segment.bytes.contains(&at));
        let holds_stack_of = |thread: &&Thread| {
            let offset = |segment: &Segment| thread.sp?.checked_sub(segment.start);
            segment.is_some_and(|segment| offset(segment).is_some_and(|at| at < segment.bytes.len() as u64))
        };
        let runs_there = threads.iter().filter(is_running);
        let is_apart = runs_there.clone().any(|thread| thread.notes.contains(&at) || holds_stack_of(&thread));
        let needle = &search.needles()[needle];
        let what = format!("{}, {}", needle.secret, needle.form);
        if is_apart { found.apart.push(what) } else { found.left.push(what) }
    });
    found
}

fn number<const LEN: usize>(dump: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes[..LEN].copy_from_slice(&dump[at..at + LEN]);
    u64::from_le_bytes(bytes)
}

fn parts(dump: &[u8]) -> (Vec<Segment>, Vec<Thread>) {
    let (mut segments, mut threads) = (Vec::new(), Vec::new());
    let (headers, size) = (number::<8>(dump, 32) as usize, number::<2>(dump, 54) as usize);
    for header in (0..number::<2>(dump, 56) as usize).map(|place| headers + place * size) {
        let start = number::<8>(dump, header + 8) as usize;
        let bytes = start..start + number::<8>(dump, header + 32) as usize;
        match number::<4>(dump, header) as u32 {
            LOAD => segments.push(Segment { bytes, start: number::<8>(dump, header + 16) }),
            NOTE => threads.extend(threads_of(dump, bytes)),
            _ => {}
        }
    }
    (segments, threads)
}

/// The notes of a thread stand behind its status.
fn threads_of(dump: &[u8], notes: Range<usize>) -> Vec<Thread> {
    let (mut threads, mut at): (Vec<Thread>, usize) = (Vec::new(), notes.start);
    while at + 12 <= notes.end {
        let [name, content, kind] = [0, 4, 8].map(|field| number::<4>(dump, at + field) as usize);
        let begin = at + 12 + name.next_multiple_of(4);
        let end = begin + content.next_multiple_of(4);
        if kind as u32 == STATUS && dump[at + 12..].starts_with(b"CORE") {
            let in_call = number::<8>(dump, begin + SYSTEM_CALL) != u64::MAX;
            let sp = (!in_call).then(|| number::<8>(dump, begin + STACK_POINTER));
            threads.push(Thread { sp, notes: begin..end });
        } else if let Some(thread) = threads.last_mut() {
            thread.notes.end = end;
        }
        at = end;
    }
    threads
}
