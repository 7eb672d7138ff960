//! Writing the trail: lines in the transaction of what they tell of, chains opened and joined, the head anchored.

use super::super::store::{
    Action, AuditRow, ChainRow, Head, Held, Kind, Line, Mac, MainLine, Rows, Span, VAULT, again, is_again,
    is_in_doubt, is_no_chain, no_chain,
};
use super::super::{Pauses, Shared, Vault, check_fence};
use super::mac::{Chainer, NOTHING, Owner, take_mac, take_number};
use crate::error::{Code, Result};
use crate::keys::Keyring;
use crate::secret::reserve;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many lines of a merchant are written before they are joined.
const JOIN_AFTER: u32 = 512;
/// How long joining waits where there are fewer.
const JOIN_EVERY: Duration = Duration::from_secs(10);
/// After how many seconds without a new line a chain is ended.
const DEAD_AFTER: i64 = 3600;
/// How many merchants are counted before all are forgotten.
const MOST: usize = 10_000;

/// How many lines of each merchant this process has written since they were last joined, and when that was.
#[derive(Default)]
pub struct Unjoined(Mutex<BTreeMap<Box<str>, (u32, Instant)>>);

impl Unjoined {
    /// Counts lines; says whether it is time to join.
    fn count(&self, merchant: &str, lines: u32) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST {
            counts.clear();
        }
        let now = Instant::now();
        let (count, since) = match counts.get_mut(merchant) {
            Some(known) => known,
            None => counts.entry(merchant.into()).or_insert((0, now)),
        };
        *count += lines;
        let due = *count >= JOIN_AFTER || now.duration_since(*since) >= JOIN_EVERY;
        if due {
            (*count, *since) = (0, now);
        }
        due
    }

    /// The merchants with lines that are not joined, as far as this process knows.
    fn take(&self) -> Vec<Box<str>> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        counts.into_iter().filter(|(_, (count, _))| *count > 0).map(|(merchant, _)| merchant).collect()
    }
}

/// Codes of a failure that has not waited for what the lost transaction holds: it may be committed still.
fn tells_nothing(code: Code) -> bool {
    matches!(code, Code::Busy | Code::Store | Code::Memory | Code::Internal | Code::Fork)
}

/// Again later, where the writer has no chain for the merchant: found out before there is anything to undo.
pub fn check_chain(rows: &dyn Rows, merchant: &str) -> Result<()> {
    if rows.lane()?.head(merchant).is_some() { Ok(()) } else { Err(no_chain()) }
}

/// Puts lines at the next places of the writer's chain.
pub fn chained(
    rows: &dyn Rows,
    keyring: &Keyring,
    merchant: &str,
    says: impl IntoIterator<Item = AuditRow>,
) -> Result<Vec<Line>> {
    let mut lane = rows.lane()?;
    let mut head = lane.head(merchant).ok_or_else(no_chain)?;
    let lines = Chainer::lend(keyring, Owner::Merchant(merchant), |chainer| {
        let next = |row| {
            let mut line = Line { chain: head.chain, seq: head.seq + 1, row, old: None, mac: NOTHING };
            line.mac = chainer.line(&line, &head.mac);
            head = Head { seq: line.seq, mac: line.mac, ..head };
            Ok(line)
        };
        reserve::gather(says.into_iter().map(next))
    })??;
    if let Some(first) = lines.first() {
        lane.note_first(first);
        lane.set(merchant, Some(head));
    }
    Ok(lines)
}

/// Adds lines to a main chain, one behind the other.
pub(super) struct MainChain<'m> {
    rows: &'m dyn Rows,
    keyring: &'m Keyring,
    tenant: i64,
    owner: Owner<'m>,
    now: i64,
    last: (i64, Mac),
}

impl<'m> MainChain<'m> {
    /// Keeps others off it until the transaction ends.
    pub(super) fn locked(
        rows: &'m dyn Rows,
        keyring: &'m Keyring,
        (tenant, owner): (i64, Owner<'m>),
        now: i64,
    ) -> Result<MainChain<'m>> {
        rows.lock_main(tenant)?;
        let last = rows.last_main(tenant, None)?.map_or((0, NOTHING), |line| (line.seq, line.mac));
        Ok(MainChain { rows, keyring, tenant, owner, now, last })
    }

    /// The place of the next line.
    pub(super) fn next(&self) -> i64 {
        self.last.0 + 1
    }

    pub(super) fn add(&mut self, kind: Kind, span: Span, link: &[u8], body: Vec<u8>) -> Result<MainLine> {
        let Span { chain, first, last } = span;
        let (seq, at) = (self.next(), self.now);
        let mut line = MainLine { seq, kind, chain, first, last, link: link.into(), at, body, mac: NOTHING };
        line.mac = Chainer::lend(self.keyring, self.owner, |chainer| chainer.main(&line, &self.last.1))?;
        self.rows.insert_main(self.tenant, &line)?;
        self.last = (line.seq, line.mac);
        Ok(line)
    }
}

impl Shared {
    /// Commits a transaction with lines of a merchant; where the connection is lost over it, finds out by its first
    /// line whether that was done, and runs the same transaction again if not. It cannot be done twice: the line's place
    /// can be taken once, and until that is known the call keeps its lane.
    ///
    /// The lost one may still be running when it is run again. What it holds is waited for, so a refusal that it has
    /// caused itself (what was deleted is gone, what was made is there) comes when its line is there too.
    pub(in super::super) fn commit(
        &self,
        merchant: &Arc<str>,
        keyring: &Keyring,
        lines: u32,
        transact: &mut dyn FnMut(&mut Held) -> Result<()>,
    ) -> Result<()> {
        let mut held = Held::of(merchant);
        let done = self.commit_held(merchant, keyring, &mut held, transact);
        self.store.release(held);
        if done.is_ok() && self.unjoined.count(merchant, lines) {
            // What was done is done; who reads the trail joins it otherwise.
            let _ = self.join(keyring, merchant);
        }
        done
    }

    fn commit_held(
        &self,
        merchant: &Arc<str>,
        keyring: &Keyring,
        held: &mut Held,
        transact: &mut dyn FnMut(&mut Held) -> Result<()>,
    ) -> Result<()> {
        let mut pauses = Pauses::until(self.busy_timeout);
        let mut in_doubt = None;
        loop {
            let outcome = transact(held);
            match outcome {
                Err(error) if is_in_doubt(&error) => in_doubt = Some(error),
                Err(_) if in_doubt.is_some() => {}
                Err(error) if is_no_chain(&error) => {
                    pauses.check()?;
                    self.open_chain(merchant, keyring, held)?;
                    continue;
                }
                Err(error) if is_again(&error) => {
                    // Where that is not found out now, it is the next time: nothing of this call is in doubt.
                    let _ = self.leave_ended_chain(merchant, held);
                    return outcome;
                }
                other => return other,
            }
            let asked = self.ask_for_tried(merchant, held);
            match (asked, outcome) {
                (Ok(true), _) => return Ok(()),
                (Ok(false), Err(refused)) if !tells_nothing(refused.code()) => return outcome,
                (Ok(false), Err(error)) if is_again(&error) => {
                    // What keeps this from being found out is no answer yet.
                    if matches!(self.leave_ended_chain(merchant, held), Ok(true)) {
                        // Its place is taken: by one of them, which has been committed since, or by somebody else's line,
                        // and then none of them can ever be.
                        match self.ask_for_tried(merchant, held) {
                            Ok(true) => return Ok(()),
                            Ok(false) => {
                                held.forget_tried();
                                return outcome;
                            }
                            Err(_) => {}
                        }
                    }
                }
                _ => {}
            }
            pauses.pause().map_err(|busy| in_doubt.unwrap_or(busy))?;
        }
    }

    /// Whether one of the transactions in doubt was committed.
    fn ask_for_tried(&self, merchant: &str, held: &mut Held) -> Result<bool> {
        let places: Vec<(i64, i64)> = held.tried().collect();
        let mut found = Vec::new();
        self.store.read(&mut |rows| {
            found.clear();
            let tenant = rows.tenant_of(merchant)?;
            for (chain, seq) in &places {
                found.push(rows.line_mac(tenant, *chain, *seq)?);
            }
            Ok(())
        })?;
        let mut there = places.into_iter().zip(found).filter_map(|(place, mac)| Some((place, mac?)));
        Ok(there.any(|(place, mac)| held.was_done(place, mac)))
    }

    /// Goes to no chain where somebody else has the next place in the writer's: it was taken for dead. Says whether it
    /// was.
    fn leave_ended_chain(&self, merchant: &str, held: &mut Held) -> Result<bool> {
        let mut ended = false;
        if held.lane.as_mut().is_some_and(|lane| !lane.is_set_back()) {
            return Ok(false);
        }
        self.store.write_held(held, &mut |rows| {
            let Some(head) = rows.lane()?.head(merchant) else { return Ok(()) };
            let tenant = rows.tenant_of(merchant)?;
            ended = rows.line_mac(tenant, head.chain, head.seq + 1)?.is_some();
            if ended {
                rows.lane()?.set(merchant, None);
            }
            Ok(())
        })?;
        Ok(ended)
    }

    /// Opens a chain of the merchant's for the writer, in a transaction of its own: its line is there before any that
    /// stands behind it. One whose commit is in doubt is left alone.
    pub(in super::super) fn open_chain(
        &self,
        merchant: &str,
        keyring: &Keyring,
        held: &mut Held,
    ) -> Result<()> {
        let now = super::super::now();
        self.store
            .write_held(held, &mut |rows| {
                check_fence(rows, keyring)?;
                if rows.lane()?.head(merchant).is_some() {
                    return Ok(());
                }
                let tenant = rows.tenant_made(merchant)?;
                let owner = Owner::Merchant(merchant);
                let mut main = MainChain::locked(rows, keyring, (tenant, owner), now)?;
                let span = Span { chain: main.next(), first: 0, last: 0 };
                let line = main.add(Kind::Open, span, &[], Vec::new())?;
                rows.put_chain(tenant, &ChainRow { id: line.seq, joined: 0, at: now })?;
                let head = Head { chain: line.seq, seq: 0, mac: line.mac };
                rows.lane()?.set(merchant, Some(head));
                Ok(())
            })
            .map_err(|error| if is_in_doubt(&error) { again() } else { error })
    }
}

impl Vault {
    /// Has what is committed of the merchant's lines joined, or of all merchants'.
    pub(in super::super) fn join_committed(&self, keyring: &Keyring, all: bool) -> Result<()> {
        self.shared.join_committed(keyring, (!all).then_some(&*self.merchant))
    }

    /// The audit head. Where none can be written because the database is busy, the last one.
    pub(in super::super) fn audit_head(&self, keyring: &Keyring) -> Result<[u8; super::HEAD_LEN]> {
        match self.shared.anchor(keyring) {
            Err(error) if error.code() == Code::Busy && !is_again(&error) => {
                let mut last = None;
                self.shared.store.read(&mut |rows| {
                    last = rows.last_main(VAULT, None)?;
                    Ok(())
                })?;
                last.as_ref().map(super::head_of).ok_or(error)
            }
            other => other,
        }
    }
}

impl Shared {
    /// What the vault does for the trail when it is closed: as much as can be done at once.
    pub(in super::super) fn join_at_close(&self) {
        let keyring = self.keyring.load_full();
        let unjoined = self.unjoined.take();
        let _ = self.flush_refused(&keyring, true);
        let _ = unjoined.iter().try_for_each(|merchant| self.join(&keyring, merchant));
    }

    /// Joins what is committed of a merchant's chains, and ends those that are dead.
    pub(in super::super) fn join(&self, keyring: &Keyring, merchant: &str) -> Result<()> {
        let now = super::super::now();
        self.write_again(&mut |rows| {
            check_fence(rows, keyring)?;
            let tenant = rows.tenant_of(merchant)?;
            if tenant == VAULT {
                return Ok(());
            }
            let mut main = MainChain::locked(rows, keyring, (tenant, Owner::Merchant(merchant)), now)?;
            for chain in rows.chains(tenant)? {
                self.join_chain(rows, keyring, &mut main, chain)?;
            }
            Ok(())
        })
    }

    fn join_chain(
        &self,
        rows: &dyn Rows,
        keyring: &Keyring,
        main: &mut MainChain<'_>,
        chain: ChainRow,
    ) -> Result<()> {
        let last = rows.last_line(main.tenant, chain.id)?;
        let (last_seq, last_mac) = last.as_ref().map_or((0, None), |line| (line.seq, Some(line.mac)));
        let (mut to, mut link) = (last_seq, last_mac);
        let mut ended = last.is_some_and(|line| line.row.action == Action::END);
        if last_seq < chain.joined {
            // Lines are gone, which a check names. Until they are back nothing is to be said of this chain.
            return Ok(());
        }
        if to <= chain.joined && !ended {
            if main.now - chain.at < DEAD_AFTER {
                return Ok(());
            }
            let before = match link {
                Some(mac) => mac,
                None => self.opening_mac(rows, main.tenant, chain.id)?,
            };
            let line = end_line(keyring, main, (chain.id, to + 1), &before)?;
            rows.insert_lines(main.tenant, std::slice::from_ref(&line))?;
            (to, link, ended) = (line.seq, Some(line.mac), true);
        }
        let kind = if ended { Kind::End } else { Kind::Join };
        let span = Span { chain: chain.id, first: chain.joined + 1, last: to };
        main.add(kind, span, &link.unwrap_or(NOTHING), Vec::new())?;
        if ended {
            rows.delete_chain(main.tenant, chain.id)
        } else {
            rows.put_chain(main.tenant, &ChainRow { id: chain.id, joined: to, at: main.now })
        }
    }

    /// The MAC of the line that opened a chain.
    fn opening_mac(&self, rows: &dyn Rows, tenant: i64, chain: i64) -> Result<Mac> {
        let line = rows.main_lines(tenant, chain, 1)?.into_iter().find(|line| line.seq == chain);
        Ok(line.map_or(NOTHING, |line| line.mac))
    }

    /// Joins whatever is committed: of one merchant, or of all.
    pub(in super::super) fn join_committed(&self, keyring: &Keyring, merchant: Option<&str>) -> Result<()> {
        let mut names = Vec::new();
        self.store.read(&mut |rows| {
            names.clear();
            match merchant {
                Some(name) => {
                    let tenant = rows.tenant_of(name)?;
                    let is_unjoined = tenant != VAULT && !rows.unjoined(Some(tenant))?.is_empty();
                    names.extend(is_unjoined.then(|| name.to_owned()));
                }
                None => {
                    let unjoined = rows.unjoined(None)?;
                    each_tenant(rows, |tenant, name| {
                        names.extend(unjoined.contains(&tenant).then(|| name.to_owned()));
                        Ok(())
                    })?;
                }
            }
            Ok(())
        })?;
        names.iter().try_for_each(|name| self.join(keyring, name))
    }

    /// Anchors the last lines of all main chains in the vault's own, if they are others than before; gives the audit
    /// head.
    fn anchor(&self, keyring: &Keyring) -> Result<[u8; super::HEAD_LEN]> {
        let now = super::super::now();
        let mut head = [0; super::HEAD_LEN];
        self.write_again(&mut |rows| {
            check_fence(rows, keyring)?;
            let anchored: HashMap<i64, i64> =
                rows.chains(VAULT)?.into_iter().map(|chain| (chain.id, chain.joined)).collect();
            let (mut body, mut moved) = (Vec::new(), Vec::new());
            each_tenant(rows, |tenant, _| {
                let Some(last) = rows.last_main(tenant, None)? else { return Ok(()) };
                if anchored.get(&tenant) != Some(&last.seq) {
                    body.extend_from_slice(&tenant.to_be_bytes());
                    body.extend_from_slice(&last.seq.to_be_bytes());
                    body.extend_from_slice(&last.mac);
                    moved.push(ChainRow { id: tenant, joined: last.seq, at: now });
                }
                Ok(())
            })?;
            let last = rows.last_main(VAULT, None)?;
            let last = match last {
                Some(last) if moved.is_empty() => last,
                _ => {
                    let mut main = MainChain::locked(rows, keyring, (VAULT, Owner::Vault), now)?;
                    moved.iter().try_for_each(|chain| rows.put_chain(VAULT, chain))?;
                    main.add(
                        Kind::Anchor,
                        Span { chain: 0, first: 0, last: 0 },
                        &[],
                        std::mem::take(&mut body),
                    )?
                }
            };
            head = super::head_of(&last);
            Ok(())
        })?;
        Ok(head)
    }
}

/// Merchant, main line's place and its MAC, out of an anchor.
pub(super) fn anchored(mut body: &[u8]) -> Result<Vec<(i64, i64, Mac)>> {
    let mut all = Vec::new();
    while !body.is_empty() {
        let (tenant, rest) = take_number(body)?;
        let (seq, rest) = take_number(rest)?;
        let (mac, rest) = take_mac(rest)?;
        all.push((tenant, seq, mac));
        body = rest;
    }
    Ok(all)
}

/// Calls `work` for each merchant.
pub(super) fn each_tenant(rows: &dyn Rows, mut work: impl FnMut(i64, &str) -> Result<()>) -> Result<()> {
    let mut after = i64::MIN;
    loop {
        let page = rows.tenants(after, super::super::LIST_MAX)?;
        for (tenant, name) in &page {
            work(*tenant, name)?;
        }
        match page.last() {
            Some((last, _)) => after = *last,
            None => return Ok(()),
        }
    }
}

fn end_line(keyring: &Keyring, main: &MainChain<'_>, place: (i64, i64), before: &Mac) -> Result<Line> {
    let row = AuditRow {
        at: main.now,
        actor: String::new(),
        action: Action::END,
        token: String::new(),
        reason: String::new(),
    };
    let mut line = Line { chain: place.0, seq: place.1, row, old: None, mac: NOTHING };
    line.mac = Chainer::lend(keyring, main.owner, |chainer| chainer.line(&line, before))?;
    Ok(line)
}

/// Chains the lines that a vault of an older version has, in the order of their ids.
pub(in super::super) fn chain_old_lines(rows: &dyn Rows, keyring: &Keyring, now: i64) -> Result<()> {
    each_tenant(rows, |tenant, name| {
        let (mut last, mut mac) = (0, NOTHING);
        loop {
            let page = rows.all_lines(tenant, (0, last), super::super::LIST_MAX)?;
            for mut line in page.iter().filter(|line| line.chain == 0).cloned() {
                line.mac =
                    Chainer::lend(keyring, Owner::Merchant(name), |chainer| chainer.line(&line, &mac))?;
                rows.seal_old(tenant, &line)?;
                (last, mac) = (line.seq, line.mac);
            }
            if page.is_empty() {
                break;
            }
        }
        if last > 0 {
            let mut main = MainChain::locked(rows, keyring, (tenant, Owner::Merchant(name)), now)?;
            main.add(Kind::End, Span { chain: 0, first: 1, last }, &mac, Vec::new())?;
        }
        Ok(())
    })
}
