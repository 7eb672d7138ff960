//! A commit that is in doubt, and becomes known at the worst moment.

use super::super::store::memory::MemoryStore;
use super::super::store::{Fresh, Head, Held, Lane, Line, Rows, Store, Work, again, in_doubt};
use super::super::{KeyTable, Keyring, Refusals, Roots, Shared, Sources, Unjoined, Vault, check_fence};
use super::{Kind, chained, check_chain};
use crate::error::{Code, Result};
use crate::keys::Root;
use crate::scheme::Scheme;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A store that does what it is asked, but says of its first transaction that it is in doubt, does not show it to who
/// looks first, and has the second one run again.
struct Doubtful {
    inner: MemoryStore,
    transactions: AtomicU32,
    looks: AtomicU32,
}

impl Doubtful {
    /// Takes a lane back to where the transaction has begun, as if nobody knew what became of it.
    fn doubt(&self, held: &mut Held) -> Result<()> {
        let mut line = None;
        self.inner.read(&mut |rows| {
            line = rows.last_line(rows.tenant_of("")?, 1)?;
            Ok(())
        })?;
        let line: Line = line.ok_or(Code::Internal)?;
        let mut before = None;
        self.inner.read(&mut |rows| {
            let opening = rows.main_lines(rows.tenant_of("")?, line.chain, 1)?.pop();
            before = opening.filter(|opening| opening.kind == Kind::Open);
            Ok(())
        })?;
        let before = Head { chain: line.chain, seq: 0, mac: before.ok_or(Code::Internal)?.mac };
        let mut lane = Lane::default();
        lane.set("", Some(before));
        lane.keep();
        lane.note_first(&line);
        lane.set("", Some(Head { chain: line.chain, seq: line.seq, mac: line.mac }));
        // It is looked what stands in its way.
        for _ in 0..3 {
            lane.is_set_back();
        }
        held.lane = Some(lane);
        held.doubt();
        self.inner.write(&mut |rows| {
            rows.lane()?.set("", Some(before));
            Ok(())
        })
    }
}

impl Store for Doubtful {
    fn name(&self) -> &'static str {
        "doubtful"
    }

    fn schema(&self) -> i32 {
        self.inner.schema()
    }

    fn read(&self, work: Work<'_>) -> Result<()> {
        if self.looks.fetch_add(1, Ordering::Relaxed) == 0 { Ok(()) } else { self.inner.read(work) }
    }

    fn write_held(&self, held: &mut Held, work: Work<'_>) -> Result<()> {
        match self.transactions.fetch_add(1, Ordering::Relaxed) {
            0 => {
                self.inner.write_held(held, work)?;
                self.doubt(held)?;
                Err(in_doubt())
            }
            1 => Err(again()),
            _ => self.inner.write_held(held, work),
        }
    }

    fn let_go(&self) {}
}

/// A vault on such a store, whose first chain is open.
fn vault() -> Vault {
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("file:{}", folder.path().join("root").display());
    Root::create(&uri).unwrap();
    let roots = vec![Root::parse(&uri).unwrap()];
    let table = KeyTable::new(&roots[0].fetch().unwrap(), 1).unwrap();
    let sources = Sources { roots: &roots, previous: None, commitment: None };
    let keyring = Keyring::load(&table, &sources).unwrap();
    let inner = MemoryStore::new(&mut |rows| rows.insert_key_table(&table)).unwrap();
    let store = Doubtful { inner, transactions: AtomicU32::new(9), looks: AtomicU32::new(9) };
    let store = Arc::new(store);
    let shared = Shared {
        store: Arc::clone(&store) as Arc<dyn Store>,
        roots: Roots::new(roots),
        keyring: ArcSwap::from_pointee(keyring),
        loading: Mutex::new(()),
        guard: ArcSwapOption::empty(),
        stand_in: ArcSwapOption::empty(),
        unjoined: Unjoined::default(),
        refusals: Refusals::default(),
        busy_timeout: Duration::from_secs(5),
        min_generation: 0,
        commitment: None,
    };
    let keyring = shared.keyring.load_full();
    shared.open_chain("", &keyring, &mut Held::default()).unwrap();
    store.transactions.store(0, Ordering::Relaxed);
    store.looks.store(0, Ordering::Relaxed);
    Vault {
        shared: Arc::new(shared),
        merchant: "".into(),
        actor: "".into(),
        scheme: Scheme::default(),
        no_reveal: false,
    }
}

/// It is committed between the question for it and the look at what has its place: that is its own line.
#[test]
fn a_transaction_that_is_committed_late_is_not_run_twice() {
    let vault = vault();
    let keyring = vault.shared.keyring.load_full();
    let line = vault.line(1, "rewrap", "").unwrap();
    let done = vault.shared.commit(&vault.merchant, &keyring, 1, &mut |held| {
        vault.shared.store.write_held(held, &mut |rows| {
            check_fence(rows, &keyring)?;
            check_chain(rows, "")?;
            let lines = chained(rows, &keyring, "", [line.clone()])?;
            rows.insert("", &Fresh { lines: &lines, ..Fresh::default() })
        })
    });
    assert_eq!(done, Ok(()), "it was done, and whoever asked for it does not run it again");
    let mut lines = Vec::new();
    let look = &mut |rows: &dyn Rows| {
        lines = rows.all_lines(rows.tenant_of("")?, (0, 0), 10)?;
        Ok(())
    };
    vault.shared.store.read(look).unwrap();
    assert_eq!(lines.len(), 1);
}
