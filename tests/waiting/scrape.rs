//! The memory of a subject that is stopped in mid-call and goes on afterwards.
//!
//! A thread that was stopped in a system call waited. One that was on a processor may have been sealing; what is on its
//! stack is counted apart.

use super::Found;
use crate::residue::{Search, Subject};
use std::fs;
use std::ops::Range;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Stops the subject, searches it, and lets it go on.
pub fn scrape(subject: &Subject, process: u32, search: impl FnOnce() -> Search) -> Found {
    signal(process, "-STOP");
    while !is_stopped(process) {
        thread::sleep(Duration::from_millis(1));
    }
    let mut found = Found::default();
    let (stacks, waiting) = on_a_processor(process);
    (found.running, found.waiting) = (stacks.len(), waiting);
    let arena = arena(process);
    assert!(!arena.is_empty(), "the arena was not told apart");
    let search = search();
    for hit in subject.search(&search).outside {
        if arena.iter().any(|range| range.contains(&hit.address)) {
            continue;
        }
        let needle = &search.needles()[hit.needle];
        let what = format!("{}, {}, in {}", needle.secret, needle.form, hit.region.name);
        match stacks.iter().any(|sp| hit.region.range.contains(sp)) {
            true => found.apart.push(what),
            false => found.left.push(what),
        }
    }
    signal(process, "-CONT");
    found
}

pub fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

fn tasks(process: u32, file: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks.map(|task| fs::read_to_string(task.unwrap().path().join(file)).unwrap_or_default()).collect()
}

fn is_stopped(process: u32) -> bool {
    // Behind the name, which ends with the last bracket.
    tasks(process, "stat")
        .iter()
        .all(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T")))
}

/// The stack pointers of the threads that were on a processor, and how many others there are.
fn on_a_processor(process: u32) -> (Vec<u64>, usize) {
    let (mut running, mut waiting) = (Vec::new(), 0);
    for line in tasks(process, "syscall") {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["-1", sp, _] => running.push(u64::from_str_radix(sp.trim_start_matches("0x"), 16).unwrap()),
            _ => waiting += 1,
        }
    }
    (running, waiting)
}

/// The stretches that the kernel wipes on fork: the arena.
fn arena(process: u32) -> Vec<Range<u64>> {
    let maps = fs::read_to_string(format!("/proc/{process}/smaps")).unwrap();
    let (mut found, mut last) = (Vec::new(), 0..0);
    for line in maps.lines() {
        let first = line.split(' ').next().unwrap_or_default();
        let ends =
            first.split_once('-').map(|(start, end)| [start, end].map(|at| u64::from_str_radix(at, 16)));
        if let Some([Ok(start), Ok(end)]) = ends {
            last = start..end;
        } else if first == "VmFlags:" && line.split(' ').any(|flag| flag == "wf") {
            found.push(last.clone());
        }
    }
    found
}
