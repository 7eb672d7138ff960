//! Group commit without a thread of its own: of the threads that want to write, one writes for all of them.
//!
//! A job is queued. Who finds nobody at work leads: it takes what is queued by then, writes it in one transaction and
//! one sync of the disk, tells the others, and hands the lead to the next in the queue. A lone thread leads at once.

use super::super::Job;
use super::lock;
use crate::error::{Code, Result};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The most jobs of one transaction: those who wait for it want an answer.
const BATCH: usize = 64;

/// The jobs that wait.
#[derive(Default)]
pub struct Group {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Place>>,
    led: bool,
}

/// A job's place in the queue.
struct Place {
    job: Arc<dyn Job>,
    turn: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Clone, Copy)]
enum Turn {
    Wait,
    Lead,
    Done(Result<()>),
}

impl Place {
    fn set(&self, turn: Turn) {
        *lock(&self.turn) = turn;
        self.changed.notify_one();
    }

    fn wait(&self) -> Turn {
        let mut turn = lock(&self.turn);
        while matches!(*turn, Turn::Wait) {
            turn = self.changed.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        *turn
    }
}

impl Group {
    /// Has the job done, by `write` on this thread or on another one, and gives what became of it. `write` gives an
    /// outcome for each of its jobs.
    pub fn submit(&self, job: &Arc<dyn Job>, write: impl Fn(&[&dyn Job]) -> Vec<Result<()>>) -> Result<()> {
        let place =
            Arc::new(Place { job: Arc::clone(job), turn: Mutex::new(Turn::Wait), changed: Condvar::new() });
        let leads = {
            let mut queue = lock(&self.queue);
            queue.waiting.push_back(Arc::clone(&place));
            !std::mem::replace(&mut queue.led, true)
        };
        if !leads {
            if let Turn::Done(outcome) = place.wait() {
                return outcome;
            }
        }
        self.lead(write);
        // A leader is the first in the queue: its own job is among those that it has done.
        match place.wait() {
            Turn::Done(outcome) => outcome,
            _ => Err(Code::Internal.into()),
        }
    }

    fn lead(&self, write: impl Fn(&[&dyn Job]) -> Vec<Result<()>>) {
        let batch = {
            let mut queue = lock(&self.queue);
            let end = queue.waiting.len().min(BATCH);
            queue.waiting.drain(..end).collect()
        };
        let mut lead = Lead { group: self, batch };
        let jobs: Vec<&dyn Job> = lead.batch.iter().map(|place| &*place.job).collect();
        let outcomes = write(&jobs);
        for (place, outcome) in std::mem::take(&mut lead.batch).iter().zip(outcomes) {
            place.set(Turn::Done(outcome));
        }
    }
}

/// Whatever happens to a leader, nobody waits for ever.
struct Lead<'g> {
    group: &'g Group,
    batch: Vec<Arc<Place>>,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        for place in &self.batch {
            place.set(Turn::Done(Err(Code::Internal.into())));
        }
        let mut queue = lock(&self.group.queue);
        match queue.waiting.front() {
            Some(next) => next.set(Turn::Lead),
            None => queue.led = false,
        }
    }
}
