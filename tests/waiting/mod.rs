//! Where keys are while the library waits: a subject at work, what its keys look like, and two ways to search it.

pub mod core;
pub mod keys;
pub mod scrape;
pub mod subject;

/// What a search has found outside the arena.
#[derive(Debug, Default)]
pub struct Found {
    /// Secrets where no thread could have been working with them: on the heap, on the stack or in the registers of a
    /// thread that waited.
    pub left: Vec<String>,
    /// Those with threads that were on a processor.
    pub apart: Vec<String>,
    /// How many threads waited.
    pub waiting: usize,
    /// How many were on a processor.
    pub running: usize,
}

impl Found {
    /// Adds what another search has found.
    pub fn add(&mut self, other: Found) {
        self.left.extend(other.left);
        self.apart.extend(other.apart);
        self.waiting += other.waiting;
        self.running += other.running;
    }
}
