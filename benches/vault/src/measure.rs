//! Two sides by turns, and what one costs in terms of the other.

use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// What something took: time, and processor time of all threads of this process.
#[derive(Clone, Copy)]
pub struct Took {
    time: Duration,
    processor: Duration,
}

impl Took {
    /// For each of so many operations.
    pub fn each(self, operations: usize) -> Each {
        let each = |took: Duration| took.as_secs_f64() * 1e6 / operations as f64;
        Each { time: each(self.time), processor: each(self.processor) }
    }
}

/// Microseconds an operation.
#[derive(Clone, Copy)]
pub struct Each {
    time: f64,
    processor: f64,
}

impl Each {
    /// Time.
    pub fn time(self) -> f64 {
        self.time
    }

    /// Processor time of all threads of this process.
    pub fn processor(self) -> f64 {
        self.processor
    }
}

/// What `work` takes.
pub fn timed(work: impl FnOnce()) -> Took {
    let (start, before) = (Instant::now(), processor());
    work();
    Took { time: start.elapsed(), processor: processor() - before }
}

fn processor() -> Duration {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: room for the answer, which zeros are too.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let parts = [usage.ru_utime, usage.ru_stime];
    parts.map(|part| Duration::from_micros((part.tv_sec * 1_000_000 + part.tv_usec) as u64)).iter().sum()
}

/// A line of the table: what a round took on either side.
pub struct Line {
    what: String,
    goal: &'static str,
    ours: Vec<Each>,
    theirs: Vec<Each>,
}

impl Line {
    pub fn new(what: impl Into<String>, goal: &'static str) -> Line {
        Line { what: what.into(), goal, ours: Vec::new(), theirs: Vec::new() }
    }

    /// Whether the line has a word in it that the command line asks for with `+word`, or none does.
    pub fn is_wanted(&self) -> bool {
        let mut words =
            std::env::args().filter_map(|word| Some(word.strip_prefix('+')?.to_owned())).peekable();
        words.peek().is_none() || words.any(|word| self.what.contains(&word))
    }

    /// So many rounds, each side first in every other one; then prints the line.
    pub fn run(
        mut self,
        rounds: usize,
        mut ours: impl FnMut(usize) -> Each,
        mut theirs: impl FnMut(usize) -> Each,
    ) {
        if !self.is_wanted() {
            return;
        }
        for round in 0..rounds {
            let (our, their) = if round % 2 == 0 {
                let our = ours(round);
                (our, theirs(round))
            } else {
                let their = theirs(round);
                (ours(round), their)
            };
            self.push(our, their);
        }
        self.show();
    }

    pub fn push(&mut self, ours: Each, theirs: Each) {
        self.ours.push(ours);
        self.theirs.push(theirs);
    }

    /// Prints the median time of either side and the median of the rounds' ratios; the ratio of the sums, for what is
    /// rare and dear, such as a checkpoint, is in that one alone; and the ratio of processor time, which other work on
    /// the machine and its disk disturb the least.
    pub fn show(&self) {
        let of = |side: &[Each], part: fn(&Each) -> f64| -> Vec<f64> { side.iter().map(part).collect() };
        let (ours, theirs) = (of(&self.ours, |each| each.time), of(&self.theirs, |each| each.time));
        let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
        let sum = |side: &[Each], part| of(side, part).iter().sum::<f64>();
        let ratio = |part| sum(&self.ours, part) / sum(&self.theirs, part);
        println!(
            "{:<60} {:>9.2} {:>9.2} {:>7.2} {:>7.2} {:>7.2}  {}",
            self.what,
            median(ours),
            median(theirs),
            median(ratios),
            ratio(|each| each.time),
            ratio(|each| each.processor),
            self.goal
        );
    }
}

pub fn heading() {
    let heads = ["us an operation", "ours", "theirs", "ratio", "of sums", "of cpu"];
    let [what, ours, theirs, ratio, sums, cpu] = heads;
    println!("{what:<60} {ours:>9} {theirs:>9} {ratio:>7} {sums:>7} {cpu:>7}  goal");
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
